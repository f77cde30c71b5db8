package hfoauth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// RequireUser passes requests of signed-in users on to next, which gets the user
// from [UserFromContext] or [Client.UserFromRequest]. A browser that opens the
// page without a session is redirected to sign in and then returns; within 30
// seconds of a sign-in, a sign-out or a failure it instead gets 401 with a page
// that asks to sign in. Other requests get 401 with a JSON body and
// WWW-Authenticate. A session whose token is about to expire is renewed.
//
// Responses of next are "Cache-Control: private, no-store" unless it sets
// something else; if they have a renewed session's cookie, they always are.
//
// A request that may change something and comes from another origin that is not
// in Config.TrustedOrigins gets [ErrCrossSite], unless it has a bearer token
// (https://pkg.go.dev/net/http#CrossOriginProtection). So does a WebSocket
// handshake (RFC 6455 section 10.2). Programs that send neither Origin nor
// Sec-Fetch-Site are allowed. Requests are checked once: a WebSocket or an event
// stream outlives the session unless the handler uses [Session.Context].
//
// Handlers of RequireUser, RequireScope and RequireOrg of one Client that wrap
// one another directly check together, in any order: the user is asked once
// for all that is missing.
func (c *Client) RequireUser(next http.Handler) http.Handler {
	return c.require(next, demands{})
}

// RequireScope is [Client.RequireUser] for users who granted all of scopes. The
// redirect of a visitor to sign in requests them. If a user who is signed in did
// not grant them, the browser is redirected to do so, together with those granted
// before, and then returns. A user who denies that is not asked again in that
// session, except by a click, and gets 403, as do other requests.
func (c *Client) RequireScope(scopes ...Scope) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return c.require(next, demands{scopes: scopes})
	}
}

// RequireOrg is [Client.RequireUser] for users for whom [User.HasRole] is
// true: members of an organization, by its username or its ID, who meet its
// requirements and have at least the given role. [RoleAny] also accepts members
// whose role is unknown.
//
// The role is known only if the user granted the organization to the app. The
// browser of a member who did not is redirected once to grant it, together with
// [ScopeReadMemberships]; the sign-in cannot request it, because the
// organization's ID is not known before. Other users, and members who deny it,
// get 403. If the app may not request that scope, only the organization is
// requested, and the log names the scope to register.
//
// It panics if atLeast is neither one of the roles from [RoleRead] to
// [RoleAdmin] nor RoleAny.
func (c *Client) RequireOrg(org string, atLeast Role) func(http.Handler) http.Handler {
	if atLeast != RoleAny && atLeast.rank() < RoleRead.rank() {
		panic(fmt.Sprintf("hfoauth: RequireOrg: %q is not a role that can be required: "+
			"use RoleRead, RoleContributor, RoleWrite, RoleAdmin or RoleAny", atLeast))
	}
	return func(next http.Handler) http.Handler {
		return c.require(next, demands{orgs: []orgDemand{{org, atLeast}}})
	}
}

// demands are what a session needs to pass.
type demands struct {
	scopes Scopes
	orgs   []orgDemand
}

type orgDemand struct {
	org     string
	atLeast Role
}

// and returns the demands of both.
func (d demands) and(other demands) demands {
	return demands{d.scopes.with(other.scopes...), slices.Concat(d.orgs, other.orgs)}
}

// check returns nil, or a *ForbiddenError that names what is missing: everything
// that the user could still grant or, if anything else is missing, only that.
func (d demands) check(s *record) error {
	missing := &ForbiddenError{user: s.user}
	for _, scope := range d.scopes {
		if !s.scopes.Has(scope) {
			missing.Scopes = missing.Scopes.with(scope)
		}
	}
	for _, demand := range d.orgs {
		switch lack := s.user.lacks(demand.org, demand.atLeast); {
		case lack == lacksGrant && missing.Org == "":
			missing.Org, missing.Role, missing.lack = demand.org, demand.atLeast, lack
		case lack != lacksNothing && lack != lacksGrant:
			return &ForbiddenError{Org: demand.org, Role: demand.atLeast, lack: lack, user: s.user}
		}
	}
	if len(missing.Scopes) == 0 && missing.Org == "" {
		return nil
	}
	return missing
}

// required is a handler that passes on requests whose session meets demands.
type required struct {
	client  *Client
	demands demands
	next    http.Handler
}

// require returns a handler that checks demands. If next is such a handler of
// the same client, both are checked together.
func (c *Client) require(next http.Handler, d demands) http.Handler {
	if inner, ok := next.(*required); ok && inner.client == c {
		d, next = d.and(inner.demands), inner.next
	}
	return &required{c, d, next}
}

func (h *required) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := h.client
	ctx := c.sessions.Limit(r.Context())
	e, err := c.finder.fresh(ctx, w, r)
	if err == nil && hasCookie(r, c.cookies.pause) {
		c.cookies.remove(w, c.cookies.pause)
	}
	if header := w.Header(); c.cookies.on(header) {
		w = withoutCaching(w)
		defer forbidCaching(header) // if the handler writes nothing
	}
	if err == nil && !c.bearers.has(r) && c.origins.exclude(r) {
		err = ErrCrossSite
	}
	if err == nil && len(h.demands.orgs) > 0 {
		e, err = c.renewals.withCurrentUser(ctx, e)
	}
	if err == nil {
		err = h.demands.check(e.Data)
	}
	if err != nil {
		c.refuse(w, r.WithContext(ctx), e, err, h.demands.scopes)
		return
	}
	w.Header().Set("Cache-Control", uncached)
	met := h.demands
	if around := c.finder.known(r); around != nil {
		met = met.and(around.demands)
	}
	h.next.ServeHTTP(w, r.WithContext(&sessionContext{r.Context(), c, found{e, met}}))
}

// Error answers a request that failed as the handlers of this package do. A
// browser that opens a page is redirected for [ErrNotSignedIn] to sign in, and
// for a [*ForbiddenError] to grant what it names, if the user has not been asked
// before; it then returns. Other errors, and other requests, get a page or JSON
// with the status of [HTTPStatus], or the response of Config.ErrorHandler.
//
// Config.ErrorHandler must not call it; it returns false instead.
func (c *Client) Error(w http.ResponseWriter, r *http.Request, err error) {
	r = c.finder.lookUp(r)
	e, _ := c.finder.session(r)
	c.refuse(w, r, e, explained(err, e), nil)
}

// refuse answers a request that fails with err. The session is the request's, or
// nil if there is none. A sign-in requests scopes, which a query must not choose,
// and so begins here and not at Config.LoginPath if there are any.
func (c *Client) refuse(w http.ResponseWriter, r *http.Request, e *entry, err error, scopes Scopes) {
	here := c.paths.pageOf(r)
	if e != nil {
		r = c.finder.knowing(r, e)
	}
	keepPrivate(w)
	if isNavigation(r) && !c.bearers.has(r) {
		if errors.Is(err, ErrNotSignedIn) {
			switch {
			case framed(r) && hasSign(r.URL.RawQuery): // the script needs it where it is
				c.Login(w, r, LoginOptions{Scopes: scopes, Next: here})
			case hasCookie(r, c.cookies.pause):
				c.fail(w, r, err, here)
			case len(scopes) > 0:
				c.Login(w, r, LoginOptions{Scopes: scopes, Next: here})
			default:
				http.Redirect(w, r, c.paths.loginURL(here), http.StatusSeeOther)
			}
			return
		}
		if forbidden, ok := errors.AsType[*ForbiddenError](err); ok && e != nil {
			if options := forbidden.stepUp(e.Data, c.attempts.denialOf(r, e)); options != nil {
				options.Next = here
				c.Login(w, r, *options)
				return
			}
		}
	}
	c.fail(w, r, err, here)
}
