package web_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"

	"volvobridge/bridge/web"
)

func TestHealthAndHosts(t *testing.T) {
	ready := errors.New("not yet")
	h := web.New(context.Background(), web.Options{Healthy: func() error { return nil }, Ready: func() error { return ready }, Hosts: []string{"pi.local"}})
	get := func(path, host string) int {
		r := httptest.NewRequest("GET", path, nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	for _, c := range []struct {
		path, host string
		want       int
	}{
		{"/healthz", "localhost:8099", 200}, {"/healthz", "127.0.0.1:8099", 200}, {"/healthz", "[::1]:8099", 200},
		{"/healthz", "PI.local", 200}, {"/healthz", "evil.example", 421}, {"/healthz", "", 421},
		{"/readyz", "localhost", 503}, {"/nothing", "localhost", 404},
	} {
		if got := get(c.path, c.host); got != c.want {
			t.Errorf("%s of %q: %d, want %d", c.path, c.host, got, c.want)
		}
	}
	ready = nil
	if got := get("/readyz", "localhost"); got != 200 {
		t.Errorf("ready: %d", got)
	}
}
