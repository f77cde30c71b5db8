package hfoauth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// clock is a clock that app and provider share.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// newClock makes a site's clients and provider follow one clock.
func (s *site) newClock(clients ...*hfoauth.Client) *clock {
	c := &clock{}
	for _, client := range append(clients, s.client) {
		client.SetClock(c.now)
	}
	s.hub.Configure(func(settings *hfoauthtest.Settings) { settings.Now = c.now })
	return c
}

// act calls HTTPClient for a cookie, and returns the token it sends, the
// cookie it answers with, and its error.
func act(t *testing.T, client *hfoauth.Client, cookie *http.Cookie) (token string, answered *http.Cookie, err error) {
	t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(cookie)
	w := httptest.NewRecorder()
	source, err := client.TokenSource(w, r)
	if err != nil {
		return "", nil, err
	}
	tok, err := source.Token()
	if err != nil {
		t.Fatal(err)
	}
	if tok.RefreshToken != "" {
		t.Error("the refresh token left the library")
	}
	for _, c := range w.Result().Cookies() {
		if c.Name == client.SessionCookie() {
			answered = c
		}
	}
	return tok.AccessToken, answered, nil
}

// works reports whether the provider accepts a token.
func (s *site) works(token string) bool {
	req, err := http.NewRequest(http.MethodGet, s.hub.URL+"/oauth/userinfo", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func withStore(store hfoauth.Store) func(*hfoauth.Config) {
	return func(c *hfoauth.Config) { c.Store = store }
}

func TestRenewal(t *testing.T) {
	for name, change := range map[string]func(*hfoauth.Config){"cookie": nil, "store": withStore(&mapStore{entries: map[string][]byte{}})} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			clock := s.newClock()
			cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
			first, answered, err := act(t, s.client, cookie)
			if err != nil || answered != nil || s.hub.Calls(hfoauthtest.TokenEndpoint) != 1 {
				t.Fatalf("a young token was renewed: %v %v", answered, err)
			}
			clock.advance(8*time.Hour - 4*time.Minute)
			second, answered, err := act(t, s.client, cookie)
			if err != nil || second == first || answered == nil || !s.works(second) {
				t.Fatalf("an old token was not renewed: %v %v", answered, err)
			}
			clock.advance(7 * time.Hour)
			third, _, err := act(t, s.client, answered)
			if err != nil || third != second {
				t.Errorf("the renewed session: %v, same token %v", err, third == second)
			}
			if !signedIn(s.client, answered) {
				t.Error("the renewed session is not signed in")
			}
			if calls := s.hub.Calls(hfoauthtest.TokenEndpoint); calls != 2 {
				t.Errorf("%d token calls, want 2", calls)
			}
		})
	}
}

func TestRenewalUpdatesTheUser(t *testing.T) {
	s := newSite(t, nil)
	clock := s.newClock()
	cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
	s.hub.AddUser(hfoauthtest.User{Username: "ada", Name: "Ada King", Orgs: []hfoauthtest.Org{{Username: "new"}}})
	clock.advance(9 * time.Hour)
	_, answered, err := act(t, s.client, cookie)
	if err != nil {
		t.Fatal(err)
	}
	if user := userOf(s.client, answered); user.Name != "Ada King" || user.Org("new") == nil || user.Org("engines") != nil {
		t.Errorf("%+v", user)
	}
}

// A burst of requests with one old cookie makes one token call, and all of
// them succeed.
func TestBurst(t *testing.T) {
	for name, change := range map[string]func(*hfoauth.Config){"cookie": nil, "store": withStore(&mapStore{entries: map[string][]byte{}})} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			clock := s.newClock()
			cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
			clock.advance(9 * time.Hour)
			s.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Delay(20*time.Millisecond))
			tokens := make([]string, 100)
			var wg sync.WaitGroup
			for i := range tokens {
				wg.Go(func() {
					token, answered, err := act(t, s.client, cookie)
					if err != nil || answered == nil || !signedIn(s.client, answered) {
						t.Errorf("request %d: %v %v", i, answered, err)
					}
					tokens[i] = token
				})
			}
			wg.Wait()
			for _, token := range tokens {
				if token != tokens[0] {
					t.Fatal("different tokens")
				}
			}
			if calls := s.hub.Calls(hfoauthtest.TokenEndpoint); calls != 2 {
				t.Errorf("%d token calls, want 2", calls)
			}
		})
	}
}

// Two replicas that renew at once: the loser goes on, too.
func TestReplicasRace(t *testing.T) {
	t.Run("store, expired", func(t *testing.T) {
		store := &mapStore{entries: map[string][]byte{}}
		s := newSite(t, withStore(store))
		other := s.newReplica(withStore(store))
		clock := s.newClock(other)
		resp := s.signIn(s.browser(), ada, "/")
		cookie := resp.setCookies(s.client.SessionCookie())[0]
		clock.advance(9 * time.Hour)
		s.hub.SetFault(hfoauthtest.UserInfoEndpoint, hfoauthtest.Delay(300*time.Millisecond)) // the winner saves late
		var wg sync.WaitGroup
		tokens := make([]string, 2)
		for i, client := range []*hfoauth.Client{s.client, other} {
			wg.Go(func() {
				token, _, err := act(t, client, cookie)
				if err != nil {
					t.Errorf("replica %d: %v", i, err)
				}
				tokens[i] = token
			})
		}
		wg.Wait()
		if tokens[0] != tokens[1] || tokens[0] == "" {
			t.Error("the loser did not adopt the winner's tokens")
		}
		for i, client := range []*hfoauth.Client{s.client, other} {
			if !signedIn(client, cookie) {
				t.Errorf("replica %d signed the user out", i)
			}
		}
	})
	t.Run("cookie, token still good", func(t *testing.T) {
		s := newSite(t, nil)
		other := s.newReplica(nil)
		clock := s.newClock(other)
		cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
		clock.advance(8*time.Hour - 2*time.Minute)
		if _, answered, err := act(t, s.client, cookie); err != nil || answered == nil {
			t.Fatal(answered, err)
		}
		token, answered, err := act(t, other, cookie)
		if err != nil || answered != nil || !s.works(token) || !signedIn(other, cookie) {
			t.Errorf("the loser: %v %v", answered, err)
		}
	})
}

func TestRefreshTokenRevoked(t *testing.T) {
	for name, change := range map[string]func(*hfoauth.Config){"cookie": nil, "store": withStore(&mapStore{entries: map[string][]byte{}})} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			clock := s.newClock()
			cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
			clock.advance(8*time.Hour - 2*time.Minute)
			s.hub.Revoke("ada")
			if _, _, err := act(t, s.client, cookie); err != nil {
				t.Errorf("while the old token lives: %v", err)
			}
			clock.advance(3 * time.Minute)
			if _, _, err := act(t, s.client, cookie); !errors.Is(err, hfoauth.ErrNotSignedIn) {
				t.Errorf("after its end: %v", err)
			}
			if signedIn(s.client, cookie) {
				t.Error("the session outlives its tokens")
			}
			calls := s.hub.Calls(hfoauthtest.TokenEndpoint)
			act(t, s.client, cookie)
			if s.hub.Calls(hfoauthtest.TokenEndpoint) != calls {
				t.Error("a dead refresh token is tried again and again")
			}
		})
	}
}

func TestProviderAwayDuringRenewal(t *testing.T) {
	s := newSite(t, nil)
	clock := s.newClock()
	cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
	clock.advance(8*time.Hour - 2*time.Minute)
	s.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Answer(503, ""))
	first, _, err := act(t, s.client, cookie)
	if err != nil || !s.works(first) {
		t.Errorf("while the old token lives: %v", err)
	}
	clock.advance(3 * time.Minute)
	if _, _, err := act(t, s.client, cookie); !errors.Is(err, hfoauth.ErrProviderUnavailable) {
		t.Errorf("after its end: %v", err)
	}
	if !signedIn(s.client, cookie) {
		t.Error("an outage signed the user out")
	}
	s.hub.SetFault(hfoauthtest.TokenEndpoint, nil)
	clock.advance(31 * time.Second)
	if token, _, err := act(t, s.client, cookie); err != nil || !s.works(token) {
		t.Errorf("after the outage: %v", err)
	}
}

// A provider that refuses to renew for another reason than a dead refresh
// token, such as a client secret that was replaced, ends nothing for good, and
// leaves nobody stuck: whoever opens a page is sent to sign in.
func TestRenewalRefused(t *testing.T) {
	s := newSite(t, nil)
	clock := s.newClock()
	browser := s.browser()
	cookie := s.signIn(browser, ada, "/").setCookies(s.client.SessionCookie())[0]
	s.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Answer(401, `{"error":"invalid_client"}`))
	clock.advance(8*time.Hour - 2*time.Minute)
	if _, _, err := act(t, s.client, cookie); err != nil {
		t.Errorf("while the old token lives: %v", err)
	}
	clock.advance(3 * time.Minute)
	_, _, err := act(t, s.client, cookie)
	if e, ok := errors.AsType[*hfoauth.ProviderError](err); !errors.Is(err, hfoauth.ErrNotSignedIn) || !ok || e.Code != "invalid_client" {
		t.Errorf("after its end: %v", err)
	}
	if a := get(t, browser, s.URL+"/private"); a.StatusCode != 303 || a.Header.Get("Location") != "/login?next=%2Fprivate" {
		t.Errorf("a page: %s %s", a.Status, a.Header.Get("Location"))
	}
	if log := s.log.String(); !strings.Contains(log, "invalid_client") {
		t.Errorf("the log does not tell why: %s", log)
	}
	s.hub.SetFault(hfoauthtest.TokenEndpoint, nil)
	clock.advance(31 * time.Second)
	if token, _, err := act(t, s.client, cookie); err != nil || !s.works(token) {
		t.Errorf("once the provider takes it: %v", err)
	}
}

// Renewed tokens survive a store that is away when they arrive.
func TestStoreAwayDuringRenewal(t *testing.T) {
	store := &mapStore{entries: map[string][]byte{}}
	s := newSite(t, withStore(store))
	clock := s.newClock()
	cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
	clock.advance(9 * time.Hour)
	s.hub.SetFault(hfoauthtest.UserInfoEndpoint, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			store.fail(errors.New("away"))
			next.ServeHTTP(w, r)
		})
	})
	if _, _, err := act(t, s.client, cookie); err != nil {
		t.Fatalf("the renewal itself: %v", err)
	}
	store.fail(nil)
	s.hub.SetFault(hfoauthtest.UserInfoEndpoint, nil)
	if _, _, err := act(t, s.client, cookie); err != nil {
		t.Fatalf("the next request: %v", err)
	}
	other := s.newReplica(withStore(store))
	other.SetClock(clock.now)
	if token, _, err := act(t, other, cookie); err != nil || !s.works(token) {
		t.Errorf("another replica, later: %v", err)
	}
	if calls := s.hub.Calls(hfoauthtest.TokenEndpoint); calls != 2 {
		t.Errorf("%d token calls, want 2", calls)
	}
}

func TestHTTPClientKeepsTheTokenHome(t *testing.T) {
	seen := make(chan string, 10)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seen <- r.Header.Get("Authorization") }))
	defer other.Close()
	otherURL := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("Authorization")
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, otherURL, http.StatusFound)
		case "/port":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/here":
			http.Redirect(w, r, "/end", http.StatusFound)
		}
	}))
	defer api.Close()
	s := newSite(t, nil)
	cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(cookie)
	client, err := s.client.HTTPClient(httptest.NewRecorder(), r)
	if err != nil {
		t.Fatal(err)
	}
	get := func(address string) []string {
		t.Helper()
		resp, err := client.Get(address)
		if err != nil {
			return []string{"error"}
		}
		resp.Body.Close()
		var headers []string
		for len(seen) > 0 {
			headers = append(headers, strings.SplitN(<-seen, "_", 2)[0])
		}
		return headers
	}
	for address, want := range map[string]string{
		api.URL + "/end":                      "[Bearer hf]",
		api.URL + "/here":                     "[Bearer hf Bearer hf]",
		api.URL + "/away":                     "[Bearer hf ]",
		api.URL + "/port":                     "[Bearer hf ]",
		otherURL:                              "[error]",
		"https://evil.example":                "[error]",
		"https://user-app.hf.space":           "[error]",
		"https://huggingface.co.evil.example": "[error]",
		"https://xhf.co":                      "[error]",
		"http://router.huggingface.co":        "[error]",
	} {
		if got := fmt.Sprint(get(address)); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

func TestConsentAsNeeded(t *testing.T) {
	s := newSite(t, nil)
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "let in") })
	mux := http.NewServeMux()
	s.client.Mount(mux)
	mux.Handle("GET /chat", s.client.RequireScope(hfoauth.ScopeInferenceAPI)(page))
	mux.Handle("GET /admin", s.client.RequireOrg("engines", hfoauth.RoleAdmin)(page))
	app := httptest.NewServer(mux)
	defer app.Close()

	// Cookies do not tell ports apart: app and s.URL share them.
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
	t.Run("denied", func(t *testing.T) {
		resp, _ := visit(browser, "/chat")
		denied := s.callback(browser, app.URL, s.decide(resp.Header.Get("Location"), hfoauthtest.Person{Username: "ada", Deny: true}))
		if denied.StatusCode != 403 || !strings.Contains(denied.body, "You did not give access") {
			t.Errorf("%s: %s", denied.Status, denied.body)
		}
		if s.username(browser) != "ada" {
			t.Error("a denial signed the user out")
		}
	})
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
		s.callback(browser, app.URL, s.decide(resp.Header.Get("Location"), hfoauthtest.Person{Username: "ada", Orgs: []string{"engines"}}))
		if resp, _ := visit(browser, "/admin"); resp.body != "let in" {
			t.Errorf("%s: %s", resp.Status, resp.body)
		}
	})
	t.Run("programs are told", func(t *testing.T) {
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

func bearer(client *hfoauth.Client, token string, cookies ...*http.Cookie) (*hfoauth.User, error) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	for _, cookie := range cookies {
		r.AddCookie(cookie)
	}
	return client.UserFromRequest(r)
}

func TestBearer(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) { c.AcceptBearer = true })
	clock := s.newClock()
	oauthToken := s.hub.AccessToken("ada", s.app.ClientID)
	for name, token := range map[string]string{"OAuth token": oauthToken, "user token": s.hub.UserToken("ada")} {
		user, err := bearer(s.client, token)
		if err != nil || user.Username != "ada" || user.Sub == "" || user.Org("engines") == nil {
			t.Errorf("%s: %+v, %v", name, user, err)
		}
	}
	for name, token := range map[string]string{
		"organization's token":   s.hub.OrgToken("engines"),
		"another app's token":    s.hub.AccessToken("ada", "another app"),
		"unknown OAuth token":    "hf_oauth_unknown",
		"unknown user token":     "hf_unknown",
		"no token of the Hub":    "secret",
		"nothing":                "",
		"something very long":    "hf_" + strings.Repeat("x", 10_000),
		"token with other bytes": "hf_\x00\xff",
	} {
		if _, err := bearer(s.client, token); !errors.Is(err, hfoauth.ErrNotSignedIn) {
			t.Errorf("%s: %v", name, err)
		}
	}

	cookie := s.signIn(s.browser(), hfoauthtest.Person{Username: "grace"}, "/").setCookies(s.client.SessionCookie())[0]
	if user, err := bearer(s.client, oauthToken, cookie); err != nil || user.Username != "ada" {
		t.Errorf("token and cookie: %v %v", user, err)
	}
	if _, err := bearer(s.client, "hf_bad", cookie); !errors.Is(err, hfoauth.ErrNotSignedIn) {
		t.Errorf("bad token and good cookie: %v", err)
	}
	if _, err := bearer(s.newReplica(nil), oauthToken); !errors.Is(err, hfoauth.ErrNotSignedIn) {
		t.Errorf("AcceptBearer is off: %v", err)
	}

	t.Run("remembered", func(t *testing.T) {
		calls := s.hub.Calls(hfoauthtest.UserInfoEndpoint)
		bearer(s.client, oauthToken)
		if s.hub.Calls(hfoauthtest.UserInfoEndpoint) != calls {
			t.Error("the provider is asked for each request")
		}
		s.hub.Revoke("ada")
		clock.advance(5*time.Minute + time.Second)
		if _, err := bearer(s.client, oauthToken); !errors.Is(err, hfoauth.ErrNotSignedIn) {
			t.Errorf("a revoked token after five minutes: %v", err)
		}
	})
	t.Run("expires", func(t *testing.T) {
		s.hub.Configure(func(c *hfoauthtest.Settings) { c.AccessTokenLifetime = time.Minute })
		token := s.hub.AccessToken("ada", s.app.ClientID)
		if _, err := bearer(s.client, token); err != nil {
			t.Fatal(err)
		}
		clock.advance(61 * time.Second)
		if _, err := bearer(s.client, token); !errors.Is(err, hfoauth.ErrNotSignedIn) {
			t.Errorf("an expired token: %v", err)
		}
	})
	t.Run("one call", func(t *testing.T) {
		token := s.hub.UserToken("grace")
		s.hub.SetFault(hfoauthtest.WhoAmIEndpoint, hfoauthtest.Delay(20*time.Millisecond))
		defer s.hub.SetFault(hfoauthtest.WhoAmIEndpoint, nil)
		calls := s.hub.Calls(hfoauthtest.WhoAmIEndpoint)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := bearer(s.client, token); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := s.hub.Calls(hfoauthtest.WhoAmIEndpoint) - calls; got != 1 {
			t.Errorf("%d calls", got)
		}
	})
	t.Run("provider away", func(t *testing.T) {
		s.hub.SetFault(hfoauthtest.WhoAmIEndpoint, hfoauthtest.Answer(503, ""))
		defer s.hub.SetFault(hfoauthtest.WhoAmIEndpoint, nil)
		if _, err := bearer(s.client, s.hub.UserToken("ada")); !errors.Is(err, hfoauth.ErrProviderUnavailable) {
			t.Error(err)
		}
	})
	t.Run("challenge", func(t *testing.T) {
		handler := s.client.RequireScope(hfoauth.ScopeInferenceAPI)(http.NotFoundHandler())
		for token, want := range map[string]string{
			"hf_bad": `401 Bearer realm="Hugging Face", error="invalid_token"`,
			s.hub.AccessToken("grace", s.app.ClientID):                            `403 Bearer realm="Hugging Face", error="insufficient_scope", scope="inference-api"`,
			s.hub.AccessToken("grace", s.app.ClientID, "openid", "inference-api"): `404 `,
		} {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Authorization", "bearer "+token)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if got := fmt.Sprint(w.Code, " ", w.Header().Get("WWW-Authenticate")); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	})
}

func TestSignOutMeansIt(t *testing.T) {
	s := newSite(t, nil)
	browser := s.browser()
	cookie := s.signIn(browser, ada, "/").setCookies(s.client.SessionCookie())[0]
	post(t, browser, s.URL+"/logout", nil)
	if signedIn(s.client, cookie) {
		t.Error("a copied cookie outlives the sign-out")
	}
	if err := s.client.SignOutUser(t.Context(), "x"); err == nil {
		t.Error("SignOutUser without a store succeeded")
	}
}

func TestSignOutUser(t *testing.T) {
	store := &mapStore{entries: map[string][]byte{}}
	s := newSite(t, withStore(store))
	other := s.newReplica(withStore(store))
	clock := s.newClock(other)
	var cookies []*http.Cookie
	for range 3 {
		cookies = append(cookies, s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0])
	}
	grace := s.signIn(s.browser(), hfoauthtest.Person{Username: "grace"}, "/").setCookies(s.client.SessionCookie())[0]
	clock.advance(time.Second)
	if err := other.SignOutUser(t.Context(), userOf(s.client, cookies[0]).Sub); err != nil {
		t.Fatal(err)
	}
	for _, cookie := range cookies {
		if signedIn(s.client, cookie) || signedIn(other, cookie) {
			t.Error("a session of the user goes on")
		}
	}
	if !signedIn(s.client, grace) {
		t.Error("another user was signed out")
	}
	clock.advance(time.Second)
	if again := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]; !signedIn(s.client, again) {
		t.Error("the user cannot sign in again")
	}
	store.fail(errors.New("away"))
	if err := s.client.SignOutUser(t.Context(), "x"); !errors.Is(err, hfoauth.ErrStoreUnavailable) {
		t.Error(err)
	}
}

func (m *mapStore) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

func TestDeviceLogin(t *testing.T) {
	for name, tt := range map[string]struct {
		decide func(*hfoauthtest.Server, hfoauth.DeviceCode)
		want   error
	}{
		"approved": {func(hub *hfoauthtest.Server, code hfoauth.DeviceCode) { hub.ApproveDevice(code.UserCode, "ada") }, nil},
		"denied":   {func(hub *hfoauthtest.Server, code hfoauth.DeviceCode) { hub.DenyDevice(code.UserCode) }, hfoauth.ErrDenied},
		"provider hiccups": {func(hub *hfoauthtest.Server, code hfoauth.DeviceCode) {
			hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Times(1, hfoauthtest.Answer(503, "")))
			hub.ApproveDevice(code.UserCode, "ada")
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newDeviceSite(t)
			session, err := s.client.DeviceLogin(t.Context(), func(code hfoauth.DeviceCode) {
				if code.UserCode == "" || code.VerificationURL != s.hub.URL+"/device" || code.Expiry.IsZero() {
					t.Errorf("code %+v", code)
				}
				tt.decide(s.hub, code)
			})
			if !errors.Is(err, tt.want) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if err == nil && (session.User.Username != "ada" || session.Token.AccessToken == "" || !session.Scopes.Has(hfoauth.ScopeProfile)) {
				t.Errorf("session %v", session)
			}
		})
	}
	t.Run("context", func(t *testing.T) {
		s := newDeviceSite(t)
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := s.client.DeviceLogin(ctx, func(hfoauth.DeviceCode) { cancel() }); !errors.Is(err, ctx.Err()) {
			t.Error(err)
		}
	})
	t.Run("no such thing", func(t *testing.T) {
		s := newDeviceSite(t)
		s.hub.Configure(func(c *hfoauthtest.Settings) {
			c.Metadata = func(document map[string]any) { delete(document, "device_authorization_endpoint") }
		})
		if _, err := s.client.DeviceLogin(t.Context(), func(hfoauth.DeviceCode) {}); !errors.Is(err, hfoauth.ErrProviderInvalid) {
			t.Error(err)
		}
	})
}

// newDeviceSite is a site whose app has no secret, as a command-line tool.
func newDeviceSite(t *testing.T) *site {
	s := &site{t: t, hub: hfoauthtest.NewServer(t), log: &lockedBuffer{}, URL: "http://127.0.0.1"}
	s.hub.Configure(func(c *hfoauthtest.Settings) { c.DeviceInterval = time.Second })
	s.app = s.hub.RegisterApp(hfoauthtest.App{Public: true})
	s.client = s.newReplica(func(c *hfoauth.Config) { c.SessionKeys = [][]byte{bytes.Repeat([]byte{1}, 32)} })
	return s
}

func TestExchangeForMember(t *testing.T) {
	s := newSite(t, nil)
	token, err := s.client.ExchangeForMember(t.Context(), "ada@example.com", hfoauth.ScopeOpenID, hfoauth.ScopeInferenceAPI)
	if err != nil || !s.works(token.AccessToken) || token.RefreshToken != "" || token.Expiry.IsZero() {
		t.Errorf("%v", err)
	}
	_, err = s.client.ExchangeForMember(t.Context(), "nobody@example.com")
	if answer, ok := errors.AsType[*hfoauth.ProviderError](err); !ok || answer.Code != "invalid_grant" {
		t.Errorf("%v", err)
	}
}

func TestPublicApp(t *testing.T) {
	key := bytes.Repeat([]byte{1}, 32)
	s := newSite(t, func(c *hfoauth.Config) { c.ClientSecret = ""; c.SessionKeys = [][]byte{key} })
	s.hub.RegisterApp(hfoauthtest.App{ClientID: s.app.ClientID, Public: true, RedirectURIs: []string{s.URL + "/login/callback"}})
	if resp := s.signIn(s.browser(), ada, "/"); resp.StatusCode != 303 {
		t.Fatalf("%s: %s", resp.Status, resp.body)
	}
	request := s.hub.Requests(hfoauthtest.TokenEndpoint)[0]
	if request.Header.Get("Authorization") != "" || request.Form.Has("client_secret") || request.Form.Get("client_id") != s.app.ClientID || request.Form.Get("code_verifier") == "" {
		t.Errorf("token request %v %v", request.Header, request.Form)
	}
}

func TestUnregisteredApp(t *testing.T) {
	clearEnv(t)
	hub := hfoauthtest.NewServer(t)
	mux := http.NewServeMux()
	app := httptest.NewServer(mux)
	defer app.Close()
	client, err := hfoauth.New(hfoauth.Config{
		ClientName:  "My <app>",
		ProviderURL: hub.URL,
		RedirectURL: app.URL + "/login/callback",
		SessionKeys: [][]byte{bytes.Repeat([]byte{1}, 32)},
	})
	if err != nil {
		t.Fatal(err)
	}
	client.Mount(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		user, err := client.UserFromRequest(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		json.NewEncoder(w).Encode(user)
	})
	browser := hub.SignIn(t, app.URL+"/login", "ada")
	if resp := get(t, browser, app.URL+"/"); !strings.Contains(resp.body, "Ada Lovelace") {
		t.Errorf("%s", resp.body)
	}
	resp := get(t, browser, app.URL+"/.well-known/oauth-cimd")
	var document map[string]any
	if err := json.Unmarshal([]byte(resp.body), &document); err != nil || document["client_id"] != app.URL+"/.well-known/oauth-cimd" || document["client_name"] != "My <app>" {
		t.Errorf("%s", resp.body)
	}
	if _, err := hfoauth.New(hfoauth.Config{ClientName: "x", ClientSecret: "y", RedirectURL: "https://app.example/cb"}); err == nil || !strings.Contains(err.Error(), "ClientSecret") {
		t.Errorf("a secret for an app without registration: %v", err)
	}
}
