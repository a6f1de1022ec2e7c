package bridge_test

import (
	"bytes"
	"image"
	"image/png"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"volvobridge/volvo/simulator"
)

// withBroker runs f against a broker with rules.
func withBroker(t *testing.T, rules func(r *rig), f func(r *rig, cloud *simulator.Replay)) {
	cloud := ownCar(t)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cloud)
		rules(r)
		r.start()
		defer func() { r.stop() }()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		f(r, cloud)
	})
}

// works: values come, and commands run.
func (r *rig) works(cloud *simulator.Replay) {
	r.Helper()
	if r.broker.Last(base+"/"+car+"/state") == "" || r.broker.Last(base+"/bridge/availability") != "online" {
		r.Error("no values")
	}
	posts := len(cloud.Calls(http.MethodPost))
	r.send("honk", "PRESS")
	if len(cloud.Calls(http.MethodPost)) != posts+1 {
		r.Error("no commands")
	}
}

// TestBrokersWithRules: a message, a right or an ability that is missing costs just
// that; it is named, with what to change.
func TestBrokersWithRules(t *testing.T) {
	discovery := "homeassistant/device/volvobridge_" + strings.ToLower(car) + "/config"
	for _, c := range []struct {
		name   string
		rules  func(r *rig)
		advice []string
		silent bool // commands can't come
	}{
		{"no problem", func(*rig) {}, nil, false},
		{"small packets", func(r *rig) { r.broker.MaxPacket = 20_000 }, []string{discovery, "limit of a packet"}, false},
		{"no retained messages", func(r *rig) { r.broker.NoRetain = true }, []string{"no retained messages"}, false},
		{"no QoS 1", func(r *rig) { r.broker.NoQoS = true }, []string{"QoS 1"}, false},
		{"neither", func(r *rig) { r.broker.NoQoS, r.broker.NoRetain = true, true }, []string{"QoS 1", "no retained messages"}, false},
		{"no right to write discovery", func(r *rig) {
			r.broker.MayWrite = func(topic string) bool { return !strings.HasPrefix(topic, "homeassistant/") }
		}, []string{discovery, "right to write"}, false},
		{"no right to write the car's topics", func(r *rig) {
			r.broker.MayWrite = func(topic string) bool {
				return !strings.HasPrefix(topic, base+"/"+car) || strings.HasSuffix(topic, "/set") || strings.HasSuffix(topic, "/state")
			}
		}, []string{base + "/" + car + "/availability"}, false},
		{"no right to read the birth", func(r *rig) {
			r.broker.MaySubscribe = func(filter string) bool { return filter != "homeassistant/status" }
		}, []string{"homeassistant/status"}, false},
		{"no right to read commands", func(r *rig) {
			r.broker.MaySubscribe = func(filter string) bool { return !strings.HasSuffix(filter, "/set") }
		}, []string{base + "/+/+/set"}, true},
		{"no right to read anything but commands", func(r *rig) {
			r.broker.MaySubscribe = func(filter string) bool { return strings.HasSuffix(filter, "/set") }
		}, []string{base + "/bridge/instance", base + "/+/availability"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			withBroker(t, c.rules, func(r *rig, cloud *simulator.Replay) {
				if c.silent {
					if r.broker.Last(base+"/"+car+"/state") == "" {
						r.Error("no values")
					}
				} else {
					r.works(cloud)
				}
				on, advice := r.lastProblem()
				if on != (c.advice != nil) {
					r.Errorf("broker_problem %v: %s", on, advice)
				}
				r.advises(advice, c.advice)
				if strings.Contains(r.log.String(), "same mqtt.client_id") {
					r.Error("another client is blamed")
				}
				if n := strings.Count(r.log.String(), "connected to the broker"); n > 12 {
					r.Errorf("%d connections", n)
				}
			})
		})
	}
}

// advises: each problem is named in the advice, and was logged once or twice.
func (r *rig) advises(advice string, wanted []string) {
	r.Helper()
	for _, want := range wanted {
		if !strings.Contains(advice, want) {
			r.Errorf("%q is not in: %s", want, advice)
		}
		if n := strings.Count(r.warnings(), want); n == 0 || n > 2 {
			r.Errorf("%q was logged %d times", want, n)
		}
	}
}

// lastProblem is what the entity says, and its attributes.
func (r *rig) lastProblem() (bool, string) {
	return strings.Contains(r.broker.Last(base+"/bridge/state"), `"broker_problem":"ON"`), r.broker.Last(base + "/bridge/broker_problem/attributes")
}

// noise is a picture that nothing makes small.
func noise() []byte {
	img := image.NewRGBA(image.Rect(0, 0, 1000, 600))
	random := rand.New(rand.NewPCG(1, 2))
	for i := range img.Pix {
		img.Pix[i] = byte(random.IntN(256))
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img) // into memory
	return b.Bytes()
}

// TestALargePicture is made smaller until the broker takes it.
func TestALargePicture(t *testing.T) {
	replay := ownCar(t)
	replay.SetBody("vehicle.json", `{"data":{"fuelType":"ELECTRIC","images":{"exteriorImageUrl":"https://api/pic.png"},"descriptions":{"model":"EX30"}}}`)
	picture := noise()
	cloud := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/pic.png" {
			_, _ = w.Write(picture)
			return
		}
		replay.ServeHTTP(w, r)
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cloud)
		r.broker.MaxPacket = 60_000
		r.start()
		defer func() { r.stop() }()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		got := r.broker.Last(base + "/" + car + "/image/exterior")
		if !strings.HasPrefix(got, "\xff\xd8") || len(got) > 60_000 {
			t.Errorf("of %d bytes a picture of %d", len(picture), len(got))
		}
		if !strings.Contains(r.broker.Last("homeassistant/device/volvobridge_"+strings.ToLower(car)+"/config"), "image/jpeg") {
			t.Error("it is not announced as what it is")
		}
		if n := strings.Count(r.log.String(), "connected to the broker"); n > 12 {
			t.Errorf("%d connections", n)
		}
	})
}
