package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"volvobridge/bridge/entity"
	"volvobridge/discovery"
	"volvobridge/volvo"
)

// check looks at what the values mean.
func (s *source) check(cfg *Config) {
	s.checkTexts(cfg)
	s.checkAccounts(cfg)
	s.checkMQTT(&cfg.MQTT)
	s.checkHomeAssistant(cfg)
	s.checkPolling(&cfg.Polling)
	s.checkCommands(&cfg.Commands)
	s.checkHTTP(&cfg.HTTP)
	if cfg.Store == "" {
		s.wrong("store", "must name a folder, such as data")
	}
	s.oneOf("log.level", cfg.Log.Level, "trace", "debug", "info", "warn", "error")
	s.oneOf("log.format", cfg.Log.Format, "console", "json")
}

// checkTexts looks for what nobody sees in any text, such as the line end of a file
// from Windows behind a key: it would be sent to Volvo or the broker, which can't say
// what is wrong with it.
func (s *source) checkTexts(cfg *Config) {
	texts(reflect.ValueOf(cfg).Elem(), "", func(key, value string) {
		name := strings.HasSuffix(key, ".name")
		hidden := strings.IndexFunc(value, func(r rune) bool {
			return unicode.IsControl(r) || r == utf8.RuneError || !name && (unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || unicode.In(r, unicode.Zs) && r != ' ')
		})
		switch {
		case hidden >= 0 && strings.HasSuffix(value, "\r"):
			s.wrong(key, "ends in a line end of Windows (CR); save the file that it comes from with the line ends of Unix")
		case hidden >= 0:
			s.wrong(key, "holds an invisible character, the %s; write it anew", ordinal(len([]rune(value[:hidden]))+1))
		case strings.TrimSpace(value) != value && !strings.HasSuffix(key, "password"):
			s.wrong(key, "begins or ends with a space; remove it")
		}
	})
}

func ordinal(n int) string {
	switch {
	case n%10 == 1 && n%100 != 11:
		return fmt.Sprint(n, "st")
	case n%10 == 2 && n%100 != 12:
		return fmt.Sprint(n, "nd")
	case n%10 == 3 && n%100 != 13:
		return fmt.Sprint(n, "rd")
	}
	return fmt.Sprint(n, "th")
}

// texts visits every text with its key.
func texts(v reflect.Value, key string, visit func(key, value string)) {
	switch v.Kind() {
	case reflect.Struct:
		names, index := fields(v.Type())
		for _, name := range names {
			texts(v.Field(index[name]), join(key, name), visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			texts(v.Index(i), fmt.Sprintf("%s[%d]", key, i), visit)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if v.MapIndex(k).Kind() == reflect.String {
				visit(key, v.MapIndex(k).String())
				return // a token for all APIs stands there for each
			}
		}
	case reflect.String:
		visit(key, v.String())
	}
}

// placeholder is what examples write in place of a value.
var placeholder = regexp.MustCompile(`(?i)^(<.*>|\{.*\}|\[.*\]|your[-_ ].*|x{3,}|\.{3,}|change[-_ ]?me.*|todo|.*[-_]here)$`)

// checkPlaceholder finds what was copied from an example and not filled in.
func (s *source) checkPlaceholder(key, value string) {
	if placeholder.MatchString(value) {
		s.wrong(key, "still holds the text of an example; put your own value there")
	}
}

func (s *source) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		s.wrong(key, "%q is not valid; use one of %s", value, strings.Join(allowed, ", "))
	}
}

// checkAccounts looks at every account, and at what must differ between them.
func (s *source) checkAccounts(cfg *Config) {
	for key := range s.where {
		if len(cfg.Accounts) > 0 && (key == "volvo" || strings.HasPrefix(key, "volvo.")) {
			s.wrong("accounts", "is set together with volvo; keep one of the two")
			break
		}
	}
	files := Files(*cfg)
	for i, file := range files {
		if slices.Contains(files[:i], file) {
			s.wrong(fmt.Sprintf("accounts[%d]", i), "can't be told from another account of the same application; list the vehicles of each")
		}
	}
	seen := vehicleNames{vins: map[string]bool{}, slugs: map[string]bool{}}
	accounts := cfg.accounts()
	for _, key := range slices.Sorted(maps.Keys(accounts)) {
		s.checkVolvo(key, accounts[key])
		s.checkVehicles(key, accounts[key].Vehicles, seen)
	}
}

func (s *source) checkVolvo(key string, v *Volvo) {
	const portal = "on developer.volvocars.com"
	switch {
	case v.APIKey != "" && len(v.APIKeys) > 0:
		s.wrong(key+".api_keys", "is set together with api_key; keep one of the two")
	case len(v.Keys()) == 0:
		s.lacks(key+".api_key", "is missing; it is the VCC API key of your application "+portal)
	case slices.Contains(v.Keys(), ""):
		s.wrong(key+".api_keys", "holds an empty key; remove it")
	}
	s.checkPlaceholder(key+".client_id", v.ClientID)
	s.checkPlaceholder(key+".client_secret", v.ClientSecret)
	s.checkPlaceholder(key+".api_key", v.APIKey)
	if !v.OAuth() && v.AccessToken[volvo.ConnectedVehicle] == "" {
		s.wrong(key+".access_token", "lacks connected_vehicle, without which no car is found; add the test token of the Connected Vehicle API")
	}
	if v.OAuth() && !s.unread(key+".access_token") {
		switch {
		case v.ClientID == "" && v.ClientSecret == "":
			s.lacks(key+".client_id", "is missing; client_id and client_secret are those of your published application %s; for a trial, set access_token to a test token instead", portal)
		case v.ClientID == "":
			s.lacks(key+".client_id", "is missing; it stands beside the client secret of your application "+portal)
		case v.ClientSecret == "":
			s.lacks(key+".client_secret", "is missing; it was shown when you published your application "+portal)
		}
		s.address(key+".redirect_url", v.RedirectURL, "http", "https")
		s.address(key+".auth_url", v.AuthURL, "http", "https")
		s.address(key+".token_url", v.TokenURL, "http", "https")
	}
	for i, scope := range v.Scopes {
		if scope == "" || strings.ContainsAny(scope, " \t,") {
			s.wrong(fmt.Sprintf("%s.scopes[%d]", key, i), "%q is not a scope; write one an item, such as conve:doors_status", scope)
		}
	}
	s.address(key+".api_url", v.APIURL, "http", "https")
}

// address checks a URL of one of the schemes, without a user in it.
func (s *source) address(key, value string, schemes ...string) {
	u, err := url.Parse(value)
	switch {
	case err == nil && strings.Count(u.Host, ":") > 1 && !strings.Contains(u.Host, "["):
		s.wrong(key, "holds an IPv6 address without brackets; write it like %s://[fd00::1]:1883", u.Scheme)
	case err == nil && u.Port() == "" && strings.HasSuffix(u.Host, ":"):
		s.wrong(key, "ends in a : without a port")
	case err == nil && u.Port() != "" && !validPort(u.Port()):
		s.wrong(key, "names the port %s; ports go from 1 to 65535", u.Port())
	case err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme):
		if strings.Contains(value, "@") { // with a password, maybe
			value = "this"
		}
		s.wrong(key, "%q is not an address; it begins with %s:// and a host", value, strings.Join(schemes, "://, "))
	case u.User != nil:
		s.wrong(key, "holds a user; put it into the keys username and password")
	}
}

func validPort(port string) bool {
	n, err := strconv.Atoi(port)
	return err == nil && n >= 1 && n <= 65535
}

// vehicleNames are the VINs and topics that are taken.
type vehicleNames struct{ vins, slugs map[string]bool }

func (s *source) checkVehicles(account string, vehicles []Vehicle, seen vehicleNames) {
	vins, slugs := seen.vins, seen.slugs
	for i, v := range vehicles {
		key := fmt.Sprintf("%s.vehicles[%d]", account, i)
		vin, slug := strings.ToUpper(v.VIN), discovery.Slug(v.Name)
		switch {
		case !volvo.ValidVIN(vin) || len(vin) < shortestVIN || !strings.ContainsAny(vin, "0123456789"):
			s.wrong(key+".vin", "is not a VIN, which has 17 letters and digits")
		case vins[vin]:
			s.wrong(key+".vin", "stands twice; remove one")
		}
		switch {
		case slug == "bridge":
			s.wrong(key+".name", "%q is taken by the bridge's own topics; choose another", v.Name)
		case slug != "" && slugs[slug]:
			s.wrong(key+".name", "%q gives the same topics as another car; choose another", v.Name)
		}
		vins[vin], slugs[slug] = true, true
	}
}

const shortestVIN = 11 // of cars as old as nobody's here

var (
	clientIDPattern = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	pinPattern      = regexp.MustCompile(`^\d{4,8}$`)
)

func (s *source) checkMQTT(m *MQTT) {
	if m.URL == Embedded {
		s.checkEmbedded(m)
	} else {
		s.address("mqtt.url", m.URL, "mqtt", "mqtts", "ws", "wss")
	}
	if !clientIDPattern.MatchString(m.ClientID) {
		s.wrong("mqtt.client_id", "%q is not valid; use letters, digits, _ and -", m.ClientID)
	}
	s.topic("mqtt.topic", m.Topic)
	if _, err := RootCAs(m.CAFile); err != nil {
		s.wrong("mqtt.ca_file", "%v", err)
	}
	if (m.CertFile == "") != (m.KeyFile == "") {
		s.wrong("mqtt.cert_file", "belongs together with mqtt.key_file; set both or none")
	} else if _, err := Certificates(m.CertFile, m.KeyFile); err != nil {
		s.wrong("mqtt.cert_file", "can't be used with key_file: %v", err)
	}
	if m.Password != "" && m.Username == "" {
		s.wrong("mqtt.username", "is missing; a password alone is not sent")
	}
}

func (s *source) checkEmbedded(m *MQTT) {
	host, port, err := net.SplitHostPort(m.Listen)
	switch {
	case err != nil || !validPort(port) && port != "0":
		s.wrong("mqtt.listen", "%q is not an address; write host:port, such as 127.0.0.1:1883 or [::1]:1883", m.Listen)
	case !Loopback(host) && (m.Username == "" || m.Password == ""):
		s.wrong("mqtt.listen", "needs mqtt.username and mqtt.password to listen on %q, where others can reach it", m.Listen)
	}
}

// Loopback tells whether only this machine reaches a host.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *source) topic(key, value string) {
	if value == "" || strings.ContainsAny(value, "+#\x00") || strings.HasPrefix(value, "/") || strings.HasSuffix(value, "/") || strings.HasPrefix(value, "$") {
		s.wrong(key, "%q can't be a topic; use levels like home/volvo, without +, # and a / at either end", value)
	}
}

func (s *source) checkHomeAssistant(cfg *Config) {
	s.oneOf("home_assistant.language", cfg.HomeAssistant.Language, entity.Languages()...)
	if !cfg.HomeAssistant.Discovery {
		return
	}
	s.topic("home_assistant.prefix", cfg.HomeAssistant.Prefix)
	if cfg.HomeAssistant.StatusTopic != "" {
		s.topic("home_assistant.status_topic", cfg.HomeAssistant.StatusTopic)
	}
	topic, prefix := cfg.MQTT.Topic+"/", cfg.HomeAssistant.Prefix+"/"
	if strings.HasPrefix(topic, prefix) || strings.HasPrefix(prefix, topic) {
		s.wrong("mqtt.topic", "and home_assistant.prefix must not lie one in the other; states and discovery need a topic each")
	}
}

func (s *source) checkPolling(p *Polling) {
	s.oneOf("polling.profile", p.Profile, "frugal", "fresh", "fixed")
	if p.DailyQuota < 1 {
		s.wrong("polling.daily_quota", "must be at least 1; Volvo gives 10000")
	}
	if p.Reserve < 0 || p.Reserve >= max(1, p.DailyQuota) {
		s.wrong("polling.reserve", "must be from 0 to less than daily_quota")
	}
	if p.PerMinute < 1 {
		s.wrong("polling.per_minute", "must be at least 1; Volvo's limit is 100")
	}
	if p.MinInterval < time.Second {
		s.wrong("polling.min_interval", "must be at least 1s")
	}
	var names []string
	for _, r := range volvo.Resources() {
		names = append(names, string(r))
	}
	for r, d := range p.Intervals {
		key := join("polling.intervals", string(r))
		if !r.Known() {
			s.add(s.at(key), "", "unknown resource %q in polling.intervals%s", string(r), suggest(string(r), names))
		} else if d < time.Second {
			s.wrong(key, "must be at least 1s")
		}
	}
}

func (s *source) checkCommands(c *Commands) {
	var names []string
	for _, command := range volvo.AllCommands() {
		names = append(names, string(command))
	}
	for i, command := range c.Allow {
		if !command.Known() {
			key := fmt.Sprintf("commands.allow[%d]", i)
			s.add(s.at(key), "commands.allow", "there is no command %q%s", string(command), suggest(string(command), names))
		}
	}
	if c.PIN != "" && !pinPattern.MatchString(c.PIN) {
		s.wrong("commands.pin", "must be 4 to 8 digits; in quotes, if it begins with 0")
	}
	if c.MaxAge < time.Second {
		s.wrong("commands.max_age", "must be at least 1s")
	}
	if c.PerMinute < 1 {
		s.wrong("commands.per_minute", "must be at least 1; Volvo's limit is 10")
	}
	if c.Timeout < time.Second {
		s.wrong("commands.timeout", "must be at least 1s; Volvo takes up to 150s")
	}
}

func (s *source) checkHTTP(h *HTTP) {
	if h.Listen == "" {
		return
	}
	host, port, err := net.SplitHostPort(h.Listen)
	if err != nil || !validPort(port) && port != "0" {
		s.wrong("http.listen", "%q is not an address; write host:port, such as 127.0.0.1:8099 or [::1]:8099, or leave it empty", h.Listen)
		return
	}
	for i, host := range h.Hosts {
		if strings.ContainsAny(host, ":/") && net.ParseIP(strings.Trim(host, "[]")) == nil {
			s.wrong(fmt.Sprintf("http.hosts[%d]", i), "must be a name alone, such as pi.local, without scheme and port")
		}
	}
	if h.Password == "" && !Loopback(host) && !s.inApp { // there only ingress is let in without one
		s.wrong("http.password", "is needed to listen on %q, where others can reach it", h.Listen)
	}
}

// Check returns what is wrong with the keys that begin with a prefix, as one sentence.
func (c Config) Check(prefix string) error {
	s := &source{where: map[string]string{}, checking: true, inApp: c.Given != nil}
	s.check(&c)
	for _, problem := range s.problems {
		text := strings.TrimPrefix(problem, "line 1: ")
		if strings.HasPrefix(text, prefix) {
			return errors.New(text)
		}
	}
	return nil
}
