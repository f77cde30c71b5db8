package hfoauth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/hfoauth/hfoauth/internal/flight"
	"github.com/hfoauth/hfoauth/internal/provider"
)

const (
	bearerLifetime   = 5 * time.Minute
	noBearerLifetime = 30 * time.Second
	maxBearers       = 10_000
	maxBearerLength  = 8 << 10
	maxBearerOrgs    = 50_000 // in the remembered users together, at some 330 bytes
	// maxBearerCalls bounds the tokens that are being verified at one time:
	// invented ones must not use up our credit with the provider. Some others
	// wait for their turn.
	maxBearerCalls   = 32
	maxBearerWaiting = 256
)

func (c *Client) newBearers() *flight.Group[[32]byte, *Session] {
	size := func(s *Session) int {
		if s == nil {
			return 0
		}
		return len(s.User.Orgs)
	}
	return flight.New[[32]byte](callbackTimeout, flight.Limits[*Session]{Results: maxBearers, Size: size, Total: maxBearerOrgs}, func() time.Time { return c.now() })
}

// bearerToken returns the token of an Authorization header (RFC 6750 section
// 2.1).
func bearerToken(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}

// hasBearer reports whether a request is to be judged by its token.
func (c *Client) hasBearer(r *http.Request) bool {
	_, ok := bearerToken(r)
	return ok && c.config.AcceptBearer
}

// challenge is the WWW-Authenticate header for a failure (RFC 6750 section 3),
// or empty.
func (c *Client) challenge(r *http.Request, err error) string {
	const realm = `Bearer realm="Hugging Face"`
	forbidden, isForbidden := errors.AsType[*ForbiddenError](err)
	switch {
	case errors.Is(err, ErrNotSignedIn) && c.hasBearer(r):
		return realm + `, error="invalid_token"`
	case errors.Is(err, ErrNotSignedIn):
		return realm
	case isForbidden && len(forbidden.Scopes) > 0 && c.hasBearer(r):
		return realm + `, error="insufficient_scope", scope="` + forbidden.Scopes.String() + `"`
	}
	return ""
}

// bearerSession returns the session of a token, verified with the provider
// and remembered for a while under the token's hash.
func (c *Client) bearerSession(ctx context.Context, token string) (*Session, error) {
	if !strings.HasPrefix(token, "hf_") || len(token) > maxBearerLength ||
		strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, ErrNotSignedIn
	}
	s, err := c.bearers.Do(ctx, sha256.Sum256([]byte(token)), func(ctx context.Context) (*Session, time.Time, error) {
		if !c.bearerSlots.take(ctx) {
			return nil, time.Time{}, fmt.Errorf("%w: too many tokens are being verified", ErrProviderUnavailable)
		}
		defer c.bearerSlots.free()
		s, err := c.verifyBearer(ctx, token)
		switch {
		case err == nil:
			return s, s.Expiry, nil
		case errors.Is(err, ErrNotSignedIn), isA[*ForbiddenError](err):
			return nil, c.now().Add(noBearerLifetime), err
		}
		return nil, time.Time{}, err
	})
	return s, unavailable(err)
}

// slots let some in, make others wait, and turn the rest away.
type slots struct{ taken, admitted chan struct{} }

func newSlots(taken, waiting int) slots {
	return slots{make(chan struct{}, taken), make(chan struct{}, taken+waiting)}
}

// take waits for a slot, and reports whether it got one.
func (s slots) take(ctx context.Context) bool {
	select {
	case s.admitted <- struct{}{}:
	default:
		return false
	}
	select {
	case s.taken <- struct{}{}:
		return true
	case <-ctx.Done():
		<-s.admitted
		return false
	}
}

func (s slots) free() {
	<-s.taken
	<-s.admitted
}

func (c *Client) verifyBearer(ctx context.Context, token string) (*Session, error) {
	told := readToken(token)
	if told.app != "" && told.app != c.config.ClientID {
		return nil, ErrNotSignedIn
	}
	user, err := c.bearerUser(ctx, token)
	if err != nil {
		return nil, err
	}
	s := &Session{
		User:    user,
		Token:   &oauth2.Token{AccessToken: token, TokenType: "Bearer"},
		Scopes:  told.scopes,
		Expiry:  c.now().Add(bearerLifetime),
		started: c.now(),
	}
	if !told.expiry.IsZero() && told.expiry.Before(s.Expiry) {
		s.Expiry = told.expiry
	}
	s.Token.Expiry = s.Expiry
	if c.config.OnLogin != nil {
		return s, c.config.OnLogin(ctx, s.clone())
	}
	return s, nil
}

// bearerUser asks the provider whose token it is: userinfo knows OAuth access
// tokens, whoami-v2 all kinds.
func (c *Client) bearerUser(ctx context.Context, token string) (*User, error) {
	ask := c.provider.WhoAmI
	if strings.HasPrefix(token, "hf_oauth_") {
		ask = c.provider.UserInfo
	}
	body, err := ask(ctx, token)
	if e, ok := errors.AsType[*provider.Error](err); ok && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden) {
		return nil, ErrNotSignedIn
	}
	if errors.Is(err, provider.ErrNoUser) {
		return nil, ErrNotSignedIn
	}
	if err != nil {
		return nil, providerError(err)
	}
	user, err := parseUser(body, "")
	if err != nil {
		return nil, invalidAnswer("userinfo", err)
	}
	return user, nil
}

// toldByToken is what an access token of the Hub says about itself. It is
// believed only together with the provider's word that the token is valid,
// which covers the whole of it.
type toldByToken struct {
	app    string // client ID it was issued to
	scopes Scopes
	expiry time.Time
}

// readToken reads the payload of a token that is a JWT behind its prefix; of
// any other it knows nothing.
func readToken(token string) (told toldByToken) {
	parts := strings.Split(strings.TrimPrefix(token, "hf_oauth_"), ".")
	if len(parts) != 3 {
		return told
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return told
	}
	c, err := parseClaims(payload)
	if err != nil {
		return told
	}
	// client_id is that of RFC 9068 section 2.2.
	told.app = cmp.Or(c.string("oauthApp"), c.string("azp"), c.string("client_id"))
	told.scopes = parseScopes(strings.Join(c.strings("scope"), " "))
	if seconds, ok := c["exp"].(float64); ok {
		told.expiry = time.Unix(int64(seconds), 0)
	}
	return told
}
