package hfcli

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/internal/provider"
)

const callbackPath = "/login/callback"

// loginByBrowser opens the browser on this machine and receives the callback on
// a loopback port (RFC 8252 section 7.3).
func (c *Config) loginByBrowser(ctx context.Context) (*signIn, error) {
	browser, err := findBrowser()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0") // never localhost: RFC 8252 section 8.3
	if err != nil {
		return nil, fmt.Errorf("hfcli: cannot listen for the browser's callback: %w", err)
	}
	a, err := c.newAttempt(ctx, listener.Addr().String())
	if err != nil {
		listener.Close()
		return nil, err
	}
	server := newServer(a)
	go server.Serve(listener)
	defer shutDown(server)

	fmt.Fprintf(c.Output, "To sign in, use the browser window that opens. If no window opens, "+
		"open this URL:\n\n  %s\n\n", a.address())
	failed := browser.open(a.address())
	for {
		select {
		case result := <-a.done:
			return result.signIn, result.err
		case err := <-failed:
			if err != nil && !a.opened.Load() {
				fmt.Fprintln(c.Output, "Could not open the browser.")
				return nil, errNoBrowser
			}
			failed = nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// newServer returns a server for connections of any user of the machine, which
// it closes if no request comes.
func newServer(handler http.Handler) *http.Server {
	return &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
}

// shutDown stops the server after the browser has fetched the last page.
func shutDown(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	server.Shutdown(ctx)
	server.Close()
}

// attempt is one sign-in in the browser. Any user of the machine can connect to
// its port, so only a browser counts that opened the URL with the secret,
// received the cookie and the state there, and returns both.
type attempt struct {
	config   *Config
	ctx      context.Context // of Login
	provider *provider.Provider
	mux      *http.ServeMux
	host     string // 127.0.0.1 and the port
	location string // authorization request

	secret, cookie, state, nonce, verifier string

	opened   atomic.Bool
	returned atomic.Bool
	done     chan outcome
}

type outcome struct {
	signIn *signIn
	err    error
}

func (c *Config) newAttempt(ctx context.Context, host string) (*attempt, error) {
	a := &attempt{
		config:   c,
		ctx:      ctx,
		provider: c.newProvider("http://" + host + callbackPath),
		mux:      http.NewServeMux(),
		host:     host,
		secret:   rand.Text() + rand.Text(),
		cookie:   rand.Text() + rand.Text(),
		state:    rand.Text() + rand.Text(),
		nonce:    rand.Text() + rand.Text(),
		verifier: rand.Text() + rand.Text(), // 52 characters: RFC 7636 section 4.1
		done:     make(chan outcome, 1),
	}
	a.mux.HandleFunc("GET /login/{secret}", a.open)
	a.mux.HandleFunc("GET "+callbackPath, a.callback)
	location, err := a.provider.AuthorizationURL(ctx, provider.AuthorizationRequest{
		Scope: scopeParam(c.scopes()), State: a.state, Nonce: a.nonce, Verifier: a.verifier,
	})
	a.location = location
	return a, providerError(err)
}

// address returns the URL to open in the browser.
func (a *attempt) address() string { return "http://" + a.host + "/login/" + a.secret }

// ServeHTTP refuses requests of other users of the machine, and requests with
// another Host, which pages of other sites could send (DNS rebinding).
func (a *attempt) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer") // the URLs contain secrets
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Host != a.host || otherUser(r) {
		page(w, http.StatusForbidden, "Not allowed", "Only the user who is signing in can open this page.")
		return
	}
	a.mux.ServeHTTP(w, r)
}

// open sets the cookie in a browser that knows the secret and redirects it to
// the provider. The URL can be opened more than once, because a desktop may
// fetch it before the browser does.
func (a *attempt) open(w http.ResponseWriter, r *http.Request) {
	if !same(r.PathValue("secret"), a.secret) {
		a.notBegunHere(w)
		return
	}
	a.opened.Store(true)
	// The name contains the port, since cookies are shared by all ports of a host
	// (RFC 6265 section 8.5).
	http.SetCookie(w, &http.Cookie{Name: a.cookieName(), Value: a.cookie, Path: callbackPath,
		HttpOnly: true, SameSite: http.SameSiteLaxMode})
	w.Header().Set("Location", a.location)
	w.WriteHeader(http.StatusSeeOther)
}

func (a *attempt) cookieName() string {
	_, port, _ := net.SplitHostPort(a.host)
	return "hfcli-" + port
}

// callback handles the redirect back from the provider, once.
func (a *attempt) callback(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie(a.cookieName())
	if err != nil || !same(cookie.Value, a.cookie) || !same(r.URL.Query().Get("state"), a.state) {
		a.notBegunHere(w)
		return
	}
	if a.returned.Swap(true) {
		page(w, http.StatusBadRequest, "This sign-in is already complete",
			"You can close this page and return to the terminal.")
		return
	}
	http.SetCookie(w, &http.Cookie{Name: a.cookieName(), Path: callbackPath, MaxAge: -1})
	signIn, err := a.finish(r)
	a.done <- outcome{signIn, err}
	switch {
	case err == nil:
		page(w, http.StatusOK, "You are signed in as "+signIn.User.Username,
			"You can close this page and return to the terminal.")
	case errors.Is(err, hfoauth.ErrDenied):
		page(w, http.StatusForbidden, "Sign-in cancelled", "You can close this page and return to the terminal.")
	default:
		page(w, http.StatusBadGateway, "Sign-in failed", "The terminal shows the reason.")
	}
}

func (a *attempt) notBegunHere(w http.ResponseWriter) {
	page(w, http.StatusBadRequest, "This sign-in did not start in this browser",
		"Open the URL that the terminal shows, and use only that browser.")
}

// finish turns the authorization response into a sign-in.
func (a *attempt) finish(r *http.Request) (*signIn, error) {
	query := r.URL.Query()
	if err := a.provider.CheckIssuer(a.ctx, query.Get("iss"), query.Has("iss")); err != nil {
		return nil, providerError(err)
	}
	if code := query.Get("error"); code != "" {
		return nil, refusal(provider.Redact(code), provider.Redact(query.Get("error_description")))
	}
	token, subject, err := a.provider.Exchange(a.ctx,
		provider.Code{Code: query.Get("code"), Verifier: a.verifier, Nonce: a.nonce})
	if err != nil {
		return nil, providerError(err)
	}
	return a.config.newSignIn(a.ctx, a.provider, token, subject)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

var pageTemplate = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>{{.Title}}</title></head>
<body><main><h1>{{.Title}}</h1><p>{{.Text}}</p></main></body>
</html>
`))

func page(w http.ResponseWriter, status int, title, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	pageTemplate.Execute(w, struct{ Title, Text string }{title, text})
}
