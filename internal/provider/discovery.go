package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/hfoauth/hfoauth/internal/expiring"
)

const (
	maxPrefixes    = 256
	maxPrefixBytes = 256 << 10
	prefixLifetime = time.Hour

	firstPause = time.Second
	maxPause   = 30 * time.Second
	// patience is how long a caller waits for the next attempt to start;
	// waitForDiscovery includes the attempt itself.
	patience         = 5 * time.Second
	waitForDiscovery = 12 * time.Second
)

// metadata is the result of discovery.
type metadata struct {
	oidc             *oidc.Provider
	keys             oidc.KeySet
	issuerInResponse bool // authorization_response_iss_parameter_supported of RFC 9207

	// prefixes caches prefixes of authorization requests by scope. An app requests
	// few sets of scopes, but the ones that users granted come on top.
	prefixes *expiring.Map[string, string]

	ahead sync.Once
}

// fetchKeys starts fetching the provider's keys, so that verifying the first ID
// token need not wait for them. The only way to make a key set do so is to
// verify a signature by an unknown key.
func (m *metadata) fetchKeys() {
	const unknownKey = "eyJhbGciOiJSUzI1NiIsImtpZCI6Ii0ifQ.e30.AA" // {"alg":"RS256","kid":"-"}
	m.ahead.Do(func() { go m.keys.VerifySignature(context.Background(), unknownKey) })
}

// discoveryAttempt is a discovery in progress, shared by all waiting callers.
type discoveryAttempt struct {
	done chan struct{}
	meta *metadata
	err  error
}

// Ready runs discovery unless it has already succeeded, and returns its error.
func (p *Provider) Ready(ctx context.Context) error {
	_, err := p.discover(ctx)
	return err
}

// discover returns the provider's metadata, which is fetched once. After a
// failure, a later call starts the next attempt, after a pause that grows from
// firstPause to maxPause; calls during a long pause return the last failure at
// once.
func (p *Provider) discover(ctx context.Context) (*metadata, error) {
	if meta := p.meta.Load(); meta != nil {
		return meta, nil
	}
	p.mu.Lock()
	if meta := p.meta.Load(); meta != nil {
		defer p.mu.Unlock()
		return meta, nil
	}
	pause := p.retryAt.Sub(p.config.Now())
	if p.attempt == nil && pause > patience {
		defer p.mu.Unlock()
		return nil, delayed(p.lastErr, pause)
	}
	if p.attempt == nil {
		p.attempt = &discoveryAttempt{done: make(chan struct{})}
		go p.run(p.attempt, pause)
	}
	attempt := p.attempt
	p.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, waitForDiscovery)
	defer cancel()
	select {
	case <-attempt.done:
		return attempt.meta, attempt.err
	case <-ctx.Done():
		return nil, classify("discovery", ctx.Err())
	}
}

// run makes one attempt after pause. It uses no caller's context: a caller that
// gives up must not fail the others.
func (p *Provider) run(attempt *discoveryAttempt, pause time.Duration) {
	time.Sleep(pause)
	attempt.meta, attempt.err = p.fetchMetadata(context.Background())

	p.mu.Lock()
	p.attempt = nil
	if attempt.err == nil {
		p.meta.Store(attempt.meta)
	} else {
		p.pause = min(max(2*p.pause, firstPause), maxPause)
		p.retryAt = p.config.Now().Add(p.pause)
		p.lastErr = attempt.err
		attempt.err = delayed(attempt.err, p.pause)
	}
	p.mu.Unlock()
	close(attempt.done)
}

// delayed returns err with a RetryAfter of at least pause, if the provider is
// unavailable.
func delayed(err error, pause time.Duration) error {
	e, ok := err.(*Error)
	if !ok || e.Kind != Unavailable {
		return err
	}
	later := *e
	later.RetryAfter = max(e.RetryAfter, pause)
	return &later
}

func (p *Provider) fetchMetadata(ctx context.Context) (*metadata, error) {
	body, err := p.get(ctx, "discovery", p.config.Issuer+"/.well-known/openid-configuration", "")
	if err != nil {
		return nil, err
	}
	meta, err := p.parseMetadata(body)
	if err != nil {
		return nil, invalid("discovery", err)
	}
	return meta, nil
}

// parseMetadata checks and returns the metadata that we use (OpenID Connect
// Discovery 1.0 section 3).
func (p *Provider) parseMetadata(body []byte) (*metadata, error) {
	var document struct {
		oidc.ProviderConfig
		IssuerInResponse bool `json:"authorization_response_iss_parameter_supported"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return nil, err
	}
	// OpenID Connect Discovery 1.0 section 4.3: the issuers must be identical,
	// otherwise one provider could impersonate another.
	if document.IssuerURL != p.config.Issuer {
		return nil, fmt.Errorf("the metadata has the issuer %q, but the provider is configured as %q",
			document.IssuerURL, p.config.Issuer)
	}
	for name, endpoint := range map[string]string{
		"authorization_endpoint": document.AuthURL,
		"token_endpoint":         document.TokenURL,
		"userinfo_endpoint":      document.UserInfoURL,
		"jwks_uri":               document.JWKSURL,
	} {
		if err := p.checkEndpoint(endpoint); err != nil {
			return nil, fmt.Errorf("%s in the metadata: %w", name, err)
		}
	}
	if document.DeviceAuthURL != "" {
		if err := p.checkEndpoint(document.DeviceAuthURL); err != nil {
			return nil, fmt.Errorf("device_authorization_endpoint in the metadata: %w", err)
		}
	}
	ctx := oidc.ClientContext(context.Background(), p.client)
	return &metadata{
		oidc:             document.NewProvider(ctx),
		keys:             oidc.NewRemoteKeySet(ctx, document.JWKSURL),
		issuerInResponse: document.IssuerInResponse,
		prefixes:         expiring.New[string, string](maxPrefixes, maxPrefixBytes),
	}, nil
}

// checkEndpoint accepts https. It accepts http on loopback and addresses inside
// only if the issuer itself uses one.
func (p *Provider) checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%q is not an absolute URL", endpoint)
	}
	issuer, err := url.Parse(p.config.Issuer)
	if err != nil {
		return err
	}
	if Loopback(issuer.Hostname()) && Loopback(u.Hostname()) && u.Scheme == "http" {
		return nil
	}
	if u.Scheme != "https" {
		return fmt.Errorf("%q is not an https URL", endpoint)
	}
	if checkHost(issuer.Hostname()) != nil {
		return nil
	}
	return checkHost(u.Hostname())
}

// get fetches a JSON document. It sends accessToken as a bearer token unless it
// is empty (RFC 6750 section 2.1).
func (p *Provider) get(ctx context.Context, endpoint, address, accessToken string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, invalid(endpoint, err)
	}
	req.Header.Set("Accept", "application/json")
	if accessToken != "" {
		req.Header.Set("Authorization", "Bearer "+accessToken)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, classify(endpoint, err, accessToken)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, &Error{Kind: Invalid, Endpoint: endpoint, Status: resp.StatusCode,
			Err: fmt.Errorf("status %s", resp.Status)}
	}
	return io.ReadAll(resp.Body)
}
