package control

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
)

// TestSocket: what a running bridge answers arrives, and so does its sentence when it
// can't; nobody else than the owner of the store may ask.
func TestSocket(t *testing.T) {
	store := t.TempDir()
	if err := Ask(t.Context(), store, "/car", nil); !errors.Is(err, ErrNoBridge) {
		t.Errorf("without a bridge: %v", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /car", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("name") == "" {
			http.Error(w, "name the car", http.StatusGone)
			return
		}
		_ = json.NewEncoder(w).Encode(r.PostFormValue("name"))
	})
	stop := Serve(store, mux, zerolog.Nop())
	info, err := os.Stat(filepath.Join(store, socketFile))
	if err != nil || info.Mode().Perm() != fs.FileMode(0o600) {
		t.Errorf("the socket: %v %v", info, err)
	}
	var name string
	if err := Call(t.Context(), store, http.MethodPost, "/car", url.Values{"name": {"ex30"}}, &name); err != nil || name != "ex30" {
		t.Errorf("%q %v", name, err)
	}
	err = Call(t.Context(), store, http.MethodPost, "/car", nil, &name)
	if refused, ok := errors.AsType[*Error](err); !ok || refused.Status != http.StatusGone || refused.Error() != "name the car" {
		t.Errorf("%v", err)
	}
	stop()
	if err := Ask(t.Context(), store, "/car", nil); !errors.Is(err, ErrNoBridge) {
		t.Errorf("after the end: %v", err)
	}
}
