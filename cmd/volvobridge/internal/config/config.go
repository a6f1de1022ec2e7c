package config

import (
	"fmt"
	"time"

	"volvobridge/volvo"
)

// Config is the whole configuration; its tags are the keys of the contract.
type Config struct {
	Volvo         Volvo         `yaml:"volvo"`
	Accounts      []Volvo       `yaml:"accounts"`
	MQTT          MQTT          `yaml:"mqtt"`
	HomeAssistant HomeAssistant `yaml:"home_assistant"`
	Polling       Polling       `yaml:"polling"`
	Commands      Commands      `yaml:"commands"`
	HTTP          HTTP          `yaml:"http"`
	Store         string        `yaml:"store"`
	Log           Log           `yaml:"log"`

	Warnings []string // what is odd and stops nothing
	// LanguageSet tells that home_assistant.language was set, and not left to its default.
	LanguageSet bool
	// Given is what Home Assistant gives its app; nil: this is none.
	Given *Given
	// AskBroker tells that the app's Supervisor is asked for the broker, since mqtt.url is
	// not set.
	AskBroker bool

	variables map[string]string // or options that keys were set by
}

// Volvo is one Volvo ID.
type Volvo struct {
	ClientID     string      `yaml:"client_id"`
	ClientSecret string      `yaml:"client_secret" secret:"true"`
	RedirectURL  string      `yaml:"redirect_url"`
	APIKey       string      `yaml:"api_key" secret:"true"`
	APIKeys      []string    `yaml:"api_keys" secret:"true"`
	AccessToken  AccessToken `yaml:"access_token" secret:"true"`
	Vehicles     []Vehicle   `yaml:"vehicles"`
	Scopes       []string    `yaml:"scopes"`
	APIURL       string      `yaml:"api_url"`
	AuthURL      string      `yaml:"auth_url"`
	TokenURL     string      `yaml:"token_url"`
}

// AccessToken is a test token: one for all APIs, or one for each.
type AccessToken map[volvo.API]string

// Vehicle is a car.
type Vehicle struct {
	VIN  string `yaml:"vin" secret:"true"`
	Name string `yaml:"name"`
}

// MQTT is the broker.
type MQTT struct {
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

// HomeAssistant is where cars are announced.
type HomeAssistant struct {
	Discovery   bool   `yaml:"discovery"`
	Prefix      string `yaml:"prefix"`
	StatusTopic string `yaml:"status_topic"`
	Language    string `yaml:"language"`
}

// Polling bounds the reads.
type Polling struct {
	Profile     string                           `yaml:"profile"`
	DailyQuota  int                              `yaml:"daily_quota"`
	Reserve     int                              `yaml:"reserve"`
	PerMinute   int                              `yaml:"per_minute"`
	MinInterval time.Duration                    `yaml:"min_interval"`
	Intervals   map[volvo.Resource]time.Duration `yaml:"intervals"`
}

// Commands bounds what a message may do.
type Commands struct {
	Allow      []volvo.Command `yaml:"allow"`
	PIN        string          `yaml:"pin" secret:"true"`
	MaxAge     time.Duration   `yaml:"max_age"`
	AllowPlain bool            `yaml:"allow_plain"`
	PerMinute  int             `yaml:"per_minute"`
	Timeout    time.Duration   `yaml:"timeout"`
}

// HTTP is the web server.
type HTTP struct {
	Listen   string   `yaml:"listen"`
	Password string   `yaml:"password" secret:"true"`
	Hosts    []string `yaml:"hosts"`
	// PublicMetrics lets everybody read the metrics.
	PublicMetrics bool `yaml:"public_metrics"`
}

// Log is the log.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Defaults is the configuration of an empty file.
func Defaults() Config {
	return Config{
		Volvo:         AccountDefaults(),
		MQTT:          MQTT{URL: "mqtt://localhost:1883", Listen: "127.0.0.1:1883", ClientID: "volvobridge", Topic: "volvo"},
		HomeAssistant: HomeAssistant{Discovery: true, Prefix: "homeassistant", StatusTopic: "homeassistant/status", Language: "en"},
		Polling:       Polling{Profile: "frugal", DailyQuota: 10000, Reserve: 500, PerMinute: 90, MinInterval: 10 * time.Second},
		Commands: Commands{
			Allow: []volvo.Command{volvo.Lock, volvo.LockReducedGuard, volvo.Honk, volvo.Flash, volvo.HonkFlash,
				volvo.ClimatizationStart, volvo.ClimatizationStop},
			MaxAge: 30 * time.Second, PerMinute: 10, Timeout: 160 * time.Second,
		},
		HTTP:  HTTP{Listen: "127.0.0.1:8099"},
		Store: "data",
		Log:   Log{Level: "info", Format: "console"},
	}
}

// AccountDefaults is the configuration of an empty account.
func AccountDefaults() Volvo {
	return Volvo{RedirectURL: "http://localhost:8099/oauth/callback", APIURL: "https://api.volvocars.com",
		AuthURL: volvo.AuthURL, TokenURL: volvo.TokenURL}
}

// accounts returns every account with its place in the configuration.
func (c *Config) accounts() map[string]*Volvo {
	if len(c.Accounts) == 0 {
		return map[string]*Volvo{"volvo": &c.Volvo}
	}
	all := map[string]*Volvo{}
	for i := range c.Accounts {
		all[fmt.Sprintf("accounts[%d]", i)] = &c.Accounts[i]
	}
	return all
}

// AccountList returns every account, in the order of the configuration.
func (c Config) AccountList() []Volvo {
	if len(c.Accounts) == 0 {
		return []Volvo{c.Volvo}
	}
	return c.Accounts
}

// Variable is the variable, or the option of the app, that a key was set by; empty: none.
func (c Config) Variable(key string) string { return c.variables[key] }

// OAuth tells whether the account logs in, instead of using test tokens.
func (c Volvo) OAuth() bool { return len(c.AccessToken) == 0 }

// Keys returns the API keys.
func (c Volvo) Keys() []string {
	if c.APIKey != "" {
		return []string{c.APIKey}
	}
	return c.APIKeys
}

// Embedded is the value of mqtt.url for a broker of our own.
const Embedded = "embedded"

// MinSecret is the length of the shortest text that is taken for a secret: shorter
// ones would mask half the log.
const MinSecret = 4
