package hfoauth_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestHasRole(t *testing.T) {
	user := &hfoauth.User{Orgs: []hfoauth.Org{
		{Username: "none"}, {Username: "odd", Role: "owner"}, {Username: "out", Role: hfoauth.RoleNoAccess},
		{Username: "read", Role: hfoauth.RoleRead}, {Username: "contributor", Role: hfoauth.RoleContributor},
		{Username: "write", Role: hfoauth.RoleWrite}, {Username: "admin", Role: hfoauth.RoleAdmin},
		{Username: "sso", Role: hfoauth.RoleAdmin, PendingSSO: true},
		{Username: "mfa", Role: hfoauth.RoleAdmin, MissingMFA: true},
	}}
	for org, want := range map[string][]hfoauth.Role{ // the roles the user has there
		"other":       nil,
		"none":        {hfoauth.RoleAny},
		"odd":         {hfoauth.RoleAny},
		"out":         nil,
		"read":        {hfoauth.RoleAny, hfoauth.RoleRead},
		"contributor": {hfoauth.RoleAny, hfoauth.RoleRead, hfoauth.RoleContributor},
		"write":       {hfoauth.RoleAny, hfoauth.RoleRead, hfoauth.RoleContributor, hfoauth.RoleWrite},
		"admin":       {hfoauth.RoleAny, hfoauth.RoleRead, hfoauth.RoleContributor, hfoauth.RoleWrite, hfoauth.RoleAdmin},
		"sso":         nil,
		"mfa":         nil,
	} {
		for _, role := range []hfoauth.Role{
			hfoauth.RoleAny, hfoauth.RoleRead, hfoauth.RoleContributor, hfoauth.RoleWrite, hfoauth.RoleAdmin,
			"", "owner", hfoauth.RoleNoAccess,
		} {
			if got := user.HasRole(org, role); got != slices.Contains(want, role) {
				t.Errorf("HasRole(%q, %q) = %v, want %v", org, role, got, !got)
			}
		}
	}
}

func TestRequireOrgRefusesOtherRoles(t *testing.T) {
	s := newSite(t, nil)
	for _, role := range []hfoauth.Role{"", "owner", hfoauth.RoleNoAccess} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("RequireOrg with the role %q does not panic", role)
				}
			}()
			s.client.RequireOrg("engines", role)
		}()
	}
}

// Unknown counts as not allowed: a user who does not grant the organization gets
// no further than one who grants it but does not meet its requirements.
func TestUnknownMembershipIsNone(t *testing.T) {
	s := newSite(t, nil)
	s.addMember("pending", hfoauthtest.Org{Username: "engines", Role: "admin", PendingSSO: true})
	s.addMember("outsider", hfoauthtest.Org{Username: "engines", Role: "no_access"})
	s.addMember("odd", hfoauthtest.Org{Username: "engines", Role: "admin",
		Claims: map[string]any{"missingMFA": "yes"}})
	s.addMember("null", hfoauthtest.Org{
		Username: "engines", Role: "admin", Claims: map[string]any{"missingMFA": nil, "pendingSSO": nil},
	})
	readers := s.client.RequireOrg("engines", hfoauth.RoleRead)(http.HandlerFunc(noContent))
	members := s.client.RequireOrg("engines", hfoauth.RoleAny)(http.HandlerFunc(noContent))
	for _, tt := range []struct {
		user             string
		orgs             []string
		readers, members int
	}{
		{"ada", nil, 403, 204}, {"ada", []string{"engines"}, 204, 204},
		{"pending", nil, 403, 204}, {"pending", []string{"engines"}, 403, 403},
		{"outsider", []string{"engines"}, 403, 403}, {"odd", []string{"engines"}, 403, 403},
		{"null", []string{"engines"}, 204, 204},
		{"grace", nil, 403, 403},
	} {
		cookie := s.newSession(hfoauthtest.Person{Username: tt.user, Orgs: tt.orgs})
		for _, check := range []struct {
			name    string
			handler http.Handler
			want    int
		}{{"RoleRead", readers, tt.readers}, {"RoleAny", members, tt.members}} {
			r := httptest.NewRequest("GET", "/", nil)
			r.AddCookie(cookie)
			w := httptest.NewRecorder()
			check.handler.ServeHTTP(w, r)
			if w.Code != check.want {
				t.Errorf("%s who granted %v: %d with %s, want %d", tt.user, tt.orgs, w.Code, check.name, check.want)
			}
		}
	}
}

// protected is an app on a site's host with its own handlers.
type protected struct {
	*site
	address string
}

func (s *site) protect(handlers map[string]http.Handler) *protected {
	mux := http.NewServeMux()
	s.client.Mount(mux)
	for path, handler := range handlers {
		mux.Handle("GET "+path, handler)
	}
	app := httptest.NewServer(mux)
	s.t.Cleanup(app.Close)
	return &protected{s, app.URL}
}

// visit opens a page as a browser does and decides at the provider as person if it
// is redirected there. It returns the last response and the authorization requests
// on the way.
func (p *protected) visit(browser *http.Client, path string, person hfoauthtest.Person) (
	last answer, asked []url.Values,
) {
	p.t.Helper()
	address := p.address + path
	for range 30 {
		last = get(p.t, browser, address)
		if last.StatusCode != http.StatusSeeOther {
			return last, asked
		}
		location := last.location()
		if strings.HasPrefix(location.String(), p.hub.URL) {
			asked = append(asked, location.Query())
			callback := strings.Replace(p.decide(location.String(), person), p.URL, p.address, 1)
			location, _ = url.Parse(callback)
		}
		address = location.String()
	}
	p.t.Fatalf("%s redirects without end", path)
	return last, asked
}

func letIn(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "let in") }

func noContent(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) }

// addMember adds a user who is a member of one organization.
func (s *site) addMember(username string, org hfoauthtest.Org) {
	s.hub.AddUser(hfoauthtest.User{Username: username, Orgs: []hfoauthtest.Org{org}})
}

// hideRoles makes the provider hide all roles, whatever users grant.
func (s *site) hideRoles() {
	s.hub.Configure(func(c *hfoauthtest.Settings) {
		c.UserInfo = func(claims map[string]any) {
			for _, org := range claims["orgs"].([]map[string]any) {
				delete(org, "roleInOrg")
			}
		}
	})
}

// The role is requested once; if it is still unknown, the page says what is
// missing.
func TestUnknownRoleIsAskedForOnce(t *testing.T) {
	s := newSite(t, nil)
	s.hideRoles()
	album := s.client.RequireOrg("engines", hfoauth.RoleWrite)(http.HandlerFunc(letIn))
	p := s.protect(map[string]http.Handler{"/album": album})
	browser := s.browser()
	s.signIn(browser, ada, "/")
	resp, asked := p.visit(browser, "/album", ada)
	if len(asked) != 1 {
		t.Fatalf("%d sign-ins, want one", len(asked))
	}
	if got := asked[0].Get("scope"); got != "openid profile read-memberships" {
		t.Errorf("asks for the scopes %q", got)
	}
	if got := asked[0].Get("orgIds"); got != orgID(s, "engines") {
		t.Errorf("asks for the organization %q", got)
	}
	s.checkFailure(resp, 403, "engines")
	if want := s.hub.URL + "/settings/connected-applications"; !strings.Contains(resp.body, want) {
		t.Errorf("the page has no link to %s: %s", want, resp.body)
	}
	if _, asked := p.visit(browser, "/album", ada); len(asked) != 0 {
		t.Error("the user is asked again")
	}
}

// An organization that the user did not grant is not requested a second time by
// itself, but is included in what a later sign-in requests.
func TestOrgsAskedForBefore(t *testing.T) {
	s := newSite(t, nil)
	s.hideRoles()
	p := s.protect(map[string]http.Handler{
		"/engines": s.client.RequireOrg("engines", hfoauth.RoleWrite)(http.HandlerFunc(letIn)),
		"/notes":   s.client.RequireOrg("notes", hfoauth.RoleWrite)(http.HandlerFunc(letIn)),
		"/chat":    s.client.RequireScope(hfoauth.ScopeInferenceAPI)(http.HandlerFunc(letIn)),
	})
	browser := s.browser()
	s.signIn(browser, ada, "/")
	for i, step := range []struct{ path, org string }{
		{"/engines", "engines"}, {"/notes", "notes"}, {"/engines", ""}, {"/notes", ""}, {"/chat", "notes"},
	} {
		_, asked := p.visit(browser, step.path, ada)
		var got, want []string
		for _, query := range asked {
			got = append(got, query["orgIds"]...)
		}
		if step.org != "" {
			want = []string{orgID(s, step.org)}
		}
		if !slices.Equal(got, want) {
			t.Errorf("visit %d, %s: asks for the organizations %q, want %q", i+1, step.path, got, want)
		}
	}
}

// So it is if the provider refuses the scope with which the organizations were
// requested.
func TestOrgsAskedForBeforeWithoutMemberships(t *testing.T) {
	s := newSite(t, nil)
	s.hideRoles()
	s.app.Scopes = []string{"openid", "profile"}
	s.hub.RegisterApp(s.app)
	p := s.protect(map[string]http.Handler{
		"/engines": s.client.RequireOrg("engines", hfoauth.RoleWrite)(http.HandlerFunc(letIn)),
		"/notes":   s.client.RequireOrg("notes", hfoauth.RoleWrite)(http.HandlerFunc(letIn)),
	})
	browser := s.browser()
	s.signIn(browser, ada, "/")
	p.visit(browser, "/engines", ada)
	p.visit(browser, "/notes", ada)
	for _, path := range []string{"/engines", "/notes"} {
		if _, asked := p.visit(browser, path, ada); len(asked) != 0 {
			t.Errorf("%s asks %d times more, want none", path, len(asked))
		}
	}
}

// An app that may not request memberships requests only the organization.
func TestMembershipsNotRegistered(t *testing.T) {
	s := newSite(t, nil)
	s.app.Scopes = []string{"openid", "profile"}
	s.hub.RegisterApp(s.app)
	album := s.client.RequireOrg("engines", hfoauth.RoleWrite)(http.HandlerFunc(letIn))
	p := s.protect(map[string]http.Handler{"/album": album})
	for name, tt := range map[string]struct {
		orgs []string
		want int
	}{"granted": {[]string{"engines"}, 200}, "not granted": {nil, 403}} {
		t.Run(name, func(t *testing.T) {
			browser := s.browser()
			s.signIn(browser, ada, "/")
			resp, asked := p.visit(browser, "/album", hfoauthtest.Person{Username: "ada", Orgs: tt.orgs})
			if resp.StatusCode != tt.want {
				t.Errorf("%s, want %d: %s", resp.Status, tt.want, resp.body)
			}
			if len(asked) != 2 {
				t.Fatalf("%d sign-ins, want two", len(asked))
			}
			if got := asked[1].Get("scope"); got != "openid profile" {
				t.Errorf("the second one asks for %q", got)
			}
			if got := asked[1].Get("orgIds"); got != orgID(s, "engines") {
				t.Errorf("the second one asks for the organization %q", got)
			}
			log := s.log.String()
			if !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "read-memberships") {
				t.Errorf("the log does not name the scope to register: %s", log)
			}
		})
	}
}

// Nested handlers request everything that is missing at once, in any order.
func TestRequireHandlersMerge(t *testing.T) {
	s := newSite(t, nil)
	page := http.HandlerFunc(letIn)
	repos, chat := s.client.RequireScope(hfoauth.ScopeReadRepos), s.client.RequireScope(hfoauth.ScopeInferenceAPI)
	admins := s.client.RequireOrg("engines", hfoauth.RoleAdmin)
	p := s.protect(map[string]http.Handler{
		"/a": repos(chat(admins(page))), "/b": admins(s.client.RequireUser(chat(repos(page)))),
		"/c": chat(admins(repos(page))),
	})
	for _, path := range []string{"/a", "/b", "/c"} {
		browser := s.browser()
		s.signIn(browser, ada, "/")
		resp, asked := p.visit(browser, path, hfoauthtest.Person{Username: "ada", Orgs: []string{"engines"}})
		if resp.body != "let in" {
			t.Errorf("%s: %s: %s", path, resp.Status, resp.body)
		}
		if len(asked) != 1 {
			t.Errorf("%s: %d sign-ins, want one", path, len(asked))
		}
	}
}

// Handlers of two clients do not affect each other.
func TestRequireHandlersOfTwoClients(t *testing.T) {
	s := newSite(t, nil)
	other := s.newReplica(func(c *hfoauth.Config) {
		c.RedirectURL = strings.Replace(s.URL, "127.0.0.1", "localhost", 1) + "/other/callback"
	})
	handler := s.client.RequireUser(other.RequireUser(http.HandlerFunc(letIn)))
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(s.newSession(ada))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != 401 {
		t.Errorf("%d for a request that is signed in to one of two, want 401", w.Code)
	}
}

// What only the app's handler requires is also requested once.
func TestErrorAsksOnce(t *testing.T) {
	s := newSite(t, nil)
	album := func(w http.ResponseWriter, r *http.Request) {
		org := r.PathValue("org")
		if !hfoauth.UserFromContext(r.Context()).HasRole(org, hfoauth.RoleWrite) {
			s.client.Error(w, r, &hfoauth.ForbiddenError{Org: org, Role: hfoauth.RoleWrite})
			return
		}
		letIn(w, r)
	}
	p := s.protect(map[string]http.Handler{
		"/albums/{org}": s.client.RequireUser(http.HandlerFunc(album)),
		"/repos": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.client.Error(w, r, &hfoauth.ForbiddenError{Scopes: hfoauth.Scopes{hfoauth.ScopeReadRepos}})
		}),
		"/both": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.client.Error(w, r, &hfoauth.ForbiddenError{
				Org: "strangers", Role: hfoauth.RoleWrite, Scopes: hfoauth.Scopes{hfoauth.ScopeReadRepos},
			})
		}),
	})
	for _, tt := range []struct {
		path   string
		orgs   []string
		status int
		asked  int
	}{
		{"/albums/engines", nil, 200, 1}, {"/albums/engines", []string{"engines"}, 200, 1},
		{"/albums/notes", nil, 403, 1},
		{"/albums/strangers", nil, 403, 0}, {"/repos", nil, 403, 1}, {"/both", nil, 403, 0},
	} {
		browser := s.browser()
		s.signIn(browser, ada, "/")
		resp, asked := p.visit(browser, tt.path, hfoauthtest.Person{Username: "ada", Orgs: tt.orgs})
		if resp.StatusCode != tt.status {
			t.Errorf("%s with %v: %s, want %d", tt.path, tt.orgs, resp.Status, tt.status)
		}
		if len(asked) != tt.asked {
			t.Errorf("%s with %v: %d sign-ins, want %d", tt.path, tt.orgs, len(asked), tt.asked)
		}
	}
}

func TestErrorAnswersAsRequireDoes(t *testing.T) {
	s := newSite(t, nil)
	p := s.protect(map[string]http.Handler{"/page": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := s.client.UserFromRequest(r)
		s.client.Error(w, r, err)
	})})
	resp := get(t, s.browser(), p.address+"/page")
	if got := resp.Header.Get("Location"); resp.StatusCode != 303 || got != "/login?next=%2Fpage" {
		t.Errorf("a browser gets %s to %q, want the login page", resp.Status, got)
	}
	resp = get(t, s.browser(), p.address+"/page", "Accept", "application/json")
	if got := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != 401 || got == "" {
		t.Errorf("a program gets %s with WWW-Authenticate %q, want 401 and a challenge", resp.Status, got)
	}
}

// Who is no member of one organization is not asked to grant another.
func TestStrangersAreNotAskedToGrant(t *testing.T) {
	s := newSite(t, nil)
	cookie := s.newSession(ada)
	strangers := s.client.RequireOrg("strangers", hfoauth.RoleRead)
	handler := s.client.RequireOrg("engines", hfoauth.RoleAdmin)(strangers(http.NotFoundHandler()))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Cookie", cookie.Name+"="+cookie.Value)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("%d to %s, want 403", w.Code, w.Header().Get("Location"))
	}
}
