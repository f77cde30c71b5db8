package hfoauth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestReplicasShareSessions(t *testing.T) {
	s := newSite(t, nil)
	browser := s.browser()
	cookie := s.newSessionIn(browser, ada)
	if !signedIn(s.newReplica(nil), cookie) {
		t.Error("a replica with the same secret does not know the session")
	}
	if signedIn(s.newReplica(func(c *hfoauth.Config) { c.ClientSecret = "other_" + clientSecret }), cookie) {
		t.Error("another secret opens the session")
	}
	other := s.newReplica(func(c *hfoauth.Config) { c.ClientID = "other" })
	if signedIn(other, &http.Cookie{Name: other.SessionCookie(), Value: cookie.Value}) {
		t.Error("another app with the same secret opens the session")
	}
	elsewhere := s.newReplica(func(c *hfoauth.Config) { c.RedirectURL += "/elsewhere" })
	if signedIn(elsewhere, &http.Cookie{Name: elsewhere.SessionCookie(), Value: cookie.Value}) {
		t.Error("an app at another address opens the session under the name of its own cookie")
	}
	// An attempt begun here is finished there.
	callback := s.decide(s.begin(browser, "/there"), ada)
	recorder := httptest.NewRecorder()
	s.newReplica(nil).CallbackHandler().ServeHTTP(recorder, s.request(browser, callback))
	if recorder.Code != 303 || recorder.Header().Get("Location") != "/there" {
		t.Errorf("callback at another replica: %d", recorder.Code)
	}
}

func TestSessionKeys(t *testing.T) {
	oldKey, newKey := testKey("old"), testKey("new")
	keys := func(keys ...[]byte) func(*hfoauth.Config) {
		return func(c *hfoauth.Config) { c.SessionKeys = keys }
	}
	s := newSite(t, keys(oldKey))
	cookie := s.newSession(ada)
	if !signedIn(s.newReplica(keys(newKey, oldKey)), cookie) {
		t.Error("rotating signs users out")
	}
	if signedIn(s.newReplica(keys(newKey)), cookie) {
		t.Error("a dropped key still opens")
	}
	otherSecret := func(c *hfoauth.Config) { c.SessionKeys, c.ClientSecret = [][]byte{oldKey}, "replaced" }
	if !signedIn(s.newReplica(otherSecret), cookie) {
		t.Error("replacing the client secret ends sessions in spite of SessionKeys")
	}
}

func TestSessionExpiry(t *testing.T) {
	tests := []struct {
		name   string
		change func(*hfoauthtest.Settings)
		lasts  time.Duration
	}{
		{"access token", func(c *hfoauthtest.Settings) { c.NoRefreshTokens = true }, 8 * time.Hour},
		{"a minute", func(c *hfoauthtest.Settings) {
			c.NoRefreshTokens = true
			c.AccessTokenLifetime = time.Minute
		}, time.Minute},
		{"unknown", func(c *hfoauthtest.Settings) {
			c.NoRefreshTokens = true
			c.TokenResponse = func(r map[string]any) { delete(r, "expires_in") }
		}, 8 * time.Hour},
		{"refresh token", func(c *hfoauthtest.Settings) {}, 30 * 24 * time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			s.hub.Configure(tt.change)
			cookie := s.newSession(ada)
			if got := time.Duration(cookie.MaxAge) * time.Second; got < tt.lasts-5*time.Second || got > tt.lasts {
				t.Errorf("cookie lives for %s, want %s", got, tt.lasts)
			}
			for after, want := range map[time.Duration]bool{
				0: true, tt.lasts - 10*time.Second: true, tt.lasts + time.Second: false,
			} {
				s.client.SetClock(func() time.Time { return time.Now().Add(after) })
				if got := signedIn(s.client, cookie); got != want {
					t.Errorf("after %s: signed in %v, want %v", after, got, want)
				}
			}
		})
	}
}

// A session prints no secrets: neither tokens nor the cookie it came from, at
// sign-in and in a request.
func TestSessionPrintsNoSecrets(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			var begun *hfoauth.Session
			s := newSite(t, func(c *hfoauth.Config) {
				c.OnLogin = func(_ context.Context, got *hfoauth.Session) error { begun = got; return nil }
				if change != nil {
					change(c)
				}
			})
			cookie := s.newSession(ada)
			r := httptest.NewRequest("GET", "/", nil)
			r.AddCookie(cookie)
			later, err := s.client.SessionFromRequest(httptest.NewRecorder(), r)
			if err != nil {
				t.Fatal(err)
			}
			secrets := append(s.hub.Secrets(), cookie.Value, tokenOf(t, begun), hfoauth.RefreshToken(begun))
			for i, session := range []*hfoauth.Session{begun, later} {
				text := printedSession(t, session)
				for _, secret := range secrets {
					if secret != "" && strings.Contains(text, secret) {
						t.Errorf("session %d prints the secret %.20q…", i, secret)
					}
				}
			}
		})
	}
}

// printedSession returns a session in every form in which programs print values.
func printedSession(t *testing.T, session *hfoauth.Session) string {
	t.Helper()
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(handler).Info("session", "session", session, "value", *session, "group", []any{*session, session})
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%t", "%p"} {
		fmt.Fprintf(&out, verb+verb+verb+"\n", session, *session, []any{session, *session})
	}
	fmt.Fprintln(&out, session, *session)
	encoder := json.NewEncoder(&out)
	for _, v := range []any{session, *session, map[string]any{"s": *session}, []hfoauth.Session{*session}} {
		if err := encoder.Encode(v); err != nil {
			t.Error(err)
		}
	}
	return out.String()
}

func TestUserIsTheCallersToChange(t *testing.T) {
	s := newSite(t, nil)
	ada := hfoauthtest.DefaultUsers()[0]
	ada.Orgs[0].SecurityRestrictions = []string{"mfa"}
	s.hub.SetUsers(ada)
	cookie := s.newSession(hfoauthtest.Person{Username: "ada", Orgs: []string{"engines"}})
	user := userOf(s.client, cookie)
	if len(user.Orgs) != 2 || len(user.Orgs[0].ResourceGroups) != 1 {
		t.Fatalf("%+v", user)
	}
	user.Username = "mallory"
	user.Orgs[0].Role = "owner"
	user.Orgs[0].ResourceGroups[0].Role = "owner"
	user.Orgs[0].SecurityRestrictions[0] = "none"
	user.Orgs = append(user.Orgs[:1], hfoauth.Org{Username: "evil"})
	again := userOf(s.client, cookie)
	for name, tt := range map[string]struct{ got, want string }{
		"username":            {again.Username, "ada"},
		"role":                {string(again.Orgs[0].Role), string(hfoauth.RoleAdmin)},
		"role in a group":     {string(again.Orgs[0].ResourceGroups[0].Role), string(hfoauth.RoleWrite)},
		"restriction":         {again.Orgs[0].SecurityRestrictions[0], "mfa"},
		"second organization": {again.Orgs[1].Username, "notes"},
	} {
		if tt.got != tt.want {
			t.Errorf("a caller's change shows: %s is %q, want %q", name, tt.got, tt.want)
		}
	}
}

// Keys derived from one secret differ by provider and client: if two apps share a
// store, neither can open the other's sessions.
func TestKeysAreBoundToTheApp(t *testing.T) {
	store := newMapStore()
	key := [][]byte{testKey("one")}
	s := newSite(t, func(c *hfoauth.Config) { c.Store, c.SessionKeys = store, key })
	id := s.newSession(ada).Value
	for name, tt := range map[string]struct {
		change func(*hfoauth.Config)
		want   bool
	}{
		"same app":         {func(*hfoauth.Config) {}, true},
		"another client":   {func(c *hfoauth.Config) { c.ClientID = "another" }, false},
		"another provider": {func(c *hfoauth.Config) { c.ProviderURL = "https://hub.example" }, false},
		"another key":      {func(c *hfoauth.Config) { c.SessionKeys = [][]byte{testKey("two")} }, false},
	} {
		client := s.newReplica(func(c *hfoauth.Config) {
			c.Store, c.SessionKeys = store, key
			tt.change(c)
		})
		if got := signedIn(client, &http.Cookie{Name: client.SessionCookie(), Value: id}); got != tt.want {
			t.Errorf("%s: signed in %v, want %v", name, got, tt.want)
		}
	}
}

// A value sealed for one purpose cannot be opened for another, whatever its name.
func TestKeysAreBoundToThePurpose(t *testing.T) {
	sealers := newClient(t, hfoauth.Config{}).Sealers()
	for purpose, sealer := range sealers {
		sealed := sealer.Seal([]byte("plain"), "name")
		for other, opener := range sealers {
			if _, err := opener.Open(sealed, "name"); (err == nil) != (other == purpose) {
				t.Errorf("sealed for %s, opened for %s: %v", purpose, other, err)
			}
		}
	}
}

// Two apps on one host do not read each other's cookies: cookies do not distinguish
// ports.
func TestCookieNamesAreBoundToTheApp(t *testing.T) {
	base := hfoauth.Config{
		ClientID: "id", ClientSecret: clientSecret,
		RedirectURL: "https://app.example/login/callback", ProviderURL: "https://hub.example",
	}
	names := map[string]string{}
	for name, change := range map[string]func(*hfoauth.Config){
		"app":              func(*hfoauth.Config) {},
		"another client":   func(c *hfoauth.Config) { c.ClientID = "other" },
		"another provider": func(c *hfoauth.Config) { c.ProviderURL = "https://other.example" },
		"another port":     func(c *hfoauth.Config) { c.RedirectURL = "https://app.example:8443/login/callback" },
		"another path":     func(c *hfoauth.Config) { c.RedirectURL = "https://app.example/guests/callback" },
	} {
		config := base
		change(&config)
		cookie := newClient(t, config).SessionCookie()
		if other := names[cookie]; other != "" {
			t.Errorf("%s has the cookie name of %s: %s", name, other, cookie)
		}
		names[cookie] = name
	}
}

// Another process knows as much of a session as this one: its scopes, what the user
// was asked for, and when its token was issued.
func TestReplicasKnowTheWholeSession(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			s.hideRoles()
			s.hub.Configure(func(c *hfoauthtest.Settings) {
				c.AccessTokenLifetime = 8 * time.Minute
				c.TokenResponse = func(answer map[string]any) { answer["scope"] = "openid profile email" }
			})
			other := s.newReplica(change)
			clock := s.newClock(other)
			demands := func(client *hfoauth.Client) map[string]http.Handler {
				return map[string]http.Handler{
					"/engines": client.RequireOrg("engines", hfoauth.RoleWrite)(http.HandlerFunc(letIn)),
					"/jobs":    client.RequireScope(hfoauth.ScopeJobs)(http.HandlerFunc(letIn)),
					"/email":   client.RequireScope(hfoauth.ScopeEmail)(http.HandlerFunc(letIn)),
				}
			}
			p := s.protect(demands(s.client))
			browser := s.browser()
			s.signIn(browser, ada, "/")
			for _, path := range []string{"/engines", "/jobs"} { // requested but not granted
				p.visit(browser, path, ada)
			}
			clock.advance(5 * time.Minute) // the token is good for three more
			calls := s.hub.Calls(hfoauthtest.TokenEndpoint)
			handlers := demands(other)
			for path, want := range map[string]int{"/engines": 403, "/jobs": 403, "/email": 200} {
				r := s.request(browser, path)
				r.Header.Set("Accept", "text/html")
				w := httptest.NewRecorder()
				handlers[path].ServeHTTP(w, r)
				if w.Code != want {
					t.Errorf("%s at another replica: %d, want %d", path, w.Code, want)
				}
			}
			if got := s.hub.Calls(hfoauthtest.TokenEndpoint) - calls; got != 0 {
				t.Errorf("another replica renews the token %d times before its last quarter, want none", got)
			}
		})
	}
}

// The caller may change the scopes of a session and the user in a context.
func TestSessionIsTheCallersToChange(t *testing.T) {
	s := newSite(t, nil)
	cookie := s.newSession(ada)
	for range 2 {
		session := sessionOf(t, s.client, cookie)
		if got := session.Scopes.Param(); got != "openid profile" {
			t.Errorf("the scopes are %q, want openid profile", got)
		}
		session.Scopes[0] = "write-repos"
	}
	page := s.client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 2 {
			user := hfoauth.UserFromContext(r.Context())
			if user.Username != "ada" {
				t.Errorf("the user is %s, want ada", user.Username)
			}
			user.Username = "mallory"
		}
	}))
	page.ServeHTTP(httptest.NewRecorder(), requestWith(cookie))
}

// A session that has ended does not hide one that has not.
func TestEndedSessionInFront(t *testing.T) {
	s := newSite(t, nil)
	clock := s.newClock()
	ended, good := s.newSession(ada), s.newSession(grace)
	clock.advance(9 * time.Hour)
	s.hub.Revoke("ada")
	r := requestWith(ended)
	r.AddCookie(good)
	session, err := s.client.SessionFromRequest(httptest.NewRecorder(), r)
	if err != nil {
		t.Fatal(err)
	}
	if got := session.User.Username; got != "grace" {
		t.Errorf("signed in as %s, want grace", got)
	}
}

// A session that is not used for 30 days ends, whatever its maximum age.
func TestUnusedSession(t *testing.T) {
	for name, change := range keptIn() {
		s := newSite(t, func(c *hfoauth.Config) {
			c.MaxSessionAge = 90 * 24 * time.Hour
			if change != nil {
				change(c)
			}
		})
		clock := s.newClock()
		cookie := s.newSession(ada)
		clock.advance(30*24*time.Hour - time.Minute)
		if !signedIn(s.client, cookie) {
			t.Errorf("%s: not signed in a minute before 30 days have passed", name)
		}
		clock.advance(2 * time.Minute)
		if signedIn(s.client, cookie) {
			t.Errorf("%s: signed in after 30 days without use", name)
		}
	}
}

// A User-Agent would take room in a cookie that sessions need.
func TestUserAgentIsNotInACookie(t *testing.T) {
	var begun *hfoauth.Session
	s := newSite(t, func(c *hfoauth.Config) {
		c.OnLogin = func(_ context.Context, got *hfoauth.Session) error { begun = got; return nil }
	})
	s.newSession(ada)
	if begun.UserAgent != "" {
		t.Errorf("UserAgent is %q without a Store, want none", begun.UserAgent)
	}
}
