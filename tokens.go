package hfoauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/hfoauth/hfoauth/internal/tokenhosts"
)

// checkInterval is how often a session's context checks whether another replica
// ended the session.
const checkInterval = time.Minute

// source is where a Session gets its access token.
type source struct {
	client *Client

	mu    sync.Mutex
	entry *entry
}

func (s *source) current() *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entry
}

func (s *source) set(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entry = e
}

// Token returns an access token, never with the refresh token. A token about to
// expire (within five minutes, or the last quarter of a shorter lifetime) is
// renewed first, if there is a refresh token and Config.Store keeps the session.
// For a session in a cookie it is the token that the request had. The error wraps
// [ErrNotSignedIn] once the session or its token has expired, and otherwise is as
// for [Client.SessionFromRequest].
func (s *Session) Token() (*oauth2.Token, error) {
	if s.source == nil {
		return nil, ErrNotSignedIn
	}
	return s.source.token()
}

func (s *source) token() (*oauth2.Token, error) {
	e, c := s.current(), s.client
	if e.Stored() {
		ctx, cancel := context.WithTimeout(context.Background(), callbackTimeout)
		defer cancel()
		renewed, err := c.renewals.fresh(ctx, e)
		if err != nil {
			return nil, err
		}
		s.set(renewed)
		e = renewed
	}
	token := e.Data.token
	token.RefreshToken = ""
	if c.sessions.Ended(e.ID) {
		return nil, ErrNotSignedIn
	}
	if !token.Expiry.IsZero() && !c.now().Before(token.Expiry) {
		return nil, fmt.Errorf("%w: the access token of the request has expired", ErrNotSignedIn)
	}
	return &token, nil
}

// HTTPClient returns an http.Client that acts for the user: it adds the access
// token of [Session.Token] to requests to the provider's host, *.huggingface.co,
// *.hf.co and Config.TokenHosts, over https, or over http to loopback. On
// loopback, only the provider's own port counts, so that what works with a
// stand-in works in production. A request to another host is an error, and a
// redirect to another host is followed without the token. It uses
// Config.Transport.
func (s *Session) HTTPClient() *http.Client {
	transport := &tokenhosts.Transport{Source: s, Base: http.DefaultTransport, Package: "hfoauth"}
	if s.source != nil {
		config := s.source.client.config
		transport.Provider, transport.Hosts = config.ProviderURL, config.TokenHosts
		if config.Transport != nil {
			transport.Base = config.Transport
		}
	}
	return &http.Client{Transport: transport}
}

// Context returns a copy of parent that ends when the session does, with
// [ErrNotSignedIn] as its cause: for streams and WebSockets, which outlive the
// check of their request. It ends at once if this process ends the session and,
// with Config.Store, within about a minute if another replica does. A user who
// disconnects the app at the provider ends it only at the next renewal. Call
// cancel when the stream has ended.
//
// The context of a bearer token ends within five minutes after the provider has
// stopped accepting the token.
func (s *Session) Context(parent context.Context) (ctx context.Context, cancel context.CancelFunc) {
	ctx, end := context.WithCancelCause(parent)
	if s.source == nil {
		end(ErrNotSignedIn)
		return ctx, func() {}
	}
	go s.source.watch(ctx, end)
	return ctx, func() { end(nil) }
}

// watch ends a context when the session has ended.
func (s *source) watch(ctx context.Context, end func(cause error)) {
	e, c := s.current(), s.client
	ended, stop := c.sessions.Watch(e.ID)
	defer stop()
	for !c.sessions.Ended(e.ID) {
		timer := time.NewTimer(min(checkInterval, max(e.Expiry.Sub(c.now()), time.Second)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-ended:
			timer.Stop()
		case <-timer.C:
			current, err := s.check(ctx, e)
			switch {
			case err == nil && current != nil:
				e = current
			case err == nil || errors.Is(err, ErrNotSignedIn) || isA[*ForbiddenError](err):
				end(ErrNotSignedIn)
				return
			} // otherwise it is unknown, and checked again later
		}
	}
	end(ErrNotSignedIn)
}

// check returns the newest version of the session, nil or ErrNotSignedIn if it
// has ended.
func (s *source) check(ctx context.Context, e *entry) (*entry, error) {
	if !e.Data.bearer {
		return s.client.sessions.Refresh(ctx, e)
	}
	if s.client.now().Before(e.Expiry) {
		return e, nil
	}
	token := e.Data.token.AccessToken
	return s.client.bearers.verified(ctx, token, readToken(token))
}
