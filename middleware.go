package hfoauth

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// RequireUser lets requests of signed-in users through to next, which finds
// the user with [UserFromContext] or [Client.UserFromRequest]. A browser that
// opens the page without a session is sent to sign in and back; other
// requests get 401 with a JSON body and WWW-Authenticate.
func (c *Client) RequireUser(next http.Handler) http.Handler {
	return c.require(next, func(*Session) error { return nil })
}

// RequireScope is [Client.RequireUser] for users who granted all of scopes.
// Others get 403.
func (c *Client) RequireScope(scopes ...Scope) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return c.require(next, func(s *Session) error {
			for _, scope := range scopes {
				if !s.Scopes.Has(scope) {
					return forbidden("the scope " + string(scope) + " was not granted")
				}
			}
			return nil
		})
	}
}

// RequireOrg is [Client.RequireUser] for members of an organization, by its
// username or its ID (never by its display name, which is free to choose),
// with one of roles if any are given. Members who have yet to meet its
// demands (single sign-on, multi-factor authentication) count as outsiders.
// Others get 403. Roles are only known where the user granted the
// organization to the app.
func (c *Client) RequireOrg(name string, roles ...Role) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return c.require(next, func(s *Session) error {
			org := s.User.Org(name)
			switch {
			case org == nil:
				return forbidden("the user is not a member of " + name)
			case org.PendingSSO || org.MissingMFA:
				return forbidden("the user has yet to meet the sign-in demands of " + name)
			case len(roles) > 0 && !slices.Contains(roles, org.Role):
				return forbidden("the user's role in " + name + " is not sufficient")
			}
			return nil
		})
	}
}

// require passes requests on whose session satisfies check.
func (c *Client) require(next http.Handler, check func(*Session) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := c.session(r)
		if err == nil {
			err = check(s)
		}
		switch {
		case err == nil:
			next.ServeHTTP(w, r.WithContext(c.withSession(r.Context(), s)))
		case err == ErrNotSignedIn && isNavigation(r):
			keepPrivate(w)
			http.Redirect(w, r, c.LoginURL(r.URL.RequestURI()), http.StatusSeeOther)
		default:
			keepPrivate(w)
			c.fail(w, r, err, r.URL.RequestURI())
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

// isNavigation reports whether a person opens a page: the browser says so
// (https://www.w3.org/TR/fetch-metadata/), or, where it says nothing, HTML is
// asked for by name.
func isNavigation(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		return false
	}
	return acceptsHTML(r)
}

func acceptsHTML(r *http.Request) bool {
	return strings.Contains(strings.Join(r.Header["Accept"], ","), "text/html")
}
