package hfoauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Logout ends the request's session for good and removes its cookies. It is what
// [Client.LogoutHandler] does, for the app's own handlers. Call it before
// anything is written.
//
// The error wraps [ErrStoreUnavailable] if the end of the session could not be
// stored. Even then the cookies are removed, this process refuses the session,
// and it retries until the end is stored.
func (c *Client) Logout(w http.ResponseWriter, r *http.Request) error {
	ctx := c.sessions.Limit(r.Context())
	sub := "" // for the log: the store is not asked for it
	var errs []error
	for _, value := range c.cookies.sessionCookies(r) {
		errs = append(errs, c.sessions.End(ctx, value))
		if e := c.sessions.Opened(value); e != nil && sub == "" {
			sub = e.User
		}
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
	if sub != "" {
		c.logDone(r, "signed out", sub)
	}
	return nil
}

// logoutError means that the browser is signed out, but other replicas may not
// know it.
type logoutError struct{ err error }

func (e *logoutError) Error() string {
	return fmt.Sprintf("hfoauth: signed out in this browser, but not at all replicas yet: %v", e.err)
}

func (e *logoutError) Unwrap() error { return e.err }

// LogoutUser ends all current sessions of a user, by User.Sub, on all devices and
// replicas. It returns an error without Config.Store, because sessions that live
// in cookies cannot be found. The error wraps [ErrStoreUnavailable] if the store
// failed; then call it again.
func (c *Client) LogoutUser(ctx context.Context, sub string) error {
	if c.config.Store == nil {
		return errors.New("hfoauth: LogoutUser needs Config.Store: sessions that live in cookies cannot be found")
	}
	return c.sessions.EndUser(ctx, sub)
}

// End ends the session on all replicas. It is for one of [Client.Sessions], such
// as the session on a device that the user lost. The error wraps
// [ErrStoreUnavailable] if the store failed; this process then refuses the
// session, and retries until its end is stored.
func (s *Session) End(ctx context.Context) error {
	if s.source == nil || s.Bearer {
		return errors.New("hfoauth: a bearer token has no session to end: revoke it at the provider")
	}
	return s.source.client.sessions.EndEntry(ctx, s.source.current())
}

// endReplaced ends the earlier sessions of a browser that signs in again (session
// fixation: OWASP ASVS 7.2.4). Failures are retried in the background.
//
// A session shared with an iframe continues there. If this request has an
// iframe's cookie, the browser keeps both cookies in one place, and the iframe's
// would hide the new session: it is removed, and its session ends.
func (c *Client) endReplaced(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	if hasCookie(r, c.cookies.denial) {
		c.cookies.remove(w, c.cookies.denial)
	}
	for name, value := range c.cookies.sessionCookies(r) {
		if name == c.cookies.frame {
			c.cookies.remove(w, name)
			c.sessions.End(ctx, value)
		} else {
			c.sessions.EndUnlessShared(ctx, value)
		}
	}
}
