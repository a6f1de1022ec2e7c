package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"volvobridge/bridge/web"
	"volvobridge/cmd/volvobridge/internal/config"
)

// checks are rounds of the doctor that the page asks for. It implements [web.Check].
type checks struct {
	cfg  config.Config
	file string
	ctx  context.Context // of the program: a round ends with it
	wg   sync.WaitGroup

	news web.News

	mu    sync.Mutex
	state web.CheckState
	done  *examiner
}

func newChecks(ctx context.Context, cfg config.Config, file string) *checks {
	return &checks{ctx: ctx, cfg: cfg, file: file}
}

// Start implements [web.Check].
func (c *checks) Start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Running || c.ctx.Err() != nil {
		return
	}
	c.state = web.CheckState{Running: true, Ended: c.state.Ended}
	c.news.Tell()
	c.wg.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, doctorPatience)
		defer cancel()
		d := newExaminer(c.cfg, c.file)
		d.round(ctx)
		c.end(d)
	})
}

func (c *checks) end(d *examiner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = d
	c.state.Running, c.state.Ended = false, time.Now()
	for _, f := range d.redact.Findings(d.findings) {
		c.state.Findings = append(c.state.Findings, web.Finding{Area: f.Area, What: f.What, Result: f.Result, Found: f.Found, Advice: f.Advice})
	}
	c.news.Tell()
}

// State implements [web.Check].
func (c *checks) State() web.CheckState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Changed implements [web.Check].
func (c *checks) Changed() <-chan struct{} { return c.news.Wait() }

// Bundle implements [web.Check].
func (c *checks) Bundle() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		return nil, errors.New("nothing was examined yet; press Check now first")
	}
	return c.done.bundle()
}
