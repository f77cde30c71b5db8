package hfoauth_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// Pages, JSON and log say what is missing.
func TestForbiddenSaysWhy(t *testing.T) {
	s := newSite(t, nil)
	s.addMember("pending", hfoauthtest.Org{Username: "engines", PendingSSO: true})
	s.addMember("reader", hfoauthtest.Org{Username: "engines", Role: "read"})
	s.addMember("owner", hfoauthtest.Org{Username: "mills", Name: "The Mills", Role: "read"})
	mills := hfoauthtest.Org{Username: "mills"}.ID()
	grants := map[string][]string{"ada": {"engines"}, "pending": {"engines"}, "reader": {"engines"}, "owner": {"mills"}}
	noAdmin := &hfoauth.ForbiddenError{Org: "engines", Role: hfoauth.RoleAdmin}
	said := noAdmin.Error()
	p := s.protect(map[string]http.Handler{
		"/mills": s.client.RequireOrg(mills, hfoauth.RoleWrite)(http.HandlerFunc(letIn)),
		"/notes": s.client.RequireOrg("notes", hfoauth.RoleAdmin)(http.HandlerFunc(letIn)),
		"/closed": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.client.Error(w, r, &hfoauth.ForbiddenError{Org: "engines", Role: hfoauth.RoleAdmin, Message: "Closed."})
		}),
		"/billing": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.client.Error(w, r, &hfoauth.ForbiddenError{
				Scopes: hfoauth.Scopes{hfoauth.ScopeReadBilling}, Message: "Ask the treasurer."})
		}),
		"/own":   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.client.Error(w, r, noAdmin) }),
		"/admin": s.client.RequireOrg("engines", hfoauth.RoleAdmin)(http.HandlerFunc(letIn)),
		"/repos": s.client.RequireScope(hfoauth.ScopeReadRepos, hfoauth.ScopeJobs)(http.HandlerFunc(letIn)),
		"/pro": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.client.Error(w, r, fmt.Errorf("upgrade: %w", &hfoauth.ForbiddenError{Message: "This is for PRO users."}))
		}),
	})
	for _, tt := range []struct {
		user, path      string
		page, log, json string
		settings        bool // the page leads to where the user may grant it
	}{
		{"grace", "/admin",
			"<p>It is for members of engines. You are signed in as grace, who is not a member.</p>\n" +
				"<p>To use another account, sign out on Hugging Face, then sign in again here.</p>",
			"the user is not a member of engines", `"org":"engines"`, false},
		{"grace", "/own",
			"You are signed in as grace, who is not a member.", "the user is not a member of engines",
			`"org":"engines"`, false},
		{"ada", "/notes",
			"<p>It is for members of notes with the role admin. This app cannot see your role " +
				"there.</p>\n<p>Remove the app from your connected applications on Hugging Face, sign in again, " +
				"and select notes when you are asked.</p>", "role in notes is not known", `"org":"notes"`, true},
		{"grace", "/closed", "Closed.", "Closed.", `"reason":"Closed."`, false},
		{"grace", "/billing", "<p>Ask the treasurer.</p>", "Ask the treasurer.", `"reason":"Ask the treasurer."`, false},
		{"pending", "/admin",
			"engines requires single sign-on", "sign-in demands (SSO, MFA) of engines", `"org":"engines"`, false},
		{"reader", "/admin",
			"<p>It is for members of engines with the role admin.</p>",
			"does not have the role admin in engines", `"role":"admin"`, false},
		{"owner", "/mills",
			"<p>It is for members of The Mills with the role write or higher.</p>",
			"does not have the role write in " + mills, `"org":"` + mills + `"`, false},
		{"grace", "/repos", "read-repos, jobs", "has not granted read-repos jobs", `"scopes":["read-repos","jobs"]`, true},
		{"grace", "/pro", "This is for PRO users.", "This is for PRO users.", `"reason":"This is for PRO users."`, false},
	} {
		browser := s.browser()
		s.signIn(browser, hfoauthtest.Person{Username: tt.user, Orgs: grants[tt.user]}, "/")
		s.log.reset()
		program := get(t, browser, p.address+tt.path, "Accept", "application/json")
		if program.StatusCode != 403 {
			t.Errorf("%s at %s: a program gets %s, want 403", tt.user, tt.path, program.Status)
		}
		if !json.Valid([]byte(program.body)) || !strings.Contains(program.body, tt.json) {
			t.Errorf("%s at %s: a program gets %s, want JSON with %s", tt.user, tt.path, program.body, tt.json)
		}
		if log := s.log.String(); !strings.Contains(log, tt.log) {
			t.Errorf("%s at %s: the log does not say %q: %s", tt.user, tt.path, tt.log, log)
		}
		// a page that the user did not open
		page := get(t, browser, p.address+tt.path, "Sec-Fetch-Mode", "same-origin")
		if page.StatusCode != 403 || !strings.Contains(page.body, tt.page) {
			t.Errorf("%s at %s: %s, want %q: %s", tt.user, tt.path, page.Status, tt.page, page.body)
		}
		settings := strings.Contains(page.body, "/settings/connected-applications")
		if settings != tt.settings {
			t.Errorf("%s at %s: the page leads to the settings: %t, want %t", tt.user, tt.path, settings, tt.settings)
		}
	}
	if got := noAdmin.Error(); got != said {
		t.Errorf("the app's own error says %q after it was answered, want %q", got, said)
	}
}
