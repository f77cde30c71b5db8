// Package tokenhosts sends an access token only to some hosts.
package tokenhosts

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/hfoauth/hfoauth/internal/provider"
)

// Transport adds a token to requests to Hosts (RFC 6750 section 2.1) and refuses
// requests to other hosts. A request that was redirected to another host, port
// or scheme is sent without the token (RFC 6750 section 5.3). All fields are
// required.
type Transport struct {
	Source oauth2.TokenSource
	Hosts  []string // "example.com", or "*.example.com" for all its subdomains
	Base   http.RoundTripper
	Refuse func(host string) error // returns the error for a request to another host
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	switch {
	case redirectedAway(req):
		return t.Base.RoundTrip(req)
	case !t.allows(req.URL):
		closeBody(req)
		return nil, t.Refuse(req.URL.Host)
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
func (t *Transport) allows(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	if u.Scheme != "https" && !(u.Scheme == "http" && provider.Loopback(host)) {
		return false
	}
	return slices.ContainsFunc(t.Hosts, func(pattern string) bool {
		domain, wildcard := strings.CutPrefix(strings.ToLower(pattern), "*.")
		return host == domain && !wildcard || wildcard && strings.HasSuffix(host, "."+domain)
	})
}
