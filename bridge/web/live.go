package web

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
	"net/http"
	"regexp"
	"sync/atomic"
	"time"
)

const (
	mostStreams = 100
	together    = 120 * time.Millisecond // changes within go out in one message
	renewEvery  = 20 * time.Second       // "2 min ago" grows old by itself
	sendLimit   = 10 * time.Second       // for a browser to take a message
)

// streams counts the streams that are open.
type streams struct {
	open atomic.Int32
	end  <-chan struct{} // of the server
}

// sent is what was sent of a part: digests of all of it, and of it without its ages.
type sent struct{ whole, ageless uint64 }

// seed is of the digests.
var seed = maphash.MakeSeed()

// ages are the texts of times: they change by themselves, second by second.
var ages = regexp.MustCompile(`(<time[^>]*>)[^<]*`)

func digestOf(html string) sent {
	return sent{maphash.String(seed, html), maphash.String(seed, ages.ReplaceAllString(html, "$1"))}
}

// why a message is sent.
type why int

const (
	opened       why = iota // the page may be older than the stream
	somethingNew            // ages alone are no news
	grownOld                // of the ages, too
)

// stream sends the parts of a page again that change, as server-sent events: each a JSON
// object of id and HTML.
func (s *site) stream(w http.ResponseWriter, r *http.Request) {
	index := -1
	for i, p := range s.pages {
		if p.path == r.URL.Query().Get("page") {
			index = i
		}
	}
	if index < 0 {
		http.Error(w, "there is no such page", http.StatusNotFound)
		return
	}
	if s.streams.open.Add(1) > mostStreams {
		s.streams.open.Add(-1)
		w.Header().Set("Retry-After", "60")
		http.Error(w, "too many pages are open; close some", http.StatusServiceUnavailable)
		return
	}
	defer s.streams.open.Add(-1)
	s.protect(w, r)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy must not wait for more
	out := http.NewResponseController(w)
	sent := map[string]sent{}
	renew := time.NewTicker(renewEvery)
	defer renew.Stop()
	why := opened
	for {
		changed, more := s.changed(s.pages[index])
		message := s.changes(r, s.pages[index], sent, why)
		if err := out.SetWriteDeadline(time.Now().Add(sendLimit)); err != nil {
			return
		}
		if _, err := w.Write(message); err != nil || out.Flush() != nil {
			return
		}
		why = somethingNew
		select {
		case <-changed:
		case <-more:
		case <-renew.C:
			why = grownOld
		case <-r.Context().Done():
			return
		case <-s.streams.end:
			return
		}
		select { // more may come with it
		case <-time.After(together):
		case <-s.streams.end:
			return
		}
	}
}

// changed are closed when there may be something new on a page; nil ones never are.
func (s *site) changed(p page) (changed, more <-chan struct{}) {
	if s.opts.Bridge != nil {
		changed = s.opts.Bridge.Changed()
	}
	switch {
	case p.path == "log":
		more = s.opts.Log.Changed()
	case p.path == "check":
		more = s.opts.Check.Changed()
	}
	return changed, more
}

// rendered are the live parts of a page, for all who look at it.
type rendered struct {
	of      time.Time // the view
	regions []region
}

const mostRendered = 20 // pages, by language and filter

// render makes the live parts of a page. Who looks at the same page, at the same moment,
// in the same language, gets the same.
func (s *site) render(r *http.Request, p page) ([]region, error) {
	sheet := s.sheet(r)
	if err := sheet.look(r.Context()); err != nil {
		return nil, err
	}
	key := sheet.language + " " + r.URL.RawQuery
	if p.ofView {
		s.mu.Lock()
		defer s.mu.Unlock()
		if done := s.rendered[key]; done.of.Equal(sheet.view.Now) && done.regions != nil {
			return done.regions, nil
		}
	}
	p.body(sheet)
	for i := range sheet.regions {
		sheet.regions[i].digest = digestOf(sheet.regions[i].html)
	}
	if p.ofView {
		if len(s.rendered) >= mostRendered {
			clear(s.rendered)
		}
		s.rendered[key] = rendered{sheet.view.Now, sheet.regions}
	}
	return sheet.regions, nil
}

var alive = []byte(": alive\n\n")

// changes is the message with the parts that differ from what was sent.
func (s *site) changes(r *http.Request, p page, before map[string]sent, because why) []byte {
	regions, err := s.render(r, p)
	if err != nil {
		return alive
	}
	parts := map[string]string{}
	for _, region := range regions {
		now, old := region.digest, before[region.id]
		if now.ageless != old.ageless || because != somethingNew && now.whole != old.whole {
			before[region.id], parts[region.id] = now, region.html
		}
	}
	if len(parts) == 0 && because != opened {
		return alive
	}
	var b bytes.Buffer
	b.WriteString("data: ")
	_ = json.NewEncoder(&b).Encode(parts) // texts always marshal
	b.WriteString("\n")
	return b.Bytes()
}
