package hfoauth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hfoauth/hfoauth/internal/sessions"
)

// finder finds the session of a request: that which a Require handler found
// already, that of a bearer token, or that of a cookie.
type finder struct {
	cookies  *cookieRules
	sessions *sessions.Keeper[*record]
	renewals *renewals
	bearers  *bearers
	now      func() time.Time
}

// found is the session that was found for a request.
type found struct {
	entry   *entry
	demands demands // that it meets
}

// foundKey is the key of a request's found session in its context.
type foundKey struct{ finder *finder }

// session returns the request's session as it is, without renewing it.
func (f *finder) session(r *http.Request) (*entry, error) {
	if e, err := f.withoutCookie(r); e != nil || err != nil {
		return e, err
	}
	ctx := f.sessions.Limit(r.Context())
	for _, value := range f.cookies.sessionCookies(r) {
		e, err := f.sessions.Open(ctx, value)
		if e != nil || err != nil {
			return e, err
		}
	}
	return nil, notSignedIn(r)
}

// withoutCookie returns the session that is known already, or that of a bearer
// token; it returns nil if the request's cookies decide.
func (f *finder) withoutCookie(r *http.Request) (*entry, error) {
	known := f.known(r)
	switch {
	case known != nil && known.entry.Data.bearer:
		s := known.entry.Data // of which a route inside may accept less
		if err := f.bearers.route(r).refuses(s.token.AccessToken, s.told); err != nil {
			return nil, err
		}
	case f.bearers.has(r):
		token, _ := bearerToken(r)
		e, err := f.bearers.session(r.Context(), f.bearers.route(r), token)
		if err == nil && known != nil { // the token's user must pass what let the cookie's through
			err = known.demands.check(e.Data)
		}
		if err != nil {
			return nil, err
		}
		return e, nil
	case known == nil:
		return nil, nil
	}
	return known.entry, nil
}

// lookUp returns r with its session looked up, so that the page and the log of
// its failure do not ask the store again.
func (f *finder) lookUp(r *http.Request) *http.Request {
	r = r.WithContext(f.sessions.Limit(r.Context()))
	if e, err := f.session(r); err == nil {
		return f.knowing(r, e)
	}
	return r
}

// knowing returns r with a session that is known to be its own.
func (f *finder) knowing(r *http.Request, e *entry) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), foundKey{f}, &found{entry: e}))
}

// known returns what the Require handlers around a request found, or what
// knowing added; nil if there is neither.
func (f *finder) known(r *http.Request) *found {
	known, _ := r.Context().Value(foundKey{f}).(*found)
	return known
}

// fresh returns the request's session, its access token renewed if possible, and
// sends a renewed cookie to the browser. A session that has ended does not hide
// another one in a later cookie.
func (f *finder) fresh(ctx context.Context, w http.ResponseWriter, r *http.Request) (*entry, error) {
	if e, err := f.withoutCookie(r); e != nil || err != nil {
		return e, err
	}
	missing := notSignedIn(r)
	for name, value := range f.cookies.sessionCookies(r) {
		e, err := f.sessions.Open(ctx, value)
		if e != nil {
			e, err = f.renewals.fresh(ctx, e)
		}
		switch {
		case errors.Is(err, ErrNotSignedIn):
			missing = err
		case err != nil:
			return nil, err
		case e == nil:
		case e.Value == "" || e.Value == value:
			return e, nil
		case !f.sessions.Ended(e.ID): // otherwise it was signed out meanwhile
			f.cookies.set(w, name, e.Value, cookieLifetime(e, f.now()))
			return e, nil
		}
	}
	return nil, missing
}
