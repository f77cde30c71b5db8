package hfoauth

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/hfoauth/hfoauth/internal/tokenhosts"
)

const (
	defaultProviderURL  = "https://huggingface.co"
	defaultCallbackPath = "/login/callback"
	sessionKeySize      = 32

	defaultMaxSessionAge = 30 * 24 * time.Hour
)

// Config describes the app and how sign-in behaves. The zero value is what a
// Space needs: [New] takes each empty field from the environment, or uses the
// default named in the field's comment. A field that is set takes precedence over
// the environment.
//
// A Config prints without its secrets, and does not marshal. In a struct, keep it
// in an exported field or behind a pointer: fmt calls no method of a value in an
// unexported field, and prints what is in it.
type Config struct {
	// ClientID is the ID of the OAuth app, from OAUTH_CLIENT_ID if empty.
	// Required. A Space with `hf_oauth: true` in its README.md has one;
	// elsewhere, register at https://huggingface.co/settings/connected-applications.
	//
	// An app that is not registered sets it to a URL that ends in
	// /.well-known/oauth-cimd, at the origin of RedirectURL. Client.Mount serves a
	// document there, which the provider must be able to reach. Such an app has no
	// secret, so SessionKeys are required
	// (https://huggingface.co/docs/hub/oauth, Client ID Metadata Document).
	ClientID string

	// ClientSecret authenticates the app at the token endpoint with HTTP Basic,
	// and the keys that seal cookies are derived from it. It is taken from
	// OAUTH_CLIENT_SECRET if it and ClientID are both empty. Without a secret the
	// app is a public client (RFC 6749 section 2.1), which relies on PKCE.
	//
	// SessionKeys are required if there is no secret, or if it has fewer than 24
	// bytes or fewer than eight distinct ones, because such a secret could be
	// guessed from a cookie. Hugging Face's secrets are strong.
	ClientSecret string

	// AppName is the app's name for users, also on the provider's page if the app
	// is not registered. If empty, pages do not name the app.
	AppName string

	// Scopes are requested at every sign-in, from OAUTH_SCOPES (separated by
	// spaces or commas) if they are nil and ClientID is empty. openid and profile
	// are always among them.
	Scopes Scopes

	// ProviderURL is the issuer of the OpenID provider, from
	// OPENID_PROVIDER_URL if empty, or else "https://huggingface.co". It must use
	// https, or http on loopback. A trailing slash makes no difference.
	ProviderURL string

	// RedirectURL is the full URL to which the provider sends browsers back, that
	// of Client.CallbackHandler, exactly as registered. If empty, it is taken from
	// OAUTH_REDIRECT_URL, or else it is https://{first entry of
	// SpaceHost}/login/callback. It must use https, or http on loopback.
	RedirectURL string

	// SpaceHost is the host name of the Space that the app runs in, or a list of
	// names separated by commas, of which the first is the one below hf.space. It
	// is taken from SPACE_HOST if empty.
	SpaceHost string

	// SessionKeys seal cookies and stored sessions; each has 32 random bytes.
	// The first one seals, and all of them open. To rotate, add the new key in
	// second place on every replica, then move it to the front, and remove the old
	// one when the sessions it sealed have ended. If nil, the key is derived from
	// ClientSecret, and a new secret signs all users out. Every replica needs the
	// same keys.
	SessionKeys [][]byte

	// LoginPath, LogoutPath and HomePath are the paths, as browsers see them, of
	// sign-in, sign-out and the start page. If empty, they follow from
	// RedirectURL: for https://example.com/tools/login/callback they are
	// /tools/login, /tools/logout and /tools/; for a path that does not end in
	// /login/callback they are /login, /logout and /.
	LoginPath  string
	LogoutPath string
	HomePath   string

	// TrustedOrigins are other origins whose pages may send requests that change
	// something, or open WebSockets: "https://app.example.com" for a front end on
	// another origin, or "http://localhost:5173". They never count for sign-in
	// inside an iframe, and CORS is up to the app. If nil, only this site's own
	// pages may do so.
	//
	// Unless FrameAncestors are set, browsers send cookies only with requests from
	// the same site (SameSite=Lax), which is the same scheme and registrable
	// domain: example.com for app.example.com. New logs a warning for an origin
	// that is certainly on another site, because its scheme or the last two labels
	// of its host differ. It does not know the public suffixes: other.co.uk and
	// app.example.co.uk are different sites, but there is no warning.
	TrustedOrigins []string

	// FrameAncestors are the sites that may show the app inside an iframe, as in
	// a Content-Security-Policy: "https://huggingface.co". If nil, that is the
	// provider in a Space, and no site elsewhere. If there are any, cookies have
	// SameSite=None.
	FrameAncestors []string

	// Store keeps sessions on the server: the cookie has an ID, and the store has
	// the sealed session. If nil, a session is kept in its cookie, or in the memory
	// of this process (up to 64 MiB of them) if it does not fit because the user
	// has very many organizations.
	Store Store

	// MaxSessionAge is how long after sign-in a session ends, however often it
	// was renewed. If zero, it is 30 days (NIST SP 800-63B-4 section 2.1.3). A
	// session keeps the age it started with, unless a lower one is set now.
	MaxSessionAge time.Duration

	// TokenHosts are hosts that Session.HTTPClient sends users' tokens to, in
	// addition to the provider's, *.huggingface.co and *.hf.co: names, or
	// patterns such as "*.example.com" for all names below one. Anyone who runs such
	// a host can act as the users. *.hf.space is not among them by default, because
	// anyone can run a Space.
	TokenHosts []string

	// Transport makes the requests to the provider, each of which may take ten
	// seconds and return one mebibyte; redirects are not followed. It also makes
	// those of Session.HTTPClient. If nil, the latter use http.DefaultTransport, and
	// requests to the provider use a clone of it that does not connect to loopback
	// and link-local addresses, unless ProviderURL is such an address or a proxy is
	// used. The app's own Transport must check that itself.
	Transport http.RoundTripper

	// OnLogin is called with the session of a user who just signed in, before
	// the session starts: the place to upsert a record under User.Sub. A
	// ForbiddenError turns the user away with its Message; any other error is an
	// internal error, whose text goes only to the Logger. If nil, all users may
	// sign in. It is called concurrently, with a context that ends when the twelve
	// seconds of a sign-in have passed. Behind Client.AcceptBearer it is also called
	// for each token, about once in five minutes.
	OnLogin func(ctx context.Context, session *Session) error

	// ErrorHandler answers a request that failed, and reports whether it did; if
	// not, the package answers, with a page or, for requests that do not accept
	// HTML, JSON. HTTPStatus returns the status for err; Retry-After, Cache-Control
	// and WWW-Authenticate are already set. err is safe to log, but its text is not
	// meant for users. It is not called for a browser that is redirected to sign in.
	// If nil, the package answers all requests.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error) bool

	// PageTemplate replaces the package's own pages; it is executed with a Page.
	// Style sheets, pictures and fonts must be files at the app's own origin: the
	// pages' Content-Security-Policy allows no others. If nil, it is a plain page,
	// light or dark.
	PageTemplate *template.Template

	// Translate returns a sentence of a page, a button or the script in the
	// language of the user who sent r: format is the English sentence, as for
	// fmt.Sprintf, and for "en" it returns the tag of the language (RFC 5646). For
	// an unknown sentence, return the English one. It is called concurrently. If
	// nil, everything is in English.
	Translate func(r *http.Request, format string, args ...any) string

	// Logger receives a record for each failure, without tokens or secrets.
	// If nil, slog.Default().
	//
	// A request that failed is "hfoauth: request failed" with the attributes
	// kind, status, method, path, error and, if a user is signed in, sub. For a
	// "cross site" request it also has origin and host, which differ. The kind is
	// for metrics and decides the level: Debug for "not signed in"; Info for
	// "denied" and "forbidden"; Warn for "state", "cross site", "provider error"
	// and "provider unavailable"; and Error, which the app's owner must fix, for
	// "provider invalid", "store unavailable", "internal", and a "provider error"
	// about the app itself. A renewal that failed is "hfoauth: the access token was
	// not renewed" with kind, sub, expiry and error. At Debug there are "hfoauth:
	// signed in" and "hfoauth: signed out" with kind, method, path and sub. New
	// warns about unknown scopes.
	Logger *slog.Logger
}

// Format prints c without its secrets, for every verb but %p and %w, for which
// fmt does not call it (go vet reports them).
func (c Config) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "hfoauth.Config{ClientID: %q, RedirectURL: %q}", c.ClientID, c.RedirectURL)
}

// configFrom returns what the environment says about the app.
func configFrom(getenv func(string) string) Config {
	env := Config{
		ClientID:     getenv("OAUTH_CLIENT_ID"),
		ClientSecret: getenv("OAUTH_CLIENT_SECRET"),
		Scopes:       parseScopes(getenv("OAUTH_SCOPES")),
		ProviderURL:  getenv("OPENID_PROVIDER_URL"),
		RedirectURL:  getenv("OAUTH_REDIRECT_URL"),
		SpaceHost:    getenv("SPACE_HOST"),
	}
	env.trim()
	return env
}

// trim removes white space around values that were copied, or read from a file
// that ends in a newline.
func (c *Config) trim() {
	for _, value := range []*string{&c.ClientID, &c.ClientSecret, &c.ProviderURL, &c.RedirectURL, &c.SpaceHost} {
		*value = strings.TrimSpace(*value)
	}
}

// withDefaults fills empty fields from env and the defaults.
func (c Config) withDefaults(env Config) Config {
	c.trim()
	if c.ClientID == "" {
		c.ClientID = env.ClientID
		setIfEmpty(&c.ClientSecret, env.ClientSecret)
		if c.Scopes == nil {
			c.Scopes = env.Scopes
		}
	}
	c.Scopes = c.Scopes.signIn()
	setIfEmpty(&c.ProviderURL, env.ProviderURL, defaultProviderURL)
	c.ProviderURL = strings.TrimRight(c.ProviderURL, "/")
	setIfEmpty(&c.SpaceHost, env.SpaceHost)
	setIfEmpty(&c.RedirectURL, env.RedirectURL)
	if hosts := c.spaceHosts(); c.RedirectURL == "" && len(hosts) > 0 && checkSpaceHosts(hosts) == nil {
		c.RedirectURL = "https://" + hosts[0] + defaultCallbackPath
	}
	if u, err := url.Parse(c.ProviderURL); err == nil && checkProviderURL(c.ProviderURL) == nil {
		if c.FrameAncestors == nil && c.SpaceHost != "" {
			c.FrameAncestors = []string{origin(u)}
		}
	}
	if c.MaxSessionAge == 0 {
		c.MaxSessionAge = defaultMaxSessionAge
	}
	base := "/"
	if u, err := url.Parse(c.RedirectURL); err == nil && checkRedirectPath(u) == nil {
		base = basePath(u.Path)
	}
	setIfEmpty(&c.LoginPath, base+"login")
	setIfEmpty(&c.LogoutPath, base+"logout")
	setIfEmpty(&c.HomePath, base)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func setIfEmpty(field *string, values ...string) {
	for _, value := range values {
		if *field == "" {
			*field = value
		}
	}
}

// spaceHosts returns the host names of the Space in lower case, the hf.space
// one first.
func (c *Config) spaceHosts() []string {
	return strings.FieldsFunc(strings.ToLower(c.SpaceHost), func(r rune) bool { return r == ',' || r == ' ' })
}

// validate returns everything that must be fixed, each with the field, the
// variable and the remedy.
func (c *Config) validate() error {
	return errors.Join(
		c.checkClientID(),
		c.checkSessionKeys(),
		field("Scopes", "OAUTH_SCOPES", c.Scopes.check()),
		field("ProviderURL", "OPENID_PROVIDER_URL", checkProviderURL(c.ProviderURL)),
		c.checkSpaceHost(),
		c.checkRedirectURL(),
		c.checkMaxSessionAge(),
		c.checkPaths(),
		field("TrustedOrigins", "", checkOrigins(c.TrustedOrigins)),
		field("FrameAncestors", "", checkFrameAncestors(c.FrameAncestors)),
		field("TokenHosts", "", tokenhosts.Check(c.TokenHosts)),
	)
}

// warn logs what may be a mistake.
func (c *Config) warn() {
	c.warnOfScopes()
	c.warnOfOtherSites()
}

// warnOfOtherSites names the trusted origins that get no cookies.
func (c *Config) warnOfOtherSites() {
	for _, text := range c.TrustedOrigins {
		if len(c.FrameAncestors) == 0 && ofOtherSites(text, c.RedirectURL) {
			c.Logger.Warn("hfoauth: Config.TrustedOrigins has an origin of another site: "+
				"its pages' requests bring no session, because cookies are SameSite=Lax: "+
				"serve it below the domain of Config.RedirectURL or, if it may show the app inside an iframe, "+
				"name it in Config.FrameAncestors",
				"origin", text)
		}
	}
}

func (c *Config) warnOfScopes() {
	for _, scope := range c.Scopes {
		if slices.Contains(knownScopes, scope) {
			continue
		}
		likely := Scope(strings.Trim(strings.ReplaceAll(strings.ToLower(string(scope)), "_", "-"), "'[];"))
		if !slices.Contains(knownScopes, likely) {
			likely = ""
		}
		c.Logger.Warn("hfoauth: Config.Scopes (OAUTH_SCOPES) has an unknown scope: "+
			"if the provider does not know it either, sign-in fails",
			"scope", scope, "likely", likely)
	}
}

// field names the Config field, and the variable behind it, that err is about.
func field(name, variable string, err error) error {
	if err == nil {
		return nil
	}
	if variable != "" {
		name += " (" + variable + ")"
	}
	return fmt.Errorf("hfoauth: Config.%s: %w", name, err)
}

func (c *Config) checkClientID() error {
	if c.ClientID == "" {
		return errors.New("hfoauth: Config.ClientID: OAUTH_CLIENT_ID is not set: " +
			"on a laptop, sign in with a stand-in by `go run github.com/hfoauth/hfoauth/cmd/hfhub -- go run .`; in a Space, " +
			"add `hf_oauth: true` to its README.md; " +
			"elsewhere, register an app at https://huggingface.co/settings/connected-applications and " +
			"set OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET and OAUTH_REDIRECT_URL")
	}
	if strings.ContainsFunc(c.ClientID, func(r rune) bool { return r < ' ' || r > '~' }) {
		return field("ClientID", "OAUTH_CLIENT_ID", errors.New("has characters that RFC 6749 appendix A.1 "+
			"does not allow: copy it again from the app's settings"))
	}
	return field("ClientID", "OAUTH_CLIENT_ID", checkCopied(c.ClientID))
}

// errQuoted is for a value with quotes around it, which docker run --env-file
// does not remove.
var errQuoted = errors.New("has quotes around it: leave them out")

func quoted(value string) bool { return strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "'") }

// checkCopied accepts what is one line without quotes.
func checkCopied(value string) error {
	switch {
	case quoted(value):
		return errQuoted
	case strings.ContainsFunc(value, unicode.IsControl):
		return errors.New("has line breaks or other control characters: copy it again from the app's settings")
	}
	return nil
}

const (
	minSecretBytes    = 24
	minSecretDistinct = 8
	minKeyDistinct    = 12
)

func (c *Config) checkSessionKeys() error {
	if c.unregistered() && c.ClientSecret != "" {
		return errors.New("hfoauth: Config.ClientSecret: an app that is not registered has none: " +
			"leave it empty, or set Config.ClientID to that of a registered one")
	}
	if err := checkCopied(c.ClientSecret); err != nil {
		return field("ClientSecret", "OAUTH_CLIENT_SECRET", err)
	}
	if len(c.SessionKeys) == 0 {
		return c.checkSecretAsKey()
	}
	for i, key := range c.SessionKeys {
		switch {
		case len(key) != sessionKeySize:
			return fmt.Errorf("hfoauth: Config.SessionKeys: key %d has %d bytes, not %d: "+
				"make one with `openssl rand -base64 32` and decode it", i, len(key), sessionKeySize)
		case distinct(key) < minKeyDistinct:
			return fmt.Errorf("hfoauth: Config.SessionKeys: key %d is not random, "+
				"most of its bytes are the same: make one with `openssl rand -base64 32` and decode it", i)
		}
	}
	return nil
}

// checkSecretAsKey refuses a client secret that can be guessed offline from a
// cookie that is sealed with a key derived from it.
func (c *Config) checkSecretAsKey() error {
	const remedy = "or make a key with `openssl rand -base64 32`, keep it secret, and give its 32 decoded bytes"
	switch {
	case c.ClientSecret == "" && c.ClientID == "":
		return nil // which is reported, with all that goes with it
	case c.ClientSecret == "":
		return errors.New("hfoauth: Config.SessionKeys: an app without a client secret needs a key of its " +
			"own to seal cookies: " +
			"set Config.ClientSecret (OAUTH_CLIENT_SECRET counts only if ClientID comes from the environment, too), " + remedy)
	case len(c.ClientSecret) < minSecretBytes || distinct([]byte(c.ClientSecret)) < minSecretDistinct:
		return field("ClientSecret", "OAUTH_CLIENT_SECRET",
			errors.New("is so weak that the key it makes for cookies could be guessed: "+
				"copy the app's secret again from its settings (Hugging Face's have 51 characters), "+remedy+
				" in Config.SessionKeys"))
	}
	return nil
}

// distinct returns how many different bytes there are in b.
func distinct(b []byte) int {
	seen := map[byte]bool{}
	for _, value := range b {
		seen[value] = true
	}
	return len(seen)
}

func (c *Config) checkMaxSessionAge() error {
	if c.MaxSessionAge < 0 {
		return fmt.Errorf("hfoauth: Config.MaxSessionAge: %v is below zero: "+
			"set how long after sign-in a session ends, or leave it out for 30 days", c.MaxSessionAge)
	}
	return nil
}

// reservedParams are set by the protocol itself.
var reservedParams = []string{
	"client_id", "client_secret", "code_challenge", "code_challenge_method", "nonce",
	"redirect_uri", "request", "request_uri", "response_mode", "response_type", "scope", "state",
}

func checkParams(params url.Values) error {
	for name := range params {
		if slices.Contains(reservedParams, name) {
			return fmt.Errorf("hfoauth: LoginOptions.Params: %s is set by the protocol itself: leave it out", name)
		}
	}
	return nil
}
