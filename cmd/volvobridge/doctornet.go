package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"volvobridge/bridge/doctor"
	"volvobridge/bridge/mqtt"
	"volvobridge/cmd/volvobridge/internal/config"
)

const (
	networkPatience = 15 * time.Second
	skewAllowed     = time.Minute
)

// network looks at the way to every address: DNS, TLS, and the clock that answers.
func (d *examiner) network(ctx context.Context) {
	seen := map[string]bool{}
	for _, a := range d.cfg.AccountList() {
		addresses := []string{a.APIURL}
		if a.OAuth() {
			addresses = append(addresses, a.TokenURL)
		}
		for _, address := range addresses {
			u, err := url.Parse(address)
			if err != nil || seen[u.Host] {
				continue // checked with the configuration
			}
			seen[u.Host] = true
			d.host(ctx, u.Scheme+"://"+u.Host+"/")
		}
	}
}

// host makes one request without credentials.
func (d *examiner) host(ctx context.Context, address string) {
	u, _ := url.Parse(address) // built by network
	f := doctor.Finding{Area: "network", What: u.Host, Result: doctor.ResultOK}
	t := transport()
	defer t.CloseIdleConnections()
	client := http.Client{Transport: t, Timeout: networkPatience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return
	}
	started := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		f.Result = doctor.ResultProblem
		f.Found, f.Advice = explainNetwork(err)
		d.add(f)
		return
	}
	defer resp.Body.Close()
	f.Found = "reached in " + time.Since(started).Round(time.Millisecond).String()
	d.add(f)
	if there, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		skew := time.Since(there).Round(time.Second)
		c := doctor.Finding{Area: "clock", What: u.Host, Result: doctor.ResultOK, Found: "within a minute of this machine's"}
		if skew.Abs() > skewAllowed {
			c.Result, c.Found = doctor.ResultProblem, "this machine's clock is off by "+skew.String()
			c.Advice = "Set the clock, for example with timedatectl set-ntp true: commands are refused as too old, and certificates fail."
		}
		d.add(c)
	}
}

// explainNetwork says what a failed connection means.
func explainNetwork(err error) (found, advice string) {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	found = err.Error()
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var verify *tls.CertificateVerificationError
	switch {
	case errors.As(err, &dns):
		return "the name can't be resolved: " + found, "Check the DNS of this machine or container, and the spelling of the address."
	case errors.As(err, &unknown), errors.As(err, &host):
		return "its certificate is not trusted: " + found, "Check the address, and whether a proxy or a firewall opens the connection; in a container, that it has CA certificates."
	case errors.As(err, &invalid):
		return "its certificate is not valid now: " + found, "Check the clock of this machine first."
	case errors.As(err, &verify):
		return "its certificate is not accepted: " + found, "Check the clock of this machine, and whether a proxy opens the connection."
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: " + found, "Check the address and the port."
	}
	return found, "Check the network, the firewall and the proxy settings of this machine."
}

// broker tries to connect, subscribe and publish as the bridge does.
func (d *examiner) broker(ctx context.Context) {
	m := d.cfg.MQTT
	if m.URL == config.Embedded {
		m.URL = "mqtt://" + m.Listen
		if c, err := net.DialTimeout("tcp", m.Listen, time.Second); err != nil {
			d.add(doctor.Finding{Area: "broker", What: config.Embedded, Result: doctor.ResultSkipped, Found: "it runs with the bridge, which does not run"})
			return
		} else {
			c.Close()
		}
	}
	tlsCfg, err := tlsConfig(m)
	if err != nil {
		return // told by the check of the configuration
	}
	address := brokerAddress(m)
	if find := brokerFinder(d.cfg, d.redact); find != nil {
		if address, err = find(ctx); err != nil {
			found, advice := mqtt.Explain(err)
			d.add(doctor.Finding{Area: "broker", What: "Supervisor", Result: doctor.ResultProblem, Found: found, Advice: advice})
			return
		}
	}
	u, _ := url.Parse(address.URL) // checked with the configuration
	f := doctor.Finding{Area: "broker", What: u.Scheme + "://" + u.Host, Result: doctor.ResultOK, Found: "connects, subscribes and publishes"}
	opts := mqtt.Options{Address: address, ClientID: m.ClientID + "-doctor", TLS: tlsCfg, Subscribe: []string{m.Topic + "/+/+/set"}}
	if d.cfg.HomeAssistant.Discovery && d.cfg.HomeAssistant.StatusTopic != "" {
		opts.Subscribe = append(opts.Subscribe, d.cfg.HomeAssistant.StatusTopic)
	}
	open, err := mqtt.Probe(ctx, opts, m.Topic+"/bridge/doctor", true)
	var rights *mqtt.RightsError
	switch {
	case errors.Is(err, mqtt.ErrRefused):
		f.Result, f.Found, f.Advice = doctor.ResultProblem, "it refuses the user", "Check mqtt.username and mqtt.password, and that the broker knows them."
	case errors.As(err, &rights):
		f.Result, f.Found, f.Advice = doctor.ResultProblem, rights.Error(), "Give it that right in the broker's access rules; docs/security.md has some for Mosquitto."
	case err != nil:
		f.Result = doctor.ResultProblem
		f.Found, f.Advice = mqtt.Explain(err)
	default:
		opts.Subscribe = nil
		d.marker = mqtt.Retained(ctx, opts, m.Topic+"/bridge/instance")
	}
	d.add(f)
	if open {
		remedy := "Set passwords in the broker (allow_anonymous false), and give that right to Home Assistant's user only; docs/security.md has rules for Mosquitto."
		if d.cfg.MQTT.URL == config.Embedded {
			remedy = "Set mqtt.username and mqtt.password."
		}
		d.add(doctor.Finding{Area: "broker", What: "commands", Result: doctor.ResultWarning, Found: "anybody who reaches the broker can publish on " + m.Topic + "/+/+/set, and so move the cars",
			Advice: remedy})
	}
}
