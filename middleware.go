package hfoauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
)

// RequireUser lets requests of signed-in users through to next, which finds
// the user with [UserFromContext] or [Client.UserFromRequest]. A browser that
// opens the page without a session is sent to sign in and back; other
// requests get 401 with a JSON body and WWW-Authenticate. A session whose
// token is about to end is renewed.
//
// A request that may change something and comes from a page of another origin,
// but for Config.TrustedOrigins, gets 403 unless it has a bearer token
// (https://pkg.go.dev/net/http#CrossOriginProtection). So does a WebSocket
// handshake (RFC 6455 section 10.2). Programs that send neither Origin nor
// Sec-Fetch-Site are let in. The check is made once: a WebSocket or a stream of
// events outlives the session unless the handler ends it.
func (c *Client) RequireUser(next http.Handler) http.Handler {
	return c.require(next, func(*Session) error { return nil })
}

// RequireScope is [Client.RequireUser] for users who granted all of scopes. A
// browser whose user did not is sent to grant them, together with those
// granted before, and back; once, so that a user who does not want to is not
// asked without end. Other requests get 403.
func (c *Client) RequireScope(scopes ...Scope) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return c.require(next, func(s *Session) error {
			for _, scope := range scopes {
				if !s.Scopes.Has(scope) {
					return missingScope(s, scopes, scope)
				}
			}
			return nil
		})
	}
}

// RequireOrg is [Client.RequireUser] for members of an organization, by its
// username or its ID (never by its display name, which is free to choose),
// with one of roles if any are given. Members of whom the Hub says that they
// have yet to meet its demands (single sign-on, multi-factor authentication)
// count as outsiders.
//
// The role, and perhaps those demands, are known only where the user granted
// the organization to the app: with roles, a browser whose user did not is sent
// to do so, and back, once, and others get 403. Without roles membership alone
// lets in; name all roles that will do where the demands matter.
func (c *Client) RequireOrg(name string, roles ...Role) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return c.require(next, func(s *Session) error {
			org := s.User.Org(name)
			switch {
			case org == nil:
				return forbidden("the user is not a member of " + name)
			case org.PendingSSO || org.MissingMFA:
				return forbidden("the user has yet to meet the sign-in demands of " + name)
			case len(roles) == 0 || slices.Contains(roles, org.Role):
				return nil
			case org.Role == "":
				return missingOrg(s, org)
			}
			return forbidden("the user's role in " + name + " is not sufficient")
		})
	}
}

// missingError is what a page demands and the user has not granted yet.
type missingError struct {
	error
	scope Scope         // the one that is missing, if it is one
	ask   *LoginOptions // for the sign-in that asks for it; nil if that was tried
}

func (m *missingError) Unwrap() error { return m.error }

func missingScope(s *Session, all []Scope, missing Scope) error {
	m := &missingError{error: forbidden("the scope " + string(missing) + " was not granted"), scope: missing}
	if !s.requested.Has(missing) {
		m.ask = &LoginOptions{Scopes: s.Scopes.with(s.requested...).with(all...)}
		m.ask.askedOrgs = s.askedOrgs
		if len(s.askedOrgs) > 0 {
			m.ask.AuthorizationParams = url.Values{"orgIds": {s.askedOrgs[0]}}
		}
	}
	return m
}

func missingOrg(s *Session, org *Org) error {
	m := &missingError{error: forbidden("the user's role in " + org.Username + " is not known")}
	if !slices.Contains(s.askedOrgs, org.Sub) {
		m.ask = &LoginOptions{
			Scopes:              s.Scopes.with(s.requested...),
			AuthorizationParams: url.Values{"orgIds": {org.Sub}},
			askedOrgs:           s.askedOrgs,
		}
	}
	return m
}

// require passes requests on whose session satisfies check.
func (c *Client) require(next http.Handler, check func(*Session) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := c.freshSession(w, r)
		if err == nil && !c.hasBearer(r) && c.fromAnotherOrigin(r) {
			err = forbidden("the request came from another site")
		}
		if err == nil {
			err = check(s)
		}
		if err == nil {
			next.ServeHTTP(w, r.WithContext(c.withSession(r.Context(), s)))
			return
		}
		here := pathOf(r)
		missing, isMissing := errors.AsType[*missingError](err)
		switch {
		case !isNavigation(r) || c.hasBearer(r):
			keepPrivate(w)
			c.fail(w, r, err, here)
		case errors.Is(err, ErrNotSignedIn):
			keepPrivate(w)
			http.Redirect(w, r, c.loginURL(here), http.StatusSeeOther)
		case isMissing && missing.ask != nil:
			missing.ask.Next = here
			c.Login(w, r, *missing.ask)
		default:
			keepPrivate(w)
			c.fail(w, r, err, here)
		}
	})
}

type userKey struct{}

func (c *Client) withSession(ctx context.Context, s *Session) context.Context {
	return context.WithValue(context.WithValue(ctx, sessionKey{c}, s), userKey{}, s)
}

// UserFromContext returns the user that [Client.RequireUser] and its
// relatives found, or nil in a handler behind none of them. The user is the
// caller's to change.
func UserFromContext(ctx context.Context) *User {
	if s, ok := ctx.Value(userKey{}).(*Session); ok {
		return s.User.clone()
	}
	return nil
}
