package hfoauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestScopes(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"email":                        "email",
		"openid profile email":         "openid profile email",
		"email,read-repos":             "email read-repos",
		" email ,, read-repos\temail":  "email read-repos",
		"email\nread-repos\r\njobs\rx": "email read-repos jobs x",
		"something-new":                "something-new",
	} {
		if got := hfoauth.ParseScopes(text).Param(); got != want {
			t.Errorf("ParseScopes(%q) = %q, want %q", text, got, want)
		}
	}
	if hfoauth.ParseScopes("read-endpoints").Has(hfoauth.ScopeWriteEndpoints) {
		t.Error("read-endpoints includes write-endpoints, want the other way round only")
	}
	granted := hfoauth.ParseScopes("write-endpoints email")
	for scope, want := range map[hfoauth.Scope]bool{
		hfoauth.ScopeEmail: true, hfoauth.ScopeReadEndpoints: true, hfoauth.ScopeWriteEndpoints: true,
		hfoauth.ScopeJobs: false, "": false,
	} {
		if granted.Has(scope) != want {
			t.Errorf("Has(%q) = %v, want %v", scope, !want, want)
		}
	}
}

func FuzzParseScopes(f *testing.F) {
	for _, seed := range []string{"", "openid profile", "a,b, c", "a\x00b", "\"", "é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		scopes := hfoauth.ParseScopes(text)
		seen := map[hfoauth.Scope]bool{}
		for _, scope := range scopes {
			if scope == "" {
				t.Errorf("ParseScopes(%q) = %q, which has an empty scope", text, scopes)
			}
			if seen[scope] {
				t.Errorf("ParseScopes(%q) = %q, which has %q twice", text, scopes, scope)
			}
			if strings.ContainsAny(string(scope), " ,\t\r\n") {
				t.Errorf("ParseScopes(%q) = %q, in which %q is not split", text, scopes, scope)
			}
			seen[scope] = true
		}
		if again := hfoauth.ParseScopes(scopes.Param()); again.Param() != scopes.Param() {
			t.Errorf("ParseScopes(%q) is not stable: %q", text, again)
		}
	})
}

func TestScopeNames(t *testing.T) {
	clearEnv(t)
	for name, ok := range map[string]bool{
		"email": true, "read-repos": true, "a:b/c.d": true, "!": true, "~": true, "#$%&'()*+,-./[]^_`{|}": true,
		"": false, "em ail": false, "em\tail": false, "em\"ail": false, `em\ail`: false, "e\x00": false,
		"\x7f": false, "é": false,
	} {
		_, err := hfoauth.New(hfoauth.Config{
			ClientID: "id", ClientSecret: clientSecret, RedirectURL: "https://app.example/cb",
			Scopes: hfoauth.Scopes{hfoauth.Scope(name)},
		})
		if (err == nil) != ok {
			t.Errorf("scope %q: error %v, want none: %v", name, err, ok)
		}
	}
}

// requested returns what a client asks the provider for.
func requested(t *testing.T, client *hfoauth.Client) url.Values {
	t.Helper()
	w := httptest.NewRecorder()
	client.LoginHandler().ServeHTTP(w, httptest.NewRequest("GET", "/login", nil))
	location, err := w.Result().Location()
	if err != nil {
		t.Fatal(w.Code, err)
	}
	return location.Query()
}

// openid and profile are requested at every sign-in, first and once.
func TestScopesOfASignIn(t *testing.T) {
	for given, want := range map[string]string{
		"":                             "openid profile",
		"email":                        "openid profile email",
		"openid":                       "openid profile",
		"profile":                      "openid profile",
		"email openid":                 "email openid profile",
		"profile openid":               "profile openid",
		"email email openid profile":   "email openid profile",
		"email read-repos jobs":        "openid profile email read-repos jobs",
		"read-repos profile openid":    "read-repos profile openid",
		"openid profile inference-api": "openid profile inference-api",
	} {
		hub := hfoauthtest.NewServer(t)
		config := hfoauth.Config{ProviderURL: hub.URL, Scopes: hfoauth.ParseScopes(given)}
		if config.Scopes == nil {
			config.Scopes = hfoauth.Scopes{}
		}
		before := config.Scopes.Param()
		if got := requested(t, newClient(t, config)).Get("scope"); got != want {
			t.Errorf("Scopes %q ask for %q, want %q", given, got, want)
		}
		if after := config.Scopes.Param(); after != before {
			t.Errorf("Scopes %q of the caller became %q", before, after)
		}
	}
}

// What one sign-in requests is not requested by another: neither scopes nor
// parameters, even if the app's own slice has spare capacity.
func TestLoginOptionsStayTheirOwn(t *testing.T) {
	scopes := append(make(hfoauth.Scopes, 0, 10), "openid", "profile")
	s := newSite(t, func(c *hfoauth.Config) { c.Scopes = scopes })
	ask := func(options hfoauth.LoginOptions) url.Values {
		t.Helper()
		w := httptest.NewRecorder()
		s.client.Login(w, httptest.NewRequest("GET", "/x", nil), options)
		location, err := w.Result().Location()
		if err != nil {
			t.Fatal(w.Code, err)
		}
		return location.Query()
	}
	for range 2 {
		for _, tt := range []struct {
			options       hfoauth.LoginOptions
			scope, orgIDs string
		}{
			{hfoauth.LoginOptions{Scopes: hfoauth.Scopes{"write-repos"}}, "openid profile write-repos", ""},
			{hfoauth.LoginOptions{}, "openid profile", ""},
			{hfoauth.LoginOptions{Org: "6a"}, "openid profile", "6a"},
			{hfoauth.LoginOptions{}, "openid profile", ""},
			{hfoauth.LoginOptions{Scopes: hfoauth.Scopes{"email"}, Org: "6b"}, "openid profile email", "6b"},
			{hfoauth.LoginOptions{Scopes: hfoauth.Scopes{"email"}}, "openid profile email", ""},
		} {
			query := ask(tt.options)
			if got := query.Get("scope"); got != tt.scope {
				t.Errorf("%+v asks for %q, want %q", tt.options, got, tt.scope)
			}
			if got := query.Get("orgIds"); got != tt.orgIDs {
				t.Errorf("%+v asks for orgIds %q, want %q", tt.options, got, tt.orgIDs)
			}
		}
	}
	if got := scopes[:10]; got[2] != "" {
		t.Errorf("the app's own slice now has %q", got)
	}
}

// Two sign-ins that begin at the same time request their own scopes, even though
// they wait for the provider together.
func TestScopesOfSignInsAtOneTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualSite(t, func(c *hfoauth.Config) { c.Scopes = hfoauth.Scopes{hfoauth.ScopeEmail} })
		s.hub.SetFault(hfoauthtest.MetadataEndpoint, hfoauthtest.Delay(time.Second))
		s.hub.Configure(func(c *hfoauthtest.Settings) { // what was requested is granted
			c.TokenResponse = func(answer map[string]any) { delete(answer, "scope") }
		})
		var wg sync.WaitGroup
		for _, scope := range []hfoauth.Scope{hfoauth.ScopeJobs, hfoauth.ScopeReadRepos} {
			wg.Go(func() {
				asked := httptest.NewRecorder()
				s.client.Login(asked, httptest.NewRequest("GET", "/x", nil),
					hfoauth.LoginOptions{Scopes: hfoauth.Scopes{scope}})
				r := httptest.NewRequest("GET", s.decide(asked.Header().Get("Location"), ada), nil)
				for _, cookie := range asked.Result().Cookies() {
					r.AddCookie(cookie)
				}
				back := httptest.NewRecorder()
				s.client.CallbackHandler().ServeHTTP(back, r)
				for _, cookie := range (answer{Response: back.Result()}).setCookies(s.client.SessionCookie()) {
					want := "openid profile email " + string(scope)
					if got := sessionOf(t, s.client, cookie).Scopes.Param(); got != want {
						t.Errorf("the session has the scopes %q, want %q", got, want)
					}
				}
			})
		}
		wg.Wait()
	})
}

// A response that grants no scopes is not one that names none (RFC 6749 section 5.1).
func TestNoScopesAreGranted(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) { c.Scopes = hfoauth.Scopes{hfoauth.ScopeEmail} })
	s.hub.Configure(func(c *hfoauthtest.Settings) {
		c.TokenResponse = func(r map[string]any) { r["scope"] = "" }
	})
	cookie := s.newSession(ada)
	session, err := s.client.SessionFromRequest(httptest.NewRecorder(), requestWith(cookie))
	if err != nil {
		t.Fatal(err)
	}
	if len(session.Scopes) != 0 {
		t.Errorf("scopes %v, want none", session.Scopes)
	}
}

// RequireScope lets in who has a scope that includes the required one.
func TestRequiredScopeIsIncluded(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) { c.Scopes = hfoauth.Scopes{hfoauth.ScopeWriteEndpoints} })
	s.hub.Configure(func(c *hfoauthtest.Settings) {
		c.TokenResponse = func(r map[string]any) { r["scope"] = "openid profile write-endpoints" }
	})
	cookie := s.newSession(ada)
	w := httptest.NewRecorder()
	s.client.RequireScope(hfoauth.ScopeReadEndpoints)(http.HandlerFunc(noContent)).ServeHTTP(w, requestWith(cookie))
	if w.Code != http.StatusNoContent {
		t.Errorf("status %d, want 204", w.Code)
	}
}
