package doctor

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"volvobridge/bridge/login/logintest"
	"volvobridge/bridge/schedule"
	"volvobridge/volvo"
	"volvobridge/volvo/simulator"
)

// examined is what a doctor finds with test tokens at a simulated cloud.
func examined(t *testing.T, cloud *simulator.Cloud, change func(*Account)) (findings []Finding, secrets []string) {
	t.Helper()
	const token = "simulated-access-token"
	client := volvo.New(volvo.Options{URL: "https://api", Key: "simulated-vcc-api-key", Transport: logintest.Through{Handler: cloud},
		Tokens: volvo.NewStaticTokens(map[volvo.API]string{volvo.ConnectedVehicle: token, volvo.Energy: token, volvo.Location: token})})
	a := Account{Name: "account1", Resources: volvo.Resources(),
		Quota: func(context.Context) (schedule.State, error) { return schedule.State{Calls: 3, Left: 9997}, nil },
		Begin: func(context.Context) (*volvo.Client, time.Duration, error) { return client, 0, nil }}
	change(&a)
	findings, err := Examine(t.Context(), []Account{a}, func(s string) { secrets = append(secrets, s) })
	if err != nil {
		t.Fatal(err)
	}
	return findings, secrets
}

// about returns what was found about something.
func about(t *testing.T, findings []Finding, what string) Finding {
	t.Helper()
	i := slices.IndexFunc(findings, func(f Finding) bool { return f.What == what })
	if i < 0 {
		t.Fatalf("nothing was found about %s: %+v", what, findings)
	}
	return findings[i]
}

func newCloud() *simulator.Cloud {
	return simulator.New(simulator.Options{Cars: []simulator.Kind{simulator.BEV}, PerDay: -1, PerMinute: -1})
}

// TestFindings: every resource is looked at, VINs are told to be secret, and no finding
// holds one, or a position.
func TestFindings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := newCloud()
		findings, secrets := examined(t, cloud, func(*Account) {})
		if !slices.Equal(secrets, cloud.VINs()) {
			t.Errorf("told to be secret: %v", secrets)
		}
		for _, r := range volvo.Resources() {
			f := about(t, findings, string(r))
			if f.Result != ResultOK {
				t.Errorf("%+v", f)
			}
			for name, shape := range f.Fields {
				if strings.ContainsAny(strings.TrimSuffix(shape, "/100km"), "0123456789") || strings.Contains(shape, cloud.VINs()[0]) {
					t.Errorf("%s of %s is told: %s", name, r, shape)
				}
			}
		}
		if f := about(t, findings, "quota"); f.Found[:len("3 calls today, 9997 left")] != "3 calls today, 9997 left" {
			t.Errorf("%+v", f)
		}
		if f := about(t, findings, "login"); f.Result != ResultWarning || f.Advice == "" {
			t.Errorf("test tokens: %+v", f)
		}
	})
}

// TestFaults: each fault is found where it is, with advice, and the others still are
// looked at.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name         string
		fault        simulator.Fault
		change       func(*Account)
		what, result string
		found        string
	}{
		{"a resource that fails", simulator.Fault{Match: "GET doors", Status: 500}, nil, "doors", ResultProblem, "500"},
		{"the quota", simulator.Fault{Match: "GET doors", Kind: "quota"}, nil, "doors", ResultProblem, "quota"},
		{"a pause", simulator.Fault{Match: "GET doors", Status: 429}, nil, "doors", ResultWarning, "429"},
		{"not offered", simulator.Fault{Match: "GET doors", Status: 404}, nil, "doors", ResultOK, "not offered"},
		{"another's car", simulator.Fault{}, func(a *Account) { a.Vehicles = []Vehicle{{VIN: "YV1AAAAAAAA000009"}} }, "vin", ResultProblem, "does not list"},
		{"no call left", simulator.Fault{}, func(a *Account) {
			a.Begin = func(context.Context) (*volvo.Client, time.Duration, error) { return nil, 0, nil }
		}, "list of cars", ResultProblem, "none is left"},
		{"tokens that ended", simulator.Fault{}, func(a *Account) { a.Ends = time.Now().Add(-time.Hour) }, "login", ResultProblem, "end at"},
		{"an answer of a moment ago", simulator.Fault{Match: "GET doors", Status: 500}, func(a *Account) {
			a.Recent = func(context.Context, string, volvo.Resource) (volvo.Readings, time.Duration, bool) {
				return volvo.Readings{"centralLock": {Value: "LOCKED"}}, time.Minute, true
			}
		}, "doors", ResultOK, "read 1m0s ago"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cloud := newCloud()
				if c.fault.Match != "" {
					if err := cloud.Switch(c.fault); err != nil {
						t.Fatal(err)
					}
				}
				findings, _ := examined(t, cloud, func(a *Account) {
					if c.change != nil {
						c.change(a)
					}
				})
				f := about(t, findings, c.what)
				if f.Result != c.result || !strings.Contains(f.Found, c.found) || f.Result == ResultProblem && f.Advice == "" {
					t.Errorf("%+v", f)
				}
				if c.what == "doors" && about(t, findings, "windows").Result != ResultOK {
					t.Error("the next resource was not looked at")
				}
			})
		})
	}
}
