package web

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// TestLinksAreRelative: behind a proxy that gives the pages a prefix of its own, every
// form leads to where it leads without one.
func TestLinksAreRelative(t *testing.T) {
	action := regexp.MustCompile(`action="([^"]*)"`)
	for path, root := range map[string]string{"/login": "", "/login/paste": "../", "/oauth/callback": "../"} {
		var page strings.Builder
		v := loginView{Root: root, Accounts: []LoginAccount{{Name: `<i>"me"`, State: "<b>", Unconfirmed: true}}, Problem: "<script>", Outcome: &LoginOutcome{Account: "a", Lost: []string{"<u>"}, Next: "https://id/?a=1&b=2"}}
		if err := v.page().Render(&page); err != nil {
			t.Fatal(err)
		}
		at, err := url.Parse("https://home.example/prefix/token" + path)
		if err != nil {
			t.Fatal(err)
		}
		var leads []string
		for _, m := range action.FindAllStringSubmatch(page.String(), -1) {
			to, err := at.Parse(m[1])
			if err != nil {
				t.Fatal(err)
			}
			leads = append(leads, strings.TrimPrefix(to.Path, "/prefix/token"))
		}
		if got := strings.Join(leads, " "); got != "/login /login/confirm /login/paste" {
			t.Errorf("from %s the forms lead to %s", path, got)
		}
		for _, foreign := range []string{"<i>", "<b>", "<script>", "<u>", "b=2&"} {
			if strings.Contains(page.String(), foreign) {
				t.Errorf("%s is not escaped", foreign)
			}
		}
	}
}
