package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// try runs the program and returns its exit code and output.
func try(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return run(ctx, args, &out, &out), out.String()
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(good, []byte("volvo: {api_key: k, access_token: t}\n"+"http: {listen: ''}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, []byte("nonsense: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"config check -c " + good, 0, "ok"}, {"config check -c " + bad, 2, "line 1: unknown key"}, {"run -c " + bad, 2, "line 1"},
		{"run -c " + dir + "/none.yaml", 2, "config.example.yaml"}, {"healthcheck -c " + good, 0, "off"}, {"healthcheck -c " + bad, 1, ""},
		{"version", 0, "volvobridge "}, {"nonsense", 2, "unknown command"}, {"run --nonsense", 2, "unknown flag"}, {"run --help", 0, "Examples:"},
		{"completion bash", 0, "bash completion"},
	} {
		code, out := try(t, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit %d\n%s", c.args, code, out)
		}
	}
}

func TestRedaction(t *testing.T) {
	var out bytes.Buffer
	r := newRedactor(&out)
	for _, s := range []string{"s3cret-key", "s3cret-key-longer", "abc"} {
		r.secret(s)
	}
	r.vin("yv1ab000000000001")
	r.vin("YV1XZ12345") // as short as in Volvo's reference
	line := `{"a":"s3cret-key-longer s3cret-key S3CRET-KEY abc","vin":"YV1AB000000000001","other":"YV4XX99999999999Z","t":"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.abc","k":"0123456789abcdef0123456789abcdef","short":"/vehicles/yv1xz12345/doors","p":"57.72537482589284","q":"57.7253","at":"57.72, 11.85","n":1.25,"word":"communicationword"}`
	if n, err := r.Write([]byte(line)); n != len(line) || err != nil {
		t.Errorf("%d %v", n, err)
	}
	const want = `{"a":"*** *** *** abc","vin":"***","other":"***","t":"***","k":"***","short":"/vehicles/***/doors","p":"***","q":"***","at":"***","n":1.25,"word":"communicationword"}`
	if out.String() != want {
		t.Errorf("%s", out.String())
	}
}
