// Package tokenhosts sends an access token to some hosts and to no others.
package tokenhosts

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/hfoauth/hfoauth/internal/provider"
)

// Transport adds a token to requests for some hosts (RFC 6750 section 2.1).
// Requests for other hosts are refused; a request that a redirect led to
// another host or port goes there without the token (RFC 6750 section 5.3).
// All fields are required.
type Transport struct {
	Source oauth2.TokenSource
	Hosts  []string // "example.com", or "*.example.com" for all names below it
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

// closeBody does what http.RoundTripper demands for a request that is not sent.
func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// redirectedAway reports whether a request follows redirects that led to
// another host or scheme than the first request's.
func redirectedAway(req *http.Request) bool {
	for response := req.Response; response != nil; response = response.Request.Response {
		if from := response.Request.URL; from.Host != req.URL.Host || from.Scheme != req.URL.Scheme {
			return true
		}
	}
	return false
}

// allows reports whether the token may be sent to an address: by https, or to
// this machine by http.
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
