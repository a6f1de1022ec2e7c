package main

import (
	"time"

	"volvobridge/volvo"
)

// Config is the whole configuration; its tags are the keys of the contract.
type Config struct {
	Volvo         VolvoConfig         `yaml:"volvo"`
	MQTT          MQTTConfig          `yaml:"mqtt"`
	HomeAssistant HomeAssistantConfig `yaml:"home_assistant"`
	Polling       PollingConfig       `yaml:"polling"`
	Commands      CommandsConfig      `yaml:"commands"`
	HTTP          HTTPConfig          `yaml:"http"`
	Store         string              `yaml:"store"`
	Log           LogConfig           `yaml:"log"`
}

// VolvoConfig is one Volvo ID.
type VolvoConfig struct {
	APIKey      string          `yaml:"api_key" secret:"true"`
	APIKeys     []string        `yaml:"api_keys" secret:"true"`
	AccessToken AccessToken     `yaml:"access_token" secret:"true"`
	Vehicles    []VehicleConfig `yaml:"vehicles"`
	APIURL      string          `yaml:"api_url"`
}

// AccessToken is a test token: one for all APIs, or one for each.
type AccessToken map[volvo.API]string

// VehicleConfig is a car.
type VehicleConfig struct {
	VIN  string `yaml:"vin" secret:"true"`
	Name string `yaml:"name"`
}

// MQTTConfig is the broker.
type MQTTConfig struct {
	URL      string `yaml:"url"`
	Listen   string `yaml:"listen"`
	Username string `yaml:"username"`
	Password string `yaml:"password" secret:"true"`
	ClientID string `yaml:"client_id"`
	Topic    string `yaml:"topic"`
	CAFile   string `yaml:"ca_file"`
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// HomeAssistantConfig is where cars are announced.
type HomeAssistantConfig struct {
	Discovery   bool   `yaml:"discovery"`
	Prefix      string `yaml:"prefix"`
	StatusTopic string `yaml:"status_topic"`
}

// PollingConfig bounds the reads.
type PollingConfig struct {
	Profile     string                           `yaml:"profile"`
	DailyQuota  int                              `yaml:"daily_quota"`
	Reserve     int                              `yaml:"reserve"`
	PerMinute   int                              `yaml:"per_minute"`
	MinInterval time.Duration                    `yaml:"min_interval"`
	Intervals   map[volvo.Resource]time.Duration `yaml:"intervals"`
}

// CommandsConfig bounds what a message may do.
type CommandsConfig struct {
	Allow      []volvo.Command `yaml:"allow"`
	PIN        string          `yaml:"pin" secret:"true"`
	MaxAge     time.Duration   `yaml:"max_age"`
	AllowPlain bool            `yaml:"allow_plain"`
	PerMinute  int             `yaml:"per_minute"`
	Timeout    time.Duration   `yaml:"timeout"`
}

// HTTPConfig is the web server.
type HTTPConfig struct {
	Listen   string   `yaml:"listen"`
	Password string   `yaml:"password" secret:"true"`
	Hosts    []string `yaml:"hosts"`
}

// LogConfig is the log.
type LogConfig struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// defaults is the configuration of an empty file.
func defaults() Config {
	return Config{
		Volvo:         VolvoConfig{APIURL: "https://api.volvocars.com"},
		MQTT:          MQTTConfig{URL: "mqtt://localhost:1883", Listen: "127.0.0.1:1883", ClientID: "volvobridge", Topic: "volvo"},
		HomeAssistant: HomeAssistantConfig{Discovery: true, Prefix: "homeassistant", StatusTopic: "homeassistant/status"},
		Polling:       PollingConfig{Profile: "fixed", DailyQuota: 10000, Reserve: 500, PerMinute: 90, MinInterval: 10 * time.Second},
		Commands: CommandsConfig{
			Allow: []volvo.Command{volvo.Lock, volvo.LockReducedGuard, volvo.Honk, volvo.Flash, volvo.HonkFlash,
				volvo.ClimatizationStart, volvo.ClimatizationStop},
			MaxAge: 30 * time.Second, PerMinute: 10, Timeout: 160 * time.Second,
		},
		HTTP:  HTTPConfig{Listen: "127.0.0.1:8099"},
		Store: "data",
		Log:   LogConfig{Level: "info", Format: "console"},
	}
}

// keys returns the API keys.
func (c VolvoConfig) keys() []string {
	if c.APIKey != "" {
		return []string{c.APIKey}
	}
	return c.APIKeys
}
