package hfoauth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// member returns a user in n organizations.
func member(n int) hfoauthtest.User {
	user := hfoauthtest.User{Username: "member", Name: "Member of many", Picture: "https://cdn.example/" + strings.Repeat("p", 60)}
	for i := range n {
		user.Orgs = append(user.Orgs, hfoauthtest.Org{Username: fmt.Sprintf("organization-%d", i), Picture: fmt.Sprintf("https://cdn.example/org-%d.png", i)})
	}
	return user
}

func TestSessionsOfAnySize(t *testing.T) {
	for _, orgs := range []int{0, 3, 10, 20, 30, 40, 100, 500} {
		t.Run(fmt.Sprint(orgs), func(t *testing.T) {
			s := newSite(t, nil)
			s.hub.AddUser(member(orgs))
			browser := s.browser()
			resp := s.signIn(browser, hfoauthtest.Person{Username: "member"}, "/")
			if resp.StatusCode != http.StatusSeeOther {
				t.Fatalf("%s: %s", resp.Status, resp.body)
			}
			cookies := resp.setCookies("")
			if len(cookies) != 1 || len(cookies[0].Raw) > 4096 {
				t.Fatalf("%d cookies, want one of at most 4096 bytes", len(cookies))
			}
			var user hfoauth.User
			if err := json.Unmarshal([]byte(get(t, browser, s.URL+"/me").body), &user); err != nil {
				t.Fatal(err)
			}
			if len(user.Orgs) != orgs || orgs > 0 && user.Orgs[orgs-1].Username != fmt.Sprintf("organization-%d", orgs-1) {
				t.Errorf("%d organizations arrived, want %d", len(user.Orgs), orgs)
			}
			if resp := post(t, browser, s.URL+"/logout", nil); resp.StatusCode != http.StatusSeeOther || s.username(browser) != "" {
				t.Errorf("signing out: %s", resp.Status)
			}
		})
	}
}

// mapStore is a Store that can fail.
type mapStore struct {
	mu      sync.Mutex
	entries map[string][]byte
	err     error
	hang    bool
	calls   int
}

func (m *mapStore) call(ctx context.Context, do func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if m.err == nil {
		do()
	}
	return m.err
}

func (m *mapStore) FindCtx(ctx context.Context, key string) (b []byte, found bool, err error) {
	err = m.call(ctx, func() { b, found = m.entries[key] })
	return b, found, err
}

func (m *mapStore) CommitCtx(ctx context.Context, key string, b []byte, _ time.Time) error {
	return m.call(ctx, func() { m.entries[key] = b })
}

func (m *mapStore) DeleteCtx(ctx context.Context, key string) error {
	return m.call(ctx, func() { delete(m.entries, key) })
}

func TestStore(t *testing.T) {
	store := &mapStore{entries: map[string][]byte{}}
	s := newSite(t, func(c *hfoauth.Config) { c.Store = store })
	browser := s.browser()
	resp := s.signIn(browser, ada, "/")
	cookies := resp.setCookies(s.client.SessionCookie())
	if len(cookies) != 1 || len(cookies[0].Value) != 43 {
		t.Fatalf("session cookie %v, want 256 bits", cookies)
	}
	if s.username(browser) != "ada" {
		t.Fatal("not signed in")
	}
	for key, value := range store.entries {
		if strings.Contains(key, cookies[0].Value) || bytes.Contains(value, []byte("ada")) || bytes.Contains(value, []byte("hf_oauth")) {
			t.Error("the store can read the session")
		}
	}
	if other := s.newReplica(func(c *hfoauth.Config) { c.Store = store }); !signedIn(other, cookies[0]) {
		t.Error("another replica does not know the session")
	}

	t.Run("swapped entries", func(t *testing.T) {
		second := s.browser()
		s.signIn(second, hfoauthtest.Person{Username: "grace"}, "/")
		var keys []string
		for key := range store.entries {
			keys = append(keys, key)
		}
		a, b := keys[0], keys[1]
		store.entries[a], store.entries[b] = store.entries[b], store.entries[a]
		if s.username(browser) != "" || s.username(second) != "" {
			t.Error("a session opens under the key of another")
		}
		store.entries[a], store.entries[b] = store.entries[b], store.entries[a]
	})

	t.Run("down", func(t *testing.T) {
		store.err = errors.New("connection refused")
		resp := get(t, browser, s.URL+"/private")
		if resp.StatusCode != 503 || !strings.Contains(resp.body, "Nothing is lost") || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %s", resp.Status, resp.body)
		}
		if resp := get(t, browser, s.URL+"/me"); resp.StatusCode != 503 {
			t.Errorf("%s", resp.Status)
		}
		if resp := s.signIn(s.browser(), ada, "/"); resp.StatusCode != 503 || len(resp.setCookies(s.client.SessionCookie())) > 0 {
			t.Errorf("sign-in: %s", resp.Status)
		}
		store.err = nil
		if s.username(browser) != "ada" {
			t.Error("an outage of the store signed the user out")
		}
	})

	t.Run("hangs", func(t *testing.T) {
		store.hang = true
		start := time.Now()
		if resp := get(t, browser, s.URL+"/private"); resp.StatusCode != 503 || time.Since(start) > 2*time.Second {
			t.Errorf("%s after %s", resp.Status, time.Since(start))
		}
		store.mu.Lock()
		store.hang = false
		store.mu.Unlock()
	})

	t.Run("sign out", func(t *testing.T) {
		post(t, browser, s.URL+"/logout", nil)
		if signedIn(s.client, cookies[0]) {
			t.Error("a copied cookie outlives the sign-out")
		}
	})

	t.Run("sign in again ends the old session", func(t *testing.T) {
		browser := s.browser()
		first := s.signIn(browser, ada, "/").setCookies(s.client.SessionCookie())[0]
		second := s.signIn(browser, ada, "/").setCookies(s.client.SessionCookie())[0]
		if first.Value == second.Value || signedIn(s.client, first) || !signedIn(s.client, second) {
			t.Error("the session did not get a fresh identity")
		}
	})
}

// signedIn reports whether a request with a cookie is signed in.
func signedIn(client *hfoauth.Client, cookie *http.Cookie) bool {
	return userOf(client, cookie) != nil
}

func userOf(client *hfoauth.Client, cookie *http.Cookie) *hfoauth.User {
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(cookie)
	user, err := client.UserFromRequest(r)
	if err != nil {
		return nil
	}
	return user
}

func TestReplicasShareSessions(t *testing.T) {
	s := newSite(t, nil)
	browser := s.browser()
	cookie := s.signIn(browser, ada, "/").setCookies(s.client.SessionCookie())[0]
	if !signedIn(s.newReplica(nil), cookie) {
		t.Error("a replica with the same secret does not know the session")
	}
	if signedIn(s.newReplica(func(c *hfoauth.Config) { c.ClientSecret = "other" }), cookie) {
		t.Error("another secret opens the session")
	}
	if other := s.newReplica(func(c *hfoauth.Config) { c.ClientID = "other" }); signedIn(other, &http.Cookie{Name: other.SessionCookie(), Value: cookie.Value}) {
		t.Error("another app with the same secret opens the session")
	}
	// An attempt begun here is finished there.
	callback := s.decide(s.begin(browser, "/there"), ada)
	home, _ := url.Parse(s.URL)
	req := httptest.NewRequest("GET", callback, nil)
	for _, c := range browser.Jar.Cookies(home) {
		req.AddCookie(c)
	}
	recorder := httptest.NewRecorder()
	s.newReplica(nil).CallbackHandler().ServeHTTP(recorder, req)
	if recorder.Code != 303 || recorder.Header().Get("Location") != "/there" {
		t.Errorf("callback at another replica: %d", recorder.Code)
	}
}

func TestSessionKeys(t *testing.T) {
	oldKey, newKey := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	keys := func(keys ...[]byte) func(*hfoauth.Config) {
		return func(c *hfoauth.Config) { c.SessionKeys = keys }
	}
	s := newSite(t, keys(oldKey))
	cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
	if !signedIn(s.newReplica(keys(newKey, oldKey)), cookie) {
		t.Error("rotating signs users out")
	}
	if signedIn(s.newReplica(keys(newKey)), cookie) {
		t.Error("a dropped key still opens")
	}
	if !signedIn(s.newReplica(func(c *hfoauth.Config) { c.SessionKeys = [][]byte{oldKey}; c.ClientSecret = "replaced" }), cookie) {
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
		{"a minute", func(c *hfoauthtest.Settings) { c.NoRefreshTokens = true; c.AccessTokenLifetime = time.Minute }, time.Minute},
		{"not told", func(c *hfoauthtest.Settings) {
			c.NoRefreshTokens = true
			c.TokenResponse = func(r map[string]any) { delete(r, "expires_in") }
		}, 8 * time.Hour},
		{"refresh token", func(c *hfoauthtest.Settings) {}, 30 * 24 * time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			s.hub.Configure(tt.change)
			cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
			if got := time.Duration(cookie.MaxAge) * time.Second; got < tt.lasts-5*time.Second || got > tt.lasts {
				t.Errorf("cookie lives for %s, want %s", got, tt.lasts)
			}
			for after, want := range map[time.Duration]bool{0: true, tt.lasts - 10*time.Second: true, tt.lasts + time.Second: false} {
				s.client.SetClock(func() time.Time { return time.Now().Add(after) })
				if got := signedIn(s.client, cookie); got != want {
					t.Errorf("after %s: signed in %v, want %v", after, got, want)
				}
			}
		})
	}
}

func TestCookieAttributes(t *testing.T) {
	for name, tt := range map[string]struct {
		config hfoauth.Config
		prefix string
		secure bool
		site   http.SameSite
	}{
		"https":    {hfoauth.Config{RedirectURL: "https://app.example/cb"}, "__Host-hfoauth-", true, http.SameSiteLaxMode},
		"Space":    {hfoauth.Config{SpaceHost: "user-app.hf.space"}, "__Host-hfoauth-", true, http.SameSiteNoneMode},
		"loopback": {hfoauth.Config{RedirectURL: "http://localhost:7860/login/callback"}, "hfoauth-", false, http.SameSiteLaxMode},
	} {
		t.Run(name, func(t *testing.T) {
			hub := hfoauthtest.NewServer(t)
			tt.config.ProviderURL = hub.URL
			client := newClient(t, tt.config)
			recorder := httptest.NewRecorder()
			client.LoginHandler().ServeHTTP(recorder, httptest.NewRequest("GET", "/login", nil))
			cookies := recorder.Result().Cookies()
			if len(cookies) != 1 {
				t.Fatalf("%d cookies", len(cookies))
			}
			c := cookies[0]
			if !strings.HasPrefix(c.Name, tt.prefix) || c.Secure != tt.secure || c.SameSite != tt.site || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.MaxAge != 600 {
				t.Errorf("cookie %v", c)
			}
		})
	}
}

func TestRedirectURLInASpace(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	client := newClient(t, hfoauth.Config{SpaceHost: "user-app.hf.space, app.example", ProviderURL: hub.URL + "/"})
	recorder := httptest.NewRecorder()
	client.LoginHandler().ServeHTTP(recorder, httptest.NewRequest("GET", "/login", nil))
	location, _ := url.Parse(recorder.Header().Get("Location"))
	if got := location.Query().Get("redirect_uri"); got != "https://user-app.hf.space/login/callback" {
		t.Errorf("redirect_uri %q", got)
	}
	for name, tt := range map[string]struct{ host, mode, want string }{
		"custom domain in a browser": {"app.example", "navigate", "https://user-app.hf.space/login?next=/x"},
		"its own host":               {"user-app.hf.space", "navigate", hub.URL},
		"unknown host":               {"internal:7860", "navigate", hub.URL},
		"no browser":                 {"app.example", "", hub.URL},
	} {
		r := httptest.NewRequest("GET", "/login?next=/x", nil)
		r.Host = tt.host
		r.Header.Set("Sec-Fetch-Mode", tt.mode)
		recorder := httptest.NewRecorder()
		client.LoginHandler().ServeHTTP(recorder, r)
		if got := recorder.Header().Get("Location"); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: redirects to %q", name, got)
		}
	}
}

// A thousand changed copies of a cookie are nobody's.
func TestMutatedCookies(t *testing.T) {
	s := newSite(t, nil)
	session := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
	attempts := s.browser()
	callback := s.decide(s.begin(attempts, "/"), ada)
	home, _ := url.Parse(s.URL)
	attempt := attempts.Jar.Cookies(home)[0]
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		copied := mutate(random, session.Value)
		if user := userOf(s.client, &http.Cookie{Name: session.Name, Value: copied}); user != nil {
			t.Fatalf("session copy %d is %s", i, user.Username)
		}
		browser := s.browser()
		browser.Jar.SetCookies(home, []*http.Cookie{{Name: attempt.Name, Value: mutate(random, attempt.Value)}})
		if resp := get(t, browser, callback); resp.StatusCode != 400 {
			t.Fatalf("attempt copy %d: %s", i, resp.Status)
		}
	}
	if !signedIn(s.client, session) {
		t.Error("the session itself no longer opens")
	}
	if resp := get(t, attempts, callback); resp.StatusCode != 303 {
		t.Errorf("the attempt itself no longer opens: %s", resp.Status)
	}
}

// mutate changes, drops or doubles a character.
func mutate(random *rand.Rand, value string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	i := random.IntN(len(value))
	switch random.IntN(4) {
	case 0:
		return value[:i] + value[i+1:]
	case 1:
		return value[:i] + value[i:i+1] + value[i:]
	case 2:
		return value[:i]
	}
	c := alphabet[random.IntN(len(alphabet))]
	if c == value[i] {
		c = alphabet[(strings.IndexByte(alphabet, c)+1)%len(alphabet)]
	}
	return value[:i] + string(c) + value[i+1:]
}

func FuzzSessionCookie(f *testing.F) {
	s := newSite(f, nil)
	f.Add(s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0].Value)
	f.Add("")
	f.Add(strings.Repeat("A", 43))
	f.Add("=;\"\\")
	valid := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0].Value
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", s.client.SessionCookie()+"="+value)
		user, err := s.client.UserFromRequest(r)
		if err == nil && user.Username != "ada" {
			t.Errorf("%q opens as %v", value, user)
		}
		if err != nil && err != hfoauth.ErrNotSignedIn {
			t.Errorf("%q: %v", value, err)
		}
		r.Header.Set("Cookie", s.client.SessionCookie()+"="+value+"; "+s.client.SessionCookie()+"="+valid)
		if user, err := s.client.UserFromRequest(r); err != nil || user.Username != "ada" {
			t.Errorf("%q in front hides the session: %v", value, err)
		}
	})
}

func FuzzAttemptCookie(f *testing.F) {
	s := newSite(f, nil)
	browser := s.browser()
	home, _ := url.Parse(s.URL)
	authorize, _ := url.Parse(s.begin(browser, "/"))
	state := authorize.Query().Get("state")
	attempt := browser.Jar.Cookies(home)[0]
	f.Add(attempt.Value, state)
	f.Add("", "")
	f.Fuzz(func(t *testing.T, value, query string) {
		if value == attempt.Value && query == state {
			return
		}
		r := httptest.NewRequest("GET", "/login/callback", nil)
		r.URL.RawQuery = url.Values{"state": {query}, "code": {"x"}}.Encode()
		r.Header.Set("Cookie", attempt.Name+"="+value)
		recorder := httptest.NewRecorder()
		s.client.CallbackHandler().ServeHTTP(recorder, r)
		if recorder.Code != 400 {
			t.Errorf("cookie %q with state %q: %d", value, query, recorder.Code)
		}
	})
}

func FuzzCallbackQuery(f *testing.F) {
	s := newSite(f, nil)
	f.Add("code=x&state=y")
	f.Add("error=access_denied&state=%zz")
	f.Add("state=a&state=b&iss=c")
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/login/callback", nil)
		r.URL.RawQuery = query
		recorder := httptest.NewRecorder()
		s.client.CallbackHandler().ServeHTTP(recorder, r)
		if recorder.Code != 400 || strings.Contains(recorder.Body.String(), "<script") {
			t.Errorf("%q: %d %s", query, recorder.Code, recorder.Body)
		}
	})
}

func TestSessionPrintsNoSecrets(t *testing.T) {
	var session *hfoauth.Session
	s := newSite(t, func(c *hfoauth.Config) {
		c.OnSignIn = func(_ context.Context, got *hfoauth.Session) error { session = got; return nil }
	})
	s.signIn(s.browser(), ada, "/")
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, nil))
	logger.Info("session", "session", session, "value", *session, "group", []any{*session, session})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&out, verb+verb+"\n", session, *session)
	}
	fmt.Fprintln(&out, session, *session)
	for _, v := range []any{session, *session, map[string]any{"s": *session}, []hfoauth.Session{*session}} {
		if text, err := json.Marshal(v); err == nil {
			t.Errorf("a session marshals to JSON: %s", text)
		}
	}
	if strings.Contains(out.String(), session.Token.AccessToken) || strings.Contains(out.String(), session.Token.RefreshToken) {
		t.Errorf("a session prints its tokens: %s", out.String())
	}
	if !strings.Contains(out.String(), session.User.Sub) {
		t.Errorf("a session does not say whose it is: %s", out.String())
	}
}

func TestUserIsTheCallersToChange(t *testing.T) {
	s := newSite(t, nil)
	cookie := s.signIn(s.browser(), hfoauthtest.Person{Username: "ada", Orgs: []string{"engines"}}, "/").setCookies(s.client.SessionCookie())[0]
	user := userOf(s.client, cookie)
	if len(user.Orgs) != 2 || len(user.Orgs[0].ResourceGroups) != 1 {
		t.Fatalf("%+v", user)
	}
	user.Username = "mallory"
	user.Orgs[0].Role = "owner"
	user.Orgs[0].ResourceGroups[0].Role = "owner"
	user.Orgs = append(user.Orgs[:1], hfoauth.Org{Username: "evil"})
	again := userOf(s.client, cookie)
	if again.Username != "ada" || again.Orgs[0].Role != hfoauth.RoleAdmin || again.Orgs[0].ResourceGroups[0].Role != hfoauth.RoleWrite || again.Orgs[1].Username != "notes" {
		t.Errorf("a caller's change shows: %+v", again)
	}
}

func TestMiddleware(t *testing.T) {
	s := newSite(t, nil)
	s.hub.AddUser(hfoauthtest.User{Username: "pending", Orgs: []hfoauthtest.Org{{Username: "engines", Role: "admin", PendingSSO: true}}})
	s.hub.AddUser(hfoauthtest.User{Username: "impostor", Orgs: []hfoauthtest.Org{{Username: "fake", Name: "engines", Role: "admin"}}})
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	handlers := map[string]http.Handler{
		"user":      s.client.RequireUser(page),
		"profile":   s.client.RequireScope(hfoauth.ScopeProfile)(page),
		"email":     s.client.RequireScope(hfoauth.ScopeEmail)(page),
		"engines":   s.client.RequireOrg("engines")(page),
		"admin":     s.client.RequireOrg("engines", hfoauth.RoleAdmin)(page),
		"writeread": s.client.RequireOrg("engines", hfoauth.RoleWrite, hfoauth.RoleRead)(page),
	}
	cookie := func(person hfoauthtest.Person) *http.Cookie {
		return s.signIn(s.browser(), person, "/").setCookies(s.client.SessionCookie())[0]
	}
	cookies := map[string]*http.Cookie{
		"ada":      cookie(hfoauthtest.Person{Username: "ada", Orgs: []string{"engines"}}),
		"grace":    cookie(hfoauthtest.Person{Username: "grace"}),
		"pending":  cookie(hfoauthtest.Person{Username: "pending", Orgs: []string{"engines"}}),
		"impostor": cookie(hfoauthtest.Person{Username: "impostor", Orgs: []string{"fake"}}),
		"nobody":   {Name: "other", Value: "x"},
	}
	for _, tt := range []struct {
		handler, user string
		want          int
	}{
		{"user", "ada", 204}, {"user", "nobody", 401}, {"profile", "ada", 204}, {"email", "ada", 403}, {"email", "nobody", 401},
		{"engines", "ada", 204}, {"engines", "grace", 403}, {"engines", "pending", 403}, {"engines", "impostor", 403}, {"engines", "nobody", 401},
		{"admin", "ada", 204}, {"admin", "grace", 403}, {"writeread", "ada", 403},
	} {
		r := httptest.NewRequest("GET", "/page?x=1", nil)
		r.Header.Set("Accept", "application/json")
		r.AddCookie(cookies[tt.user])
		recorder := httptest.NewRecorder()
		handlers[tt.handler].ServeHTTP(recorder, r)
		if recorder.Code != tt.want {
			t.Errorf("%s by %s: %d, want %d", tt.handler, tt.user, recorder.Code, tt.want)
		}
		var body struct{ Error string }
		if tt.want >= 400 && (recorder.Header().Get("Content-Type") != "application/json" || json.Unmarshal(recorder.Body.Bytes(), &body) != nil || body.Error == "") {
			t.Errorf("%s by %s: body %s", tt.handler, tt.user, recorder.Body)
		}
		if got := recorder.Header().Get("WWW-Authenticate"); (got != "") != (tt.want == 401) {
			t.Errorf("%s by %s: WWW-Authenticate %q", tt.handler, tt.user, got)
		}
	}
}

// Cookies of a Space go along with requests of other sites: what changes
// something must come from our own pages.
func TestMiddlewareRefusesOtherSites(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) { c.AcceptBearer = true })
	handler := s.client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
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
	if user := hfoauth.UserFromContext(t.Context()); user != nil {
		t.Errorf("UserFromContext without RequireUser: %v", user)
	}
}

func TestClockDifference(t *testing.T) {
	for difference, want := range map[time.Duration]int{
		59 * time.Second: 303, -59 * time.Second: 303, 10 * time.Minute: 502, -10 * time.Minute: 502, 2 * time.Hour: 502, -2 * time.Hour: 502,
	} {
		s := newSite(t, nil)
		s.hub.Configure(func(c *hfoauthtest.Settings) {
			c.Now = func() time.Time { return time.Now().Add(difference) }
		})
		resp := s.signIn(s.browser(), ada, "/")
		if resp.StatusCode != want {
			t.Errorf("provider's clock off by %s: %s, want %d", difference, resp.Status, want)
		}
		if (want == 502) != strings.Contains(s.log.String(), "clock") {
			t.Errorf("provider's clock off by %s: log %s", difference, s.log)
		}
	}
}

// contextless is a store like those of scs that take no context.
type contextless struct{ store *mapStore }

func (c contextless) Find(key string) ([]byte, bool, error) {
	return c.store.FindCtx(context.Background(), key)
}

func (c contextless) Commit(key string, b []byte, expiry time.Time) error {
	return c.store.CommitCtx(context.Background(), key, b, expiry)
}

func (c contextless) Delete(key string) error { return c.store.DeleteCtx(context.Background(), key) }

func TestStoreOf(t *testing.T) {
	s := newSite(t, withStore(hfoauth.StoreOf(contextless{&mapStore{entries: map[string][]byte{}}})))
	browser := s.browser()
	s.signIn(browser, ada, "/")
	if s.username(browser) != "ada" {
		t.Error("not signed in")
	}
	post(t, browser, s.URL+"/logout", nil)
	if s.username(browser) != "" {
		t.Error("not signed out")
	}
}
