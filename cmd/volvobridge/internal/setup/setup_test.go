package setup

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"volvobridge/bridge/web"
	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/volvo"
	"volvobridge/volvo/simulator"
)

// TestSteps: each step is tried, says what is wrong, keeps what was entered, and waits for
// the one before; at the end the file holds it all.
func TestSteps(t *testing.T) {
	ctx := context.Background()
	cloud := httptest.NewServer(simulator.New(simulator.Options{}))
	defer cloud.Close()
	file := filepath.Join(t.TempDir(), "config.yaml")
	cfg := config.Defaults()
	cfg.Volvo.APIURL, cfg.Volvo.AuthURL, cfg.Volvo.TokenURL = cloud.URL, cloud.URL+"/as/authorization.oauth2", cloud.URL+"/as/token.oauth2"
	logged := false
	var secrets []string
	s := New(file, cfg, meansOf(&logged, &secrets))
	fails(t, s.Finish(ctx, web.SetupCars{}), "the steps before")
	fails(t, s.Broker(ctx, web.SetupBroker{URL: "http://pi"}), "mqtt.url")
	fails(t, s.Broker(ctx, web.SetupBroker{URL: "pi", Username: "me", Password: "wrong"}), "refuses the user")
	if state := s.State(ctx); state.Broker.URL != "pi" || state.BrokerDone {
		t.Errorf("what was entered is lost: %+v", state)
	}
	if err := s.Broker(ctx, web.SetupBroker{URL: "pi", Username: "me", Password: "right"}); err != nil {
		t.Fatal(err)
	}
	enterVolvo(t, s)
	if s.State(ctx).LoggedIn {
		t.Error("nobody has logged in")
	}
	logged = true
	state := s.State(ctx)
	if !state.LoggedIn || len(state.Cars) != 3 || state.Cars[0].Model != "EX30" || state.Trouble != "" {
		t.Fatalf("%+v", state)
	}
	fails(t, s.Finish(ctx, web.SetupCars{PIN: "12"}), "4 to 8 digits")
	fails(t, s.Finish(ctx, web.SetupCars{Names: []string{"same", "same"}}), "same topics")
	if err := s.Finish(ctx, web.SetupCars{Names: []string{"Family"}, PIN: "2468"}); err != nil {
		t.Fatal(err)
	}
	<-s.Done
	written, err := config.Load(file, nil)
	if err != nil || written.MQTT.URL != "mqtt://pi:1883" || written.MQTT.Password != "right" || written.Volvo.Vehicles[0].Name != "Family" || written.Commands.PIN != "2468" || len(written.Commands.Allow) != 1 {
		data, _ := os.ReadFile(file)
		t.Errorf("%v\n%s", err, data)
	}
	for _, secret := range []string{"right", "simulated-secret", "simulated-vcc-api-key", "2468"} {
		if !strings.Contains(strings.Join(secrets, " "), secret) {
			t.Errorf("the log was not told of %s", secret)
		}
	}
}

// meansOf speak to the simulated cloud; the broker takes the password "right".
func meansOf(logged *bool, secrets *[]string) Means {
	return Means{
		TryBroker: func(_ context.Context, m config.MQTT) error {
			if m.Password != "right" {
				return errors.New("it refuses the user")
			}
			return nil
		},
		Tokens: func(config.Config) (volvo.TokenSource, error) {
			return volvo.NewStaticTokens(map[volvo.API]string{volvo.ConnectedVehicle: "simulated-access-token"}), nil
		},
		LoggedIn: func() bool { return *logged },
		OAuth: func(v config.Volvo) *volvo.OAuth {
			return volvo.NewOAuth(volvo.OAuthOptions{ClientID: v.ClientID, ClientSecret: v.ClientSecret, AuthURL: v.AuthURL, TokenURL: v.TokenURL})
		},
		Client: func(v config.Volvo, tokens volvo.TokenSource) *volvo.Client {
			return volvo.New(volvo.Options{URL: v.APIURL, Key: v.Keys()[0], Tokens: tokens})
		},
		Secret: func(s string) { *secrets = append(*secrets, s) }, VIN: func(string) {},
	}
}

func fails(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

// enterVolvo enters what is wrong in each way, and then what is right.
func enterVolvo(t *testing.T, s *Setup) {
	t.Helper()
	ctx := context.Background()
	app := web.SetupVolvo{ClientID: "simulated-client", ClientSecret: "mistyped", APIKey: "simulated-vcc-api-key", Allow: []volvo.Command{volvo.Lock}}
	fails(t, s.Volvo(ctx, app), "does not know this client ID")
	app.ClientSecret, app.APIKey = "simulated-secret", "mistyped"
	fails(t, s.Volvo(ctx, app), "refuses this API key")
	fails(t, s.Volvo(ctx, web.SetupVolvo{APIKey: "simulated-vcc-api-key", AccessToken: "mistyped"}), "does not take this test token")
	app.APIKey, app.ClientSecret = "simulated-vcc-api-key", ""
	if err := s.Volvo(ctx, app); err != nil {
		t.Errorf("what was entered before must be entered again: %v", err)
	}
}

// TestUnreachable: what can't be asked is told as such.
func TestUnreachable(t *testing.T) {
	cfg := config.Defaults()
	cfg.Volvo.APIURL, cfg.Volvo.TokenURL = "http://127.0.0.1:1", "http://127.0.0.1:1/token"
	s := New("none", cfg, Means{Secret: func(string) {}, OAuth: func(v config.Volvo) *volvo.OAuth {
		return volvo.NewOAuth(volvo.OAuthOptions{ClientID: v.ClientID, ClientSecret: v.ClientSecret, AuthURL: v.AuthURL, TokenURL: v.TokenURL})
	}})
	if err := s.Volvo(context.Background(), web.SetupVolvo{ClientID: "a", ClientSecret: "b", APIKey: "c"}); err == nil || !strings.Contains(err.Error(), "can't be reached") {
		t.Errorf("%v", err)
	}
}
