package hfoauthtest

import (
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strings"
	"time"
)

// grant is what a user gave an app, behind a code or token.
type grant struct {
	client    string
	username  string
	scopes    []string
	orgs      []string // IDs
	redirect  string
	nonce     string
	challenge string // code_challenge of RFC 7636
	family    string // of the tokens that come from one sign-in
	decision  string // of a device login: "", "approve" or "deny"
	asked     time.Time
}

func (g *grant) has(scope string) bool { return slices.Contains(g.scopes, scope) }

const (
	codeLifetime    = time.Minute
	refreshLifetime = 30 * 24 * time.Hour
	accountCookie   = "hfoauthtest-account"
)

// authorize is the authorization endpoint (RFC 6749 section 3.1): GET shows
// the consent page, POST is the person's decision on it.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
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
		if username := s.rememberedAccount(r, query); username != "" {
			s.approve(w, r, query, username, query["orgIds"])
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
	if challenge != "" && (method != "S256" || len(challenge) != 43) {
		return badRequest("invalid_request", "code_challenge_method must be S256")
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
	if s.currentSettings().RememberConsent {
		http.SetCookie(w, &http.Cookie{Name: accountCookie, Value: username, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
		s.mu.Lock()
		s.consents[consentKey(username, query)] = true
		s.mu.Unlock()
	}
	s.approve(w, r, query, username, r.PostForm["org"])
}

// rememberedAccount returns the user of this browser who granted the same
// before, if consents are remembered.
func (s *Server) rememberedAccount(r *http.Request, query url.Values) string {
	cookie, err := r.Cookie(accountCookie)
	if err != nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.settings.RememberConsent || !s.consents[consentKey(cookie.Value, query)] {
		return ""
	}
	return cookie.Value
}

func consentKey(username string, query url.Values) string {
	scopes := strings.Fields(query.Get("scope"))
	sort.Strings(scopes)
	return strings.Join(append([]string{username, query.Get("client_id"), query.Get("orgIds")}, scopes...), "\x00")
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
		family:    random("", 9),
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
	pageHeaders(w, "")
	w.Header().Set("Location", redirect+separator+params.Encode())
	w.WriteHeader(http.StatusFound)
}

//go:embed pages/consent.html
var consentHTML string

//go:embed pages/device.html
var deviceHTML string

//go:embed pages/message.html
var messageHTML string

//go:embed pages/style.css
var style string

var (
	consentTemplate = template.Must(template.New("consent").Parse(consentHTML))
	deviceTemplate  = template.Must(template.New("device").Parse(deviceHTML))
	messageTemplate = template.Must(template.New("message").Parse(messageHTML))
)

func (s *Server) consentPage(w http.ResponseWriter, query url.Values, app *App) {
	page := struct {
		App    string
		Users  []User
		Scopes []string
		OrgIDs []string
		Action string
		Style  template.CSS
	}{app.Name, s.allUsers(), strings.Fields(query.Get("scope")), query["orgIds"], string(AuthorizeEndpoint) + "?" + query.Encode(), template.CSS(style)}
	redirect, err := url.Parse(query.Get("redirect_uri"))
	if err != nil {
		s.refusePage(w, "Wrong redirect URI", "It cannot be parsed.")
		return
	}
	// Browsers apply form-action to the redirect that answers the form, too.
	pageHeaders(w, redirect.Scheme+"://"+redirect.Host)
	consentTemplate.Execute(w, page)
}

// refusePage answers what must not be sent back to the app (RFC 6749 section
// 4.1.2.1).
func (s *Server) refusePage(w http.ResponseWriter, title, text string) {
	pageHeaders(w, "")
	w.WriteHeader(http.StatusBadRequest)
	writeMessage(w, title, text)
}

func writeMessage(w http.ResponseWriter, title, text string) {
	messageTemplate.Execute(w, struct {
		Title, Text string
		Style       template.CSS
	}{title, text, template.CSS(style)})
}

// pageHeaders are those of the real pages: never framed, and cut off from the
// window that opened them.
func pageHeaders(w http.ResponseWriter, formAction string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", strings.TrimSpace("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' "+formAction))
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
}
