package hfoauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/hfoauth/hfoauth/internal/flight"
	"github.com/hfoauth/hfoauth/internal/provider"
	"github.com/hfoauth/hfoauth/internal/tokenhosts"
)

const (
	// renewBefore is how long before its end an access token is renewed.
	renewBefore = 5 * time.Minute
	// retryRenewal is how long a provider that could not renew is left alone.
	retryRenewal = 30 * time.Second
	maxRenewals  = 10_000
	// adoptTimeout is how long to wait for the tokens of a replica that was
	// faster to appear in the store.
	adoptTimeout = 2 * time.Second
)

// TokenSource returns the access token of the request's user, for other
// libraries. A token that ends within five minutes is renewed first, where
// there is a refresh token; the session with the new tokens goes to w, so call
// this before anything is written there. The answer is then "Cache-Control:
// private, no-store"; a handler that overwrites that gives the user's session
// to everyone behind a shared cache. The token is good for the handling
// of this request; do not keep the source.
//
// The error is [ErrNotSignedIn] where there is no session, or its tokens are
// over, then with a [*ProviderError] if the provider refused to renew them for
// a reason of its own; and wraps [ErrProviderUnavailable], [ErrProviderInvalid]
// or [ErrStoreUnavailable] where that cannot be told.
func (c *Client) TokenSource(w http.ResponseWriter, r *http.Request) (oauth2.TokenSource, error) {
	s, err := c.freshSession(w, r)
	if err != nil {
		return nil, err
	}
	if !c.now().Before(s.Token.Expiry) {
		return nil, fmt.Errorf("%w: the access token is over and cannot be renewed right now", ErrProviderUnavailable)
	}
	token := *s.Token
	token.RefreshToken = ""
	return oauth2.StaticTokenSource(&token), nil
}

// HTTPClient returns an http.Client that acts for the request's user: it adds
// the access token of [Client.TokenSource] to requests for Config.TokenHosts.
// A request to another host is an error, and a redirect to another host is
// followed without the token. It uses Config.Transport.
// Errors are those of TokenSource.
func (c *Client) HTTPClient(w http.ResponseWriter, r *http.Request) (*http.Client, error) {
	source, err := c.TokenSource(w, r)
	if err != nil {
		return nil, err
	}
	base := http.DefaultTransport
	if c.config.Transport != nil {
		base = c.config.Transport
	}
	return &http.Client{Transport: &tokenhosts.Transport{Source: source, Hosts: c.config.TokenHosts, Base: base, Refuse: refuseTokenHost}}, nil
}

func refuseTokenHost(host string) error {
	return fmt.Errorf("hfoauth: the user's token is not sent to %s: add the host to Config.TokenHosts, or use another http.Client", host)
}

// renewal is a session with new tokens.
type renewal struct {
	session *Session

	saving sync.Mutex
	saved  bool // in the store, if that is where it belongs
}

func (c *Client) newRenewals() *flight.Group[[32]byte, *renewal] {
	return flight.New[[32]byte](callbackTimeout, flight.Limits[*renewal]{Results: maxRenewals}, func() time.Time { return c.now() })
}

// freshSession returns the request's session with a token that lasts, as far
// as possible, and gives a renewed one to the browser.
func (c *Client) freshSession(w http.ResponseWriter, r *http.Request) (*Session, error) {
	s, err := c.session(r)
	if err != nil || s.Token.RefreshToken == "" || c.now().Before(s.renewAt()) {
		return s, err
	}
	renewed, err := c.renewals.Do(r.Context(), s.renewalKey(), func(ctx context.Context) (*renewal, time.Time, error) {
		return c.renew(ctx, s)
	})
	if err == nil {
		return renewed.session, c.deliver(w, r, s.cookie, renewed)
	}
	c.config.Logger.WarnContext(r.Context(), "hfoauth: the access token was not renewed", "error", err, "sub", s.User.Sub, "expiry", s.Token.Expiry)
	if !c.now().Before(s.Token.Expiry) {
		return nil, notRenewed(err)
	}
	return s, nil
}

// renewalKey names the tokens of a session, which are renewed once.
func (s *Session) renewalKey() [32]byte {
	return sha256.Sum256([]byte(s.Token.AccessToken + "\x00" + s.Token.RefreshToken))
}

// renewAt is when the access token is due to be renewed: in its last five
// minutes, or last quarter if it lives for less than twenty.
func (s *Session) renewAt() time.Time {
	return s.Token.Expiry.Add(-min(renewBefore, s.Token.Expiry.Sub(s.renewed)/4))
}

// notRenewed is the error for a session whose token is over: one that the
// provider refuses to renew is good for nothing but to sign in again.
func notRenewed(err error) error {
	if isA[*ProviderError](err) {
		return fmt.Errorf("%w: %w", ErrNotSignedIn, err)
	}
	return unavailable(err)
}

// unavailable makes an error that came of waiting too long one of the
// provider's.
func unavailable(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrProviderUnavailable, err)
	}
	return err
}

// renew asks for new tokens, and saves them before anyone uses them: the old
// refresh token is dead by then (RFC 9700 section 2.2.2).
func (c *Client) renew(ctx context.Context, s *Session) (*renewal, time.Time, error) {
	token, err := c.provider.Refresh(ctx, s.Token.RefreshToken, s.User.Sub)
	if e, ok := errors.AsType[*provider.Error](err); ok && e.Code == "invalid_grant" {
		return c.adopt(ctx, s)
	}
	if err != nil {
		return nil, c.now().Add(retryRenewal), providerError(err)
	}
	next := *s
	next.Token = token
	if scope, named := provider.Scope(token); named {
		next.Scopes = parseScopes(scope)
	}
	next.lasts(c.now())
	if err := c.trySave(ctx, &renewal{session: &next}); err != nil {
		return nil, token.Expiry, err
	}
	user, err := c.fetchUser(ctx, token.AccessToken, s.User.Sub)
	if errors.Is(err, errOtherUser) {
		return nil, token.Expiry, c.renewedAnother(ctx, s, err)
	}
	if err == nil { // else the user is as before
		updated := next
		updated.User = user
		next = updated
	}
	r := &renewal{session: &next}
	return r, token.Expiry, c.trySave(ctx, r)
}

// trySave saves a renewal. One that the store does not take now is saved at
// the next request; only a session that was ended meanwhile is an error.
func (c *Client) trySave(ctx context.Context, r *renewal) error {
	err := c.save(ctx, r)
	if err == nil || errors.Is(err, ErrNotSignedIn) {
		return err
	}
	c.config.Logger.ErrorContext(ctx, "hfoauth: renewed tokens are not stored yet", "error", err, "sub", r.session.User.Sub)
	return nil
}

// renewedAnother ends a session whose renewed token is another user's (OpenID
// Connect Core section 5.3.2).
func (c *Client) renewedAnother(ctx context.Context, s *Session, err error) error {
	c.config.Logger.ErrorContext(ctx, "hfoauth: renewed tokens are not this user's, the session is ended", "error", err, "sub", s.User.Sub)
	c.ended.Put(s.endKey(), struct{}{}, 1, c.now(), c.lastExpiry())
	if isStoredID(s.cookie) {
		if err := c.deleteStored(ctx, s.cookie); err != nil {
			return err
		}
	}
	return ErrNotSignedIn
}

// adopt is for a refresh token that is dead: another replica may have used it
// and put the new tokens into the store; if not, the session is over.
func (c *Client) adopt(ctx context.Context, s *Session) (*renewal, time.Time, error) {
	retry := time.NewTicker(adoptTimeout / 20)
	defer retry.Stop()
	for deadline := c.now().Add(adoptTimeout); isStoredID(s.cookie); <-retry.C {
		current, err := c.openSession(ctx, s.cookie)
		switch {
		case err != nil:
			return nil, c.now().Add(retryRenewal), err
		case current != nil && current.Token.RefreshToken != s.Token.RefreshToken:
			return &renewal{session: current, saved: true}, current.Token.Expiry, nil
		case current == nil || !c.now().Before(deadline) || c.now().Before(s.Token.Expiry):
			return c.refused(s)
		}
	}
	return c.refused(s)
}

// refused ends a session whose refresh token is dead, as soon as its access
// token is, too. The cookie is left alone: in a race of replicas, the browser
// may already hold a newer one.
func (c *Client) refused(s *Session) (*renewal, time.Time, error) {
	if !c.now().Before(s.Token.Expiry) {
		c.ended.Put(s.renewalKey(), struct{}{}, 1, c.now(), c.lastExpiry())
	}
	return nil, later(s.Token.Expiry, c.now().Add(retryRenewal)), ErrNotSignedIn
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// save puts a renewed session into the store, if it belongs there. A session
// that was signed out meanwhile stays so. While one request waits for the
// store, the others go on.
func (c *Client) save(ctx context.Context, r *renewal) error {
	if !r.saving.TryLock() {
		return nil
	}
	defer r.saving.Unlock()
	if r.saved || !isStoredID(r.session.cookie) {
		return nil
	}
	key := storeKey("session", r.session.cookie)
	stored, err := c.store.find(ctx, key)
	if err != nil {
		return err
	}
	if stored == nil {
		return ErrNotSignedIn
	}
	if err := c.store.commit(ctx, key, c.sealer.stored.Seal(encode(sessionSize, r.session.code), key), r.session.Expiry); err != nil {
		return err
	}
	return c.keepSaved(ctx, r)
}

// keepSaved undoes a save that crossed a sign-out at another replica.
func (c *Client) keepSaved(ctx context.Context, r *renewal) error {
	if c.config.Store != nil {
		ended, err := c.store.find(ctx, storeKey("ended", r.session.cookie))
		if err != nil {
			return err
		}
		if ended != nil {
			return errors.Join(ErrNotSignedIn, c.store.delete(ctx, storeKey("session", r.session.cookie)))
		}
	}
	r.saved = true
	return nil
}

// deliver gives the browser its renewed session in place of the old cookie.
func (c *Client) deliver(w http.ResponseWriter, r *http.Request, cookie string, renewed *renewal) error {
	s := renewed.session
	value := s.cookie
	if isStoredID(value) {
		if err := c.save(r.Context(), renewed); errors.Is(err, ErrNotSignedIn) {
			return err
		}
	} else {
		sealed, err := c.sealSession(r.Context(), s)
		if err != nil {
			return err
		}
		value = sealed
	}
	for name, old := range c.cookies.sessionCookies(r) {
		if old == cookie {
			c.cookies.set(w, name, value, s.Expiry.Sub(c.now()))
		}
	}
	return nil
}
