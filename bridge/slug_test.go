package bridge

import "testing"

func TestTopicsForNames(t *testing.T) {
	b := New(Options{})
	for _, c := range []struct{ name, want string }{
		{"", "VIN"}, {"XC40", "xc40"}, {"Åsas röda Volvo", "asas_roda_volvo"}, {"bridge", "VIN"}, {"日本", "ri_ben"}, {"🚗", "VIN"}, {"U\u0308bermut", "ubermut"}, {"Вольво", "volvo"}, {"a/b#+c", "a_b_c"},
	} {
		if got := b.fleet.slug(c.name, "VIN"); got != c.want {
			t.Errorf("%q: %s, want %s", c.name, got, c.want)
		}
	}
}
