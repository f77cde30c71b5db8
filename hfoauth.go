// Package hfoauth signs users in with Hugging Face.
//
// An app mounts the handlers and asks for the current user:
//
//	client, err := hfoauth.New(hfoauth.Config{}) // a Space sets all variables
//	if err != nil {
//		log.Fatal(err)
//	}
//	mux := http.NewServeMux()
//	client.Mount(mux) // /login, /login/callback, /login/frame/, /logout
//	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
//		user, err := client.UserFromRequest(r) // *hfoauth.User, or hfoauth.ErrNotSignedIn
//		…
//	})
//
// # Signing in
//
// [Client.Mount] registers all handlers at their usual paths. Of these,
// [Client.LoginHandler] sends the browser to the provider, and
// [Client.CallbackHandler] receives it back: the authorization code flow of
// OpenID Connect with state, nonce and PKCE. Each click on "sign in" is sealed
// in its own cookie, so that tabs do not interfere with each other and any
// replica can finish what another one started. [Client.Login] requests more than
// usual, such as another scope. [Client.LogoutHandler] ends the session,
// [Client.LogoutUser] all sessions of a user. Config.OnLogin keeps a record
// of users or turns some away.
//
// # The current user
//
// [Client.UserFromRequest] returns the user, [Client.SessionFromRequest] also
// the granted scopes and access to the token. [Client.RequireUser],
// [Client.RequireScope] and [Client.RequireOrg] stand in front of handlers,
// which use [UserFromContext] and [SessionFromContext].
//
// # Acting for the user
//
// [Session.HTTPClient] and [Session.Token] act with the user's access token,
// renewed in time if there is a refresh token, and sent only to the Hub and
// Config.TokenHosts; [Client.Sessions] does so outside a request. [Session.Context] ends a
// stream with the session. [Client.MemberToken] gets a token for a member of the
// app's organization.
//
// # Inside an iframe
//
// The Hub shows a Space inside an iframe on another site, where browsers may
// block cookies. [Client.Button] and [Client.ButtonAssets], or the attribute
// data-hfoauth-login on any element, sign in there as well.
//
// # Where sessions live
//
// In a sealed cookie or, if Config.Store is set, in a [Store]. A session ends
// with its access token unless there is a refresh token.
//
// # Programs
//
// [Client.AcceptBearer] accepts programs with a token of the Hub. Package hfcli
// is for command-line tools whose users sign in.
//
// # When something fails
//
// The user sees a page that says what happened and offers the next step, and the
// Logger gets what a developer needs. Config.ErrorHandler and
// Config.PageTemplate can take over. [HTTPStatus] returns the statuses.
//
// # Testing
//
// Package hfoauthtest has a stand-in for huggingface.co that speaks the real
// protocol on loopback.
package hfoauth

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/hfoauth/hfoauth/internal/provider"
	"github.com/hfoauth/hfoauth/internal/seal"
	"github.com/hfoauth/hfoauth/internal/sessions"
)

// Client signs users in on behalf of one app. Make one with [New] and keep it
// for the life of the program. It is safe for concurrent use.
type Client struct {
	config    *Config
	paths     *paths
	provider  *provider.Provider
	cookies   cookieRules
	pages     *pages
	attempts  *attempts
	sessions  *sessions.Keeper[*record]
	renewals  *renewals
	bearers   *bearers
	finder    *finder
	resources *resources
	origins   trustedOrigins
	now       func() time.Time
}

// Format prints c without its secrets, for every verb.
func (c Client) Format(f fmt.State, _ rune) {
	if c.config == nil {
		fmt.Fprint(f, "hfoauth.Client{}")
		return
	}
	fmt.Fprintf(f, "hfoauth.Client{ClientID: %q, RedirectURL: %q}", c.config.ClientID, c.config.RedirectURL)
}

// New returns a Client for config, with its empty fields taken from the
// environment. It makes no network calls, so it succeeds while the provider is
// down. Its error lists everything that must be fixed, each with the field, the
// environment variable and the remedy.
func New(config Config) (*Client, error) {
	config = config.withDefaults(configFrom(os.Getenv))
	if err := config.validate(); err != nil {
		return nil, err
	}
	config.warn()
	paths, err := newPaths(&config)
	if err != nil {
		return nil, err
	}
	c := &Client{
		config:    &config,
		paths:     paths,
		cookies:   newCookieRules(&config, paths.redirect),
		resources: &resources{},
		now:       time.Now,
	}
	now := func() time.Time { return c.now() }
	c.provider = provider.New(provider.Config{
		Issuer:       config.ProviderURL,
		ClientID:     config.ClientID,
		ClientSecret: config.ClientSecret,
		RedirectURL:  config.RedirectURL,
		Transport:    config.Transport,
		Now:          now,
	})
	if c.origins, err = newTrustedOrigins(&config); err != nil {
		return nil, err
	}
	if c.attempts, err = newAttempts(&config, &c.cookies, now); err != nil {
		return nil, err
	}
	if c.sessions, err = newSessions(&config, &c.cookies, now); err != nil {
		return nil, err
	}
	if c.pages, err = newPages(&config, paths, c.attempts); err != nil {
		return nil, err
	}
	c.renewals = newRenewals(c.provider, c.sessions, now, config.Logger)
	c.bearers = newBearers(c.provider, paths, c.onLogin, now, config.Logger)
	c.finder = &finder{&c.cookies, c.sessions, c.renewals, c.bearers, now}
	return c, nil
}

// logPanic returns what logs a panic in one of our goroutines, such as one in
// Config.OnLogin, as net/http does in its own.
func logPanic(logger *slog.Logger) func(value any, stack []byte) {
	return func(value any, stack []byte) {
		logger.Error("hfoauth: panic", "panic", value, "stack", string(stack))
	}
}

// newSessions returns the keeper of this app's sessions.
func newSessions(config *Config, cookies *cookieRules, now func() time.Time) (*sessions.Keeper[*record], error) {
	keeping, err := sessionsConfig(config, cookies, now)
	if err != nil {
		return nil, err
	}
	keeper := sessions.New(keeping)
	if config.Store != nil {
		contexts, swap := keeper.Uses()
		config.Logger.Debug("hfoauth: sessions are kept in Config.Store", "contexts", contexts, "compareAndSwap", swap)
	}
	return keeper, nil
}

func sessionsConfig(config *Config, cookies *cookieRules, now func() time.Time) (sessions.Config[*record], error) {
	inCookie, err := config.newSealer("session")
	if err != nil {
		return sessions.Config[*record]{}, err
	}
	stored, err := config.newSealer("stored")
	return sessions.Config[*record]{
		Store:     config.Store,
		InCookie:  inCookie,
		Stored:    stored,
		MaxAge:    config.MaxSessionAge,
		MaxValue:  cookies.maxSession(),
		MaxShared: cookies.maxShared(),
		Context:   cookies.session,
		App:       config.app(),
		Fields:    recordFields,
		User:      func(r *record) string { return r.user.Sub },
		Now:       now,
		Logger:    config.Logger,
	}, err
}

// newSealer returns a sealer for one purpose. What is sealed for one purpose,
// provider or client never opens for another, even under the same key.
func (c *Config) newSealer(purpose string) (*seal.Sealer, error) {
	secrets := c.SessionKeys
	if len(secrets) == 0 {
		secrets = [][]byte{[]byte(c.ClientSecret)}
	}
	return seal.New("hfoauth v1 "+purpose+"\x00"+c.app(), secrets...)
}

// app identifies the app: all its replicas, at whatever address.
func (c *Config) app() string { return c.ProviderURL + "\x00" + c.ClientID }

// Ping reports whether the provider's metadata is known, and asks for it if
// not: a health check. Signing in does not need it to be called. Its error
// wraps [ErrProviderUnavailable] or [ErrProviderInvalid].
func (c *Client) Ping(ctx context.Context) error {
	return providerError(c.provider.Ready(ctx))
}
