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
		{"doctor -c " + dir + "/none.yaml", 2, "config.example.yaml"}, {"healthcheck -c " + good, 0, "off"}, {"healthcheck -c " + bad, 1, ""},
		{"version", 0, "volvobridge "}, {"nonsense", 2, "unknown command"}, {"run --nonsense", 2, "unknown flag"}, {"run --help", 0, "Examples:"},
		{"completion bash", 0, "bash completion"},
	} {
		code, out := try(t, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit %d\n%s", c.args, code, out)
		}
	}
}
