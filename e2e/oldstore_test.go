package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestStoreOfTheVersionBefore: what an earlier version left is read: the login, the
// cars, what became of commands, and what was announced. The folder in testdata was
// written against the simulated cloud by the version before the rooms of the bridge
// were parted.
func TestStoreOfTheVersionBefore(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/store/*")
	if err != nil || len(files) < 6 {
		t.Fatalf("%v %v", files, err)
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(data, filepath.Base(f)), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	asked := make(chan string, 10)
	cloud := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/as/token.oauth2" {
			select {
			case asked <- r.FormValue("refresh_token"):
			default:
			}
			http.Error(w, "outage", http.StatusBadGateway)
			return
		}
		http.Error(w, `{"error":{"message":"the access token is no longer good"}}`, http.StatusUnauthorized)
	}))
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	write(t, dir, strings.Replace(oauthConfig(cloud, "embedded", "https://example.com/volvo", "", "commands: {allow: [lock, honk, engine_start]}\n"),
		"url: embedded", "url: embedded\n  listen: "+address, 1))
	p := startProgram(t, dir, "run")
	select {
	case token := <-asked:
		if token != "QLp9b_Tje1Dv9eny0x-GJLDGrgbA-ilw" {
			t.Errorf("refreshed with %q", token)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the login of before was not refreshed")
	}
	o := observe(t, "mqtt://"+address)
	const car = "volvo/YV1XZBEV000000001"
	eventually(t, 20*time.Second, "the status of a command of before", func() bool { return o.document(car + "/lock/status")["id"] == "old-1" })
	if s := o.document(car + "/lock/status"); s["status"] != "succeeded" || s["confirmed"] != true {
		t.Errorf("the lock's last command: %v", s)
	}
	eventually(t, 20*time.Second, "the car's document", func() bool {
		return o.document(car + "/state")["engine_runtime"] != nil || len(o.document(car+"/state")) > 20
	})
	if len(o.topics("homeassistant/device/volvobridge_yv1xzbev000000001")) == 0 {
		t.Error("the car of before is not announced")
	}
	if out := p.out.String(); strings.Contains(out, "set aside") || strings.Contains(out, "kept aside") || strings.Contains(out, "login_required") {
		t.Errorf("the store of before was not taken:\n%s", out)
	}
}
