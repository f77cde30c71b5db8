package hfoauthtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hfoauth/hfoauth/internal/guard"
)

// App is an OAuth client that is registered with the provider.
type App struct {
	// ClientID and ClientSecret are generated if empty. A public app has no secret.
	ClientID     string
	ClientSecret string

	// Public makes the app public: it has no secret and must use PKCE.
	Public bool

	// Name is shown on the consent page; if empty, ClientID is shown.
	Name string

	// RedirectURIs match exactly; http URIs on loopback match on any port
	// (RFC 8252 section 7.3). If nil, and SpaceHost is empty, every http URI on
	// loopback matches.
	RedirectURIs []string

	// SpaceHost is the host of the app's Space, for example "ada-app.hf.space".
	// In addition to RedirectURIs, any https URL on that host is a redirect URI,
	// and any http URL if the host is on loopback. The page /spaces/HOST of the
	// Server shows https://HOST/ in an iframe, as the Hub shows a Space.
	SpaceHost string

	// Scopes are the scopes that the app may request; if empty, all that exist.
	Scopes []string

	// Org is the username of the organization that owns the app. Token
	// exchange works for its members; without an Org it fails with
	// invalid_client.
	Org string
}

// RegisterApp registers an app, or replaces the one with the same ClientID. It
// returns the app with its defaults filled in.
func (s *Server) RegisterApp(app App) App {
	app = completeApp(app)
	s.recordSecret(app.ClientSecret)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps[app.ClientID] = app
	return app
}

// App returns the app with a client ID, if it was registered with
// [Server.RegisterApp] or has registered itself (RFC 7591).
func (s *Server) App(clientID string) (App, bool) {
	s.mu.Lock()
	app, ok := s.apps[clientID]
	s.mu.Unlock()
	if ok {
		return app, true
	}
	if app, ok := s.registered.Get(clientID, s.now()); ok {
		return *app, true
	}
	return App{}, false
}

// completeApp fills in the defaults of an app.
func completeApp(app App) App {
	if app.ClientID == "" {
		app.ClientID = uuid()
	}
	if app.Public {
		app.ClientSecret = ""
	} else if app.ClientSecret == "" {
		app.ClientSecret = "oauth_app_secret_" + alphanumeric(34)
	}
	if len(app.Scopes) == 0 {
		app.Scopes = knownScopes()
	}
	app.Name = orElse(app.Name, app.ClientID)
	return app
}

// app returns the app with a client ID, which may be the URL of its metadata.
func (s *Server) app(ctx context.Context, clientID string) (App, error) {
	if app, ok := s.App(clientID); ok {
		return app, nil
	}
	u, err := url.Parse(clientID)
	if err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && guard.Loopback(u.Hostname())) {
		return s.fetchApp(ctx, clientID)
	}
	return App{}, errors.New("unknown client_id")
}

// fetchApp fetches a Client ID Metadata Document.
func (s *Server) fetchApp(ctx context.Context, clientID string) (App, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, clientID, nil)
	if err != nil {
		return App{}, err
	}
	client := *http.DefaultClient
	if configured := s.currentSettings().HTTPClient; configured != nil {
		client = *configured
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return App{}, fmt.Errorf("cannot fetch the client metadata: %w", err)
	}
	defer resp.Body.Close()
	var document struct {
		ClientID     string   `json:"client_id"`
		ClientName   string   `json:"client_name"`
		RedirectURIs []string `json:"redirect_uris"`
		AuthMethod   string   `json:"token_endpoint_auth_method"`
	}
	if resp.StatusCode != http.StatusOK {
		return App{}, fmt.Errorf("cannot fetch the client metadata: status %d", resp.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&document); err != nil {
		return App{}, fmt.Errorf("the client metadata is not JSON: %w", err)
	}
	switch {
	case document.ClientID != clientID:
		return App{}, errors.New("client_id in the client metadata is not the document's URL")
	case document.AuthMethod != "none":
		return App{}, errors.New("token_endpoint_auth_method in the client metadata is not none")
	case document.ClientName == "" || len(document.RedirectURIs) == 0:
		return App{}, errors.New("the client metadata lacks client_name or redirect_uris")
	}
	return App{ClientID: clientID, Public: true, Name: document.ClientName,
		RedirectURIs: document.RedirectURIs, Scopes: knownScopes()}, nil
}

// parseScopes parses a scope parameter. It returns an error unless the app may
// request all the scopes.
func (a *App) parseScopes(requested string) ([]string, *oauthError) {
	scopes := strings.Fields(requested)
	for _, scope := range scopes {
		if !slices.Contains(a.Scopes, scope) {
			return nil, badRequest("invalid_scope", "the app may not request the scope "+scope)
		}
	}
	return scopes, nil
}

// parseScopesOrAll is like parseScopes, but returns all scopes of the app if none
// are requested, as for device login and token exchange.
func (a *App) parseScopesOrAll(requested string) ([]string, *oauthError) {
	scopes, problem := a.parseScopes(requested)
	if problem == nil && len(scopes) == 0 {
		scopes = a.Scopes
	}
	return scopes, problem
}

// allowsRedirect reports whether uri is a redirect URI of the app.
func (a *App) allowsRedirect(uri string) bool {
	if a.ownsURL(uri) {
		return true
	}
	portless, onLoopback := withoutLoopbackPort(uri)
	if a.RedirectURIs == nil && a.SpaceHost == "" {
		return onLoopback
	}
	return slices.ContainsFunc(a.RedirectURIs, func(registered string) bool {
		registered, _ = withoutLoopbackPort(registered)
		return registered == portless
	})
}

// withoutLoopbackPort removes the port of an http URI on loopback. It returns any
// other URI unchanged.
func withoutLoopbackPort(uri string) (portless string, onLoopback bool) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || u.User != nil || !guard.Loopback(u.Hostname()) {
		return uri, false
	}
	return strings.Replace(uri, u.Host, strings.TrimSuffix(u.Host, ":"+u.Port()), 1), true
}

// authenticate authenticates the app that sent a request to the token or device
// endpoint (RFC 6749 section 2.3.1).
func (s *Server) authenticate(r *http.Request) (App, *oauthError) {
	id, secret, basic := r.BasicAuth()
	if basic {
		if r.PostForm.Has("client_secret") {
			return App{}, badRequest("invalid_request", "client_secret is both in the form and in the header")
		}
		var err1, err2 error
		id, err1 = url.QueryUnescape(id)
		secret, err2 = url.QueryUnescape(secret)
		if err := errors.Join(err1, err2); err != nil {
			return App{}, invalidClient("the Basic credentials are not form-urlencoded")
		}
		s.recordSecret(secret)
		if form := r.PostForm.Get("client_id"); form != "" && form != id {
			return App{}, invalidClient("client_id in the form differs from the one in the header")
		}
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	app, err := s.app(r.Context(), id)
	if err != nil {
		return App{}, invalidClient(err.Error())
	}
	if secret != app.ClientSecret {
		return App{}, invalidClient("the client secret is wrong or missing, or the app is public and must not send one")
	}
	return app, nil
}

// authenticateByCode finds the app of a code that is redeemed with PKCE and no
// secret, as static Spaces and huggingface.js do. This works for apps with a
// secret as well, and without client_id, since the code belongs to one app.
func (s *Server) authenticateByCode(r *http.Request) (App, *oauthError) {
	g, ok := s.codes.Get(r.PostForm.Get("code"), s.now())
	if !ok {
		return App{}, badRequest("invalid_grant", "the code is unknown, used or expired")
	}
	app, err := s.app(r.Context(), orElse(r.PostForm.Get("client_id"), g.client))
	if err != nil {
		return App{}, invalidClient(err.Error())
	}
	if g.challenge == "" {
		return App{}, invalidClient("the client secret is required, because the code was requested without code_challenge")
	}
	return app, nil
}

// byPKCE reports whether a request has a code_verifier and no client secret.
func byPKCE(r *http.Request) bool {
	_, _, basic := r.BasicAuth()
	return !basic && r.PostForm.Get("client_secret") == "" && r.PostForm.Get("code_verifier") != ""
}

// authenticateDevice is like authenticate, but for device logins an app with a
// secret must send it in the header (https://huggingface.co/docs/hub/oauth).
func (s *Server) authenticateDevice(r *http.Request) (App, *oauthError) {
	app, problem := s.authenticate(r)
	if _, _, basic := r.BasicAuth(); problem == nil && !basic && !app.Public {
		return App{}, invalidClient("an app with a secret must send it with HTTP Basic authentication")
	}
	return app, problem
}
