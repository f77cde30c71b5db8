package hfoauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// Copies of a session that outlive the one that signed out stay out, too.
func TestSignOutOutlivesLaterCopies(t *testing.T) {
	s := newSite(t, nil)
	clock := s.newClock()
	tab, iframe := s.browser(), s.browser()
	resp := s.popup(tab, url.Values{"challenge": {challengeOf(frameVerifier)}})
	get(t, tab, s.decide(onward(resp), ada))
	_, cookie := s.claim(iframe, frameVerifier)
	post(t, tab, s.URL+"/logout", nil)
	for _, after := range []time.Duration{0, 9 * time.Hour, 10 * 24 * time.Hour} {
		clock.advance(after)
		if signedIn(s.client, cookie) {
			t.Errorf("signed in again after %s", after)
		}
	}
}

// A header full of cookies costs little.
func TestManyCookies(t *testing.T) {
	store := &mapStore{entries: map[string][]byte{}}
	s := newSite(t, withStore(store))
	var attempts, sessions strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&attempts, "%s%016x=x; ", s.client.AttemptCookie(), i)
		fmt.Fprintf(&sessions, "%s=%043d; ", s.client.SessionCookie(), i)
	}
	r := httptest.NewRequest("GET", "/login", nil)
	r.Header.Set("Cookie", attempts.String())
	w := httptest.NewRecorder()
	s.client.LoginHandler().ServeHTTP(w, r)
	if n := len(w.Header()["Set-Cookie"]); w.Code != 303 || n > 20 {
		t.Errorf("%d with %d cookies", w.Code, n)
	}
	r = httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", sessions.String())
	if _, err := s.client.UserFromRequest(r); !errors.Is(err, hfoauth.ErrNotSignedIn) || store.calls > 10 {
		t.Errorf("%v after %d calls to the store", err, store.calls)
	}
}

func TestMountBesideAStartPage(t *testing.T) {
	client := newClient(t, hfoauth.Config{})
	for _, pattern := range []string{"GET /", "/", "GET /{$}", "POST /"} {
		mux := http.NewServeMux()
		mux.Handle(pattern, http.NotFoundHandler())
		client.Mount(mux)
	}
}

// A refresh that got its tokens keeps them when the keys cannot be fetched.
func TestKeysAwayDuringRenewal(t *testing.T) {
	s := newSite(t, nil)
	cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
	fresh := s.newReplica(nil) // has no keys yet
	clock := s.newClock(fresh)
	clock.advance(9 * time.Hour)
	s.hub.SetFault(hfoauthtest.JWKSEndpoint, hfoauthtest.Answer(503, ""))
	if token, _, err := act(t, fresh, cookie); err != nil || !s.works(token) {
		t.Errorf("renewal without keys: %v", err)
	}
	s.hub.Configure(func(c *hfoauthtest.Settings) {
		c.IDToken = func(_, claims map[string]any) { claims["sub"] = "somebody else" }
	})
	other := s.signIn(s.browser(), ada, "/")
	if other.StatusCode == 303 {
		t.Error("a sign-in without keys succeeded")
	}
}

// The winner of a race saves its tokens before it asks for anything else, so
// that the loser finds them.
func TestLoserDoesNotWaitForUserInfo(t *testing.T) {
	store := &mapStore{entries: map[string][]byte{}}
	s := newSite(t, withStore(store))
	other := s.newReplica(withStore(store))
	clock := s.newClock(other)
	cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
	clock.advance(9 * time.Hour)
	s.hub.SetFault(hfoauthtest.UserInfoEndpoint, hfoauthtest.Delay(3*time.Second))
	var wg sync.WaitGroup
	for i, client := range []*hfoauth.Client{s.client, other} {
		wg.Go(func() {
			if _, _, err := act(t, client, cookie); err != nil {
				t.Errorf("replica %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

// What was granted long ago does not open doors when the provider cannot
// confirm it.
func TestRequireFailsClosed(t *testing.T) {
	for name, tt := range map[string]struct {
		fault hfoauthtest.Fault
		want  int
	}{
		"provider away":   {hfoauthtest.Answer(503, ""), 503},
		"client refused":  {hfoauthtest.Answer(401, `{"error":"invalid_client"}`), 401},
		"provider broken": {hfoauthtest.Answer(200, "<html>"), 502},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			clock := s.newClock()
			cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
			handler := s.client.RequireOrg("engines")(http.NotFoundHandler())
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

func TestOnSignInSeesBearers(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) {
		c.AcceptBearer = true
		c.OnSignIn = func(_ context.Context, session *hfoauth.Session) error {
			if session.User.Username == "ada" {
				return &hfoauth.RefusedError{Message: "Closed."}
			}
			return nil
		}
	})
	if _, err := bearer(s.client, s.hub.AccessToken("ada", s.app.ClientID)); err == nil {
		t.Error("a user whom OnSignIn refuses came in with a token")
	}
	if _, err := bearer(s.client, s.hub.AccessToken("grace", s.app.ClientID)); err != nil {
		t.Error(err)
	}
}

func TestDeviceUserInfoOfAnother(t *testing.T) {
	s := newDeviceSite(t)
	s.hub.Configure(func(c *hfoauthtest.Settings) {
		c.UserInfo = func(claims map[string]any) { claims["sub"] = "somebody else" }
	})
	_, err := s.client.DeviceLogin(t.Context(), func(code hfoauth.DeviceCode) { s.hub.ApproveDevice(code.UserCode, "ada") })
	if !errors.Is(err, hfoauth.ErrProviderInvalid) {
		t.Errorf("%v", err)
	}
}

func TestRenewalOfAnotherUser(t *testing.T) {
	for name, change := range map[string]func(*hfoauth.Config){"cookie": nil, "store": withStore(&mapStore{entries: map[string][]byte{}})} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			clock := s.newClock()
			cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
			s.hub.Configure(func(c *hfoauthtest.Settings) {
				c.TokenResponse = func(r map[string]any) { delete(r, "id_token") }
				c.UserInfo = func(claims map[string]any) { claims["sub"] = "somebody else" }
			})
			clock.advance(9 * time.Hour)
			if _, answered, err := act(t, s.client, cookie); err == nil || answered != nil {
				t.Errorf("answered %v, %v", answered, err)
			}
			if signedIn(s.client, cookie) {
				t.Error("the session goes on with another user's tokens")
			}
		})
	}
}

// failingDelete is a store that cannot delete.
type failingDelete struct {
	*mapStore
	fails bool
}

func (f *failingDelete) DeleteCtx(ctx context.Context, key string) error {
	if f.fails {
		return errors.New("away")
	}
	return f.mapStore.DeleteCtx(ctx, key)
}

func TestFailuresSetNoCookies(t *testing.T) {
	store := &failingDelete{mapStore: &mapStore{entries: map[string][]byte{}}}
	s := newSite(t, withStore(store))
	browser := s.browser()
	s.signIn(browser, ada, "/")
	store.fails = true
	if resp := s.signIn(browser, ada, "/"); resp.StatusCode != 503 || len(resp.setCookies(s.client.SessionCookie()+"=")) > 0 {
		t.Errorf("sign-in: %s", resp.Status)
	}
	for range 2 { // the cookie is kept, so that it can be tried again
		if resp := post(t, browser, s.URL+"/logout", nil); resp.StatusCode != 503 {
			t.Errorf("sign-out: %s", resp.Status)
		}
	}
	store.fails = false
	if resp := post(t, browser, s.URL+"/logout", nil); resp.StatusCode != 303 || s.username(browser) != "" {
		t.Errorf("sign-out: %s", resp.Status)
	}
}

func TestNestedOrgsEnd(t *testing.T) {
	s := newSite(t, nil)
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	handler := s.client.RequireOrg("engines", hfoauth.RoleAdmin)(s.client.RequireOrg("notes", hfoauth.RoleRead)(page))
	browser := s.browser()
	s.signIn(browser, ada, "/")
	home, _ := url.Parse(s.URL)
	for range 4 {
		r := httptest.NewRequest("GET", "/page", nil)
		r.Header.Set("Accept", "text/html")
		for _, cookie := range browser.Jar.Cookies(home) {
			r.AddCookie(cookie)
		}
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

func TestShortLivedTokens(t *testing.T) {
	s := newSite(t, nil)
	clock := s.newClock()
	s.hub.Configure(func(c *hfoauthtest.Settings) { c.AccessTokenLifetime = 4 * time.Minute })
	cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
	for range 10 {
		if _, answered, err := act(t, s.client, cookie); err != nil || answered != nil {
			t.Fatalf("a token of four minutes is renewed at once: %v %v", answered, err)
		}
	}
	clock.advance(3*time.Minute + time.Second)
	if _, answered, err := act(t, s.client, cookie); err != nil || answered == nil {
		t.Errorf("not renewed in its last minute: %v %v", answered, err)
	}
}

type roundTripper struct{ http.RoundTripper }

func TestWrappedDefaultTransport(t *testing.T) {
	original := http.DefaultTransport
	http.DefaultTransport = roundTripper{original}
	defer func() { http.DefaultTransport = original }()
	newClient(t, hfoauth.Config{})
}

type panickingStore struct{ hfoauth.Store }

func (panickingStore) FindCtx(context.Context, string) ([]byte, bool, error) { panic("a bug") }

func TestPanickingStore(t *testing.T) {
	client := newClient(t, hfoauth.Config{Store: panickingStore{}})
	if user := userOf(client, &http.Cookie{Name: client.SessionCookie(), Value: strings.Repeat("A", 43)}); user != nil {
		t.Error(user)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: client.SessionCookie(), Value: strings.Repeat("A", 43)})
	if _, err := client.UserFromRequest(r); !errors.Is(err, hfoauth.ErrStoreUnavailable) {
		t.Error(err)
	}
}

// A replica signs the user out while another is about to save new tokens.
func TestSignOutDuringRenewal(t *testing.T) {
	store := &mapStore{entries: map[string][]byte{}}
	s := newSite(t, withStore(store))
	other := s.newReplica(withStore(store))
	clock := s.newClock(other)
	browser := s.browser()
	cookie := s.signIn(browser, ada, "/").setCookies(s.client.SessionCookie())[0]
	clock.advance(9 * time.Hour)
	s.hub.SetFault(hfoauthtest.UserInfoEndpoint, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // between two saves
			logout := httptest.NewRequest("POST", "/logout", nil)
			logout.AddCookie(cookie)
			other.LogoutHandler().ServeHTTP(httptest.NewRecorder(), logout)
			next.ServeHTTP(w, r)
		})
	})
	act(t, s.client, cookie)
	for i, client := range []*hfoauth.Client{s.client, other, s.newReplica(withStore(store))} {
		client.SetClock(clock.now)
		if signedIn(client, cookie) {
			t.Errorf("replica %d undid the sign-out", i)
		}
	}
}

func TestSignOutUserDuringKeyRotation(t *testing.T) {
	store := &mapStore{entries: map[string][]byte{}}
	key1, key2 := []byte(strings.Repeat("1", 32)), []byte(strings.Repeat("2", 32))
	s := newSite(t, func(c *hfoauth.Config) { c.Store = store; c.SessionKeys = [][]byte{key1} })
	cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
	rotated := s.newReplica(func(c *hfoauth.Config) { c.Store = store; c.SessionKeys = [][]byte{key2, key1} })
	clock := s.newClock(rotated)
	clock.advance(time.Second)
	if err := rotated.SignOutUser(t.Context(), userOf(s.client, cookie).Sub); err != nil {
		t.Fatal(err)
	}
	if signedIn(s.client, cookie) || signedIn(rotated, cookie) {
		t.Error("a replica that lacks the new key lets the user in")
	}
}

// Invented tokens are asked about a few at a time; some wait, the others are
// turned away. Valid ones that come at once all get their turn.
func TestManyTokensAtOnce(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) { c.AcceptBearer = true })
	if err := s.client.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	var now, most atomic.Int64
	s.hub.SetFault(hfoauthtest.WhoAmIEndpoint, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := now.Add(1)
			defer now.Add(-1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			<-release
			next.ServeHTTP(w, r)
		})
	})
	var wg sync.WaitGroup
	answers := make(chan error, 400)
	ask := func(token string) {
		wg.Go(func() {
			_, err := bearer(s.client, token)
			answers <- err
		})
	}
	for range 100 {
		ask(s.hub.UserToken("ada"))
	}
	for s.hub.Calls(hfoauthtest.WhoAmIEndpoint) < 32 {
		runtime.Gosched()
	}
	for i := range 300 {
		ask(fmt.Sprintf("hf_%d", i))
	}
	const away = 400 - 32 - 256
	for range away {
		if err := <-answers; !errors.Is(err, hfoauth.ErrProviderUnavailable) {
			t.Fatal(err)
		}
	}
	close(release)
	wg.Wait()
	close(answers)
	let := 0
	for err := range answers {
		if err == nil {
			let++
		} else if !errors.Is(err, hfoauth.ErrNotSignedIn) {
			t.Error(err)
		}
	}
	if let < 32 || most.Load() != 32 {
		t.Errorf("%d let in, %d calls at one time", let, most.Load())
	}
}

func TestBurstOfTokens(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) { c.AcceptBearer = true })
	s.hub.SetFault(hfoauthtest.WhoAmIEndpoint, hfoauthtest.Delay(20*time.Millisecond))
	var wg sync.WaitGroup
	for range 100 {
		token := s.hub.UserToken("ada")
		wg.Go(func() {
			if _, err := bearer(s.client, token); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// What OnSignIn keeps is its own.
func TestOnSignInKeepsTheUserOfAToken(t *testing.T) {
	var kept *hfoauth.Session
	s := newSite(t, func(c *hfoauth.Config) {
		c.AcceptBearer = true
		c.OnSignIn = func(_ context.Context, session *hfoauth.Session) error { kept = session; return nil }
	})
	token := s.hub.UserToken("ada")
	if _, err := bearer(s.client, token); err != nil {
		t.Fatal(err)
	}
	kept.User.Username = "mallory"
	if user, err := bearer(s.client, token); err != nil || user.Username != "ada" {
		t.Errorf("%v %v", user, err)
	}
}

// An answer that a token is not valid is remembered for a short while.
func TestRefusedTokenIsRemembered(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) { c.AcceptBearer = true })
	clock := s.newClock()
	for range 3 {
		bearer(s.client, "hf_invented")
	}
	if calls := s.hub.Calls(hfoauthtest.WhoAmIEndpoint); calls != 1 {
		t.Errorf("%d calls", calls)
	}
	clock.advance(31 * time.Second)
	bearer(s.client, "hf_invented")
	if calls := s.hub.Calls(hfoauthtest.WhoAmIEndpoint); calls != 2 {
		t.Errorf("%d calls after half a minute", calls)
	}
}

// A sign-out with a made-up cookie leaves nothing in the store.
func TestSignOutOfNobodyStoresNothing(t *testing.T) {
	store := &mapStore{entries: map[string][]byte{}}
	s := newSite(t, withStore(store))
	r := httptest.NewRequest("POST", "/logout", nil)
	for i := range 3 {
		r.AddCookie(&http.Cookie{Name: s.client.SessionCookie(), Value: fmt.Sprintf("%043d", i)})
	}
	s.client.LogoutHandler().ServeHTTP(httptest.NewRecorder(), r)
	if n := len(store.entries); n != 0 {
		t.Errorf("%d entries", n)
	}
}

// After an incident: all sessions of a user are ended, then the keys change.
func TestSignInAfterSignOutUserAndNewKeys(t *testing.T) {
	store := &mapStore{entries: map[string][]byte{}}
	keys := func(key string) func(*hfoauth.Config) {
		return func(c *hfoauth.Config) {
			c.Store = store
			c.SessionKeys = [][]byte{[]byte(strings.Repeat(key, 32))}
		}
	}
	s := newSite(t, keys("2"))
	before := s.newReplica(keys("1"))
	clock := s.newClock(before)
	if err := before.SignOutUser(t.Context(), hfoauthtest.DefaultUsers()[0].ID()); err != nil {
		t.Fatal(err)
	}
	clock.advance(time.Hour)
	browser := s.browser()
	s.signIn(browser, ada, "/private")
	if s.username(browser) != "ada" {
		t.Error("signed in, and is not")
	}
}

// A page instead of the userinfo says nothing about the user.
func TestNonsenseFromUserInfoDuringRenewal(t *testing.T) {
	s := newSite(t, withStore(&mapStore{entries: map[string][]byte{}}))
	clock := s.newClock()
	cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
	clock.advance(8*time.Hour - 2*time.Minute)
	s.hub.SetFault(hfoauthtest.UserInfoEndpoint, hfoauthtest.Times(1, hfoauthtest.Answer(200, "<html>maintenance", "Content-Type", "text/html")))
	if _, _, err := act(t, s.client, cookie); err != nil {
		t.Error(err)
	}
	if !signedIn(s.client, cookie) {
		t.Error("signed out")
	}
}

// Two copies of one session hold the same tokens: renewed once, each copy gets
// its new cookie.
func TestRenewalOfAnotherCopy(t *testing.T) {
	s := newSite(t, nil)
	clock := s.newClock()
	cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
	clock.advance(9 * time.Hour)
	_, one, _ := act(t, s.client, cookie) // two answers of one burst
	_, two, _ := act(t, s.client, cookie)
	clock.advance(9 * time.Hour)
	for _, copied := range []*http.Cookie{one, two} {
		if _, answered, err := act(t, s.client, copied); err != nil || answered == nil {
			t.Errorf("no new cookie: %v %v", answered, err)
		}
	}
}

// hangStore waits for the context, once hung is set.
type hangStore struct {
	*mapStore
	hung atomic.Bool
}

func (h *hangStore) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	if h.hung.Load() {
		<-ctx.Done()
		return nil, false, ctx.Err()
	}
	return h.mapStore.FindCtx(ctx, key)
}

// A store that hangs while a token is renewed is waited for by one request at
// a time, while the others go on.
func TestStoreHangsDuringRenewal(t *testing.T) {
	store := &hangStore{mapStore: &mapStore{entries: map[string][]byte{}}}
	s := newSite(t, withStore(store))
	clock := s.newClock()
	cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
	clock.advance(9 * time.Hour)
	var arrived atomic.Int64
	s.hub.SetFault(hfoauthtest.TokenEndpoint, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for arrived.Load() < 20 {
				runtime.Gosched()
			}
			store.hung.Store(true)
			next.ServeHTTP(w, r)
		})
	})
	began := time.Now()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			arrived.Add(1)
			act(t, s.client, cookie)
		})
	}
	wg.Wait()
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("the slowest of 20 requests took %s", took)
	}
}

// All that a request asks of the store together takes less than a second.
func TestTwoSlowCallsToTheStore(t *testing.T) {
	entries := &mapStore{entries: map[string][]byte{}}
	s := newSite(t, withStore(entries))
	cookie := s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0]
	other := s.newReplica(withStore(&slowStore{mapStore: entries}))
	began := time.Now()
	if signedIn(other, cookie) || time.Since(began) > time.Second {
		t.Errorf("answered after %s", time.Since(began))
	}
}

// slowStore answers after 700 ms, unless that is too long.
type slowStore struct{ *mapStore }

func (s *slowStore) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	select {
	case <-time.After(700 * time.Millisecond):
		return s.mapStore.FindCtx(ctx, key)
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

func TestDeviceLoginOutlivesUserInfo(t *testing.T) {
	s := newDeviceSite(t)
	s.hub.SetFault(hfoauthtest.UserInfoEndpoint, hfoauthtest.Times(1, hfoauthtest.Answer(503, "")))
	session, err := s.client.DeviceLogin(t.Context(), func(code hfoauth.DeviceCode) { s.hub.ApproveDevice(code.UserCode, "ada") })
	if err != nil || session.User.Username != "ada" {
		t.Error(err)
	}
}

// slow_down adds five seconds to the interval (RFC 8628 section 3.5).
func TestDeviceLoginSlowsDown(t *testing.T) {
	t.Parallel()
	s := newDeviceSite(t)
	s.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Times(1, hfoauthtest.Answer(400, `{"error":"slow_down"}`)))
	began := time.Now()
	session, err := s.client.DeviceLogin(t.Context(), func(code hfoauth.DeviceCode) { s.hub.ApproveDevice(code.UserCode, "ada") })
	if err != nil || session.User.Username != "ada" || time.Since(began) < 7*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

// A further scope is asked for together with those granted before, and who
// says no is shown the way back.
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
	denied := s.callback(browser, app.URL, s.decide(asked.Header.Get("Location"), hfoauthtest.Person{Deny: true}))
	if denied.StatusCode != 403 || !strings.Contains(denied.body, `href="/chat">Go back</a>`) {
		t.Errorf("%s: %s", denied.Status, denied.body)
	}
}

func TestDeviceCodeExpires(t *testing.T) {
	s := newDeviceSite(t)
	s.hub.SetFault(hfoauthtest.DeviceEndpoint, hfoauthtest.Answer(200, `{"device_code":"x","user_code":"AAAA-BBBB","verification_uri":"http://127.0.0.1/device","expires_in":1,"interval":1}`))
	if _, err := s.client.DeviceLogin(t.Context(), func(hfoauth.DeviceCode) {}); !errors.Is(err, hfoauth.ErrCodeExpired) {
		t.Error(err)
	}
}

// A registered app does not describe itself as one that is not.
func TestMetadataOfRegisteredApp(t *testing.T) {
	mux := http.NewServeMux()
	newClient(t, hfoauth.Config{ClientName: "App"}).Mount(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/oauth-cimd", nil))
	if w.Code != 404 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

type countingTransport struct{ calls int }

func (c *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c.calls++
	return http.DefaultTransport.RoundTrip(r)
}

func TestHTTPClientUsesTheTransport(t *testing.T) {
	transport := &countingTransport{}
	s := newSite(t, func(c *hfoauth.Config) { c.HTTPClient = &http.Client{Transport: transport} })
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(s.signIn(s.browser(), ada, "/").setCookies(s.client.SessionCookie())[0])
	api, err := s.client.HTTPClient(httptest.NewRecorder(), r)
	if err != nil {
		t.Fatal(err)
	}
	before := transport.calls
	resp, err := api.Get(s.hub.URL + "/api/whoami-v2")
	if err != nil || resp.StatusCode != 200 || transport.calls != before+1 {
		t.Errorf("%v, %v, %d calls", resp, err, transport.calls-before)
	}
}

// What a page asks for is asked for under the site's other name, too.
func TestLoginOptionsOnAnotherHost(t *testing.T) {
	client := newClient(t, hfoauth.Config{SpaceHost: "user-app.hf.space,www.example.com"})
	r := httptest.NewRequest("GET", "https://www.example.com/album?page=2", nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	w := httptest.NewRecorder()
	client.Login(w, r, hfoauth.LoginOptions{Scopes: []hfoauth.Scope{hfoauth.ScopeReadRepos}})
	if location := w.Header().Get("Location"); w.Code != 303 || location != "https://user-app.hf.space/album?page=2" {
		t.Errorf("%d to %s", w.Code, location)
	}
}

func TestOrgNamedLikeAnID(t *testing.T) {
	id := "6a0000000000000000000001"
	user := hfoauth.User{Orgs: []hfoauth.Org{{Sub: "6affffffffffffffffffffff", Username: id}}}
	if org := user.Org(id); org != nil {
		t.Errorf("%+v passes for the organization with this ID", org)
	}
}

func TestReturnPathAroundCorners(t *testing.T) {
	client := newClient(t, hfoauth.Config{})
	for _, next := range []string{"/x/../login", "/%6Cogin", "/login/", "/login/frame/popup", "/./logout", "/login//callback"} {
		if got := client.LoginURL(next); got != "/login" {
			t.Errorf("LoginURL(%q) = %q, which begins again", next, got)
		}
	}
}
