package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the style and the script
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"maragu.dev/gomponents"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/web/el"
	"volvobridge/bridge/web/words"
)

//go:embed page.css
var style string

//go:embed page.js
var script string

// The policy allows this style and this script and nothing else that runs or is loaded.
var stylePolicy, scriptPolicy = hashOf(style), hashOf(script)

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// page is a view that the bar on top leads to.
type page struct {
	path, title string
	body        func(*sheet) el.Node
	ofView      bool // it shows the view and nothing else
}

// sheet is one rendering of a page.
type sheet struct {
	site     *site
	request  *http.Request
	language string
	root     string // the way to the top, such as "../": behind a proxy that is not "/"
	query    url.Values
	now      time.Time
	view     View
	regions  []region
}

// region is a part of a page that is sent again when it changes.
type region struct {
	id, html string
	digest   sent
}

// sheet begins one; the view is filled in by who needs it.
func (s *site) sheet(r *http.Request) *sheet {
	return &sheet{site: s, request: r, language: languageOf(s.opts.Language, r), root: strings.Repeat("../", max(0, strings.Count(r.URL.Path, "/")-1)), query: r.URL.Query(), now: time.Now()}
}

// languageOf is the configured language, else the first of the browser's that there is.
func languageOf(configured string, r *http.Request) string {
	if configured != "" {
		return configured
	}
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(part)), ";")
		name, _, _ := strings.Cut(tag, "-")
		if name == "nb" || name == "nn" {
			name = "no"
		}
		if slices.Contains(entity.Languages(), name) {
			return name
		}
	}
	return "en"
}

// live marks a part of the page that is kept up to date. The node must have the id.
func (s *sheet) live(id string, node el.Node) el.Node {
	var b bytes.Buffer
	_ = node.Render(&b) // a buffer takes everything
	s.regions = append(s.regions, region{id: id, html: b.String()})
	return el.Raw(b.String())
}

// write sends the page.
func (s *sheet) write(w http.ResponseWriter, status int, title, path string, body el.Node) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	s.site.protect(w, s.request)
	var b bytes.Buffer
	_ = s.document(title, path, body).Render(&b) // a buffer takes everything
	header.Set("Content-Length", fmt.Sprint(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser may have left
}

// protect sets the headers that keep other sites and foreign text out.
func (s *site) protect(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	// The address may hold a code, so it goes nowhere else; with no-referrer a form
	// would be posted without its origin, and turned away.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	ancestors := "'none'"
	if s.proxied(r) {
		ancestors = "'self'" // Home Assistant shows the page in a frame of its own
	} else {
		h.Set("X-Frame-Options", "DENY")
	}
	forms := strings.Join(append([]string{"'self'"}, s.opts.LoginOrigins...), " ")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+stylePolicy+"; script-src "+scriptPolicy+"; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action "+forms+"; frame-ancestors "+ancestors)
}

func (s *sheet) document(title, path string, body el.Node) el.Node {
	stream := el.If(len(s.regions) > 0, el.Data("stream", s.root+"stream?"+s.streamQuery(path)))
	return el.Doctype(el.HTML(el.Lang(s.language),
		el.Head(el.Meta(el.Charset("utf-8")), el.Meta(el.Name("viewport"), el.Content("width=device-width, initial-scale=1")),
			el.Meta(el.Name("color-scheme"), el.Content("light dark")), el.TitleEl(el.Text(title+" - volvobridge")),
			el.Link(el.Rel("icon"), el.Href(s.root+"icon.svg"), el.Type("image/svg+xml")), el.StyleEl(el.Raw(style))),
		el.Body(stream,
			el.A(el.Class("skip"), el.Href("#main"), s.text("Skip to the content")),
			s.bar(path),
			el.Main(el.ID("main"), el.Attr("tabindex", "-1"), el.P(el.ID("lost"), el.Role("status"), el.Class("note hidden"), s.text("The connection to the bridge is interrupted; values may be old.")), body),
			el.Script(el.Raw(script)))))
}

func (s *sheet) streamQuery(path string) string {
	q := url.Values{"page": {path}}
	for key, values := range s.query {
		if key != "page" {
			q[key] = values
		}
	}
	return q.Encode()
}

// bar leads to the other pages.
func (s *sheet) bar(path string) el.Node {
	return el.Header(el.Class("bar"), el.Span(el.Class("brand"), el.Text("volvobridge")),
		el.Nav(el.Attr("aria-label", s.t("Pages")), gomponents.Map(s.site.pages, func(p page) el.Node {
			href := s.root + p.path
			if href == "" {
				href = "./"
			}
			return el.A(el.Href(href), el.If(p.path == path, el.Attr("aria-current", "page")), s.text(p.title))
		})),
		el.If(s.site.gate.password != "" && !s.site.proxied(s.request), el.Form(el.Method("post"), el.Action(s.root+"leave"), el.Button(el.Class("quiet"), s.text("Sign out")))))
}

// seeOther is a redirect that any path prefix survives: its address is relative.
func seeOther(w http.ResponseWriter, relative string) {
	w.Header().Set("Location", relative)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}

// t is a text in the language of the page. It is kept out of line, as are the elements.
//
//go:noinline
func (s *sheet) t(text string, args ...any) string {
	text = words.In(text, s.language)
	if len(args) > 0 {
		return fmt.Sprintf(text, args...)
	}
	return text
}

// text is the same as a part of a page.
//
//go:noinline
func (s *sheet) text(text string, args ...any) el.Node {
	return el.Text(s.t(text, args...))
}

// name is an entity's name.
func (s *sheet) name(name string) string { return entity.Translated(name, s.language) }

// says is a sentence of the bridge or of Volvo, which is English in any language.
func (s *sheet) says(text string) el.Node {
	return el.Span(el.If(s.language != "en", el.Lang("en")), el.Text(text))
}

// ago is how long ago something was.
func (s *sheet) ago(t time.Time) el.Node {
	if t.IsZero() {
		return s.text("not yet")
	}
	return el.Time(el.DateTime(t.UTC().Format(time.RFC3339)), el.Text(s.t("%s ago", s.span(s.now.Sub(t)))))
}

// ahead is when something will be.
func (s *sheet) ahead(t time.Time) string {
	if !t.After(s.now) {
		return s.t("now")
	}
	return s.t("in %s", s.span(t.Sub(s.now)))
}

// clock is a moment that the browser shows in its own time zone.
func (s *sheet) clock(t time.Time) el.Node {
	if t.IsZero() {
		return s.text("unknown")
	}
	format := "15:04"
	if s.now.Sub(t).Abs() > 20*time.Hour {
		format = "2006-01-02 15:04"
	}
	return el.Time(el.Class("clock"), el.DateTime(t.UTC().Format(time.RFC3339)), el.Text(t.Local().Format(format)))
}

// span is a time in its largest unit.
func (s *sheet) span(d time.Duration) string {
	switch d = max(0, d); {
	case d < 2*time.Minute:
		return s.t("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return s.t("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return s.t("%s h", strings.TrimSuffix(fmt.Sprintf("%.1f", d.Hours()), ".0"))
	}
	return s.t("%d days", int(d.Hours()/24))
}
