package web

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// troubled is a login whose words are foreign markup.
type troubled struct{ pretend }

func (*troubled) Accounts() []LoginAccount {
	return []LoginAccount{{Name: `<i>"me"`, State: "<b>", Unconfirmed: true}}
}

func (*troubled) Finish(context.Context, string) (LoginOutcome, error) {
	return LoginOutcome{Account: "<s>", Lost: []string{"<u>"}, Next: "https://id/?a=1&b=2"}, nil
}

// TestLinksAreRelative: behind a proxy that gives the pages a prefix of its own, every
// form leads to where it leads without one, and foreign words are text.
func TestLinksAreRelative(t *testing.T) {
	action := regexp.MustCompile(`action="([^"]*)"`)
	h := New(context.Background(), Options{Login: &troubled{}})
	for path, method := range map[string]string{"/login": "GET", "/login/paste": "POST", "/oauth/callback?code=x": "GET"} {
		w := ask(h, method, "http://localhost"+path, "pasted=x", nil)
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d", path, w.Code)
		}
		page := w.Body.String()
		at, err := url.Parse("https://home.example/prefix/token" + path)
		if err != nil {
			t.Fatal(err)
		}
		var leads []string
		for _, m := range action.FindAllStringSubmatch(page, -1) {
			to, err := at.Parse(m[1])
			if err != nil {
				t.Fatal(err)
			}
			leads = append(leads, strings.TrimPrefix(to.Path, "/prefix/token"))
		}
		if got := strings.Join(leads, " "); got != "/login /login/confirm /login/paste" {
			t.Errorf("from %s the forms lead to %s", path, got)
		}
		for _, foreign := range []string{"<i>", "<b>", "<u>", "<s>", "b=2&"} {
			if strings.Contains(page, foreign) {
				t.Errorf("%s is not escaped", foreign)
			}
		}
	}
}
