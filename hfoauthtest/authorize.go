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

// grant is what a user gave an app, behind a code or token.
type grant struct {
	client    string // "" for a token made in the settings of the Hub
	username  string
	org       string // whose token it is, in place of a user's
	app       string // whose token it is, in place of a user's
	scopes    []string
	orgs      []string // IDs
	redirect  string
	nonce     string
	signIn    string // the same for all tokens that came of one sign-in
	challenge string // code_challenge of RFC 7636

	// Of an access token.
	issued, expires time.Time

	// Of a device login, guarded by Server.mu.
	userCode string
	decision decision
	asked    time.Time
}

func (g *grant) has(scope string) bool { return slices.Contains(g.scopes, scope) }

// decision is what a person said to a device login.
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

// authorize is the authorization endpoint (RFC 6749 section 3.1): GET shows
// the consent page unless the person consented before, POST is the person's
// decision on it.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if !guard.Same(s.host, r.Host) {
		s.forbidPage(w, "This server is "+s.URL+", and does not answer to "+r.Host+".")
		return
	}
	if len(query["client_id"]) > 1 || len(query["redirect_uri"]) > 1 {
		s.refusePage(w, "Bad request", "client_id or redirect_uri is given more than once.")
		return
	}
	app, err := s.app(r.Context(), query.Get("client_id"))
	if err != nil {
		s.refusePage(w, "Unknown app", err.Error())
		return
	}
	redirect := query.Get("redirect_uri")
	if !app.allowsRedirect(redirect) {
		s.refusePage(w, "Wrong redirect URI", redirect+" is not a redirect URI of this app. It must be registered exactly as it is sent.")
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
			return badRequest("invalid_request", name+" is given more than once")
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
		return badRequest("invalid_request", "code_challenge must come with code_challenge_method S256")
	}
	return nil
}

// ask shows the consent page, or answers in place of a person who need not see
// it. The values of prompt are those of OpenID Connect Core section 3.1.2.1.
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
		s.sendError(w, r, badRequest("consent_required", "the user did not consent to this before"))
	default:
		s.consentPage(w, query, app, username)
	}
}

// approvesAtOnce reports whether no person is asked: one that [Server.Browser]
// plays decides by itself.
func (s *Server) approvesAtOnce(r *http.Request, username string) bool {
	_, ok := s.userNamed(username)
	return ok && r.Header.Get(personHeader) == ""
}

// decide carries out the decision of the form on the consent page. An empty
// form approves.
func (s *Server) decide(w http.ResponseWriter, r *http.Request, query url.Values) {
	if s.isForeign(w, r) {
		return
	}
	username := orElse(r.PostForm.Get("user"), orElse(s.signedIn(r), s.firstUsername()))
	if _, ok := s.userNamed(username); !ok {
		s.refusePage(w, "Unknown user", "There is no user "+username+".")
		return
	}
	setAccount(w, username)
	if r.PostForm.Get("decision") == "deny" {
		s.sendError(w, r, badRequest("access_denied", "The user denied the request"))
		return
	}
	orgs := r.PostForm[orgField(username)]
	now := s.now()
	s.consents.Put(consentKey(username, query), &grant{username: username, orgs: orgs}, 1, now, now.Add(consentLifetime))
	s.approve(w, r, query, username, orgs)
}

// orgField is the form field of the organizations that a user grants: users
// may share some.
func orgField(username string) string { return "org-" + username }

// consentKey names a consent: by person, app and scopes, as on the Hub, and by
// the organizations that the app asked for.
func consentKey(username string, query url.Values) string {
	scopes := slices.Sorted(slices.Values(strings.Fields(query.Get("scope"))))
	orgs := slices.Sorted(slices.Values(query["orgIds"]))
	return fmt.Sprintf("%q", []any{username, query.Get("client_id"), slices.Compact(scopes), orgs})
}

// approve sends the browser back with a code.
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

// sendError sends the browser back with an error (RFC 6749 section 4.1.2.1).
func (s *Server) sendError(w http.ResponseWriter, r *http.Request, problem *oauthError) {
	s.sendBack(w, r, http.StatusFound, url.Values{"error": {problem.Code}, "error_description": {problem.Description}})
}

// sendBack redirects to the app with an authorization response.
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

// withParams adds params to a redirect URI, whose path is then at least "/",
// as the Hub's URL parser has it (WHATWG URL section 4.4).
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
