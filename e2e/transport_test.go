package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"volvobridge/volvo/simulator"
)

// authority is a CA of one's own with a certificate for the server and for us.
type authority struct {
	dir string
	ca  *x509.Certificate
	key *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.write(t, "ca.pem", "CERTIFICATE", der)
	a.issue(t, "server")
	a.issue(t, "client")
	return a
}

func (a *authority) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (a *authority) issue(t *testing.T, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.ca, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, name+".pem", "CERTIFICATE", der)
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, name+".key", "EC PRIVATE KEY", keyDER)
}

// TestTransports connects in every way that mqtt.url offers, with a password.
func TestTransports(t *testing.T) {
	a := newAuthority(t)
	passwords := mosquittoUsers(t, map[string]string{"bridge": "s3cret-password"})
	ports := []int{freePort(t), freePort(t), freePort(t)}
	secure := func(port int) string {
		return fmt.Sprintf("listener %d 127.0.0.1\ncafile %s/ca.pem\ncertfile %s/server.pem\nkeyfile %s/server.key\nrequire_certificate true\n", port, a.dir, a.dir, a.dir)
	}
	broker := startMosquitto(t, "allow_anonymous false", "password_file "+passwords, secure(ports[0]),
		fmt.Sprintf("listener %d 127.0.0.1\nprotocol websockets\n", ports[1]), secure(ports[2])+"protocol websockets\n")
	o := observe(t, broker.url(), func(opts *paho.ClientOptions) { opts.SetUsername("bridge").SetPassword("s3cret-password") })
	credentials := "  username: bridge\n  password: s3cret-password\n"
	certificates := fmt.Sprintf("  ca_file: %[1]s/ca.pem\n  cert_file: %[1]s/client.pem\n  key_file: %[1]s/client.key\n", a.dir)
	for _, c := range []struct{ name, url, more string }{
		{"mqtt", broker.url(), credentials}, {"mqtts", fmt.Sprintf("mqtts://127.0.0.1:%d", ports[0]), credentials + certificates},
		{"ws", fmt.Sprintf("ws://127.0.0.1:%d", ports[1]), credentials}, {"wss", fmt.Sprintf("wss://127.0.0.1:%d", ports[2]), credentials + certificates},
	} {
		t.Run(c.name, func(t *testing.T) {
			cloud, car := recorded(t)
			base := "home/cars/" + c.name
			cfg := strings.Replace(config(serve(t, cloud), c.url, allow), "http:\n", c.more+"  topic: "+base+"\n  client_id: bridge-"+c.name+"\nhttp:\n", 1)
			p := startBridge(t, t.TempDir(), cfg)
			eventually(t, 15*time.Second, "the state", func() bool { return o.document(base + "/" + car + "/state")["odometer"] != nil })
			o.publish(base+"/"+car+"/honk/set", "PRESS")
			eventually(t, 5*time.Second, "the command", func() bool { return o.document(base + "/" + car + "/honk/status")["status"] == "succeeded" })
			p.terminate()
			if strings.Contains(p.out.String(), "s3cret-password") {
				t.Error("the password is in the log")
			}
		})
	}
	t.Run("a wrong password is told", func(t *testing.T) {
		cloud, _ := recorded(t)
		cfg := strings.Replace(config(serve(t, cloud), broker.url(), allow), "http:\n", "  username: bridge\n  password: wrong\nhttp:\n", 1)
		p := startBridge(t, t.TempDir(), cfg)
		eventually(t, 10*time.Second, "a line in the log", func() bool { return strings.Contains(strings.ToLower(p.out.String()), "not authori") })
	})
	t.Run("a stranger's certificate is refused", func(t *testing.T) {
		stranger := newAuthority(t)
		cloud, _ := recorded(t)
		cfg := strings.Replace(config(serve(t, cloud), fmt.Sprintf("mqtts://127.0.0.1:%d", ports[0]), allow), "http:\n",
			credentials+fmt.Sprintf("  ca_file: %[1]s/ca.pem\n  cert_file: %[1]s/client.pem\n  key_file: %[1]s/client.key\nhttp:\n", stranger.dir), 1)
		p := startBridge(t, t.TempDir(), cfg)
		eventually(t, 10*time.Second, "a line in the log", func() bool { return strings.Contains(p.out.String(), "certificate") })
	})
}

// TestTwoBridgesOnOneBroker: with topics and client ids of their own.
func TestTwoBridgesOnOneBroker(t *testing.T) {
	broker := startMosquitto(t)
	o := observe(t, broker.url())
	var vins []string
	for i, base := range []string{"first", "second"} {
		cloud := simulator.New(simulator.Options{Cars: []simulator.Kind{simulator.Kind(i)}, PerMinute: -1})
		vins = append(vins, cloud.VINs()[0])
		startBridge(t, t.TempDir(), strings.Replace(config(serve(t, cloud), broker.url(), allow), "http:\n", "  topic: "+base+"\n  client_id: "+base+"\nhttp:\n", 1))
	}
	for i, base := range []string{"first", "second"} {
		eventually(t, 15*time.Second, base, func() bool {
			return o.document(base + "/" + vins[i] + "/state")["odometer"] != nil && o.get("homeassistant/device/volvobridge_"+base+"/config") != ""
		})
	}
	o.publish("first/"+vins[0]+"/lock/set", "LOCK")
	eventually(t, 10*time.Second, "confirmed", func() bool { return o.document("first/" + vins[0] + "/lock/status")["confirmed"] == true })
}

// TestEmbeddedBroker: `mqtt.url: embedded` is a broker of one's own, for MQTT
// 3.1.1 and 5, with a password.
func TestEmbeddedBroker(t *testing.T) {
	cloud, car := recorded(t)
	port := freePort(t)
	cfg := strings.Replace(config(serve(t, cloud), "embedded", allow), "http:\n",
		fmt.Sprintf("  listen: 127.0.0.1:%d\n  username: me\n  password: s3cret-password\nhttp:\n", port), 1)
	startBridge(t, t.TempDir(), cfg)
	address := fmt.Sprintf("mqtt://127.0.0.1:%d", port)
	eventually(t, 5*time.Second, "the broker", func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	o := observe(t, address, func(opts *paho.ClientOptions) { opts.SetUsername("me").SetPassword("s3cret-password") })
	eventually(t, 10*time.Second, "the state", func() bool { return o.document("volvo/" + car + "/state")["odometer"] != nil })
	stranger := paho.NewClient(paho.NewClientOptions().AddBroker(address).SetProtocolVersion(4).SetUsername("me").SetPassword("wrong"))
	if token := stranger.Connect(); token.WaitTimeout(5*time.Second) && token.Error() == nil {
		t.Error("a wrong password was let in")
	}
	if sub, err := exec.LookPath("mosquitto_sub"); err == nil {
		out, err := exec.Command(sub, "-V", "mqttv5", "-h", "127.0.0.1", "-p", fmt.Sprint(port), "-u", "me", "-P", "s3cret-password", "-t", "volvo/bridge/availability", "-C", "1", "-W", "5").CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "online" {
			t.Errorf("MQTT 5: %v %s", err, out)
		}
	}
}

// TestAccessControl is the advice of docs/security.md: only one user may move the cars.
func TestAccessControl(t *testing.T) {
	passwords := mosquittoUsers(t, map[string]string{"volvobridge": "pw-volvobridge", "homeassistant": "pw-homeassistant", "guest": "pw-guest"})
	acl := filepath.Join(t.TempDir(), "acl")
	if err := os.WriteFile(acl, []byte(documented(t, "security.md", "```acl")), 0o600); err != nil {
		t.Fatal(err)
	}
	broker := startMosquitto(t, "allow_anonymous false", "password_file "+passwords, "acl_file "+acl)
	as := func(user string) func(*paho.ClientOptions) {
		return func(opts *paho.ClientOptions) { opts.SetUsername(user).SetPassword("pw-" + user) }
	}
	cloud, car := recorded(t)
	cfg := strings.Replace(config(serve(t, cloud), broker.url(), allow), "http:\n", "  username: volvobridge\n  password: pw-volvobridge\nhttp:\n", 1)
	startBridge(t, t.TempDir(), cfg)
	home, guest := observe(t, broker.url(), as("homeassistant")), observe(t, broker.url(), as("guest"))
	eventually(t, 15*time.Second, "the state", func() bool { return guest.document("volvo/" + car + "/state")["odometer"] != nil })
	eventually(t, 5*time.Second, "the announcement", func() bool { return home.get("homeassistant/device/volvobridge_"+strings.ToLower(car)+"/config") != "" })
	guest.publish("volvo/"+car+"/honk/set", "PRESS")
	time.Sleep(time.Second)
	if n := len(cloud.Calls("POST")); n != 0 {
		t.Fatal("a guest moved the car")
	}
	home.publish("volvo/"+car+"/honk/set", "PRESS")
	eventually(t, 5*time.Second, "the command", func() bool { return home.document("volvo/" + car + "/honk/status")["status"] == "succeeded" })
}

// documented returns a fenced block of a page of the documents.
func documented(t *testing.T, page, fence string) string {
	t.Helper()
	data, err := os.ReadFile("../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(data), fence+"\n")
	block, _, end := strings.Cut(after, "\n```")
	if !ok || !end {
		t.Fatalf("docs/%s has no block %s", page, fence)
	}
	return block + "\n"
}

// TestLargeAnswers: 50 MB where a kilobyte belongs costs no memory.
func TestLargeAnswers(t *testing.T) {
	broker := startMosquitto(t)
	cloud := simulator.New(simulator.Options{PerMinute: -1, PerDay: -1})
	if err := cloud.Switch(simulator.Fault{Match: "GET", Kind: "huge"}); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(cloud)
	defer s.Close()
	p := startBridge(t, t.TempDir(), quietConfig(s.URL, broker.url(), ""))
	o := observe(t, broker.url())
	eventually(t, 60*time.Second, "an outage", func() bool { return o.document("volvo/bridge/state")["cloud_status"] == "outage" })
	if mb := resident(t, p.cmd.Process.Pid); mb > 64 {
		t.Errorf("%.0f MB resident", mb)
	}
	cloud.Mend()
	eventually(t, 70*time.Second, "values", func() bool { return o.document("volvo/" + cloud.VINs()[0] + "/state")["odometer"] != nil })
}
