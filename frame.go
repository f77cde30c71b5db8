package hfoauth

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hfoauth/hfoauth/internal/codec"
	"github.com/hfoauth/hfoauth/internal/sessions"
)

// Sign-in inside an iframe on another site, where the provider's pages refuse to
// be shown and the browser may block third-party cookies. The iframe and the tab
// cannot exchange messages: the Hub's pages send Cross-Origin-Opener-Policy, and
// a window opened by a frame in such a page has no opener
// (https://html.spec.whatwg.org/multipage/document-sequences.html#the-rules-for-choosing-a-navigable).
// pages/hfoauth.js is the other half:
//
//	iframe                    tab                        provider
//	  | click: verifier         |                           |
//	  |-- POST popup, --------->| challenge, sealed with    |
//	  |   challenge             | the attempt               |
//	  |                         |-------------------------->|
//	  |                         |<-------- code ------------|
//	  |                         | callback: session parked under challenge
//	  | POST claim, verifier: session in a partitioned cookie

// challengeSize is the length of a challenge: SHA-256 in base64url.
const challengeSize = 43

//go:embed pages/hfoauth.js
var script string

//go:embed pages/style.css
var style []byte

// asset is a file that pages load from below framePath. Its name changes with
// its content, so that caches may keep it forever.
type asset struct {
	path        string
	stablePath  string // for pages that cannot know path
	tag         string // the ETag (RFC 9110 section 8.8.3)
	contentType string
	content     []byte
}

func newAsset(framePath, extension, contentType string, content []byte) asset {
	hash := sha256.Sum256(content)
	version := hex.EncodeToString(hash[:6])
	return asset{
		path:        framePath + "hfoauth-" + version + extension,
		stablePath:  framePath + "hfoauth" + extension,
		tag:         `"` + version + `"`,
		contentType: contentType,
		content:     content,
	}
}

// newScript returns pages/hfoauth.js with the addresses of this client in it: if
// the script read them from the document, a user's element could replace them.
func newScript(config *Config, framePath string) (asset, error) {
	client, err := json.Marshal(map[string]any{
		"login": config.LoginPath, "home": config.HomePath, "frame": framePath, "translated": config.Translate != nil,
	})
	content := strings.Replace(script, "(CLIENT);", "("+string(client)+");", 1)
	return newAsset(framePath, ".js", "text/javascript; charset=utf-8", []byte(content)), err
}

func newStyle(framePath string) asset {
	return newAsset(framePath, ".css", "text/css; charset=utf-8", style)
}

// frameHandler serves the script and the style sheet of sign-in inside an iframe
// and of [Client.Button], and the requests that the script makes.
func (c *Client) frameHandler() http.Handler {
	mux := http.NewServeMux()
	path := c.paths.frame()
	for _, asset := range []asset{c.pages.script, c.pages.style} {
		mux.HandleFunc("GET "+asset.path, asset.serveForEver)
		mux.HandleFunc("GET "+asset.stablePath, asset.serve)
	}
	mux.HandleFunc("GET "+path+"text", c.pages.scriptText)
	mux.HandleFunc("POST "+path+"popup", c.sameOrigin(c.beginInPopup))
	mux.HandleFunc("GET "+path+"done", c.pages.done)
	mux.HandleFunc("POST "+path+"claim", c.sameOrigin(c.claim))
	mux.HandleFunc("POST "+path+"check", c.sameOrigin(c.check))
	return mux
}

// serveForEver serves the asset under the name that changes with its content.
func (a asset) serveForEver(w http.ResponseWriter, r *http.Request) {
	allowCaching(w.Header(), "public, max-age=31536000, immutable")
	a.write(w, r)
}

// serve serves the asset under its stable name, for browsers to revalidate.
func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	allowCaching(w.Header(), "no-cache")
	a.write(w, r)
}

func (a asset) write(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("ETag", a.tag)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
}

// sameOrigin passes on only requests made by our own pages, as the browser must
// confirm: an attacker's challenge would give them the user's session. Either
// header suffices, because only browsers can set them: Safari says that a form
// which a frame posts into a new tab is cross-site, and old browsers send no
// Sec-Fetch-Site.
func (c *Client) sameOrigin(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		keepPrivate(w)
		if r.Header.Get("Sec-Fetch-Site") != "same-origin" && r.Header.Get("Origin") != origin(c.paths.redirect) {
			c.fail(w, r, ErrCrossSite, c.config.HomePath)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
		next(w, r.WithContext(c.sessions.Limit(r.Context())))
	}
}

// beginInPopup begins a sign-in whose session the iframe will claim. A page
// leads on to the provider and not a redirect, which the app's own form-action
// would have to allow.
func (c *Client) beginInPopup(w http.ResponseWriter, r *http.Request) {
	options := c.attempts.openOptions(r.PostFormValue("options"))
	options.Next = r.PostFormValue("next")
	if c.paths.onOtherHost(r) { // the callback would not find the attempt
		c.pages.navigate(w, r, origin(c.paths.redirect)+c.paths.loginURL(options.Next))
		return
	}
	challenge := r.PostFormValue("challenge")
	if len(challenge) != challengeSize {
		challenge = ""
	}
	if address, ok := c.beginSignIn(w, r, options, challenge); ok {
		c.pages.navigate(w, r, address)
	}
}

// navigate writes a page that navigates to an address by itself.
func (p *pages) navigate(w http.ResponseWriter, r *http.Request, address string) {
	say := p.words(r)
	p.write(w, say, http.StatusOK, page{
		Title:    say("Sign in with %s", p.provider),
		Continue: &link{address, say("Continue")},
		Script:   true,
	})
}

// sealOptions seals what a page requests beyond Config into a form field, which
// only we can make: the query must not choose scopes.
func (t *attempts) sealOptions(options LoginOptions) string {
	return encodeCookie(t.sealer.Seal(codec.Encode(256, options.fields), "options"))
}

func (t *attempts) openOptions(value string) (options LoginOptions) {
	sealed, err := decodeCookie(value)
	if err != nil {
		return LoginOptions{}
	}
	plain, err := t.sealer.Open(sealed, "options")
	if err != nil || codec.Decode(plain, options.fields) != nil {
		return LoginOptions{}
	}
	return options
}

func (o *LoginOptions) fields(c *codec.Coder) {
	c.Version(1)
	codec.Texts(c, (*[]Scope)(&o.Scopes))
	params := o.Params.Encode()
	c.String(&o.Org)
	c.String(&o.Prompt)
	c.String(&params)
	codec.Texts(c, (*[]Scope)(&o.optional))
	codec.Texts(c, &o.askedOrgs)
	if c.Reading() && params != "" {
		o.Params, _ = url.ParseQuery(params) // it is what Encode returned
	}
}

// framedLogin is shown in a frame instead of the redirect to the provider.
func (p *pages) framedLogin(w http.ResponseWriter, r *http.Request, options LoginOptions) {
	say := p.words(r)
	p.write(w, say, http.StatusOK, page{
		Title:  say("Sign in to view this page"),
		Button: p.signInButton(r, ButtonOptions{Next: options.Next}, p.attempts.sealOptions(options)),
		Script: true,
	})
}

// claim gives the iframe the session that was parked for its verifier, in a
// cookie of the iframe's own partition (CHIPS). An unknown, wrong or early
// verifier always gets the same response.
func (c *Client) claim(w http.ResponseWriter, r *http.Request) {
	challenge := sha256.Sum256([]byte(r.PostFormValue("verifier")))
	ctx := context.WithoutCancel(r.Context())
	e, value, err := c.sessions.Claim(ctx, base64.RawURLEncoding.EncodeToString(challenge[:]))
	if errors.Is(err, sessions.ErrDenied) {
		writeJSON(w, map[string]bool{"signedIn": false, "denied": true})
		return
	}
	if err != nil {
		c.fail(w, r, err, c.config.HomePath)
		return
	}
	if e != nil {
		c.endSuperseded(ctx, r)
		c.cookies.set(w, c.cookies.frame, value, cookieLifetime(e, c.now()))
	}
	writeJSON(w, map[string]bool{"signedIn": e != nil})
}

// endSuperseded ends the session that an iframe had before it claimed another
// one: no cookie holds it now, so no sign-out would reach it.
func (c *Client) endSuperseded(ctx context.Context, r *http.Request) {
	for name, value := range c.cookies.sessionCookies(r) {
		if name == c.cookies.frame {
			c.sessions.End(ctx, value)
		}
	}
}

// check reports to the iframe whether the browser kept its cookie.
func (c *Client) check(w http.ResponseWriter, r *http.Request) {
	_, err := c.finder.session(r)
	if err != nil && !errors.Is(err, ErrNotSignedIn) {
		c.fail(w, r, err, c.config.HomePath)
		return
	}
	writeJSON(w, map[string]bool{"signedIn": err == nil})
}

// scriptText serves the script's sentences in the user's language, keyed by the
// English ones.
func (p *pages) scriptText(w http.ResponseWriter, r *http.Request) {
	keepPrivate(w)
	say := p.words(r)
	text := map[string]string{}
	for _, sentence := range scriptWords {
		text[sentence] = say(sentence)
	}
	writeJSON(w, text)
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(value)
}

// done is where the pop-up ends.
func (p *pages) done(w http.ResponseWriter, r *http.Request) {
	keepPrivate(w)
	say := p.words(r)
	p.write(w, say, http.StatusOK, page{
		Title:  say("You are signed in"),
		Text:   []string{say("You can close this tab and continue where you were.")},
		Script: true,
	})
}
