package hfoauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Logout ends the request's session for good and removes its cookies:
// [Client.LogoutHandler] for handlers of the app's own. Call it before anything
// is written.
//
// The error wraps [ErrStoreUnavailable] if the store did not take the end of the
// session. The cookies are removed all the same, this process refuses the
// session, and tries to store its end until that succeeds.
func (c *Client) Logout(w http.ResponseWriter, r *http.Request) error {
	ctx := c.sessions.Limit(context.WithoutCancel(r.Context()))
	var errs []error
	for _, value := range c.cookies.sessionCookies(r) {
		errs = append(errs, c.sessions.End(ctx, value))
	}
	c.cookies.remove(w, c.cookies.session)
	c.cookies.setPause(w)
	for _, name := range []string{c.cookies.frame, c.cookies.denial} {
		if hasCookie(r, name) {
			c.cookies.remove(w, name)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return &logoutError{err}
	}
	return nil
}

// logoutError says that the browser is signed out, and servers may not know.
type logoutError struct{ err error }

func (e *logoutError) Error() string {
	return fmt.Sprintf("hfoauth: signed out in this browser, but not at all replicas yet: %v", e.err)
}

func (e *logoutError) Unwrap() error { return e.err }

// LogoutUser ends all sessions that a user has now, on all devices, by the
// user's Sub. It needs Config.Store, which every replica asks for it; without
// one it is an error, because sessions that live in cookies cannot be found.
// The error wraps [ErrStoreUnavailable] if the store failed: then call it
// again.
func (c *Client) LogoutUser(ctx context.Context, sub string) error {
	if c.config.Store == nil {
		return errors.New("hfoauth: LogoutUser needs Config.Store: sessions that live in cookies cannot be found")
	}
	return c.sessions.EndUser(ctx, sub)
}

// End ends the session on all replicas: for one of [Client.Sessions], such as
// that of a device which the user lost. The error wraps [ErrStoreUnavailable] if
// the store failed; this process refuses the session then, and tries to store
// its end until that succeeds.
func (s *Session) End(ctx context.Context) error {
	if s.source == nil || s.Bearer {
		return errors.New("hfoauth: a bearer token has no session to end: revoke it at the provider")
	}
	return s.source.client.sessions.EndEntry(ctx, s.source.current())
}

// endReplaced ends the sessions of a browser that signs in again (session
// fixation: OWASP ASVS 7.2.4). What fails is tried again in the background.
//
// A session that an iframe holds as well goes on there, unless the iframe's
// cookie came with this request: then the browser keeps both cookies in one
// place, and the iframe's would hide the new session.
func (c *Client) endReplaced(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	ctx = context.WithoutCancel(ctx)
	if hasCookie(r, c.cookies.denial) {
		c.cookies.remove(w, c.cookies.denial)
	}
	end := c.sessions.EndUnlessShared
	if hasCookie(r, c.cookies.frame) {
		end = c.sessions.End
		c.cookies.remove(w, c.cookies.frame)
	}
	for _, value := range c.cookies.sessionCookies(r) {
		end(ctx, value)
	}
}
