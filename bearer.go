package hfoauth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/hfoauth/hfoauth/internal/expiring"
	"github.com/hfoauth/hfoauth/internal/flight"
	"github.com/hfoauth/hfoauth/internal/provider"
)

const (
	bearerLifetime   = 5 * time.Minute
	noBearerLifetime = 30 * time.Second
	maxBearers       = 10_000
	maxBearerLength  = 8 << 10
	maxBearerBytes   = 32 << 20 // of the remembered sessions together
	// maxBearerCalls bounds how many tokens are verified at a time: invented ones
	// must not exhaust the provider's rate limit for this app. maxBearerWaiting
	// others wait for their turn.
	maxBearerCalls   = 32
	maxBearerWaiting = 256
	// Tokens that were valid within the last day do not wait behind others, of
	// which many may be invented.
	provenLifetime = 24 * time.Hour
	maxProven      = 100_000
)

// BearerOptions are which tokens [Client.AcceptBearer] accepts. The zero value
// accepts the OAuth access tokens that the Hub issued to this app; such a token
// acts as the user who signed in to it.
type BearerOptions struct {
	// Apps are the client IDs of other apps whose tokens are accepted as well.
	// Each of them can act here as any user who signed in to it.
	Apps []string

	// AnyApp accepts the tokens of all apps, as the Hub's own MCP server does:
	// any app that a user ever signed in to can act here as that user, and
	// anyone can register an app. A token whose app or scopes cannot be read is
	// accepted as well, with unknown scopes, which never pass
	// Client.RequireScope.
	AnyApp bool

	// UserTokens accepts user access tokens (hf_…) from the settings of the Hub:
	// anyone who holds one can act here as the user who created it, for whatever
	// purpose it was created. Their scopes are unknown, so they never pass
	// Client.RequireScope.
	UserTokens bool

	// Resource is the path of what the tokens are for, as programs see it, such as
	// "/mcp". If empty, it is "/". Its metadata (RFC 9728), which names the
	// provider and Scopes, is served by Client.Mount below
	// /.well-known/oauth-protected-resource, under the origin of
	// Config.RedirectURL: programs that reach the app under another name reject it
	// (section 3.3).
	Resource string

	// Scopes are those that programs should request; Config.Scopes if nil. They
	// are a hint: Client.RequireScope decides.
	Scopes Scopes
}

// AcceptBearer lets the Require handlers, [Client.UserFromRequest] and
// [Client.SessionFromRequest] inside next take the user from a bearer token of
// the Hub ("Authorization: Bearer hf_…", RFC 6750) instead of the session's
// cookie. Wrap it around Require handlers, and around no more than programs
// need. If a request has a token, only the token counts, even if it is invalid;
// otherwise the cookie counts. If one AcceptBearer is inside another, the inner
// one decides. If a Require handler is around it, both the cookie's user and the
// token's user must meet what that requires.
//
// The provider is asked about each token once in five minutes, so a token may be
// accepted for that long after it was revoked. Tokens that state their scopes
// must have openid and profile: others, such as those of trusted publishers in
// CI, are not a sign-in. Tokens of organizations and refresh tokens are refused.
//
// Failures have WWW-Authenticate with the address of the metadata (RFC 9728) and,
// if scopes are missing, those to request. CORS is up to the app: without it,
// other sites' scripts see none of this.
//
// Call it while the app is set up, not per request: it panics if
// BearerOptions.Resource is not a path, or was named before with other options,
// or a scope is malformed.
func (c *Client) AcceptBearer(options BearerOptions) func(http.Handler) http.Handler {
	route := c.resources.add(c.config.complete(options))
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := context.WithValue(r.Context(), bearerKey{c.bearers}, route)
			if _, ok := bearerToken(r); ok { // it may be another user's, or not count here
				ctx = context.WithValue(ctx, innermostKey{}, nil)
			}
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

// complete fills in the options that were left out.
func (c *Config) complete(options BearerOptions) *BearerOptions {
	setIfEmpty(&options.Resource, "/")
	if options.Scopes == nil {
		options.Scopes = c.Scopes
	}
	options.Scopes = options.Scopes.signIn()
	options.Apps = append(slices.Clone(options.Apps), c.ClientID)
	return &options
}

// resources are what accepts bearer tokens, by path.
type resources struct {
	mu     sync.Mutex
	byPath map[string]*BearerOptions
}

func (r *resources) add(options *BearerOptions) *BearerOptions {
	path := options.Resource
	if err := checkPath(path); err != nil && path != "/" {
		panic("hfoauth: BearerOptions.Resource: " + err.Error())
	}
	if err := options.Scopes.check(); err != nil {
		panic("hfoauth: BearerOptions.Scopes: " + err.Error())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if before, ok := r.byPath[path]; ok {
		if !reflect.DeepEqual(before, options) {
			panic(fmt.Sprintf("hfoauth: BearerOptions.Resource: %q was named before with other options: "+
				"give each its own path", path))
		}
		return before
	}
	if r.byPath == nil {
		r.byPath = map[string]*BearerOptions{}
	}
	r.byPath[path] = options
	return options
}

// at returns which tokens count at a path, or nil if none do.
func (r *resources) at(path string) *BearerOptions {
	if path == "" {
		path = "/"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byPath[path]
}

// bearers verifies bearer tokens with the provider, and remembers them.
type bearers struct {
	provider *provider.Provider
	paths    *paths
	onLogin  func(context.Context, *entry) error
	now      func() time.Time
	results  *flight.Group[[32]byte, *entry]
	unproven slots // for tokens that have not been valid before
	proven   slots // for those that have: valid, by their hashes
	valid    *expiring.Map[[32]byte, struct{}]
}

func newBearers(p *provider.Provider, paths *paths, onLogin func(context.Context, *entry) error,
	now func() time.Time, logger *slog.Logger) *bearers {
	limits := flight.Limits[*entry]{Results: maxBearers, Size: memory, Total: maxBearerBytes}
	results := flight.New[[32]byte](callbackTimeout, limits, now)
	results.OnPanic = logPanic(logger)
	return &bearers{
		provider: p,
		paths:    paths,
		onLogin:  onLogin,
		now:      now,
		results:  results,
		unproven: newSlots(maxBearerCalls, maxBearerWaiting),
		proven:   newSlots(maxBearerCalls, maxBearerWaiting),
		valid:    expiring.New[[32]byte, struct{}](maxProven, 0),
	}
}

type bearerKey struct{ bearers *bearers }

// route returns which tokens count for a request, or nil if none do.
func (b *bearers) route(r *http.Request) *BearerOptions {
	route, _ := r.Context().Value(bearerKey{b}).(*BearerOptions)
	return route
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

// has reports whether a request's token counts instead of its cookie.
func (b *bearers) has(r *http.Request) bool {
	_, ok := bearerToken(r)
	return ok && b.route(r) != nil
}

// challenge returns the WWW-Authenticate header for a failure (RFC 6750 section
// 3), or "". If tokens count, it contains the address of the metadata, from which
// programs learn how to get one (RFC 9728 section 5.1).
func (b *bearers) challenge(r *http.Request, err error) string {
	status, route := HTTPStatus(err), b.route(r)
	token, hasToken := bearerToken(r)
	if status != http.StatusUnauthorized && (status != http.StatusForbidden || route == nil || !hasToken) {
		return ""
	}
	challenge := `Bearer realm="Hugging Face"`
	if route == nil {
		return challenge
	}
	challenge += `, resource_metadata="` + b.paths.resourceMetadataURL(route.Resource) + `"`
	if status == http.StatusUnauthorized && hasToken {
		challenge += `, error="invalid_token"`
		if refused, ok := errors.AsType[*tokenError](err); ok && refused.description != "" {
			challenge += `, error_description="` + refused.description + `"`
		}
	}
	if missing := grantableScopes(err); len(missing) > 0 {
		// Programs request exactly the scopes named here, so name all that the next
		// token needs.
		scopes := route.Scopes.with(readToken(token).scopes...).with(missing...).signIn().sendable()
		challenge += `, error="insufficient_scope", scope="` + scopes.param() + `"`
	}
	return challenge
}

// grantableScopes returns the scopes for lack of which a request failed: those
// that are missing, and the one that reveals an unknown role.
func grantableScopes(err error) Scopes {
	forbidden, ok := errors.AsType[*ForbiddenError](err)
	if !ok {
		return nil
	}
	if forbidden.lack == lacksGrant {
		return forbidden.Scopes.with(ScopeReadMemberships)
	}
	return forbidden.Scopes
}

// session returns the session of a token, verified with the provider
// and remembered for a while under the token's hash.
func (b *bearers) session(ctx context.Context, route *BearerOptions, token string) (*entry, error) {
	if len(token) > maxBearerLength || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errMalformedToken
	}
	var told toldByToken
	s, remembered := b.results.Remembered(sha256.Sum256([]byte(token)))
	if remembered {
		told = s.Data.told
	} else {
		told = readToken(token)
	}
	if err := route.refuses(token, told); err != nil {
		return nil, err
	}
	if remembered {
		return s, nil
	}
	return b.verified(ctx, token, told)
}

// verified returns the session of a token that the provider accepts.
func (b *bearers) verified(ctx context.Context, token string, told toldByToken) (*entry, error) {
	key := sha256.Sum256([]byte(token))
	s, err := b.results.Do(ctx, key, func(ctx context.Context) (*entry, time.Time, error) {
		slots := b.unproven
		if _, proven := b.valid.Get(key, b.now()); proven {
			slots = b.proven
		}
		if !slots.take(ctx) {
			return nil, time.Time{}, fmt.Errorf("%w: too many tokens are being verified", ErrProviderUnavailable)
		}
		defer slots.free()
		s, err := b.verify(ctx, strings.Clone(token), told)
		switch {
		case err == nil:
			b.valid.Put(key, struct{}{}, 0, b.now(), b.now().Add(provenLifetime))
			return s, s.Expiry, nil
		case errors.Is(err, ErrNotSignedIn), isA[*ForbiddenError](err):
			return nil, b.now().Add(noBearerLifetime), err
		}
		return nil, time.Time{}, err
	})
	return s, unavailable(err)
}

const (
	userTokenPrefix    = "hf_"
	oauthTokenPrefix   = "hf_oauth_"
	refreshTokenPrefix = "hf_oauth__refresh_"
)

// refuses returns why a token of this kind does not count here, or nil if it
// counts once it is verified. A token of the wrong kind costs no call to the
// provider.
func (o *BearerOptions) refuses(token string, told toldByToken) error {
	switch {
	case strings.HasPrefix(token, refreshTokenPrefix):
		return errRefreshToken
	case !strings.HasPrefix(token, userTokenPrefix):
		return errForeignToken
	case !strings.HasPrefix(token, oauthTokenPrefix):
		if !o.UserTokens {
			return errUserToken
		}
		return nil
	case told.hasScopes && !(told.scopes.Has(ScopeOpenID) && told.scopes.Has(ScopeProfile)):
		return errNoSignIn
	case o.AnyApp:
		return nil
	case told.app == "":
		return errUnknownApp
	case !slices.Contains(o.Apps, told.app):
		return otherAppError(told.app)
	}
	return nil
}

// tokenError is [ErrNotSignedIn] for a request whose bearer token does not
// count.
type tokenError struct {
	reason string // for the log
	// description is for the sender, as error_description of RFC 6750 section 3,
	// which allows neither quotes nor backslashes. To someone who found or stole
	// the token it says nothing beyond what the token and the provider say.
	description string
}

func (e *tokenError) Error() string { return ErrNotSignedIn.Error() + ": " + e.reason }
func (e *tokenError) Unwrap() error { return ErrNotSignedIn }

var (
	errMalformedToken = &tokenError{
		"the bearer token is too long, or has characters that no token has",
		"The token is malformed.",
	}
	errForeignToken = &tokenError{
		"the bearer token does not begin with " + userTokenPrefix + ", so it is not Hugging Face's",
		"This is not a token of Hugging Face.",
	}
	errRefreshToken = &tokenError{
		"the bearer token is a refresh token, which only its own app may use",
		"This is a refresh token: send the access token.",
	}
	errUserToken = &tokenError{
		"the bearer token is a user access token or an organization's: for users' set BearerOptions.UserTokens",
		"Only OAuth access tokens are accepted here.",
	}
	errNoSignIn = &tokenError{
		"the bearer token lacks the scope openid or profile, so it is no sign-in",
		"The token lacks the scope openid or profile.",
	}
	errUnknownApp = &tokenError{
		"the bearer token does not say which app it was issued to: such tokens need BearerOptions.AnyApp",
		"The token does not say which app it was issued to.",
	}
	errInvalidToken = &tokenError{
		"the provider does not accept the bearer token: it has expired, was revoked, or never existed",
		"The token has expired, was revoked, or never existed.",
	}
	errNoUsersToken = &tokenError{
		"the bearer token is an organization's or an app's, not a user's",
		"The token is not a user's.",
	}
	// errUncountedToken is for a route without AcceptBearer.
	errUncountedToken = &tokenError{"the request has a bearer token, but its route has no AcceptBearer", ""}
)

func otherAppError(clientID string) error {
	return &tokenError{
		fmt.Sprintf("the bearer token is of the app %q, which is neither this app nor in BearerOptions.Apps",
			provider.Redact(clientID)),
		"The token was issued to another app.",
	}
}

// notSignedIn is the error for a request without a session.
func notSignedIn(r *http.Request) error {
	if _, hasToken := bearerToken(r); hasToken {
		return errUncountedToken
	}
	return ErrNotSignedIn
}

// slots admit some callers, make others wait, and turn the rest away.
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

func (b *bearers) verify(ctx context.Context, token string, told toldByToken) (*entry, error) {
	user, err := b.user(ctx, token)
	if err != nil {
		return nil, err
	}
	now := b.now()
	e := &entry{
		User:    user.Sub,
		Started: now,
		Expiry:  now.Add(bearerLifetime),
		Data: &record{
			user:   user,
			scopes: told.scopes,
			token:  oauth2.Token{AccessToken: token, TokenType: "Bearer", Expiry: told.expiry},
			bearer: true,
			told:   told,
		},
	}
	if !told.expiry.IsZero() && told.expiry.Before(e.Expiry) {
		e.Expiry = told.expiry
	}
	return e, b.onLogin(ctx, e)
}

// user asks the provider whose token it is: userinfo for OAuth access
// tokens, whoami-v2 for all others.
func (b *bearers) user(ctx context.Context, token string) (*User, error) {
	ask := b.provider.WhoAmI
	if strings.HasPrefix(token, oauthTokenPrefix) {
		ask = b.provider.UserInfo
	}
	body, err := ask(ctx, token)
	e, ok := errors.AsType[*provider.Error](err)
	if ok && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden) {
		return nil, errInvalidToken
	}
	if errors.Is(err, provider.ErrNoUser) {
		return nil, errNoUsersToken
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
	expiry time.Time

	hasScopes bool // whether it tells its scopes
	scopes    Scopes
}

// readToken reads the payload of a token that is a JWT behind its prefix; of
// any other it knows nothing.
func readToken(token string) (told toldByToken) {
	parts := strings.Split(strings.TrimPrefix(token, oauthTokenPrefix), ".")
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
	_, told.hasScopes = c["scope"]
	told.scopes = parseScopes(strings.Join(c.strings("scope"), " "))
	if seconds, ok := c["exp"].(float64); ok {
		told.expiry = time.Unix(int64(seconds), 0)
	}
	return told
}
