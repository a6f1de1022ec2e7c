package main

import (
	"fmt"
	"time"

	"volvobridge/volvo"
)

// Config is the whole configuration; its tags are the keys of the contract.
type Config struct {
	Volvo         VolvoConfig         `yaml:"volvo"`
	Accounts      []VolvoConfig       `yaml:"accounts"`
	MQTT          MQTTConfig          `yaml:"mqtt"`
	HomeAssistant HomeAssistantConfig `yaml:"home_assistant"`
	Polling       PollingConfig       `yaml:"polling"`
	Commands      CommandsConfig      `yaml:"commands"`
	HTTP          HTTPConfig          `yaml:"http"`
	Store         string              `yaml:"store"`
	Log           LogConfig           `yaml:"log"`

	warnings []string // what is odd and stops nothing
}

// VolvoConfig is one Volvo ID.
type VolvoConfig struct {
	ClientID     string          `yaml:"client_id"`
	ClientSecret string          `yaml:"client_secret" secret:"true"`
	RedirectURL  string          `yaml:"redirect_url"`
	APIKey       string          `yaml:"api_key" secret:"true"`
	APIKeys      []string        `yaml:"api_keys" secret:"true"`
	AccessToken  AccessToken     `yaml:"access_token" secret:"true"`
	Vehicles     []VehicleConfig `yaml:"vehicles"`
	Scopes       []string        `yaml:"scopes"`
	APIURL       string          `yaml:"api_url"`
	AuthURL      string          `yaml:"auth_url"`
	TokenURL     string          `yaml:"token_url"`
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
	Language    string `yaml:"language"`
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
		Volvo:         accountDefaults(),
		MQTT:          MQTTConfig{URL: "mqtt://localhost:1883", Listen: "127.0.0.1:1883", ClientID: "volvobridge", Topic: "volvo"},
		HomeAssistant: HomeAssistantConfig{Discovery: true, Prefix: "homeassistant", StatusTopic: "homeassistant/status", Language: "en"},
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

// accountDefaults is the configuration of an empty account.
func accountDefaults() VolvoConfig {
	return VolvoConfig{RedirectURL: "http://localhost:8099/oauth/callback", APIURL: "https://api.volvocars.com",
		AuthURL: volvo.AuthURL, TokenURL: volvo.TokenURL}
}

// accounts returns every account with its place in the configuration.
func (c *Config) accounts() map[string]*VolvoConfig {
	if len(c.Accounts) == 0 {
		return map[string]*VolvoConfig{"volvo": &c.Volvo}
	}
	all := map[string]*VolvoConfig{}
	for i := range c.Accounts {
		all[fmt.Sprintf("accounts[%d]", i)] = &c.Accounts[i]
	}
	return all
}

// accountList returns every account, in the order of the configuration.
func (c Config) accountList() []VolvoConfig {
	if len(c.Accounts) == 0 {
		return []VolvoConfig{c.Volvo}
	}
	return c.Accounts
}

// oauth tells whether the account logs in, instead of using test tokens.
func (c VolvoConfig) oauth() bool { return len(c.AccessToken) == 0 }

// keys returns the API keys.
func (c VolvoConfig) keys() []string {
	if c.APIKey != "" {
		return []string{c.APIKey}
	}
	return c.APIKeys
}
