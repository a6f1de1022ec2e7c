package discovery

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/gosimple/unidecode"
	"golang.org/x/text/unicode/norm"
)

// StampedCommand is the command template that stamps what is sent: the value,
// an id of its own and the time, so that nothing old and nothing twice is run.
const StampedCommand = `{% set t = now().timestamp() %}{{ {"value": value, "id": "ha-%.6f" | format(t), "at": t} | to_json }}`

// StampedCommandWithPIN is StampedCommand for a lock with a code.
const StampedCommandWithPIN = `{% set t = now().timestamp() %}{{ {"value": value, "id": "ha-%.6f" | format(t), "at": t, "pin": code | default('', true)} | to_json }}`

// Value is the template that reads one key of a state document. A null and a
// missing key both show as unknown, without a line in Home Assistant's log.
func Value(key string) string { return "{{ value_json.get('" + key + "') }}" }

// Message announces one device with all its components.
type Message struct {
	Device           Device               `json:"device"`
	Origin           Origin               `json:"origin"`
	Availability     []Availability       `json:"availability,omitempty"`
	AvailabilityMode string               `json:"availability_mode,omitempty"`
	Components       map[string]Component `json:"components"`
}

// Device is the device that the components belong to.
type Device struct {
	Identifiers  []string `json:"identifiers"`
	Name         string   `json:"name"`
	Manufacturer string   `json:"manufacturer,omitempty"`
	Model        string   `json:"model,omitempty"`
	ModelID      string   `json:"model_id,omitempty"`
	SerialNumber string   `json:"serial_number,omitempty"`
	SWVersion    string   `json:"sw_version,omitempty"`
	ViaDevice    string   `json:"via_device,omitempty"`
	// ConfigurationURL is where a person sets the device up: http, https or homeassistant.
	ConfigurationURL string `json:"configuration_url,omitempty"`
}

// Origin names the program that announces.
type Origin struct {
	Name      string `json:"name"`
	SWVersion string `json:"sw_version,omitempty"`
}

// Availability is one topic of `online` and `offline`.
type Availability struct {
	Topic string `json:"topic"`
}

// Component is one entity. A component with a platform and nothing else removes
// the entity that was announced under its key.
type Component struct {
	Platform        string `json:"platform"`
	UniqueID        string `json:"unique_id,omitempty"`
	DefaultEntityID string `json:"default_entity_id,omitempty"`
	Name            string `json:"name,omitempty"`
	QoS             int    `json:"qos,omitempty"`

	DeviceClass      string `json:"device_class,omitempty"`
	StateClass       string `json:"state_class,omitempty"`
	Unit             string `json:"unit_of_measurement,omitempty"`
	DisplayPrecision *int   `json:"suggested_display_precision,omitempty"`
	EntityCategory   string `json:"entity_category,omitempty"`
	Icon             string `json:"icon,omitempty"`

	StateTopic          string         `json:"state_topic,omitempty"`
	ValueTemplate       string         `json:"value_template,omitempty"`
	JSONAttributesTopic string         `json:"json_attributes_topic,omitempty"`
	Availability        []Availability `json:"availability,omitempty"`
	AvailabilityMode    string         `json:"availability_mode,omitempty"`

	CommandTopic    string `json:"command_topic,omitempty"`
	CommandTemplate string `json:"command_template,omitempty"`

	PayloadOn   string   `json:"payload_on,omitempty"`
	PayloadOff  string   `json:"payload_off,omitempty"`
	CodeFormat  string   `json:"code_format,omitempty"`
	Optimistic  *bool    `json:"optimistic,omitempty"`
	Options     []string `json:"options,omitempty"`
	EventTypes  []string `json:"event_types,omitempty"`
	Min         *float64 `json:"min,omitempty"`
	Max         *float64 `json:"max,omitempty"`
	Step        *float64 `json:"step,omitempty"`
	Mode        string   `json:"mode,omitempty"`
	SourceType  string   `json:"source_type,omitempty"`
	ImageTopic  string   `json:"image_topic,omitempty"`
	ContentType string   `json:"content_type,omitempty"`
}

// Topic is where a device's message goes, retained.
func Topic(prefix, id string) string { return prefix + "/device/" + id + "/config" }

// Payload encodes the message; the same message gives the same bytes.
func (m Message) Payload() ([]byte, error) { return json.Marshal(m) }

// EntityID returns the entity id that Home Assistant is asked to use. Without
// the domain in front it would make one up.
func EntityID(platform, deviceName, suffix string) string {
	return platform + "." + Slug(deviceName+" "+suffix)
}

// Slug turns a name into lower-case ASCII words joined by underscores, as Home
// Assistant does: in any script, composed or not. Empty: nothing of it can be spelt.
func Slug(name string) string {
	s := strings.ReplaceAll(name, "'", "-")
	s = strings.ToLower(ascii(norm.NFKD.String(s)))
	s = strings.ReplaceAll(s, "'", "")                                            // other apostrophes
	s = thousands.ReplaceAllString(thousands.ReplaceAllString(s, "$1$2"), "$1$2") // twice: they overlap
	return strings.Trim(between.ReplaceAllString(s, "_"), "_")
}

// ascii spells a text in ASCII; what can't be spelt is left out.
func ascii(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
		} else if spelt := unidecode.Unidecode(string(r)); spelt != unknown {
			b.WriteString(spelt)
		}
	}
	return b.String()
}

const unknown = "[?]" // the library's word for it

var (
	thousands = regexp.MustCompile(`(\d),(\d)`)
	between   = regexp.MustCompile(`[^a-z0-9]+`)
)
