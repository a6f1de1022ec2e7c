// Package el makes the elements and attributes of the pages. It is the HTML library's,
// kept out of line: each of its functions is so short that the compiler copies it to
// every place of use, and all the copies together would be 0.6 MB of program.
package el

import (
	"maragu.dev/gomponents"
	"maragu.dev/gomponents/html"
)

// Node is a part of a page.
type Node = gomponents.Node

// Text is an escaped text.
//
//go:noinline
func Text(t string) Node { return gomponents.Text(t) }

// El is an element by name.
//
//go:noinline
func El(name string, children ...Node) Node { return gomponents.El(name, children...) }

// If is a part that is there on a condition.
//
//go:noinline
func If(condition bool, n Node) Node { return gomponents.If(condition, n) }

// Raw is HTML as it is.
//
//go:noinline
func Raw(t string) Node { return gomponents.Raw(t) }

// Group are parts one after the other.
type Group = gomponents.Group

// Attr is an attribute by name.
//
//go:noinline
func Attr(name string, value ...string) Node { return gomponents.Attr(name, value...) }

// A is the element of that name.
//
//go:noinline
func A(children ...Node) Node { return html.A(children...) }

// Action is the attribute of that name.
//
//go:noinline
func Action(v string) Node { return html.Action(v) }

// Alt is the attribute of that name.
//
//go:noinline
func Alt(v string) Node { return html.Alt(v) }

// Article is the element of that name.
//
//go:noinline
func Article(children ...Node) Node { return html.Article(children...) }

// AutoComplete is the attribute of that name.
//
//go:noinline
func AutoComplete(v string) Node { return html.AutoComplete(v) }

// AutoFocus is the attribute of that name.
//
//go:noinline
func AutoFocus() Node { return html.AutoFocus() }

// Body is the element of that name.
//
//go:noinline
func Body(children ...Node) Node { return html.Body(children...) }

// Br is the element of that name.
//
//go:noinline
func Br(children ...Node) Node { return html.Br(children...) }

// Button is the element of that name.
//
//go:noinline
func Button(children ...Node) Node { return html.Button(children...) }

// Charset is the attribute of that name.
//
//go:noinline
func Charset(v string) Node { return html.Charset(v) }

// Checked is the attribute of that name.
//
//go:noinline
func Checked() Node { return html.Checked() }

// Class is the attribute of that name.
//
//go:noinline
func Class(v string) Node { return html.Class(v) }

// Code is the element of that name.
//
//go:noinline
func Code(children ...Node) Node { return html.Code(children...) }

// Content is the attribute of that name.
//
//go:noinline
func Content(v string) Node { return html.Content(v) }

// Data is the attribute of that name.
//
//go:noinline
func Data(name, v string) Node { return html.Data(name, v) }

// DateTime is the attribute of that name.
//
//go:noinline
func DateTime(v string) Node { return html.DateTime(v) }

// Dd is the element of that name.
//
//go:noinline
func Dd(children ...Node) Node { return html.Dd(children...) }

// Details is the element of that name.
//
//go:noinline
func Details(children ...Node) Node { return html.Details(children...) }

// Div is the element of that name.
//
//go:noinline
func Div(children ...Node) Node { return html.Div(children...) }

// Dl is the element of that name.
//
//go:noinline
func Dl(children ...Node) Node { return html.Dl(children...) }

// Doctype is the element of that name.
//
//go:noinline
func Doctype(sibling Node) Node { return html.Doctype(sibling) }

// Dt is the element of that name.
//
//go:noinline
func Dt(children ...Node) Node { return html.Dt(children...) }

// FieldSet is the element of that name.
//
//go:noinline
func FieldSet(children ...Node) Node { return html.FieldSet(children...) }

// For is the attribute of that name.
//
//go:noinline
func For(v string) Node { return html.For(v) }

// Form is the element of that name.
//
//go:noinline
func Form(children ...Node) Node { return html.Form(children...) }

// H1 is the element of that name.
//
//go:noinline
func H1(children ...Node) Node { return html.H1(children...) }

// H2 is the element of that name.
//
//go:noinline
func H2(children ...Node) Node { return html.H2(children...) }

// H3 is the element of that name.
//
//go:noinline
func H3(children ...Node) Node { return html.H3(children...) }

// HTML is the element of that name.
//
//go:noinline
func HTML(children ...Node) Node { return html.HTML(children...) }

// Head is the element of that name.
//
//go:noinline
func Head(children ...Node) Node { return html.Head(children...) }

// Header is the element of that name.
//
//go:noinline
func Header(children ...Node) Node { return html.Header(children...) }

// Href is the attribute of that name.
//
//go:noinline
func Href(v string) Node { return html.Href(v) }

// ID is the attribute of that name.
//
//go:noinline
func ID(v string) Node { return html.ID(v) }

// Img is the element of that name.
//
//go:noinline
func Img(children ...Node) Node { return html.Img(children...) }

// Input is the element of that name.
//
//go:noinline
func Input(children ...Node) Node { return html.Input(children...) }

// Label is the element of that name.
//
//go:noinline
func Label(children ...Node) Node { return html.Label(children...) }

// Lang is the attribute of that name.
//
//go:noinline
func Lang(v string) Node { return html.Lang(v) }

// Legend is the element of that name.
//
//go:noinline
func Legend(children ...Node) Node { return html.Legend(children...) }

// Li is the element of that name.
//
//go:noinline
func Li(children ...Node) Node { return html.Li(children...) }

// Link is the element of that name.
//
//go:noinline
func Link(children ...Node) Node { return html.Link(children...) }

// Main is the element of that name.
//
//go:noinline
func Main(children ...Node) Node { return html.Main(children...) }

// MaxLength is the attribute of that name.
//
//go:noinline
func MaxLength(v string) Node { return html.MaxLength(v) }

// Meta is the element of that name.
//
//go:noinline
func Meta(children ...Node) Node { return html.Meta(children...) }

// Method is the attribute of that name.
//
//go:noinline
func Method(v string) Node { return html.Method(v) }

// Name is the attribute of that name.
//
//go:noinline
func Name(v string) Node { return html.Name(v) }

// Nav is the element of that name.
//
//go:noinline
func Nav(children ...Node) Node { return html.Nav(children...) }

// Ol is the element of that name.
//
//go:noinline
func Ol(children ...Node) Node { return html.Ol(children...) }

// Option is the element of that name.
//
//go:noinline
func Option(children ...Node) Node { return html.Option(children...) }

// P is the element of that name.
//
//go:noinline
func P(children ...Node) Node { return html.P(children...) }

// Placeholder is the attribute of that name.
//
//go:noinline
func Placeholder(v string) Node { return html.Placeholder(v) }

// Pre is the element of that name.
//
//go:noinline
func Pre(children ...Node) Node { return html.Pre(children...) }

// Rel is the attribute of that name.
//
//go:noinline
func Rel(v string) Node { return html.Rel(v) }

// Required is the attribute of that name.
//
//go:noinline
func Required() Node { return html.Required() }

// Role is the attribute of that name.
//
//go:noinline
func Role(v string) Node { return html.Role(v) }

// Scope is the attribute of that name.
//
//go:noinline
func Scope(v string) Node { return html.Scope(v) }

// Script is the element of that name.
//
//go:noinline
func Script(children ...Node) Node { return html.Script(children...) }

// Section is the element of that name.
//
//go:noinline
func Section(children ...Node) Node { return html.Section(children...) }

// Select is the element of that name.
//
//go:noinline
func Select(children ...Node) Node { return html.Select(children...) }

// Selected is the attribute of that name.
//
//go:noinline
func Selected() Node { return html.Selected() }

// Small is the element of that name.
//
//go:noinline
func Small(children ...Node) Node { return html.Small(children...) }

// Span is the element of that name.
//
//go:noinline
func Span(children ...Node) Node { return html.Span(children...) }

// Src is the attribute of that name.
//
//go:noinline
func Src(v string) Node { return html.Src(v) }

// Strong is the element of that name.
//
//go:noinline
func Strong(children ...Node) Node { return html.Strong(children...) }

// StyleEl is the element of that name.
//
//go:noinline
func StyleEl(children ...Node) Node { return html.StyleEl(children...) }

// Summary is the element of that name.
//
//go:noinline
func Summary(children ...Node) Node { return html.Summary(children...) }

// TBody is the element of that name.
//
//go:noinline
func TBody(children ...Node) Node { return html.TBody(children...) }

// THead is the element of that name.
//
//go:noinline
func THead(children ...Node) Node { return html.THead(children...) }

// Table is the element of that name.
//
//go:noinline
func Table(children ...Node) Node { return html.Table(children...) }

// Target is the attribute of that name.
//
//go:noinline
func Target(v string) Node { return html.Target(v) }

// Td is the element of that name.
//
//go:noinline
func Td(children ...Node) Node { return html.Td(children...) }

// Th is the element of that name.
//
//go:noinline
func Th(children ...Node) Node { return html.Th(children...) }

// Time is the element of that name.
//
//go:noinline
func Time(children ...Node) Node { return html.Time(children...) }

// TitleEl is the element of that name.
//
//go:noinline
func TitleEl(children ...Node) Node { return html.TitleEl(children...) }

// Tr is the element of that name.
//
//go:noinline
func Tr(children ...Node) Node { return html.Tr(children...) }

// Type is the attribute of that name.
//
//go:noinline
func Type(v string) Node { return html.Type(v) }

// Ul is the element of that name.
//
//go:noinline
func Ul(children ...Node) Node { return html.Ul(children...) }

// Value is the attribute of that name.
//
//go:noinline
func Value(v string) Node { return html.Value(v) }
