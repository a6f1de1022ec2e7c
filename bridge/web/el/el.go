// Package el makes the elements and attributes of the pages, with the HTML library. What
// makes them is kept out of line: it is so short that the compiler would copy it to every
// place of use, and all the copies together are 0.7 MB of program.
package el

import "maragu.dev/gomponents"

// Node is a part of a page, Group are parts one after the other.
type (
	Node  = gomponents.Node
	Group = gomponents.Group
)

// Text is an escaped text.
//
//go:noinline
func Text(t string) Node { return gomponents.Text(t) }

// Raw is HTML as it is.
//
//go:noinline
func Raw(t string) Node { return gomponents.Raw(t) }

// El is an element by name.
//
//go:noinline
func El(name string, children ...Node) Node { return gomponents.El(name, children...) }

// Attr is an attribute by name.
//
//go:noinline
func Attr(name string, value ...string) Node { return gomponents.Attr(name, value...) }

// If is a part that is there on a condition.
//
//go:noinline
func If(condition bool, n Node) Node { return gomponents.If(condition, n) }

// Doctype is the document with its type.
func Doctype(sibling Node) Node { return Group{Raw("<!doctype html>"), sibling} }

// Data is an attribute of our own.
func Data(name, v string) Node { return Attr("data-"+name, v) }

// A is the element a.
func A(children ...Node) Node { return El("a", children...) }

// Action is the attribute action.
func Action(v string) Node { return Attr("action", v) }

// Alt is the attribute alt.
func Alt(v string) Node { return Attr("alt", v) }

// Article is the element article.
func Article(children ...Node) Node { return El("article", children...) }

// AutoComplete is the attribute autocomplete.
func AutoComplete(v string) Node { return Attr("autocomplete", v) }

// AutoFocus is the attribute autofocus.
func AutoFocus() Node { return Attr("autofocus") }

// Body is the element body.
func Body(children ...Node) Node { return El("body", children...) }

// Br is the element br.
func Br(children ...Node) Node { return El("br", children...) }

// Button is the element button.
func Button(children ...Node) Node { return El("button", children...) }

// Charset is the attribute charset.
func Charset(v string) Node { return Attr("charset", v) }

// Checked is the attribute checked.
func Checked() Node { return Attr("checked") }

// Class is the attribute class.
func Class(v string) Node { return Attr("class", v) }

// Code is the element code.
func Code(children ...Node) Node { return El("code", children...) }

// Content is the attribute content.
func Content(v string) Node { return Attr("content", v) }

// DateTime is the attribute datetime.
func DateTime(v string) Node { return Attr("datetime", v) }

// Dd is the element dd.
func Dd(children ...Node) Node { return El("dd", children...) }

// Details is the element details.
func Details(children ...Node) Node { return El("details", children...) }

// Div is the element div.
func Div(children ...Node) Node { return El("div", children...) }

// Dl is the element dl.
func Dl(children ...Node) Node { return El("dl", children...) }

// Dt is the element dt.
func Dt(children ...Node) Node { return El("dt", children...) }

// FieldSet is the element fieldset.
func FieldSet(children ...Node) Node { return El("fieldset", children...) }

// For is the attribute for.
func For(v string) Node { return Attr("for", v) }

// Form is the element form.
func Form(children ...Node) Node { return El("form", children...) }

// H1 is the element h1.
func H1(children ...Node) Node { return El("h1", children...) }

// H2 is the element h2.
func H2(children ...Node) Node { return El("h2", children...) }

// H3 is the element h3.
func H3(children ...Node) Node { return El("h3", children...) }

// HTML is the element html.
func HTML(children ...Node) Node { return El("html", children...) }

// Head is the element head.
func Head(children ...Node) Node { return El("head", children...) }

// Header is the element header.
func Header(children ...Node) Node { return El("header", children...) }

// Href is the attribute href.
func Href(v string) Node { return Attr("href", v) }

// ID is the attribute id.
func ID(v string) Node { return Attr("id", v) }

// Img is the element img.
func Img(children ...Node) Node { return El("img", children...) }

// Input is the element input.
func Input(children ...Node) Node { return El("input", children...) }

// Label is the element label.
func Label(children ...Node) Node { return El("label", children...) }

// Lang is the attribute lang.
func Lang(v string) Node { return Attr("lang", v) }

// Legend is the element legend.
func Legend(children ...Node) Node { return El("legend", children...) }

// Li is the element li.
func Li(children ...Node) Node { return El("li", children...) }

// Link is the element link.
func Link(children ...Node) Node { return El("link", children...) }

// Main is the element main.
func Main(children ...Node) Node { return El("main", children...) }

// MaxLength is the attribute maxlength.
func MaxLength(v string) Node { return Attr("maxlength", v) }

// Meta is the element meta.
func Meta(children ...Node) Node { return El("meta", children...) }

// Method is the attribute method.
func Method(v string) Node { return Attr("method", v) }

// Name is the attribute name.
func Name(v string) Node { return Attr("name", v) }

// Nav is the element nav.
func Nav(children ...Node) Node { return El("nav", children...) }

// Ol is the element ol.
func Ol(children ...Node) Node { return El("ol", children...) }

// Option is the element option.
func Option(children ...Node) Node { return El("option", children...) }

// P is the element p.
func P(children ...Node) Node { return El("p", children...) }

// Placeholder is the attribute placeholder.
func Placeholder(v string) Node { return Attr("placeholder", v) }

// Pre is the element pre.
func Pre(children ...Node) Node { return El("pre", children...) }

// Rel is the attribute rel.
func Rel(v string) Node { return Attr("rel", v) }

// Required is the attribute required.
func Required() Node { return Attr("required") }

// Role is the attribute role.
func Role(v string) Node { return Attr("role", v) }

// Scope is the attribute scope.
func Scope(v string) Node { return Attr("scope", v) }

// Script is the element script.
func Script(children ...Node) Node { return El("script", children...) }

// Section is the element section.
func Section(children ...Node) Node { return El("section", children...) }

// Select is the element select.
func Select(children ...Node) Node { return El("select", children...) }

// Selected is the attribute selected.
func Selected() Node { return Attr("selected") }

// Small is the element small.
func Small(children ...Node) Node { return El("small", children...) }

// Span is the element span.
func Span(children ...Node) Node { return El("span", children...) }

// Src is the attribute src.
func Src(v string) Node { return Attr("src", v) }

// Strong is the element strong.
func Strong(children ...Node) Node { return El("strong", children...) }

// StyleEl is the element style.
func StyleEl(children ...Node) Node { return El("style", children...) }

// Summary is the element summary.
func Summary(children ...Node) Node { return El("summary", children...) }

// TBody is the element tbody.
func TBody(children ...Node) Node { return El("tbody", children...) }

// THead is the element thead.
func THead(children ...Node) Node { return El("thead", children...) }

// Table is the element table.
func Table(children ...Node) Node { return El("table", children...) }

// Target is the attribute target.
func Target(v string) Node { return Attr("target", v) }

// Td is the element td.
func Td(children ...Node) Node { return El("td", children...) }

// Th is the element th.
func Th(children ...Node) Node { return El("th", children...) }

// Time is the element time.
func Time(children ...Node) Node { return El("time", children...) }

// TitleEl is the element title.
func TitleEl(children ...Node) Node { return El("title", children...) }

// Tr is the element tr.
func Tr(children ...Node) Node { return El("tr", children...) }

// Type is the attribute type.
func Type(v string) Node { return Attr("type", v) }

// Ul is the element ul.
func Ul(children ...Node) Node { return El("ul", children...) }

// Value is the attribute value.
func Value(v string) Node { return Attr("value", v) }
