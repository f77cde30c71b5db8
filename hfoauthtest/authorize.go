package hfoauthtest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// grant is what a user gave an app, behind a code or token.
type grant struct {
	client    string // "" for a token made in the settings of the Hub
	username  string
	org       string // whose token it is, in place of a user's
	scopes    []string
	orgs      []string // IDs
	redirect  string
	nonce     string
	challenge string // code_challenge of RFC 7636

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
	accountCookie   = "hfoauthtest-account"
)

// authorize is the authorization endpoint (RFC 6749 section 3.1): GET shows
// the consent page, POST is the person's decision on it.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if len(query["client_id"]) > 1 || len(query["redirect_uri"]) > 1 {
		s.refusePage(w, "Not understood", "client_id or redirect_uri is there more than once.")
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
		s.sendBack(w, r, redirect, url.Values{"error": {problem.Code}, "error_description": {problem.Description}})
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if consent := s.rememberedConsent(r, query); consent != nil {
			s.approve(w, r, query, consent.username, consent.orgs)
			return
		}
		s.consentPage(w, query, &app)
	case http.MethodPost:
		s.decide(w, r, query)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
}

func checkAuthorization(query url.Values, app *App) *oauthError {
	for name, values := range query {
		if len(values) > 1 && name != "orgIds" {
			return badRequest("invalid_request", name+" is there more than once")
		}
	}
	if query.Get("response_type") != "code" {
		return badRequest("unsupported_response_type", "response_type must be code")
	}
	for _, scope := range strings.Fields(query.Get("scope")) {
		if !slices.Contains(app.Scopes, scope) {
			return badRequest("invalid_scope", "unknown scope "+scope)
		}
	}
	challenge, method := query.Get("code_challenge"), query.Get("code_challenge_method")
	if challenge == "" && app.Public {
		return badRequest("invalid_request", "a public app must use PKCE")
	}
	if challenge+method != "" && (method != "S256" || len(challenge) != 43) {
		return badRequest("invalid_request", "code_challenge must be there with code_challenge_method S256")
	}
	return nil
}

// decide carries out the decision of the form on the consent page.
func (s *Server) decide(w http.ResponseWriter, r *http.Request, query url.Values) {
	if r.PostForm.Get("decision") != "approve" {
		s.sendBack(w, r, query.Get("redirect_uri"), url.Values{"error": {"access_denied"}, "error_description": {"The user denied the request"}})
		return
	}
	username := r.PostForm.Get("user")
	if _, ok := s.userNamed(username); !ok {
		s.refusePage(w, "Unknown user", "There is no user "+username+".")
		return
	}
	orgs := r.PostForm[orgField(username)]
	if s.currentSettings().RememberConsent {
		http.SetCookie(w, &http.Cookie{Name: accountCookie, Value: url.QueryEscape(username), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
		now := s.now()
		s.consents.Put(consentKey(username, query), &grant{username: username, orgs: orgs}, 1, now, now.Add(consentLifetime))
	}
	s.approve(w, r, query, username, orgs)
}

// orgField is the form field of the organizations that a user grants: users
// may share some.
func orgField(username string) string { return "org-" + username }

// rememberedConsent returns what the user of this browser granted to the same
// request before, or nil.
func (s *Server) rememberedConsent(r *http.Request, query url.Values) *grant {
	cookie, err := r.Cookie(accountCookie)
	if err != nil || !s.currentSettings().RememberConsent {
		return nil
	}
	username, err := url.QueryUnescape(cookie.Value)
	if err != nil {
		return nil
	}
	if _, ok := s.userNamed(username); !ok {
		return nil
	}
	consent, _ := s.consents.Get(consentKey(username, query), s.now())
	return consent
}

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
	s.sendBack(w, r, query.Get("redirect_uri"), url.Values{"code": {code}})
}

// sendBack redirects to the app with an authorization response.
func (s *Server) sendBack(w http.ResponseWriter, r *http.Request, redirect string, params url.Values) {
	settings := s.currentSettings()
	if state := r.URL.Query().Get("state"); state != "" {
		params.Set("state", state)
	}
	if settings.IssuerParameter {
		params.Set("iss", s.URL)
	}
	if settings.AuthorizationResponse != nil {
		settings.AuthorizationResponse(params)
	}
	separator := "?"
	if strings.Contains(redirect, "?") {
		separator = "&"
	}
	pageHeaders(w)
	w.Header().Set("Location", redirect+separator+params.Encode())
	w.WriteHeader(http.StatusFound)
}
