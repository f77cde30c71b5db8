package hfoauth

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/hfoauth/hfoauth/internal/provider"
)

// callbackTimeout bounds all calls to the provider in one callback together.
const callbackTimeout = 12 * time.Second

// LoginOptions are what one sign-in requests beyond Config.
type LoginOptions struct {
	// Scopes are requested in addition to Config.Scopes.
	Scopes Scopes

	// Org is the ID of an organization whose resources are requested (orgIds,
	// https://huggingface.co/docs/hub/oauth).
	Org string

	// Next is the path to return to after sign-in. If empty, it is the query
	// parameter next of the request. Anything but a path of this site counts as
	// Config.HomePath.
	Next string

	// Prompt is the parameter of OpenID Connect Core section 3.1.2.1, which the
	// Hub does not document. "consent" asks the user again what the app may do.
	// "none" asks nothing, and returns to Next even if the user is not signed in
	// at the provider or has not consented yet. Do not try again at once: the
	// result would be the same, and within 30 seconds the second attempt gets the
	// page that asks to sign in.
	Prompt string

	// Params are further parameters of the authorization request. Those that the
	// protocol itself sets (state, scope, …) are an internal error.
	Params url.Values

	// optional are scopes that are requested as well, but not again if the
	// provider refuses them.
	optional  Scopes
	askedOrgs []string // requested at earlier sign-ins that led to this one
}

// LoginHandler sends browsers to the provider to sign in (GET and HEAD). The
// query parameter next is the path of this site to return to; other parameters
// are ignored.
func (c *Client) LoginHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.Login(w, r, LoginOptions{})
	})
}

// Login sends the browser to the provider to sign in. It is what
// [Client.LoginHandler] does, for the app's own handlers that request more.
func (c *Client) Login(w http.ResponseWriter, r *http.Request, options LoginOptions) {
	if !allowMethods(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	keepPrivate(w)
	if options.Next == "" && r.URL.RawQuery != "" {
		options.Next = r.URL.Query().Get("next")
	}
	next := c.paths.returnTo(options.Next)
	switch mode := r.Header.Get("Sec-Fetch-Mode"); {
	case mode != "" && mode != "navigate": // an image, or a script's request: no person asked for it
		c.fail(w, r, notOpened(r), options.Next)
	case options.Prompt == "none" && hasCookie(r, c.cookies.pause): // asked just now
		next = c.paths.backTo(r, next)
		if path, _, _ := strings.Cut(next, "#"); strings.TrimSuffix(path, "?") != c.paths.asSeen(r, pathOf(r)) {
			http.Redirect(w, r, next, http.StatusSeeOther)
			return
		}
		c.fail(w, r, ErrNotSignedIn, next)
	case framed(r):
		c.pages.framedLogin(w, r, options)
	case c.paths.onOtherHost(r):
		http.Redirect(w, r, origin(c.paths.redirect)+c.paths.asSeen(r, pathOf(r)), http.StatusSeeOther)
	default:
		if address, ok := c.beginSignIn(w, r, options, ""); ok {
			w.Header().Set("Location", address)
			w.WriteHeader(http.StatusSeeOther)
		}
	}
}

// notOpened is the error for a request of sign-in that opens no page.
func notOpened(r *http.Request) error {
	if r.Header.Get("Sec-Fetch-Site") == "same-origin" {
		return &ForbiddenError{Message: "Sign-in must be opened as a page, not requested by a script."}
	}
	return ErrCrossSite
}

// beginSignIn begins a sign-in and returns the address at the provider where it
// continues; if it fails, it answers the request. The challenge is that of the
// iframe that will claim the session, if there is one.
func (c *Client) beginSignIn(
	w http.ResponseWriter, r *http.Request, options LoginOptions, challenge string,
) (address string, ok bool) {
	next := c.paths.returnTo(options.Next)
	if err := checkParams(options.Params); err != nil {
		c.fail(w, r, err, next)
		return "", false
	}
	params := options.params()
	scopes := c.config.Scopes.with(options.Scopes...)
	a := newAttempt(c.now(), scopes.with(options.optional...), next)
	a.optional = options.optional.without(scopes...)
	a.askedOrgs = append(slices.Clone(params["orgIds"]), options.askedOrgs...)
	a.challenge, a.silent = challenge, options.Prompt == "none"
	address, err := c.provider.AuthorizationURL(r.Context(), provider.AuthorizationRequest{
		Scope:    a.scopes.param(),
		State:    a.state(),
		Nonce:    a.nonce(),
		Verifier: a.verifier(),
		Params:   params,
	})
	if err != nil {
		c.fail(w, r, providerError(err), next)
		return "", false
	}
	c.attempts.keep(w, r, a)
	return address, true
}

// params returns the parameters of the authorization request that the protocol
// does not set.
func (o *LoginOptions) params() url.Values {
	params := maps.Clone(o.Params)
	if params == nil && o.Org+o.Prompt != "" {
		params = url.Values{}
	}
	if o.Org != "" {
		params.Set("orgIds", o.Org)
	}
	if o.Prompt != "" {
		params.Set("prompt", o.Prompt)
	}
	return params
}

// CallbackHandler receives browsers from the provider (GET), starts their
// session and redirects them to their return path. It must be reachable at
// Config.RedirectURL.
func (c *Client) CallbackHandler() http.Handler {
	return http.HandlerFunc(c.callback)
}

func (c *Client) callback(w http.ResponseWriter, r *http.Request) {
	if !allowMethods(w, r, http.MethodGet) {
		return
	}
	keepPrivate(w)
	r = r.WithContext(c.sessions.Limit(r.Context()))
	c.cookies.setPause(w)
	a, err := c.attempts.take(w, r, single(r.URL.Query(), "state"))
	if err != nil {
		c.fail(w, c.finder.lookUp(r), err, c.config.HomePath)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), callbackTimeout)
	defer cancel()
	next, err := c.finishSignIn(ctx, w, r, a)
	if err != nil {
		r = c.finder.lookUp(r)
	}
	if err != nil && a.silent {
		c.log(r, err)
		http.Redirect(w, r, c.paths.backTo(r, a.next), http.StatusSeeOther)
		return
	}
	if e, ok := errors.AsType[*ProviderError](err); ok && e.Code == "invalid_scope" && len(a.optional) > 0 {
		c.signInWithout(w, r, a)
		return
	}
	if errors.Is(err, ErrDenied) {
		if e, missing := c.finder.session(r); missing == nil {
			c.attempts.keepDenial(w, r, e, a)
		}
	}
	if err != nil {
		c.fail(w, r, &attemptError{err, a}, c.paths.asSeen(r, a.next))
		return
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// signInWithout begins the sign-in again, without the optional scopes that the
// provider refused.
func (c *Client) signInWithout(w http.ResponseWriter, r *http.Request, a *attempt) {
	c.config.Logger.ErrorContext(r.Context(),
		"hfoauth: the provider refused a scope: add it to the app's scopes where the app is registered",
		"scopes", a.optional.param())
	options := a.options()
	options.optional = nil
	if address, ok := c.beginSignIn(w, r, options, a.challenge); ok {
		http.Redirect(w, r, address, http.StatusSeeOther)
	}
}

// finishSignIn starts the session of an attempt that the provider answered,
// and returns where the browser goes next.
func (c *Client) finishSignIn(
	ctx context.Context, w http.ResponseWriter, r *http.Request, a *attempt,
) (next string, err error) {
	e, err := c.completeSignIn(ctx, r, a)
	if err == nil {
		err = c.start(ctx, w, r, e, a.challenge)
	}
	if err == nil {
		c.logDone(r, "signed in", e.User)
	}
	switch {
	case a.challenge == "":
		return c.paths.backTo(r, a.next), err
	case err != nil:
		// if this fails, the iframe gives up in time
		c.sessions.Deny(c.sessions.Limit(context.WithoutCancel(ctx)), a.challenge)
		return "", err
	}
	return c.paths.frame() + "done", nil
}

// completeSignIn turns the answer to an attempt into a session.
func (c *Client) completeSignIn(ctx context.Context, r *http.Request, a *attempt) (*entry, error) {
	code, err := authorizationCode(ctx, c.provider, r.URL.Query())
	if err != nil {
		return nil, err
	}
	token, subject, userInfo, err := c.provider.SignIn(ctx,
		provider.Code{Code: code, Verifier: a.verifier(), Nonce: a.nonce()})
	if err != nil {
		return nil, providerError(err)
	}
	user, err := parseUser(userInfo, subject)
	if err != nil {
		return nil, invalidAnswer("userinfo", err)
	}
	signIn := newRecord(user, token, granted(token, a.scopes), c.now())
	signIn.requested, signIn.askedOrgs = a.scopes, a.askedOrgs
	if c.config.Store != nil {
		userAgent := r.UserAgent()
		signIn.userAgent = strings.ToValidUTF8(userAgent[:min(len(userAgent), maxUserAgent)], "")
	}
	e := c.sessions.New(signIn, signIn.expiry())
	if err := c.onLogin(ctx, e); err != nil {
		return nil, err
	}
	return e, nil
}

// onLogin lets Config.OnLogin, if there is one, decide about a sign-in.
func (c *Client) onLogin(ctx context.Context, e *entry) error {
	if c.config.OnLogin == nil {
		return nil
	}
	return c.config.OnLogin(ctx, c.newSession(e))
}

// granted returns the scopes of a token: those named in the response or, if it
// names none, all that were requested (RFC 6749 section 5.1).
func granted(token *oauth2.Token, requested Scopes) Scopes {
	if scope, named := provider.Scope(token); named {
		return parseScopes(scope)
	}
	return requested
}

// authorizationCode reads the authorization response (RFC 6749 section
// 4.1.2), which by now is known to belong to this browser, and checks that it
// comes from our provider (RFC 9207).
func authorizationCode(ctx context.Context, p *provider.Provider, query url.Values) (string, error) {
	if query.Has("error") && !query.Has("iss") {
		return "", authorizationError(query)
	}
	if err := p.CheckIssuer(ctx, single(query, "iss"), query.Has("iss")); err != nil {
		return "", issuerError(err)
	}
	if query.Has("error") {
		return "", authorizationError(query)
	}
	code := single(query, "code")
	if code == "" {
		return "", stateError("the answer has no code, or several")
	}
	return code, nil
}

func authorizationError(query url.Values) error {
	if single(query, "error") == "access_denied" {
		return ErrDenied
	}
	return &ProviderError{
		Code:        provider.Redact(query.Get("error")),
		Description: provider.Redact(query.Get("error_description")),
	}
}

// LogoutHandler ends the session (POST) and redirects to the path in the form
// field next, or to Config.HomePath. GET shows a page with a button. A request
// from another site is refused
// (https://pkg.go.dev/net/http#CrossOriginProtection).
//
// A session in a store ends on all replicas. A session in a cookie is refused by
// this process until it would have expired, for up to 100,000 sessions (20 MB);
// other processes do not know that it ended. If the store is unavailable, the
// browser is signed out and the response is 503: see [Client.Logout].
func (c *Client) LogoutHandler() http.Handler {
	return http.HandlerFunc(c.logout)
}

func (c *Client) logout(w http.ResponseWriter, r *http.Request) {
	keepPrivate(w)
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && acceptsHTML(r) {
		_, err := c.finder.session(r)
		c.pages.logout(w, r, !errors.Is(err, ErrNotSignedIn))
		return
	}
	if !allowMethods(w, r, http.MethodPost) {
		return
	}
	r = r.WithContext(c.sessions.Limit(r.Context()))
	if c.origins.exclude(r) {
		c.fail(w, r, ErrCrossSite, c.config.HomePath)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := c.Logout(w, r); err != nil {
		c.fail(w, r, err, c.config.HomePath)
		return
	}
	http.Redirect(w, r, c.paths.backTo(r, c.paths.returnTo(r.PostFormValue("next"))), http.StatusSeeOther)
}

// single returns the value of a parameter, or "" if it occurs more than once,
// which RFC 6749 section 3.1 forbids.
func single(query url.Values, name string) string {
	if len(query[name]) != 1 {
		return ""
	}
	return query[name][0]
}

func allowMethods(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	if slices.Contains(methods, r.Method) {
		return true
	}
	for _, method := range methods {
		w.Header().Add("Allow", method)
	}
	http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	return false
}

// keepPrivate keeps a response out of caches, and its address, which may contain
// a code, out of Referer headers (RFC 9700 section 4.2.4).
func keepPrivate(w http.ResponseWriter) {
	values := [...]string{uncached, "no-referrer", "nosniff"}
	header := w.Header()
	header["Cache-Control"] = values[0:1:1]
	header["Referrer-Policy"] = values[1:2:2]
	header["X-Content-Type-Options"] = values[2:3:3]
}
