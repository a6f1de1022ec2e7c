package web

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
	"net/http"
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

// seed is of the digests of what was sent.
var seed = maphash.MakeSeed()

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
	sent := map[string]uint64{}
	renew := time.NewTicker(renewEvery)
	defer renew.Stop()
	for first := true; ; first = false {
		changed, more := s.changed(s.pages[index])
		message := s.changes(r, s.pages[index], sent, first)
		if err := out.SetWriteDeadline(time.Now().Add(sendLimit)); err != nil {
			return
		}
		if _, err := w.Write(message); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-more:
		case <-renew.C:
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

var alive = []byte(": alive\n\n")

// changes is the message with the parts that differ from what was sent; the first one
// goes out whole, since the page may be older than the stream.
func (s *site) changes(r *http.Request, p page, sent map[string]uint64, first bool) []byte {
	sheet := s.sheet(r)
	if sheet.look(r.Context()) != nil {
		return alive
	}
	p.body(sheet)
	parts := map[string]string{}
	for _, region := range sheet.regions {
		if digest := maphash.String(seed, region.html); sent[region.id] != digest {
			sent[region.id], parts[region.id] = digest, region.html
		}
	}
	if len(parts) == 0 && !first {
		return alive
	}
	var b bytes.Buffer
	b.WriteString("data: ")
	_ = json.NewEncoder(&b).Encode(parts) // texts always marshal
	b.WriteString("\n")
	return b.Bytes()
}
