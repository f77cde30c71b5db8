package hfoauthtest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hfoauth/hfoauth/internal/guard"
)

// grant is what a user granted an app with a code or token.
type grant struct {
	client    string // "" for a token from the Hub's settings
	username  string
	org       string // owner of the token, if not a user
	app       string // owner of the token, if not a user
	scopes    []string
	orgs      []string // IDs
	redirect  string
	nonce     string
	signIn    string // shared by all tokens of one sign-in
	challenge string // code_challenge of RFC 7636

	// Of an access token.
	issued, expires time.Time

	// Of a device login, guarded by Server.mu.
	userCode string
	decision decision
	asked    time.Time
	foreign  bool // asked for by a page of another site
}

func (g *grant) has(scope string) bool { return slices.Contains(g.scopes, scope) }

// decision is a person's decision on a device login.
type decision int

const (
	undecided decision = iota
	approved
	denied
)

const (
	codeLifetime    = time.Minute
	refreshLifetime = 30 * 24 * time.Hour
	consentLifetime = 365 * 24 * time.Hour

	registrationLifetime = 365 * 24 * time.Hour
)

// authorize is the authorization endpoint (RFC 6749 section 3.1). GET shows the
// consent page unless the person consented before; POST receives the person's
// decision.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if !guard.Same(s.host, r.Host) {
		s.forbidPage(w, "This server is "+s.URL+", not "+r.Host+".")
		return
	}
	if len(query["client_id"]) > 1 || len(query["redirect_uri"]) > 1 {
		s.refusePage(w, "Bad request", "client_id or redirect_uri is repeated.")
		return
	}
	app, err := s.app(r.Context(), query.Get("client_id"))
	if err != nil {
		s.refusePage(w, "Unknown app", err.Error())
		return
	}
	redirect := query.Get("redirect_uri")
	if !app.allowsRedirect(redirect) {
		s.refusePage(w, "Wrong redirect URI",
			redirect+" is not a redirect URI of this app. It must match a registered one exactly.")
		return
	}
	if problem := checkAuthorization(query, &app); problem != nil {
		s.sendError(w, r, problem)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		s.ask(w, r, query, &app)
	case http.MethodPost:
		s.decide(w, r, query)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
}

func checkAuthorization(query url.Values, app *App) *oauthError {
	for name, values := range query {
		if len(values) > 1 && name != "orgIds" && name != "resource" {
			return badRequest("invalid_request", name+" is repeated")
		}
	}
	if query.Get("response_type") != "code" {
		return badRequest("unsupported_response_type", "response_type must be code")
	}
	if _, problem := app.parseScopes(query.Get("scope")); problem != nil {
		return problem
	}
	challenge, method := query.Get("code_challenge"), query.Get("code_challenge_method")
	if challenge == "" && app.Public {
		return badRequest("invalid_request", "a public app must use PKCE")
	}
	if challenge+method != "" && (method != "S256" || len(challenge) != 43) {
		return badRequest("invalid_request", "code_challenge requires code_challenge_method S256")
	}
	return nil
}

// ask shows the consent page, or redirects back at once if the person need not
// see it. For prompt, see OpenID Connect Core section 3.1.2.1.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, query url.Values, app *App) {
	settings := s.currentSettings()
	prompt := strings.Fields(query.Get("prompt"))
	silent := slices.Contains(prompt, "none")
	username := s.signedIn(r)
	consent, consented := s.consents.Get(consentKey(username, query), s.now())
	switch {
	case s.approvesAtOnce(r, settings.ApproveAs):
		s.approve(w, r, query, orElse(username, settings.ApproveAs), query["orgIds"])
	case silent && username == "":
		s.sendError(w, r, badRequest("login_required", "no user is signed in"))
	case consented && !settings.AlwaysAsk && (silent || len(prompt) == 0):
		s.approve(w, r, query, consent.username, consent.orgs)
	case silent:
		s.sendError(w, r, badRequest("consent_required", "the user has not consented to this"))
	default:
		s.consentPage(w, query, app, username)
	}
}

// approvesAtOnce reports whether username approves without seeing the page. The
// Person of a [Server.Browser] decides for itself.
func (s *Server) approvesAtOnce(r *http.Request, username string) bool {
	_, ok := s.userNamed(username)
	return ok && r.Header.Get(personHeader) == ""
}

// decide handles the form of the consent page. An empty form approves.
func (s *Server) decide(w http.ResponseWriter, r *http.Request, query url.Values) {
	if s.isForeign(w, r) {
		return
	}
	username := orElse(r.PostForm.Get("user"), orElse(s.signedIn(r), s.firstUsername()))
	user, ok := s.userNamed(username)
	if !ok {
		s.refusePage(w, "Unknown user", "There is no user "+username+".")
		return
	}
	setAccount(w, username)
	if r.PostForm.Get("decision") == "deny" {
		s.sendError(w, r, badRequest("access_denied", "The user denied the request"))
		return
	}
	orgs, err := user.orgIDs(r.PostForm[orgField(username)])
	if err != nil {
		s.refusePage(w, "Unknown organization", err.Error()+".")
		return
	}
	now := s.now()
	s.consents.Put(consentKey(username, query), &grant{username: username, orgs: orgs}, 1, now, now.Add(consentLifetime))
	s.approve(w, r, query, username, orgs)
}

// orgField returns the form field for organizations that a user grants. It
// contains the username, since users may have organizations in common.
func orgField(username string) string { return "org-" + username }

// consentKey returns the key of a consent: person, app and scopes, as on the Hub,
// and the organizations that the app requested.
func consentKey(username string, query url.Values) string {
	scopes := slices.Sorted(slices.Values(strings.Fields(query.Get("scope"))))
	orgs := slices.Sorted(slices.Values(query["orgIds"]))
	return fmt.Sprintf("%q", []any{username, query.Get("client_id"), slices.Compact(scopes), orgs})
}

// approve redirects the browser to the app with a code.
func (s *Server) approve(w http.ResponseWriter, r *http.Request, query url.Values, username string, orgs []string) {
	code := s.recordSecret(random("", 24))
	s.codes.Put(code, &grant{
		client:    query.Get("client_id"),
		username:  username,
		scopes:    strings.Fields(query.Get("scope")),
		orgs:      orgs,
		redirect:  query.Get("redirect_uri"),
		nonce:     query.Get("nonce"),
		challenge: query.Get("code_challenge"),
	}, 1, s.now(), s.now().Add(codeLifetime))
	s.sendBack(w, r, http.StatusSeeOther, url.Values{"code": {code}})
}

// sendError redirects the browser to the app with an error (RFC 6749 section
// 4.1.2.1).
func (s *Server) sendError(w http.ResponseWriter, r *http.Request, problem *oauthError) {
	s.sendBack(w, r, http.StatusFound, url.Values{"error": {problem.Code}, "error_description": {problem.Description}})
}

// sendBack redirects the browser to the app with an authorization response.
func (s *Server) sendBack(w http.ResponseWriter, r *http.Request, status int, params url.Values) {
	query := r.URL.Query()
	settings := s.currentSettings()
	if state := query.Get("state"); state != "" {
		params.Set("state", state)
	}
	if settings.IssuerParameter {
		params.Set("iss", s.URL)
	}
	if settings.AuthorizationResponse != nil {
		settings.AuthorizationResponse(params)
	}
	pageHeaders(w)
	w.Header().Set("Location", withParams(query.Get("redirect_uri"), params))
	w.WriteHeader(status)
}

// withParams adds params to a redirect URI. An empty path becomes "/", as in the
// Hub's URL parser (WHATWG URL section 4.4).
func withParams(redirect string, params url.Values) string {
	if u, err := url.Parse(redirect); err == nil && u.Host != "" && u.Path == "" {
		u.Path = "/"
		redirect = u.String()
	}
	separator := "?"
	if strings.Contains(redirect, "?") {
		separator = "&"
	}
	return redirect + separator + params.Encode()
}
