package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

var (
	// ErrSpeaksTLS: the address says plain MQTT, and the port speaks TLS.
	ErrSpeaksTLS = errors.New("this port speaks TLS")
	// ErrNoTLS: the address says TLS, and the port speaks none.
	ErrNoTLS = errors.New("this port speaks no TLS")
)

// Unfound says that nobody knows where the broker is, and what to do.
type Unfound struct {
	Found, Advice string
	// None tells that there is no broker; else it is only not known now.
	None bool
}

func (e *Unfound) Error() string { return e.Found }

// Explain says what a connection that could not be made means, and which key of the
// configuration to look at.
func Explain(err error) (found, advice string) {
	if e, ok := errors.AsType[*Unfound](err); ok {
		return e.Found, e.Advice
	}
	for _, e := range explanations {
		if e.fits(err) {
			if e.found != "" {
				return e.found, e.advice
			}
			return plainText(err), e.advice
		}
	}
	return plainText(err), "Check the network, the firewall and the address. The key is mqtt.url."
}

// plainText is an error without the library's own words in front.
func plainText(err error) string {
	return strings.TrimPrefix(err.Error(), "network Error : ")
}

type explanation struct {
	fits          func(error) bool
	found, advice string
}

func is(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
}

func says(words ...string) func(error) bool {
	return func(err error) bool {
		for _, w := range words {
			if strings.Contains(err.Error(), w) {
				return true
			}
		}
		return false
	}
}

func as[E error](further func(E) bool) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[E](err)
		return ok && (further == nil || further(e))
	}
}

// explanations are looked through in order: what is more exact comes first.
var explanations = []explanation{
	{is(ErrSpeaksTLS), "the port speaks TLS, and mqtt.url says it does not", "Begin mqtt.url with mqtts:// (or wss://), or name the broker's port without TLS, usually 1883."},
	{is(ErrNoTLS), "the port speaks no TLS, and mqtt.url says it does", "Begin mqtt.url with mqtt:// (or ws://), or name the broker's port with TLS, usually 8883."},
	{is(ErrRefused, packets.ErrorRefusedBadUsernameOrPassword, packets.ErrorRefusedNotAuthorised), "it refuses the user",
		"Check mqtt.username and mqtt.password, and that the broker knows them."},
	{is(packets.ErrorRefusedIDRejected), "it refuses the client id", "Choose another mqtt.client_id: the broker has rules for it."},
	{is(packets.ErrorRefusedBadProtocolVersion), "it does not speak MQTT 3.1.1", "Let the broker accept MQTT 3.1.1, or choose another one with mqtt.url."},
	{is(packets.ErrorRefusedServerUnavailable), "it says that it is not ready", "Wait until the broker has started; its own log says more."},
	{as[*net.DNSError](nil), "the name can't be resolved", "Check the DNS of this machine or container, and the spelling. The key is mqtt.url."},
	{is(syscall.ECONNREFUSED), "nothing listens there", "Check that the broker runs, and its address and port. The key is mqtt.url."},
	{is(syscall.EHOSTUNREACH, syscall.ENETUNREACH), "there is no way to that address", "Check the address and the network. The key is mqtt.url."},
	{says("legacy Common Name"), "its certificate names no host but in the common name, which nobody accepts any more",
		"Make the broker a certificate with a subjectAltName that is the host of mqtt.url; no key of ours can help."},
	{as[x509.HostnameError](nil), "", "Write the host into mqtt.url as the broker's certificate names it, or make a certificate for this one."},
	{as[x509.UnknownAuthorityError](nil), "its certificate was signed by nobody that this machine trusts", "Name the certificate that signed it with mqtt.ca_file."},
	{as[x509.CertificateInvalidError](func(e x509.CertificateInvalidError) bool { return e.Reason == x509.Expired }), "its certificate is not valid now",
		"Check the clock of this machine, then renew the broker's certificate."},
	{as[*tls.CertificateVerificationError](nil), "", "Check mqtt.ca_file, the clock of this machine, and the broker's certificate."},
	{says("certificate required"), "it wants a certificate of ours", "Set mqtt.cert_file and mqtt.key_file to one that the broker accepts."},
	{says("bad certificate", "unknown certificate", "unknown certificate authority", "revoked certificate", "expired certificate", "unsupported certificate"), "it does not accept our certificate",
		"Set mqtt.cert_file and mqtt.key_file to one that the broker's CA has signed, and that is valid now."},
	{says("protocol version not supported", "handshake failure", "no cipher suite"), "it speaks no TLS that is safe today", "Let the broker speak TLS 1.2 or newer."},
	{says("bad handshake"), "no websocket of a broker answers under that address", "Check port and path, often /mqtt. The key is mqtt.url."},
	{says("non-CONNACK first packet", "malformed"), "what listens there does not speak MQTT", "Check the port: a broker's websocket is reached by ws://. The key is mqtt.url."},
	{is(errTimeout, os.ErrDeadlineExceeded, context.DeadlineExceeded, syscall.ETIMEDOUT), "it does not answer", "Check the address and the firewall. The key is mqtt.url."},
	{is(io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE), "it ends the connection without a word",
		"Look into the broker's log; it may not allow mqtt.client_id or a retained will. Check mqtt.url, mqtt.username and mqtt.password too."},
}

const askPatience = 2 * time.Second

// diagnose finds out whether a port that ended the connection at once speaks TLS.
func diagnose(opts Options, err error) error {
	u, bad := url.Parse(withPort(opts.URL))
	if opts.Dial != nil || bad != nil || !is(io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, errTimeout)(err) && !says("first record does not look like a TLS handshake", "malformed")(err) {
		return err
	}
	secure := u.Scheme == "mqtts" || u.Scheme == "wss"
	speaks := speaksTLS(u.Host)
	switch {
	case speaks && !secure:
		return errors.Join(ErrSpeaksTLS, err)
	case !speaks && secure:
		return errors.Join(ErrNoTLS, err)
	}
	return err
}

func speaksTLS(address string) bool {
	raw, err := net.DialTimeout("tcp", address, askPatience)
	if err != nil {
		return false
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(askPatience)) // a connection always takes one
	// Nothing is sent through it: who is there does not matter, only what is spoken.
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	return conn.Handshake() == nil
}
