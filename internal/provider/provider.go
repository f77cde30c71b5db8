// Package provider speaks to an OpenID provider: discovery, the authorization
// request, the token endpoint, ID tokens and userinfo. What the provider
// answers is limited in time and size and checked before it is believed.
package provider

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// Config says which provider and for which OAuth client.
type Config struct {
	Issuer       string // no trailing slash
	ClientID     string
	ClientSecret string // empty for a public client
	RedirectURL  string
	HTTPClient   *http.Client // nil for one of our own
	Now          func() time.Time
}

// Provider is one OpenID provider as seen by one OAuth client. It is safe for
// concurrent use.
type Provider struct {
	config Config
	client *http.Client

	mu      sync.Mutex
	meta    *metadata
	attempt *discoveryAttempt
	lastErr error
	pause   time.Duration
	retryAt time.Time
}

// New returns a Provider without asking the provider anything.
func New(config Config) *Provider {
	return &Provider{config: config, client: newHTTPClient(config.HTTPClient)}
}

// AuthorizationRequest is what differs from one authorization request to the
// next (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1).
type AuthorizationRequest struct {
	Scopes   []string
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
	options := []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("nonce", req.Nonce),
		oauth2.S256ChallengeOption(req.Verifier),
	}
	for name := range req.Params {
		options = append(options, oauth2.SetAuthURLParam(name, req.Params.Get(name)))
	}
	config := oauth2.Config{
		ClientID:    p.config.ClientID,
		RedirectURL: p.config.RedirectURL,
		Scopes:      req.Scopes,
		Endpoint:    meta.oidc.Endpoint(),
	}
	return config.AuthCodeURL(req.State, options...), nil
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
