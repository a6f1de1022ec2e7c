package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// Probe connects, subscribes and publishes as the bridge does, and returns what
// does not work. The topic must be one below which the bridge may do both. With
// anonymous set it also tries whether anybody can publish there; open says so.
func Probe(ctx context.Context, opts Options, topic string, anonymous bool) (open bool, err error) {
	heard := make(chan string, 8)
	ours, err := probeClient(ctx, opts, func(m paho.Message) { heard <- m.Topic() })
	if err != nil {
		return false, err
	}
	defer ours.Disconnect(100)
	filters := append([]string{topic + "/#"}, opts.Subscribe...)
	for _, filter := range filters {
		if err := probeSubscribe(ctx, ours, filter); err != nil {
			return false, err
		}
	}
	if err := probePublish(ctx, ours, topic+"/own", heard); err != nil {
		return false, err
	}
	if !anonymous {
		return false, nil
	}
	if opts.Address, err = opts.address(ctx); err != nil {
		return false, err
	}
	opts.Find, opts.Username, opts.Password, opts.ClientID = nil, "", "", opts.ClientID+"-anybody"
	stranger, err := probeClient(ctx, opts, func(paho.Message) {})
	if err != nil {
		return false, nil // turned away, as it should be
	}
	defer stranger.Disconnect(100)
	// The bridge ignores an empty payload.
	return probePublish(ctx, stranger, topic+"/set", heard) == nil, nil
}

// Retained reads what is retained on a topic, nil if that is nothing.
func Retained(ctx context.Context, opts Options, topic string) []byte {
	found := make(chan []byte, 8)
	client, err := probeClient(ctx, opts, func(m paho.Message) {
		if m.Retained() {
			found <- m.Payload()
		}
	})
	if err != nil {
		return nil
	}
	defer client.Disconnect(100)
	if probeSubscribe(ctx, client, topic) != nil {
		return nil
	}
	select {
	case payload := <-found:
		return payload
	case <-time.After(retainedWait):
	case <-ctx.Done():
	}
	return nil
}

const retainedWait = 500 * time.Millisecond

const probeWait = 3 * time.Second

// ErrRefused is a broker that turns the user away.
var ErrRefused = errors.New("the broker refuses the user")

func probeClient(ctx context.Context, opts Options, take func(paho.Message)) (paho.Client, error) {
	var err error
	if opts.Address, err = opts.address(ctx); err != nil {
		return nil, err
	}
	o := paho.NewClientOptions().AddBroker(withPort(opts.URL)).SetClientID(opts.ClientID).SetUsername(opts.Username).SetPassword(opts.Password).
		SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).
		SetConnectTimeout(connectTimeout).SetWriteTimeout(writeTimeout).SetDialer(&net.Dialer{Timeout: connectTimeout}).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { take(m) })
	if opts.TLS != nil {
		o.SetTLSConfig(opts.TLS)
	}
	if opts.Dial != nil {
		o.SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) { return opts.Dial() })
	}
	client := paho.NewClient(o)
	token := client.Connect()
	if err := await(ctx, token, connectTimeout+writeTimeout); err != nil {
		client.Disconnect(0)
		if t, ok := token.(*paho.ConnectToken); ok && (t.ReturnCode() == 4 || t.ReturnCode() == 5) {
			return nil, ErrRefused
		}
		return nil, diagnose(opts, err)
	}
	return client, nil
}

func probeSubscribe(ctx context.Context, client paho.Client, filter string) error {
	token := client.Subscribe(filter, 1, nil)
	if err := await(ctx, token, connectTimeout); err != nil {
		return fmt.Errorf("subscribe to %s: %w", filter, err)
	}
	if sub, ok := token.(*paho.SubscribeToken); ok && sub.Result()[filter] > 2 {
		return &RightsError{"subscribe to " + filter}
	}
	return nil
}

// RightsError is a user that may not do something.
type RightsError struct{ What string }

func (e *RightsError) Error() string { return "the broker's user may not " + e.What }

// probePublish publishes nothing at all to a topic and looks whether it arrives: a
// broker that forbids it does not say so.
func probePublish(ctx context.Context, client paho.Client, topic string, heard <-chan string) error {
	if err := await(ctx, client.Publish(topic, 1, false, []byte{}), connectTimeout); err != nil {
		return fmt.Errorf("publish to %s: %w", topic, err)
	}
	timer := time.NewTimer(probeWait)
	defer timer.Stop()
	for {
		select {
		case t := <-heard:
			if t == topic {
				return nil
			}
		case <-timer.C:
			return &RightsError{"publish to " + topic}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
