// Package provider speaks to an OpenID provider: discovery, the authorization
// request, the token endpoint, ID tokens and userinfo. What the provider
// answers is limited in time and size and checked before it is believed.
package provider

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

// Config says which provider and for which OAuth client.
type Config struct {
	Issuer       string // no trailing slash
	ClientID     string
	ClientSecret string // empty for a public client
	RedirectURL  string
	Transport    http.RoundTripper // nil for one of our own
	Now          func() time.Time
}

// Provider is one OpenID provider as seen by one OAuth client. It is safe for
// concurrent use.
type Provider struct {
	config Config
	client *http.Client

	meta atomic.Pointer[metadata] // nil until discovered

	mu      sync.Mutex
	attempt *discoveryAttempt
	lastErr error
	pause   time.Duration
	retryAt time.Time
}

// New returns a Provider without asking the provider anything.
func New(config Config) *Provider {
	transport := config.Transport
	if transport == nil {
		transport = newTransport(!isInside(config.Issuer))
	}
	return &Provider{config: config, client: newHTTPClient(transport)}
}

// AuthorizationRequest is what differs from one authorization request to the
// next (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1).
type AuthorizationRequest struct {
	Scope    string
	State    string
	Nonce    string
	Verifier string // of RFC 7636; its S256 challenge is sent
	Params   url.Values
}

// AuthorizationURL returns the address to send the browser to.
func (p *Provider) AuthorizationURL(ctx context.Context, req AuthorizationRequest) (string, error) {
	meta, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	meta.fetchKeys()
	// What differs each time needs no escaping: it is base64url.
	return p.requestPrefix(meta, req) + "&state=" + req.State + "&nonce=" + req.Nonce +
		"&code_challenge=" + oauth2.S256ChallengeFromVerifier(req.Verifier), nil
}

// requestPrefix returns the part of an authorization request that is the same
// for all that ask for the same.
func (p *Provider) requestPrefix(meta *metadata, req AuthorizationRequest) string {
	now := p.config.Now()
	if prefix, ok := meta.prefixes.Get(req.Scope, now); ok && len(req.Params) == 0 {
		return prefix
	}
	params := url.Values{
		"client_id":             {p.config.ClientID},
		"code_challenge_method": {"S256"},
		"redirect_uri":          {p.config.RedirectURL},
		"response_type":         {"code"},
		"scope":                 {req.Scope},
	}
	maps.Copy(params, req.Params)
	separator := "?"
	endpoint := meta.oidc.Endpoint().AuthURL
	if strings.Contains(endpoint, "?") {
		separator = "&"
	}
	prefix := endpoint + separator + params.Encode()
	if len(req.Params) == 0 {
		meta.prefixes.Put(strings.Clone(req.Scope), prefix, len(req.Scope)+len(prefix), now, now.Add(prefixLifetime))
	}
	return prefix
}

// CheckIssuer compares the iss parameter of an authorization response with
// the provider's issuer (RFC 9207 section 2.4). An absent one is fine unless
// the metadata promises it.
func (p *Provider) CheckIssuer(ctx context.Context, iss string, present bool) error {
	meta, err := p.discover(ctx)
	if err != nil {
		return err
	}
	if (present || meta.issuerInResponse) && iss != p.config.Issuer {
		return invalid("authorization", errIssuerParameter)
	}
	return nil
}
