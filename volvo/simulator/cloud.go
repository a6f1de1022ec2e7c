package simulator

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options configure a [Cloud]. The zero value is Volvo's limits, the real form,
// cars at the speed of life.
type Options struct {
	Seed   uint64
	Factor float64 // car time per wall time; 0: 1
	// Start is the cars' clock at the beginning; zero: half past six today.
	Start time.Time
	// Cars are the kinds of cars; nil: one of each.
	Cars []Kind
	Form Form
	// Keys are the VCC API keys that are known; Tokens the access tokens that never
	// end, as the portal's test tokens, but longer.
	Keys, Tokens []string
	OAuth        OAuth
	// PerMinute, CommandsPerMinute and PerDay are the limits; 0: Volvo's; negative: none.
	PerMinute, CommandsPerMinute, PerDay int
	// Answer is how long a command takes to be answered, Effect how long until the
	// car shows it; 0: one second, three seconds; negative: none.
	Answer, Effect time.Duration
	// Scene has something happen to each car in its first half hour.
	Scene bool
	// TwoStep cars open only when a hand pulls after an unlock.
	TwoStep bool
}

// Cloud answers as Volvo's cloud does. It implements [http.Handler].
type Cloud struct {
	opts Options
	mux  *http.ServeMux

	mu      sync.Mutex
	cars    []*simulated
	began   time.Time
	faults  []*Fault
	calls   map[string]*usage // by API key
	minutes map[string][]time.Time
	orders  map[string][]time.Time
	posts   []Call
	oauth   oauthState
	vanish  map[string]bool
}

type simulated struct {
	*Car
	effects []effect
}

// effect is a command on its way to the car.
type effect struct {
	at      time.Time // on the wall
	command string
	minutes int
}

type usage struct {
	day   time.Time
	count int
}

// The limits that Volvo documents.
const (
	defaultPerMinute   = 100
	defaultCommands    = 10
	defaultPerDay      = 10000
	defaultAnswer      = time.Second
	defaultEffect      = 3 * time.Second
	defaultKey         = "simulated-vcc-api-key"
	defaultAccessToken = "simulated-access-token"
)

// New returns a cloud whose cars begin to live now.
func New(opts Options) *Cloud {
	opts = withDefaults(opts)
	c := &Cloud{opts: opts, mux: http.NewServeMux(), began: time.Now(), calls: map[string]*usage{},
		minutes: map[string][]time.Time{}, orders: map[string][]time.Time{}, vanish: map[string]bool{}}
	for i, kind := range opts.Cars {
		car := NewCar(kind, vinOf(kind, i), opts.Seed+uint64(i), opts.Start)
		car.stretch, car.twoStep = opts.Factor, opts.TwoStep
		if opts.Scene {
			car.play()
		}
		c.cars = append(c.cars, &simulated{Car: car})
	}
	c.oauth.init(&c.opts.OAuth)
	c.mux.HandleFunc("/connected-vehicle/v2/vehicles", c.vehicles)
	c.mux.HandleFunc("/connected-vehicle/v2/vehicles/{vin}", c.resource)
	c.mux.HandleFunc("/connected-vehicle/v2/vehicles/{vin}/{resource}", c.resource)
	c.mux.HandleFunc("/connected-vehicle/v2/vehicles/{vin}/commands/{command}", c.command)
	c.mux.HandleFunc("/energy/v2/vehicles/{vin}/{resource}", c.resource)
	c.mux.HandleFunc("/location/v1/vehicles/{vin}/{resource}", c.resource)
	c.mux.HandleFunc("GET /pictures/{vin}/{picture}", c.picture)
	c.mux.HandleFunc("GET /as/authorization.oauth2", c.authorize)
	c.mux.HandleFunc("POST /as/authorization.oauth2", c.consent)
	c.mux.HandleFunc("POST /as/token.oauth2", c.token)
	c.mux.HandleFunc("/simulator/faults", c.faultSwitches)
	c.mux.HandleFunc("GET /simulator/calls", c.listCalls)
	return c
}

func withDefaults(o Options) Options {
	if o.Factor <= 0 {
		o.Factor = 1
	}
	if o.Start.IsZero() {
		o.Start = time.Now().UTC().Truncate(24 * time.Hour).Add(6*time.Hour + 30*time.Minute)
		for o.Start.Weekday() == time.Saturday || o.Start.Weekday() == time.Sunday {
			o.Start = o.Start.Add(24 * time.Hour) // a working day shows more
		}
	}
	if o.Cars == nil {
		o.Cars = []Kind{BEV, PHEV, Petrol}
	}
	if o.Keys == nil {
		o.Keys = []string{defaultKey}
	}
	if o.Tokens == nil {
		o.Tokens = []string{defaultAccessToken}
	}
	setDefault(&o.PerMinute, defaultPerMinute)
	setDefault(&o.CommandsPerMinute, defaultCommands)
	setDefault(&o.PerDay, defaultPerDay)
	setDefault(&o.Answer, defaultAnswer)
	setDefault(&o.Effect, defaultEffect)
	return o
}

// setDefault: nothing is the default, negative is none of it.
func setDefault[T int | time.Duration](v *T, d T) {
	switch {
	case *v == 0:
		*v = d
	case *v < 0:
		*v = 0
	}
}

// vinOf makes VINs that nobody has.
func vinOf(kind Kind, i int) string {
	return fmt.Sprintf("YV1%s%0*d", []string{"XZBEV", "XZPHEV", "XZPETR"}[kind], []int{9, 8, 8}[kind], i+1)
}

// VINs lists the cars.
func (c *Cloud) VINs() []string {
	var vins []string
	for _, car := range c.cars {
		vins = append(vins, car.VIN)
	}
	return vins
}

// Key and AccessToken are accepted.
func (c *Cloud) Key() string         { return c.opts.Keys[0] }
func (c *Cloud) AccessToken() string { return c.opts.Tokens[0] }

// Car calls f with a car as it is now, alone with it.
func (c *Cloud) Car(vin string, f func(*Car)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, car := range c.cars {
		if car.VIN == vin {
			c.live(car, time.Now())
			f(car.Car)
		}
	}
}

// Posts returns the commands that reached the cloud.
func (c *Cloud) Posts() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Call(nil), c.posts...)
}

// Calls returns how many calls were made with the first key today.
func (c *Cloud) Calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if u := c.calls[c.opts.Keys[0]]; u != nil {
		return u.count
	}
	return 0
}

// carTime turns the wall's time into the cars'.
func (c *Cloud) carTime(wall time.Time) time.Time {
	return c.opts.Start.Add(time.Duration(float64(wall.Sub(c.began)) * c.opts.Factor))
}

// wall is the reverse.
func (c *Cloud) wall(t time.Time) time.Time {
	return c.began.Add(time.Duration(float64(t.Sub(c.opts.Start)) / c.opts.Factor))
}

// live brings a car up to a moment, with the commands that reached it.
func (c *Cloud) live(car *simulated, now time.Time) {
	for len(car.effects) > 0 && !car.effects[0].at.After(now) {
		e := car.effects[0]
		car.effects = car.effects[1:]
		car.Advance(c.carTime(e.at))
		car.Do(e.command, e.minutes)
	}
	car.Advance(c.carTime(now))
}

// ServeHTTP implements [http.Handler].
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, "/simulator/") {
		if c.fault(w, r) {
			return
		}
	}
	c.mux.ServeHTTP(w, r)
}

func reply(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("VCC-API-OperationId", "00000000-0000-4000-8000-000000000000")
	w.WriteHeader(status)
	_, _ = w.Write(data) // a client that left needs no answer
}

func deny(w http.ResponseWriter, status int, message, description string) {
	e := fields{"message": message}
	if description != "" {
		e["description"] = description
	}
	reply(w, status, fields{"error": e})
}

// admit checks key, limits and token, as the gateway does, and returns the
// token's scopes; nil scopes are all.
func (c *Cloud) admit(w http.ResponseWriter, r *http.Request, now time.Time) ([]string, bool) {
	key := r.Header.Get("vcc-api-key")
	known := false
	for _, k := range c.opts.Keys {
		known = known || k == key
	}
	if !known {
		reply(w, http.StatusUnauthorized, fields{"status": 401, "error": fields{
			"message": "Access denied due to invalid VCC-API-KEY. Make sure to provide a valid key for an active application."}})
		return nil, false
	}
	if !c.withinDay(w, key, now) || !c.withinMinute(w, c.minutes, key, c.opts.PerMinute, now) {
		return nil, false
	}
	scopes, ok := c.bearer(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), now)
	if !ok {
		deny(w, http.StatusUnauthorized, "UNAUTHORIZED", "The access token is invalid or expired")
		return nil, false
	}
	return scopes, true
}

func (c *Cloud) withinDay(w http.ResponseWriter, key string, now time.Time) bool {
	today := now.UTC().Truncate(24 * time.Hour)
	u := c.calls[key]
	if u == nil || !u.day.Equal(today) {
		u = &usage{day: today}
		c.calls[key] = u
	}
	u.count++
	if c.opts.PerDay == 0 || u.count <= c.opts.PerDay {
		return true
	}
	quotaSpent(w, today.Add(24*time.Hour).Sub(now))
	return false
}

func quotaSpent(w http.ResponseWriter, left time.Duration) {
	s := int(left.Seconds())
	reply(w, http.StatusForbidden, fields{"statusCode": 403,
		"message": fmt.Sprintf("Out of call volume quota. Quota will be replenished in %02d:%02d:%02d.", s/3600, s/60%60, s%60)})
}

func (c *Cloud) withinMinute(w http.ResponseWriter, windows map[string][]time.Time, key string, limit int, now time.Time) bool {
	if limit == 0 {
		return true
	}
	recent := windows[key]
	for len(recent) > 0 && now.Sub(recent[0]) >= time.Minute {
		recent = recent[1:]
	}
	if len(recent) >= limit {
		windows[key] = recent
		reply(w, http.StatusTooManyRequests, fields{"statusCode": 429, "message": "Rate limit is exceeded."})
		return false
	}
	windows[key] = append(recent, now)
	return true
}

func hasScope(granted []string, wanted string) bool {
	if granted == nil {
		return true
	}
	for _, s := range granted {
		if s == wanted {
			return true
		}
	}
	return false
}

func (c *Cloud) vehicles(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	scopes, ok := c.admit(w, r, time.Now())
	if !ok {
		return
	}
	if !hasScope(scopes, "conve:vehicle_relation") {
		deny(w, http.StatusForbidden, "FORBIDDEN", "Access is denied")
		return
	}
	list := []fields{}
	for _, car := range c.cars {
		if !c.vanish[car.VIN] {
			list = append(list, fields{"vin": car.VIN})
		}
	}
	if c.opts.Form == Reference && len(list) == 1 {
		reply(w, http.StatusOK, list[0])
		return
	}
	reply(w, http.StatusOK, fields{"data": list})
}

// resourceScopes are what each resource needs.
var resourceScopes = map[string]string{
	"vehicle": "conve:vehicle_relation", "doors": "conve:doors_status", "windows": "conve:windows_status", "engine-status": "conve:engine_status",
	"engine": "conve:diagnostics_engine_status", "fuel": "conve:fuel_status", "odometer": "conve:odometer_status", "diagnostics": "conve:diagnostics_workshop",
	"brakes": "conve:brake_status", "tyres": "conve:tyre_status", "warnings": "conve:warnings", "statistics": "conve:trip_statistics",
	"commands": "conve:commands", "command-accessibility": "conve:command_accessibility", "energy": "energy:state:read",
	"energy-capabilities": "energy:capability:read", "location": "location:read",
}

func resourceOf(r *http.Request) string {
	name := r.PathValue("resource")
	switch {
	case name == "":
		return "vehicle"
	case strings.HasPrefix(r.URL.Path, "/energy/") && name == "state":
		return "energy"
	case strings.HasPrefix(r.URL.Path, "/energy/"):
		return "energy-" + name
	}
	return name
}

func (c *Cloud) find(vin string) *simulated {
	for _, car := range c.cars {
		if strings.EqualFold(car.VIN, vin) && !c.vanish[car.VIN] {
			return car
		}
	}
	return nil
}

func (c *Cloud) resource(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if r.Method != http.MethodGet {
		deny(w, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "")
		return
	}
	scopes, ok := c.admit(w, r, now)
	if !ok {
		return
	}
	name := resourceOf(r)
	car := c.find(r.PathValue("vin"))
	switch {
	case resourceScopes[name] == "":
		deny(w, http.StatusNotFound, "NOT_FOUND", "resource not found")
		return
	case !hasScope(scopes, resourceScopes[name]):
		deny(w, http.StatusForbidden, "FORBIDDEN", "Access is denied")
		return
	case car == nil:
		deny(w, http.StatusNotFound, "NOT_FOUND", "VIN not linked to the account")
		return
	}
	c.live(car, now)
	nulls, strange := c.spoiled(r)
	render := renderer{form: c.opts.Form, wall: c.wall, origin: origin(r), nulls: nulls, strange: strange}
	body, ok := render.answer(car.Car, name)
	if !ok {
		deny(w, http.StatusNotFound, "NOT_FOUND", "resource not found")
		return
	}
	reply(w, http.StatusOK, body)
}

func origin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// commandWords are the commands by the last level of their path.
var commandWords = func() map[string]string {
	words := map[string]string{}
	for _, m := range models {
		for _, word := range m.commands {
			words[segment(word)] = word
		}
	}
	return words
}()

var commandScopes = map[string]string{
	"LOCK": "conve:lock", "LOCK_REDUCED_GUARD": "conve:lock", "UNLOCK": "conve:unlock", "HONK": "conve:honk_flash", "FLASH": "conve:honk_flash",
	"HONK_AND_FLASH": "conve:honk_flash", "ENGINE_START": "conve:engine_start_stop", "ENGINE_STOP": "conve:engine_start_stop",
	"CLIMATIZATION_START": "conve:climatization_start_stop", "CLIMATIZATION_STOP": "conve:climatization_start_stop",
}

// command takes a POST, holds it while the car is asked, and answers.
func (c *Cloud) command(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<16)) // checked below
	now := time.Now()
	status, answer := c.order(w, r, string(body), now)
	if status == 0 {
		return // answered already
	}
	if wait := c.opts.Answer; wait > 0 {
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
			return
		}
	}
	reply(w, status, answer)
}

func (c *Cloud) order(w http.ResponseWriter, r *http.Request, body string, now time.Time) (int, any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Method != http.MethodPost {
		deny(w, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "")
		return 0, nil
	}
	key := r.Header.Get("vcc-api-key")
	scopes, ok := c.admit(w, r, now)
	if !ok || !c.withinMinute(w, c.orders, key, c.opts.CommandsPerMinute, now) {
		return 0, nil
	}
	if kind := r.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		deny(w, http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "")
		return 0, nil
	}
	c.posts = append(c.posts, Call{r.Method, r.URL.Path, body, "", key})
	word := commandWords[r.PathValue("command")]
	car := c.find(r.PathValue("vin"))
	minutes, bodyOK := runtimeOf(word, body)
	switch {
	case car == nil:
		deny(w, http.StatusNotFound, "NOT_FOUND", "VIN not linked to the account")
		return 0, nil
	case word == "" || !car.has(word):
		deny(w, http.StatusNotFound, "NOT_FOUND", r.PathValue("command")+" is not supported by this vehicle")
		return 0, nil
	case !hasScope(scopes, commandScopes[word]):
		deny(w, http.StatusForbidden, "FORBIDDEN", "Access is denied")
		return 0, nil
	case !bodyOK:
		deny(w, http.StatusBadRequest, "BAD_REQUEST", "runtimeMinutes must be from 0 to 15")
		return 0, nil
	}
	return c.run(r, car, word, minutes, now)
}

// run sends a command to the car, or says why it can't have it.
func (c *Cloud) run(r *http.Request, car *simulated, word string, minutes int, now time.Time) (int, any) {
	c.live(car, now)
	answer := fields{"vin": car.VIN, "invokeStatus": "COMPLETED", "message": ""}
	if word == "UNLOCK" {
		answer["readyToUnlock"], answer["readyToUnlockUntil"] = car.twoStep, 0
		if car.twoStep {
			answer["readyToUnlockUntil"] = 120
		}
	}
	forced := c.forced(r)
	switch {
	case forced != "":
		answer["invokeStatus"] = forced
		if forced != "COMPLETED" && forced != "SUCCESS" && forced != "DELIVERED" {
			return http.StatusOK, c.wrap(answer)
		}
	case car.Asleep:
		answer["invokeStatus"] = "VEHICLE_IN_SLEEP"
		return http.StatusOK, c.wrap(answer)
	case car.Driving && word != "LOCK" && word != "UNLOCK" && word != "LOCK_REDUCED_GUARD":
		return http.StatusServiceUnavailable, fields{"error": fields{"message": "SERVICE_UNAVAILABLE", "description": "Not allowed, car is in use or asleep"}}
	case car.Driving:
		answer["invokeStatus"] = "NOT_ALLOWED_WRONG_USAGE_MODE"
		return http.StatusOK, c.wrap(answer)
	case word == "LOCK" && (car.Doors != [4]bool{} || car.Tailgate || car.Hood):
		answer["invokeStatus"] = "UNABLE_TO_LOCK_DOOR_OPEN"
		return http.StatusOK, c.wrap(answer)
	}
	car.effects = append(car.effects, effect{now.Add(c.opts.Effect), word, minutes})
	return http.StatusOK, c.wrap(answer)
}

func (c *Cloud) wrap(answer fields) any {
	if c.opts.Form == Reference {
		return answer
	}
	return fields{"data": answer}
}

func (c *Car) has(word string) bool {
	for _, w := range c.model.commands {
		if w == word {
			return true
		}
	}
	return false
}

// runtimeOf reads the body that only engine start has.
func runtimeOf(word, body string) (int, bool) {
	if word != "ENGINE_START" {
		return 0, true
	}
	var b struct {
		RuntimeMinutes *float64 `json:"runtimeMinutes"`
	}
	if json.Unmarshal([]byte(body), &b) != nil || b.RuntimeMinutes == nil {
		return 0, false
	}
	m := *b.RuntimeMinutes
	return int(m), m == math.Trunc(m) && m >= 0 && m <= 15
}
