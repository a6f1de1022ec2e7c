package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"volvobridge/bridge/mqtt"
)

// supervisor is what runs the apps of a Home Assistant.
type supervisor struct {
	url, token string
	client     http.Client
}

// service is the answer to GET /services/mqtt. A number may come as text.
type service struct {
	Message string `json:"message"`
	Data    struct {
		Host     string          `json:"host"`
		Port     json.RawMessage `json:"port"`
		SSL      bool            `json:"ssl"`
		Username string          `json:"username"`
		Password string          `json:"password"`
	} `json:"data"`
}

const longestAnswer = 64 << 10

// broker asks for the broker that an app provides. The error says what to do; it is an
// [mqtt.Unfound].
func (s *supervisor) broker(ctx context.Context) (url, username, password string, err error) {
	const again = "It is asked again by itself; if this stays so, restart the app, or enter the option mqtt_url."
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/services/mqtt", nil)
	if err != nil {
		return "", "", "", err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := s.client.Do(req)
	if err != nil {
		return "", "", "", &mqtt.Unfound{Found: "Home Assistant's Supervisor, which knows the broker, does not answer", Advice: again}
	}
	defer resp.Body.Close()
	var answer service
	err = json.NewDecoder(io.LimitReader(resp.Body, longestAnswer)).Decode(&answer)
	port := strings.Trim(string(answer.Data.Port), `"`)
	switch {
	case resp.StatusCode == http.StatusOK && err == nil && answer.Data.Host != "" && port != "":
		scheme := "mqtt://"
		if answer.Data.SSL {
			scheme = "mqtts://"
		}
		return scheme + net.JoinHostPort(answer.Data.Host, port), answer.Data.Username, answer.Data.Password, nil
	case resp.StatusCode == http.StatusBadRequest && strings.Contains(answer.Message, "not enabled"):
		return "", "", "", ErrNoBroker
	case resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusUnauthorized:
		return "", "", "", &mqtt.Unfound{Found: "Home Assistant's Supervisor does not tell this app the broker", Advice: "Install the app anew, or enter the option mqtt_url."}
	}
	return "", "", "", &mqtt.Unfound{Found: fmt.Sprintf("Home Assistant's Supervisor, which knows the broker, answers with HTTP %d", resp.StatusCode), Advice: again}
}

// ErrNoBroker says that no app of this Home Assistant is a broker.
var ErrNoBroker = &mqtt.Unfound{None: true, Found: "Home Assistant has no MQTT broker", Advice: "Install the app Mosquitto broker: it is found by itself. Or enter the option mqtt_url."}
