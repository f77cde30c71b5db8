package provider

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// An endpoint inside is refused when the metadata is parsed, unless the provider
// itself is inside.
func TestEndpointsInside(t *testing.T) {
	for host, want := range map[string]bool{
		"0.0.0.0": false, "[::]": false, "127.0.0.1": false, "127.1": false, "0x7f000001": false,
		"0x7f.1": false, "2130706433": false, "0177.0.0.1": false,
		"127.0.0.1.": false, "10.0.0.08": false, "1.2.3.4.5": false, "[::1]": false,
		"[::ffff:127.0.0.1]": false, "[::ffff:169.254.169.254]": false,
		"169.254.169.254": false, "[fe80::1]": false, "[ff02::1]": false, "224.0.0.1": false,
		"localhost": false, "x.localhost": false,
		"hub.example": true, "10.0.0.8": true, "192.168.1.1": true, "[fd00::1]": true, "192.0.2.1": true,
		"1.example": true, "0x.example": true, "hub-127.example.1com": true,
		"hub2": true, "hub.example2": true, "hub.a0x1": true,
	} {
		body := strings.Replace(good, "https://hub.example/t", "https://"+host+"/t", 1)
		p := newProvider(issuer, func(*http.Request) (*http.Response, error) { return answer(200, body), nil })
		err := p.Ready(t.Context())
		if want {
			checkError(t, host, err, 0, "")
		} else {
			checkError(t, host, err, Invalid, "token_endpoint")
		}
		inside := newProvider("https://127.0.0.1", func(*http.Request) (*http.Response, error) {
			return answer(200, strings.ReplaceAll(body, `"https://hub.example`, `"https://127.0.0.1`)), nil
		})
		if err := inside.Ready(t.Context()); err != nil {
			t.Errorf("token endpoint at %s of a provider inside: %v", host, err)
		}
	}
}

// A name may resolve to an address inside: our transport does not connect there.
func TestNameThatLeadsInside(t *testing.T) {
	metadata := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request) {
		w.Write([]byte(good))
	}))
	defer metadata.Close()
	use := func(change func(*http.Transport)) *Provider {
		base := metadata.Client().Transport.(*http.Transport).Clone()
		base.Proxy = nil
		base.TLSClientConfig.InsecureSkipVerify = true // the certificate has another name
		dial := (&net.Dialer{}).DialContext
		if base.DialContext != nil {
			dial = base.DialContext
		}
		// as if the name resolved to it
		base.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dial(ctx, network, metadata.Listener.Addr().String())
		}
		change(base)
		original := http.DefaultTransport
		http.DefaultTransport = base
		defer func() { http.DefaultTransport = original }()
		return New(Config{Issuer: issuer, ClientID: "client", Now: time.Now})
	}
	p := use(func(*http.Transport) {})
	if err := p.Ready(t.Context()); !errors.Is(err, errInside) {
		t.Errorf("a name that resolves to loopback: %v, want errInside", err)
	}
	ownTLS := use(func(base *http.Transport) {
		base.DialTLSContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			dialer := tls.Dialer{Config: base.TLSClientConfig}
			return dialer.DialContext(ctx, network, metadata.Listener.Addr().String())
		}
	})
	if err := ownTLS.Ready(t.Context()); !errors.Is(err, errInside) {
		t.Errorf("with the app's own TLS dialer: %v, want errInside", err)
	}
	proxied := use(func(base *http.Transport) {
		base.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("http://127.0.0.1:1") }
	})
	if err := proxied.Ready(t.Context()); errors.Is(err, errInside) {
		t.Errorf("through a proxy on loopback: %v, want another error", err)
	}
}

// An address inside has more than one spelling.
func TestInsideInOtherSpellings(t *testing.T) {
	for _, host := range []string{"::ffff:0.0.0.0", "::ffff:169.254.169.254", "169.254.169.254.", "0.0.0.0."} {
		if checkHost(host) == nil {
			t.Errorf("%s is accepted", host)
		}
	}
}

// insideConn is a connection to this machine.
type insideConn struct {
	net.Conn
	closed bool
}

func (c *insideConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv6loopback, Port: 443} }
func (c *insideConn) Close() error         { c.closed = true; return nil }

func TestConnectionsInsideAreClosed(t *testing.T) {
	conn := &insideConn{}
	dial := checkedDial(func(context.Context, string, string) (net.Conn, error) { return conn, nil })
	if _, err := dial(t.Context(), "tcp", "hub.example:443"); !errors.Is(err, errInside) {
		t.Errorf("%v, want errInside", err)
	}
	if !conn.closed {
		t.Error("the connection is still open")
	}
}
