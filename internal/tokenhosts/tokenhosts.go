// Package tokenhosts sends an access token only to some hosts.
package tokenhosts

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/hfoauth/hfoauth/internal/provider"
)

// Transport adds a token to requests to the hosts of the provider, the Hub and
// the app (RFC 6750 section 2.1) and refuses requests to other hosts. A request
// that was redirected to another host, port or scheme is sent without the token
// (RFC 6750 section 5.3).
type Transport struct {
	Source   oauth2.TokenSource
	Provider string   // the issuer
	Hosts    []string // of the app, as Check accepts them
	Base     http.RoundTripper
	Package  string // begins the errors
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	switch {
	case redirectedAway(req):
		return t.Base.RoundTrip(req)
	case !t.allows(req.URL):
		closeBody(req)
		return nil, t.refusal(req.URL)
	}
	token, err := t.Source.Token()
	if err != nil {
		closeBody(req)
		return nil, err
	}
	req = req.Clone(req.Context())
	token.SetAuthHeader(req)
	return t.Base.RoundTrip(req)
}

// closeBody closes the body of a request that is not sent, as http.RoundTripper
// requires.
func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// redirectedAway reports whether any earlier request in a chain of redirects had
// another host or scheme.
func redirectedAway(req *http.Request) bool {
	for response := req.Response; response != nil; response = response.Request.Response {
		if from := response.Request.URL; from.Host != req.URL.Host || from.Scheme != req.URL.Scheme {
			return true
		}
	}
	return false
}

// allows reports whether the token may be sent to u: over https, or over http to
// loopback.
func (t *Transport) allows(u *url.URL) bool { return protected(u) && t.named(u) }

func protected(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && provider.Loopback(u.Hostname())
}

// named reports whether the host of u is one of those that get the token.
func (t *Transport) named(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	return t.atProvider(u) || slices.ContainsFunc(slices.Concat(hubHosts, t.Hosts), func(pattern string) bool {
		domain, wildcard := strings.CutPrefix(strings.ToLower(pattern), "*.")
		return host == domain && !wildcard || wildcard && strings.HasSuffix(host, "."+domain)
	})
}

// hubHosts are the Hub's hosts in addition to the provider's. They never include
// *.hf.space, where users' Spaces run.
var hubHosts = []string{"*.huggingface.co", "*.hf.co"}

// atProvider reports whether u is at the provider's host. On loopback, other
// ports belong to other programs.
func (t *Transport) atProvider(u *url.URL) bool {
	issuer, err := url.Parse(t.Provider)
	if err != nil || !strings.EqualFold(u.Hostname(), issuer.Hostname()) {
		return false
	}
	return !provider.Loopback(issuer.Hostname()) || port(u) == port(issuer)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" || u.Scheme != "http" {
		return cmp.Or(p, "443")
	}
	return "80"
}

// refusal returns the error for a request that is not sent, which says what to
// do.
func (t *Transport) refusal(u *url.URL) error {
	host := u.Host
	remedy := fmt.Sprintf("add %q to Config.TokenHosts if it may act as your users, or use another http.Client",
		u.Hostname())
	switch {
	case t.named(u):
		host, remedy = u.Scheme+"://"+u.Host, "it is sent over https only, and over http to loopback"
	case strings.EqualFold(u.Hostname(), "huggingface.co"):
		remedy = "it was issued by " + t.Provider + ": take the Hub's address from OPENID_PROVIDER_URL"
	}
	return fmt.Errorf("%s: the user's token is not sent to %s: %s", t.Package, host, remedy)
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?$`)

// Check accepts names and addresses without a port, and patterns such as
// "*.example.com" for all names below one.
func Check(hosts []string) error {
	for _, host := range hosts {
		name := strings.TrimPrefix(host, "*.")
		if _, err := netip.ParseAddr(name); err != nil && !hostName.MatchString(name) {
			return fmt.Errorf("%q is not the name of a host: write it as api.example.com or *.example.com, "+
				"without https://, port and path", host)
		}
	}
	return nil
}
