package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// Loopback reports whether host, without a port, names this machine (RFC 6761
// section 6.3, RFC 8252 section 7.3).
func Loopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// errInside reports an address that only this machine or its network link can
// reach: neither metadata nor a name in it may direct our requests there (SSRF).
// Private networks (RFC 1918, RFC 4193) are allowed: companies run providers there.
var errInside = errors.New("is an address of this machine or its network link, but the provider is elsewhere")

func inside(addr netip.Addr) bool {
	addr = addr.Unmap()
	return addr.IsLoopback() || addr.IsUnspecified() || addr.IsLinkLocalUnicast() ||
		addr.IsLinkLocalMulticast() || addr.IsInterfaceLocalMulticast()
}

// oddAddress matches hosts that some resolvers accept as an IPv4 address even
// though they are not four decimal numbers
// (https://url.spec.whatwg.org/#ends-in-a-number-checker).
var oddAddress = regexp.MustCompile(`(^|\.)([0-9]+|0x[0-9a-f]*)$`)

// checkHost refuses a host, given without a port, that is or may be inside.
func checkHost(host string) error {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	addr, err := netip.ParseAddr(host)
	switch {
	case err == nil && inside(addr), Loopback(host):
		return fmt.Errorf("%q %w", host, errInside)
	case err != nil && oddAddress.MatchString(host):
		return fmt.Errorf("%q is an IPv4 address in an unusual form: use four decimal numbers", host)
	}
	return nil
}

// isInside reports whether the host of a URL is inside.
func isInside(address string) bool {
	u, err := url.Parse(address)
	return err == nil && checkHost(u.Hostname()) != nil
}

// newTransport returns a clone of http.DefaultTransport that, if checked,
// refuses to connect to addresses inside, which a name may resolve to. If the
// program replaced http.DefaultTransport with another type, it is returned as is.
func newTransport(checked bool) http.RoundTripper {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	transport := base.Clone()
	transport.MaxIdleConnsPerHost = 64
	if !checked {
		return transport
	}
	direct := transport.Clone()
	direct.Proxy = nil
	if direct.DialContext == nil {
		direct.DialContext = (&net.Dialer{}).DialContext
	}
	direct.DialContext = checkedDial(direct.DialContext)
	if direct.DialTLSContext != nil {
		direct.DialTLSContext = checkedDial(direct.DialTLSContext)
	}
	return &checkedTransport{direct, transport}
}

// checkedTransport checks the addresses of requests that use no proxy. A proxy
// makes the connection itself, and its own address may well be inside.
type checkedTransport struct{ direct, proxied *http.Transport }

func (t *checkedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.proxied.Proxy != nil {
		if proxy, err := t.proxied.Proxy(req); proxy != nil || err != nil {
			return t.proxied.RoundTrip(req)
		}
	}
	return t.direct.RoundTrip(req)
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// checkedDial closes connections to addresses inside before any byte is sent.
func checkedDial(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if remote, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil && inside(remote.Addr()) {
			conn.Close()
			return nil, fmt.Errorf("%s: %s %w", address, remote.Addr(), errInside)
		}
		return conn, nil
	}
}
