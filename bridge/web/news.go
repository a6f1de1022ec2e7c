package web

import "sync"

// News tells whoever waits that something has changed. The zero value is ready.
type News struct {
	mu     sync.Mutex
	waited chan struct{} // nil: nobody waits
}

// Wait returns a channel that is closed with the next news.
func (n *News) Wait() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waited == nil {
		n.waited = make(chan struct{})
	}
	return n.waited
}

// Tell wakes who waits.
func (n *News) Tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waited != nil {
		close(n.waited)
		n.waited = nil
	}
}
