package web

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/web/words"
)

// sayers are the functions whose texts are translated, with the place of the text.
var sayers = map[string]int{"t": 0, "text": 0, "heads": -1, "field": 1, "secret": 1, "filter": 1, "step": 1, "accountForm": 2, "unlessFixed": 2, "name": 0, "cell": 0}

// TestEveryTextIsTranslated: every text of the pages is in the table in all languages, with
// the same places for values.
func TestEveryTextIsTranslated(t *testing.T) {
	used := textsOfThePages(t)
	if len(used) < 120 {
		t.Fatalf("only %d texts were found", len(used))
	}
	for _, e := range entity.All() {
		for _, word := range e.Options() {
			used[wordOf(word)] = true
		}
	}
	for _, word := range slices.Concat(entity.CloudWords, []string{"locked", "unlocked", "on", "off", "refused", "sending", "accepted", "succeeded", "failed", "unknown", "confirmed", "not_confirmed", "ok", "warning", "problem", "skipped"}) {
		used[wordOf(word)] = true
	}
	for _, text := range []string{"Entered before; leave it empty to keep that.", "Log in", "Log in again", "sent after %s", "answered after %s", "confirmed after %s"} {
		used[text] = true
	}
	for _, text := range carAdvice {
		used[text] = true
	}
	for _, text := range orderNames {
		used[text] = true
	}
	places := regexp.MustCompile(`%[ds]`)
	for text := range used {
		for _, language := range entity.Languages()[1:] {
			other := words.In(text, language)
			if !words.Known(text) && other == text {
				t.Errorf("%q has no %s", text, language)
				break
			}
			if !slices.Equal(places.FindAllString(text, -1), places.FindAllString(other, -1)) {
				t.Errorf("%q in %s: %q", text, language, other)
			}
		}
	}
}

// textsOfThePages are those in the source.
func textsOfThePages(t *testing.T) map[string]bool {
	t.Helper()
	used := map[string]bool{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			var name string
			switch f := call.Fun.(type) {
			case *ast.SelectorExpr:
				name = f.Sel.Name
			case *ast.Ident:
				name = f.Name
			}
			place, says := sayers[name]
			for i, arg := range call.Args {
				literal, isText := arg.(*ast.BasicLit)
				if !says || !isText || literal.Kind != token.STRING || place >= 0 && i != place && !((name == "field" || name == "secret") && i >= 3) {
					continue
				}
				if text, err := strconv.Unquote(literal.Value); err == nil && text != "" {
					used[text] = true
				}
			}
			return true
		})
	}
	return used
}
