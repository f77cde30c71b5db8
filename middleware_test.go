package hfoauth_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestConsentAsNeeded(t *testing.T) {
	s := newSite(t, nil)
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "let in") })
	mux := http.NewServeMux()
	s.client.Mount(mux)
	mux.Handle("GET /chat", s.client.RequireScope(hfoauth.ScopeInferenceAPI)(page))
	mux.Handle("GET /admin", s.client.RequireOrg("engines", hfoauth.RoleAdmin)(page))
	app := httptest.NewServer(mux)
	defer app.Close()

	// Cookies do not distinguish ports: app and s.URL share them.
	visit := func(browser *http.Client, path string) (answer, url.Values) {
		resp := get(t, browser, app.URL+path)
		return resp, resp.location().Query()
	}
	browser := s.browser()
	s.signIn(browser, ada, "/")

	resp, query := visit(browser, "/chat")
	if resp.StatusCode != 303 || query.Get("scope") != "openid profile inference-api" {
		t.Fatalf("%s to %s", resp.Status, resp.location())
	}
	t.Run("granted", func(t *testing.T) {
		resp, _ := visit(browser, "/chat")
		back := s.callback(browser, app.URL, s.decide(resp.Header.Get("Location"), ada))
		if back.StatusCode != 303 || back.Header.Get("Location") != "/chat" {
			t.Fatalf("%s: %s", back.Status, back.body)
		}
		if resp, _ := visit(browser, "/chat"); resp.body != "let in" {
			t.Errorf("%s: %s", resp.Status, resp.body)
		}
	})
	t.Run("withheld", func(t *testing.T) {
		s.hub.Configure(func(c *hfoauthtest.Settings) {
			c.TokenResponse = func(r map[string]any) { r["scope"] = "openid profile" }
		})
		defer s.hub.Configure(func(c *hfoauthtest.Settings) { c.TokenResponse = nil })
		browser := s.browser()
		s.signIn(browser, ada, "/")
		resp, _ := visit(browser, "/chat")
		s.callback(browser, app.URL, s.decide(resp.Header.Get("Location"), ada))
		if resp, _ := visit(browser, "/chat"); resp.StatusCode != 403 {
			t.Errorf("%s: asks again without end", resp.Status)
		}
	})
	t.Run("organization", func(t *testing.T) {
		browser := s.browser()
		s.signIn(browser, ada, "/")
		resp, query := visit(browser, "/admin")
		if resp.StatusCode != 303 || query.Get("orgIds") == "" {
			t.Fatalf("%s to %s", resp.Status, resp.location())
		}
		member := hfoauthtest.Person{Username: "ada", Orgs: []string{"engines"}}
		s.callback(browser, app.URL, s.decide(resp.Header.Get("Location"), member))
		if resp, _ := visit(browser, "/admin"); resp.body != "let in" {
			t.Errorf("%s: %s", resp.Status, resp.body)
		}
	})
	t.Run("programs get the scope", func(t *testing.T) {
		browser := s.browser()
		s.signIn(browser, ada, "/")
		if resp := get(t, browser, app.URL+"/chat", "Accept", "application/json"); resp.StatusCode != 403 {
			t.Errorf("%s", resp.Status)
		}
	})
}

// callback sends a browser to the callback at an address of the same host.
func (s *site) callback(browser *http.Client, address, callback string) answer {
	return get(s.t, browser, strings.Replace(callback, s.URL, address, 1))
}

func TestMiddleware(t *testing.T) {
	s := newSite(t, nil)
	s.addMember("pending", hfoauthtest.Org{Username: "engines", Role: "admin", PendingSSO: true})
	s.addMember("impostor", hfoauthtest.Org{Username: "fake", Name: "engines", Role: "admin"})
	page := http.HandlerFunc(noContent)
	handlers := map[string]http.Handler{
		"user":    s.client.RequireUser(page),
		"profile": s.client.RequireScope(hfoauth.ScopeProfile)(page),
		"email":   s.client.RequireScope(hfoauth.ScopeEmail)(page),
		"engines": s.client.RequireOrg("engines", hfoauth.RoleRead)(page),
		"any":     s.client.RequireOrg("engines", hfoauth.RoleAny)(page),
		"admin":   s.client.RequireOrg("engines", hfoauth.RoleAdmin)(page),
		"write":   s.client.RequireOrg("engines", hfoauth.RoleWrite)(page),
	}
	cookies := map[string]*http.Cookie{
		"ada":      s.newSession(hfoauthtest.Person{Username: "ada", Orgs: []string{"engines"}}),
		"grace":    s.newSession(grace),
		"pending":  s.newSession(hfoauthtest.Person{Username: "pending", Orgs: []string{"engines"}}),
		"impostor": s.newSession(hfoauthtest.Person{Username: "impostor", Orgs: []string{"fake"}}),
		"nobody":   {Name: "other", Value: "x"},
	}
	for _, tt := range []struct {
		handler, user string
		want          int
	}{
		{"user", "ada", 204}, {"user", "nobody", 401},
		{"profile", "ada", 204}, {"email", "ada", 403}, {"email", "nobody", 401},
		{"any", "ada", 204}, {"any", "grace", 403}, {"any", "pending", 403}, {"any", "impostor", 403},
		{"any", "nobody", 401},
		{"engines", "ada", 204}, {"engines", "grace", 403}, {"engines", "pending", 403}, {"engines", "impostor", 403},
		{"engines", "nobody", 401},
		{"admin", "ada", 204}, {"admin", "grace", 403}, {"write", "ada", 204},
	} {
		r := httptest.NewRequest("GET", "/page?x=1", nil)
		r.Header.Set("Accept", "application/json")
		r.AddCookie(cookies[tt.user])
		recorder := httptest.NewRecorder()
		handlers[tt.handler].ServeHTTP(recorder, r)
		if recorder.Code != tt.want {
			t.Errorf("%s by %s: %d, want %d", tt.handler, tt.user, recorder.Code, tt.want)
		}
		if tt.want >= 400 {
			checkJSONError(t, recorder)
		}
		if got := recorder.Header().Get("WWW-Authenticate"); (got != "") != (tt.want == 401) {
			t.Errorf("%s by %s: WWW-Authenticate %q", tt.handler, tt.user, got)
		}
	}
}

// checkJSONError checks that a response says in JSON what is wrong.
func checkJSONError(t *testing.T, recorder *httptest.ResponseRecorder) {
	t.Helper()
	if got := recorder.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q, want application/json", got)
	}
	var body struct{ Error string }
	if err := json.Unmarshal(recorder.Body.Bytes(), &body); err != nil || body.Error == "" {
		t.Errorf("the body says nothing of what is wrong: %s", recorder.Body)
	}
}

// Requests of other sites carry a Space's cookies: a request that changes anything
// must come from our own pages.
func TestMiddlewareRefusesOtherSites(t *testing.T) {
	s := newSite(t, nil)
	programs := s.client.AcceptBearer(hfoauth.BearerOptions{})
	handler := programs(s.client.RequireUser(http.HandlerFunc(noContent)))
	cookie := s.newSession(ada)
	token := s.hub.AccessToken("ada", s.app.ClientID)
	for _, tt := range []struct {
		method, site, token string
		want                int
	}{
		{"POST", "same-origin", "", 204}, {"POST", "none", "", 204}, {"POST", "", "", 204},
		{"POST", "cross-site", "", 403}, {"DELETE", "same-site", "", 403}, {"GET", "cross-site", "", 204},
		{"POST", "cross-site", token, 204},
	} {
		r := httptest.NewRequest(tt.method, "/", nil)
		r.AddCookie(cookie)
		r.Header.Set("Sec-Fetch-Site", tt.site)
		if tt.token != "" {
			r.Header.Set("Authorization", "Bearer "+tt.token)
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, r)
		if recorder.Code != tt.want {
			t.Errorf("%s from %q: %d, want %d", tt.method, tt.site, recorder.Code, tt.want)
		}
	}
}

func TestRequireUserUnderAPrefix(t *testing.T) {
	s := newSite(t, nil)
	handler := http.StripPrefix("/app", s.client.RequireUser(http.NotFoundHandler()))
	r := httptest.NewRequest("GET", "/app/page?x=1", nil)
	r.Header.Set("Accept", "text/html")
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	if got := recorder.Header().Get("Location"); got != "/login?next=%2Fapp%2Fpage%3Fx%3D1" {
		t.Errorf("redirects to %s", got)
	}
}

func TestRequireUserSendsBrowsersToSignIn(t *testing.T) {
	s := newSite(t, nil)
	for name, tt := range map[string]struct {
		header []string
		want   int
	}{
		"navigation":         {[]string{"Accept", "text/html,application/xhtml+xml", "Sec-Fetch-Mode", "navigate"}, 303},
		"older browser":      {[]string{"Accept", "text/html"}, 303},
		"fetch":              {[]string{"Accept", "*/*", "Sec-Fetch-Mode", "cors"}, 401},
		"fetch that says so": {[]string{"Accept", "text/html", "Sec-Fetch-Mode", "same-origin"}, 401},
		"program":            {[]string{"Accept", "application/json"}, 401},
		"curl":               {[]string{"Accept", "*/*"}, 401},
	} {
		resp := get(t, s.browser(), s.URL+"/private?q=a%20b", tt.header...)
		if resp.StatusCode != tt.want {
			t.Errorf("%s: %s", name, resp.Status)
		}
		if tt.want == 303 && resp.Header.Get("Location") != "/login?next=%2Fprivate%3Fq%3Da%2520b" {
			t.Errorf("%s: redirects to %s", name, resp.Header.Get("Location"))
		}
		if got, want := resp.Header.Get("Cache-Control"), "private, no-store"; got != want {
			t.Errorf("%s: Cache-Control %q, want %q", name, got, want)
		}
	}
	browser := s.hub.SignIn(t, s.URL+"/private?q=a%20b", "ada")
	if resp := get(t, browser, s.URL+"/private?q=a%20b"); resp.body != "private page of ada, query q=a%20b" {
		t.Errorf("%s: %s", resp.Status, resp.body)
	}
	req, _ := http.NewRequest(http.MethodPost, s.URL+"/private", nil)
	req.Header.Set("Accept", "text/html")
	if resp := do(t, s.browser(), req); resp.StatusCode != 405 {
		t.Errorf("POST to a GET page: %s", resp.Status)
	}
	page := s.client.RequireUser(http.HandlerFunc(letIn))
	w := httptest.NewRecorder()
	page.ServeHTTP(w, req)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("POST without a session: %d, want 401", w.Code)
	}
	r := httptest.NewRequest("GET", "/private", nil)
	r.Header["Accept"] = []string{"application/json", "text/html"}
	w = httptest.NewRecorder()
	page.ServeHTTP(w, r)
	if w.Code != http.StatusSeeOther {
		t.Errorf("a page accepted in the second Accept header: %d, want 303", w.Code)
	}
	if user := hfoauth.UserFromContext(t.Context()); user != nil {
		t.Errorf("UserFromContext without RequireUser: %v", user)
	}
}

// What was granted long ago does not suffice if the provider cannot confirm it.
func TestRequireFailsClosed(t *testing.T) {
	for name, tt := range map[string]struct {
		fault hfoauthtest.Fault
		want  int
	}{
		"provider down":   {hfoauthtest.Answer(503, ""), 503},
		"client refused":  {hfoauthtest.Answer(401, `{"error":"invalid_client"}`), 401},
		"provider broken": {hfoauthtest.Answer(200, "<html>"), 502},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			clock := s.newClock()
			cookie := s.newSession(ada)
			handler := s.client.RequireOrg("engines", hfoauth.RoleAny)(http.NotFoundHandler())
			s.hub.SetFault(hfoauthtest.TokenEndpoint, tt.fault)
			clock.advance(29 * 24 * time.Hour)
			r := httptest.NewRequest("GET", "/", nil)
			r.AddCookie(cookie)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("status %d, want %d", w.Code, tt.want)
			}
		})
	}
}

func TestNestedOrgsEnd(t *testing.T) {
	s := newSite(t, nil)
	page := http.HandlerFunc(noContent)
	handler := s.client.RequireOrg("engines",
		hfoauth.RoleAdmin)(s.client.RequireOrg("notes", hfoauth.RoleRead)(page))
	browser := s.browser()
	s.signIn(browser, ada, "/")
	home, _ := url.Parse(s.URL)
	for range 4 {
		r := s.request(browser, "/page")
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != 303 {
			if w.Code != 204 && w.Code != 403 {
				t.Errorf("ends with %d", w.Code)
			}
			return
		}
		browser.Jar.SetCookies(home, w.Result().Cookies())
		asked := w.Header().Get("Location")
		person := hfoauthtest.Person{Username: "ada", Orgs: []string{"engines"}}
		if strings.Contains(asked, orgID(s, "notes")) {
			person.Orgs = []string{"notes"}
		}
		get(t, browser, s.decide(asked, person))
	}
	t.Error("asks without end")
}

func orgID(s *site, name string) string {
	for _, org := range hfoauthtest.DefaultUsers()[0].Orgs {
		if org.Username == name {
			return org.ID()
		}
	}
	s.t.Fatalf("no organization %s", name)
	return ""
}

// A further scope is requested together with those granted before.
func TestFurtherScope(t *testing.T) {
	s := newSite(t, nil)
	mux := http.NewServeMux()
	s.client.Mount(mux)
	mux.Handle("GET /repos", s.client.RequireScope(hfoauth.ScopeReadRepos)(http.NotFoundHandler()))
	mux.Handle("GET /chat", s.client.RequireScope(hfoauth.ScopeInferenceAPI)(http.NotFoundHandler()))
	app := httptest.NewServer(mux)
	defer app.Close()
	browser := s.browser()
	s.signIn(browser, ada, "/")
	page := func(path string) answer { return get(t, browser, app.URL+path, "Accept", "text/html") }
	s.callback(browser, app.URL, s.decide(page("/repos").Header.Get("Location"), ada))
	asked := page("/chat")
	if scope := asked.location().Query().Get("scope"); scope != "openid profile read-repos inference-api" {
		t.Errorf("asks for %q", scope)
	}
}

// A sign-in that requests a further scope also requests those that were granted
// without being requested, and those that were requested but not granted.
func TestFurtherScopeAsksForTheOthers(t *testing.T) {
	s := newSite(t, nil)
	p := s.protect(map[string]http.Handler{
		"/repos": s.client.RequireScope(hfoauth.ScopeReadRepos)(http.HandlerFunc(letIn)),
		"/chat":  s.client.RequireScope(hfoauth.ScopeInferenceAPI)(http.HandlerFunc(letIn)),
		"/email": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.client.Error(w, r, &hfoauth.ForbiddenError{Scopes: hfoauth.Scopes{hfoauth.ScopeEmail}})
		}),
	})
	for _, tt := range []struct {
		granted, path string
		asked         string // "" for nothing
		next          string // what /chat requests then
	}{
		{"openid profile email", "/email", "", "openid profile email inference-api"},
		{"openid profile", "/repos", "openid profile read-repos", "openid profile read-repos inference-api"},
	} {
		s.hub.Configure(func(c *hfoauthtest.Settings) {
			c.TokenResponse = func(answer map[string]any) { answer["scope"] = tt.granted }
		})
		browser := s.browser()
		s.signIn(browser, ada, "/")
		for _, step := range []struct{ path, want string }{{tt.path, tt.asked}, {"/chat", tt.next}} {
			resp, asked := p.visit(browser, step.path, ada)
			var got string
			for _, query := range asked {
				got += query.Get("scope")
			}
			if got != step.want {
				t.Errorf("granted %s: %s asks for %q, want %q", tt.granted, step.path, got, step.want)
			}
			if resp.StatusCode != 403 {
				t.Errorf("granted %s: %s ends with %s, want 403", tt.granted, step.path, resp.Status)
			}
		}
	}
}

// Each of several nested handlers must let the user in, in any order.
func TestNestedDemandsAreAllMet(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) { c.Scopes = hfoauth.Scopes{hfoauth.ScopeEmail} })
	engines := s.client.RequireOrg("engines", hfoauth.RoleAny)
	strangers := s.client.RequireOrg("strangers", hfoauth.RoleAny)
	email, jobs := s.client.RequireScope(hfoauth.ScopeEmail), s.client.RequireScope(hfoauth.ScopeJobs)
	page := http.HandlerFunc(letIn)
	cookie := s.newSession(ada) // in engines, and with email
	for name, tt := range map[string]struct {
		handler http.Handler
		want    int
	}{
		"engines(email)":     {engines(email(page)), 200},
		"engines(strangers)": {engines(strangers(page)), 403},
		"strangers(engines)": {strangers(engines(page)), 403},
		"email(jobs)":        {email(jobs(page)), 403},
		"jobs(email)":        {jobs(email(page)), 403},
		"engines(jobs)":      {engines(jobs(page)), 403},
		"jobs(engines)":      {jobs(engines(page)), 403},
	} {
		w := httptest.NewRecorder()
		tt.handler.ServeHTTP(w, requestWith(cookie))
		if w.Code != tt.want {
			t.Errorf("%s: %d, want %d", name, w.Code, tt.want)
		}
	}
}

// Of several organizations, the error names the one that the user is not in, or
// else the first one whose role is unknown.
func TestOrgThatIsNamed(t *testing.T) {
	s := newSite(t, nil)
	engines := s.client.RequireOrg("engines", hfoauth.RoleRead)
	notes := s.client.RequireOrg("notes", hfoauth.RoleRead)
	strangers := s.client.RequireOrg("strangers", hfoauth.RoleRead)
	page := http.HandlerFunc(letIn)
	cookie := s.newSession(ada) // in engines and notes, whose roles are not granted
	for want, handlers := range map[string][]http.Handler{
		"engines":   {engines(page), engines(notes(page))},
		"notes":     {notes(page), notes(engines(page))},
		"strangers": {strangers(engines(page)), engines(strangers(page)), engines(notes(strangers(page)))},
	} {
		for i, handler := range handlers {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, requestWith(cookie))
			checkHas(t, fmt.Sprintf("%s, %d", want, i), w.Body.String(), fmt.Sprintf("%q:%q", "org", want))
		}
	}
}

// A visitor who is not signed in is asked at once for the scopes of the page,
// also in a frame; who is to be a member, for the organization afterwards,
// because its ID is not known before.
func TestFirstSignInAsksForTheScopesOfThePage(t *testing.T) {
	s := newSite(t, nil)
	p := s.protect(map[string]http.Handler{
		"/chat": s.client.RequireScope(hfoauth.ScopeInferenceAPI)(http.HandlerFunc(letIn)),
		"/both": s.client.RequireOrg("engines",
			hfoauth.RoleWrite)(s.client.RequireScope(hfoauth.ScopeJobs)(http.HandlerFunc(letIn))),
	})
	for path, want := range map[string][]string{
		"/chat?scope=write-repos": {"openid profile inference-api"},
		"/both":                   {"openid profile jobs", "openid profile jobs read-memberships"},
	} {
		last, asked := p.visit(s.browser(), path, ada)
		if last.body != "let in" {
			t.Errorf("%s: %s: %s", path, last.Status, last.body)
		}
		var got []string
		for _, query := range asked {
			got = append(got, query.Get("scope"))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s asks for %q, want %q", path, got, want)
		}
	}
	framed := get(t, s.browser(), p.address+"/chat", "Sec-Fetch-Dest", "iframe", "Sec-Fetch-Mode", "navigate")
	options := sealedOptions.FindStringSubmatch(framed.body)
	if options == nil {
		t.Fatalf("no button in the frame: %s %s", framed.Status, framed.body)
	}
	tab := s.popup(s.browser(), url.Values{"challenge": {challengeOf(frameVerifier)},
		"next": {"/chat"}, "options": {options[1]}})
	if got, want := asksFor(tab), "openid profile inference-api"; got != want {
		t.Errorf("the tab of the frame asks for %q, want %q", got, want)
	}
}

// The page about a request from another site continues on this one, whatever path it
// had.
func TestPageAfterAForgeryStaysHere(t *testing.T) {
	s := newSite(t, nil)
	cookie := s.newSession(ada)
	app := httptest.NewServer(s.client.RequireUser(http.HandlerFunc(letIn)))
	defer app.Close()
	resp := post(t, s.browser(), app.URL, nil, "Cookie", cookie.Name+"="+cookie.Value, "Sec-Fetch-Site", "cross-site",
		"Accept", "text/html", "Referer", app.URL+"//evil.example/")
	if resp.StatusCode != 403 {
		t.Fatal(resp.Status)
	}
	if strings.Contains(resp.body, "//evil.example") {
		t.Errorf("it leads to another site: %s", resp.body)
	}
}
