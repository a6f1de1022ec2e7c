package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// hass is a Home Assistant somewhere, by URL and token.
type hass struct {
	testing.TB
	url, token string
	log        string // its log file, if it is at hand
	seen       int64  // of the log
	conn       *websocket.Conn
	id         int
}

// object is what Home Assistant answers.
type object = map[string]any

func (h *hass) rest(method, path string, body any) (any, error) {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequest(method, h.url+path, reader)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: 30 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode > 299 {
		return nil, fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode, data)
	}
	var value any
	if json.Unmarshal(data, &value) != nil {
		return string(data), nil
	}
	return value, nil
}

func (h *hass) must(value any, err error) any {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
	return value
}

// connect opens the websocket.
func (h *hass) connect() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, strings.Replace(h.url, "http", "ws", 1)+"/api/websocket", nil)
	if err != nil {
		return err
	}
	conn.SetReadLimit(64 << 20)
	var hello object
	if err := wsjson.Read(ctx, conn, &hello); err != nil {
		return err
	}
	if err := wsjson.Write(ctx, conn, object{"type": "auth", "access_token": h.token}); err != nil {
		return err
	}
	if err := wsjson.Read(ctx, conn, &hello); err != nil || hello["type"] != "auth_ok" {
		return fmt.Errorf("the token is refused: %v %w", hello["type"], err)
	}
	h.conn, h.id = conn, 0
	return nil
}

// ws sends one websocket command and returns its result.
func (h *hass) ws(kind string, message object) (any, error) {
	if h.conn == nil {
		if err := h.connect(); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	h.id++
	request := object{"id": h.id, "type": kind}
	for k, v := range message {
		request[k] = v
	}
	if err := wsjson.Write(ctx, h.conn, request); err != nil {
		h.conn = nil
		return nil, err
	}
	for {
		var answer object
		if err := wsjson.Read(ctx, h.conn, &answer); err != nil {
			h.conn = nil
			return nil, err
		}
		if answer["type"] != "result" || answer["id"] != float64(h.id) {
			continue
		}
		if answer["success"] != true {
			return nil, fmt.Errorf("%s: %v", kind, answer["error"])
		}
		return answer["result"], nil
	}
}

func (h *hass) ask(kind string, message object) any {
	h.Helper()
	return h.must(h.ws(kind, message))
}

// states returns every state by entity id.
func (h *hass) states() map[string]object {
	h.Helper()
	states := map[string]object{}
	list, _ := h.must(h.rest(http.MethodGet, "/api/states", nil)).([]any)
	for _, s := range list {
		state := s.(object)
		states[state["entity_id"].(string)] = state
	}
	return states
}

func (h *hass) state(entity string) string {
	value, err := h.rest(http.MethodGet, "/api/states/"+entity, nil)
	if err != nil {
		return "(none)"
	}
	return value.(object)["state"].(string)
}

func (h *hass) attribute(entity, name string) any {
	value, err := h.rest(http.MethodGet, "/api/states/"+entity, nil)
	if err != nil {
		return nil
	}
	return value.(object)["attributes"].(object)[name]
}

// entities returns the registry's rows of the MQTT integration by unique id.
func (h *hass) entities() map[string]object {
	h.Helper()
	rows := map[string]object{}
	for _, e := range h.ask("config/entity_registry/list", nil).([]any) {
		if row := e.(object); row["platform"] == "mqtt" {
			rows[row["unique_id"].(string)] = row
		}
	}
	return rows
}

// devices returns the registry's MQTT devices by their first identifier.
func (h *hass) devices() map[string]object {
	h.Helper()
	rows := map[string]object{}
	for _, d := range h.ask("config/device_registry/list", nil).([]any) {
		row := d.(object)
		for _, pair := range row["identifiers"].([]any) {
			if id := pair.([]any); id[0] == "mqtt" {
				rows[id[1].(string)] = row
			}
		}
	}
	return rows
}

// call runs an action.
func (h *hass) call(action, entity string, data object) error {
	body := object{"entity_id": entity}
	for k, v := range data {
		body[k] = v
	}
	_, err := h.rest(http.MethodPost, "/api/services/"+strings.Replace(action, ".", "/", 1), body)
	return err
}

// say is what Assist answers, and whether it understood.
func (h *hass) say(text, language string) (answer string, understood bool) {
	h.Helper()
	value, err := h.rest(http.MethodPost, "/api/conversation/process", object{"text": text, "language": language})
	if err != nil {
		return err.Error(), false
	}
	response := value.(object)["response"].(object)
	speech, _ := response["speech"].(object)["plain"].(object)
	answer, _ = speech["speech"].(string)
	return answer, response["response_type"] != "error"
}

// harmless are lines that a Home Assistant without internet writes at every start,
// and what 2025.10 says when a broker goes away.
var harmless = regexp.MustCompile(`(?i)Skipping pip installation|marketplace|hassio|Unable to resolve|ffmpeg|turbojpeg|any enabled IPv4|logging too frequently|shutdown cleanly|unfinished session|Error returned from MQTT server: The connection was lost|Error talking to MQTT: The client is not currently connected|failed to receive on socket|_async_resubscribe_and_publish_birth_message`)

// problems returns the warnings and errors since the last call.
func (h *hass) problems() []string {
	h.Helper()
	if h.log != "" {
		return h.logLines()
	}
	var lines []string
	for _, e := range h.ask("system_log/list", nil).([]any) {
		entry := e.(object)
		text := fmt.Sprint(entry["level"], " ", entry["name"], " ", entry["message"], " ", entry["exception"])
		if !harmless.MatchString(text) {
			lines = append(lines, text)
		}
	}
	h.ask("call_service", object{"domain": "system_log", "service": "clear"})
	return lines
}

var logEntry = regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\d [\d:.]+ (WARNING|ERROR|CRITICAL)`)

func (h *hass) logLines() []string {
	h.Helper()
	f, err := os.Open(h.log)
	if err != nil {
		h.Fatal(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() < h.seen {
		h.seen = 0 // begun anew
	}
	if _, err := f.Seek(h.seen, io.SeekStart); err != nil {
		h.Fatal(err)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		h.Fatal(err)
	}
	h.seen += int64(len(data))
	var lines []string
	for _, entry := range regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\d `).Split(string(data), -1) {
		if entry = "2026-01-01 " + entry; logEntry.MatchString(entry) && !harmless.MatchString(entry) {
			lines = append(lines, strings.TrimSpace(strings.TrimPrefix(entry, "2026-01-01 ")))
		}
	}
	return lines
}

// quiet fails if Home Assistant has complained about anything.
func (h *hass) quiet(when string) {
	h.Helper()
	for _, line := range h.problems() {
		h.Errorf("%s, in Home Assistant's log: %.600s", when, line)
		counted.lines++
	}
}

// waitRunning waits until Home Assistant has started.
func (h *hass) waitRunning() {
	h.Helper()
	h.conn = nil
	eventually(h, 90*time.Second, "Home Assistant runs", func() bool {
		value, err := h.rest(http.MethodGet, "/api/config", nil)
		config, ok := value.(object)
		return err == nil && ok && config["state"] == "RUNNING"
	})
}

// restart restarts Home Assistant and waits for it.
func (h *hass) restart() {
	h.Helper()
	if _, err := h.rest(http.MethodPost, "/api/services/homeassistant/restart", object{}); err != nil && !strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "reset") {
		h.Logf("restart: %v", err) // it may cut the connection
	}
	eventually(h, 60*time.Second, "Home Assistant stops", func() bool {
		_, err := h.rest(http.MethodGet, "/api/config", nil)
		return err != nil
	})
	h.waitRunning()
}

// upload gives Home Assistant a file and returns its id.
func (h *hass) upload(name string, data []byte) string {
	h.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		h.Fatal(err)
	}
	if _, err := part.Write(data); err != nil {
		h.Fatal(err)
	}
	if err := form.Close(); err != nil {
		h.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, h.url+"/api/file_upload", &body)
	if err != nil {
		h.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	req.Header.Set("Content-Type", form.FormDataContentType())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		ID string `json:"file_id"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.ID == "" {
		h.Fatalf("upload: %d %v", resp.StatusCode, err)
	}
	return answer.ID
}

// brokerWithTLS replaces the broker's entry by one that trusts a CA. The form
// differs between releases: what it insists on gets its default.
func (h *hass) brokerWithTLS(ca []byte, user, password string) {
	h.Helper()
	wanted := object{"broker": "127.0.0.1", "port": 1883, "advanced_options": true, "set_ca_cert": "custom", "certificate": h.upload("ca.pem", ca)}
	if user != "" {
		wanted["username"], wanted["password"] = user, password
	}
	for _, e := range h.must(h.rest(http.MethodGet, "/api/config/config_entries/entry?domain=mqtt", nil)).([]any) {
		h.must(h.rest(http.MethodDelete, "/api/config/config_entries/entry/"+e.(object)["entry_id"].(string), nil))
	}
	flow := h.must(h.rest(http.MethodPost, "/api/config/config_entries/flow", object{"handler": "mqtt", "show_advanced_options": true})).(object)
	for range 5 {
		if flow["type"] == "create_entry" {
			return
		}
		schema, _ := flow["data_schema"].([]any)
		flow = h.must(h.rest(http.MethodPost, "/api/config/config_entries/flow/"+flow["flow_id"].(string), fill(schema, wanted))).(object)
	}
	h.Fatalf("the broker's form does not end: %v", flow)
}

// fill fills a form with what is wanted, and what it insists on.
func fill(schema []any, wanted object) object {
	filled := object{}
	for _, f := range schema {
		field := f.(object)
		name := field["name"].(string)
		selector, _ := field["selector"].(object)
		switch value, ok := wanted[name]; {
		case field["type"] == "expandable":
			filled[name] = fill(field["schema"].([]any), wanted)
		case ok:
			filled[name] = value
		case field["required"] == true && field["default"] != nil:
			filled[name] = field["default"]
		case field["required"] == true && selector["select"] != nil:
			filled[name] = "off"
		case field["required"] == true:
			filled[name] = false
		}
	}
	return filled
}

// expose lets Assist know entities.
func (h *hass) expose(entities ...string) {
	h.Helper()
	h.ask("homeassistant/expose_entity", object{"assistants": []string{"conversation"}, "entity_ids": entities, "should_expose": true})
}

// counted is what the suite prints at its end.
var counted struct{ entities, lines, sentences int }

// newHass connects to the Home Assistant of the environment, or skips.
func newHass(t *testing.T) *hass {
	h := &hass{TB: t, url: os.Getenv("E2E_HASS_URL"), token: os.Getenv("E2E_HASS_TOKEN"), log: os.Getenv("E2E_HASS_LOG")}
	if h.url == "" || h.token == "" {
		t.Skip("no Home Assistant: set E2E_HASS_URL and E2E_HASS_TOKEN, and E2E_HASS_MQTT to the port on which it looks for its broker")
	}
	if h.log != "" {
		if info, err := os.Stat(h.log); err == nil {
			h.seen = info.Size()
		}
	}
	h.waitRunning()
	return h
}
