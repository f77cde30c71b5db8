// Package provider talks to an OpenID provider: discovery, the authorization
// request, the token endpoint, ID tokens and userinfo. Responses are limited in
// time and size and checked before they are used.
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

// Config names the provider and the OAuth client.
type Config struct {
	Issuer       string // without a trailing slash
	ClientID     string
	ClientSecret string // empty for a public client
	RedirectURL  string
	Transport    http.RoundTripper // nil: a clone of http.DefaultTransport
	Now          func() time.Time
}

// Provider is an OpenID provider, used by one OAuth client. It is safe for
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

// New returns a Provider. It makes no network calls.
func New(config Config) *Provider {
	transport := config.Transport
	if transport == nil {
		transport = newTransport(!isInside(config.Issuer))
	}
	return &Provider{config: config, client: newHTTPClient(transport)}
}

// AuthorizationRequest holds the parameters that differ between authorization
// requests (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1).
type AuthorizationRequest struct {
	Scope    string
	State    string
	Nonce    string
	Verifier string // code_verifier of RFC 7636; its S256 challenge is sent
	Params   url.Values
}

// AuthorizationURL returns the URL to send the browser to.
func (p *Provider) AuthorizationURL(ctx context.Context, req AuthorizationRequest) (string, error) {
	meta, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	meta.fetchKeys()
	// These values are base64url and need no escaping.
	return p.requestPrefix(meta, req) + "&state=" + req.State + "&nonce=" + req.Nonce +
		"&code_challenge=" + oauth2.S256ChallengeFromVerifier(req.Verifier), nil
}

// requestPrefix returns the part of the URL that depends only on the scope and
// Params of a request. It is cached if there are no Params.
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
// the provider's issuer (RFC 9207 section 2.4). It may be absent unless the
// metadata announces it.
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
