package hfoauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestSignOutMeansIt(t *testing.T) {
	s := newSite(t, nil)
	browser := s.browser()
	cookie := s.newSessionIn(browser, ada)
	post(t, browser, s.URL+"/logout", nil)
	if signedIn(s.client, cookie) {
		t.Error("a copied cookie outlives the sign-out")
	}
	if err := s.client.LogoutUser(t.Context(), "x"); err == nil {
		t.Error("LogoutUser without a store succeeded")
	}
}

// Two apps may share a store: each signs out and lists only its own users.
func TestLogoutUserOfAnotherApp(t *testing.T) {
	store := newMapStore()
	one, two := newSite(t, withStore(store)), newSite(t, withStore(store))
	here, there := one.newSession(ada), two.newSession(ada)
	for _, s := range []*site{one, two} {
		sessions, err := s.client.Sessions(t.Context(), sub("ada"))
		if err != nil {
			t.Fatal(err)
		}
		if len(sessions) != 1 {
			t.Errorf("%d sessions are listed, want the one of this app", len(sessions))
		}
	}
	if err := one.client.LogoutUser(t.Context(), sub("ada")); err != nil {
		t.Fatal(err)
	}
	if signedIn(one.client, here) {
		t.Error("the user is still signed in to the app that signed her out")
	}
	if !signedIn(two.client, there) {
		t.Error("the user was signed out of another app")
	}
}

func TestLogoutUser(t *testing.T) {
	store := newMapStore()
	s := newSite(t, withStore(store))
	other := s.newReplica(withStore(store))
	clock := s.newClock(other)
	var cookies []*http.Cookie
	for range 3 {
		cookies = append(cookies, s.newSession(ada))
	}
	grace := s.newSession(grace)
	clock.advance(time.Second)
	if err := other.LogoutUser(t.Context(), userOf(s.client, cookies[0]).Sub); err != nil {
		t.Fatal(err)
	}
	for _, cookie := range cookies {
		if signedIn(s.client, cookie) || signedIn(other, cookie) {
			t.Error("a session of the user continues")
		}
	}
	if !signedIn(s.client, grace) {
		t.Error("another user was signed out")
	}
	clock.advance(time.Second)
	if again := s.newSession(ada); !signedIn(s.client, again) {
		t.Error("the user cannot sign in again")
	}
	store.fail(errors.New("away"))
	if err := s.client.LogoutUser(t.Context(), "x"); !errors.Is(err, hfoauth.ErrStoreUnavailable) {
		t.Error(err)
	}
}

// If a sign-out cannot be stored, the browser is signed out nevertheless and this
// process refuses the session.
func TestLogoutDuringAnOutage(t *testing.T) {
	store := newMapStore()
	s := newSite(t, withStore(store))
	browser := s.browser()
	cookie := s.newSessionIn(browser, ada)
	store.fail(errors.New("connection refused"))
	resp := post(t, browser, s.URL+"/logout", nil, "Accept", "text/html")
	checkStatus(t, "signing out", resp, 503)
	checkHas(t, "the page", resp.body, "Signed out in this browser")
	if resp.Header.Get("Retry-After") == "" {
		t.Error("Retry-After is missing")
	}
	home, _ := url.Parse(s.URL)
	for _, cookie := range browser.Jar.Cookies(home) {
		if strings.HasPrefix(cookie.Name, s.client.SessionCookie()) {
			t.Errorf("the browser keeps %v", cookie)
		}
	}
	store.fail(nil)
	if signedIn(s.client, cookie) {
		t.Error("a copied cookie outlives the sign-out")
	}
}

func TestLogout(t *testing.T) {
	s := newSite(t, nil)
	browser := s.browser()
	s.signIn(browser, ada, "/")
	for name, header := range map[string][]string{
		"cross-site":  {"Sec-Fetch-Site", "cross-site"},
		"same-site":   {"Sec-Fetch-Site", "same-site"},
		"old browser": {"Origin", "https://evil.example"},
	} {
		if resp := post(t, browser, s.URL+"/logout", nil, header...); resp.StatusCode != 403 {
			t.Errorf("%s: %s, want 403", name, resp.Status)
		}
	}
	if s.username(browser) != "ada" {
		t.Fatal("signed out by another site")
	}
	resp := post(t, browser, s.URL+"/logout", url.Values{"next": {"/bye"}}, "Sec-Fetch-Site", "same-origin")
	if resp.StatusCode != 303 || resp.Header.Get("Location") != "/bye" {
		t.Errorf("%s to %s", resp.Status, resp.Header.Get("Location"))
	}
	if got := s.username(browser); got != "" {
		t.Errorf("still signed in as %q", got)
	}
	for next, want := range map[string]string{
		"":                     "/",
		"//evil.example":       "/",
		"https://evil.example": "/",
		"/logout":              "/",
	} {
		if resp := post(t, browser, s.URL+"/logout", url.Values{"next": {next}}); resp.Header.Get("Location") != want {
			t.Errorf("next=%q leads to %s", next, resp.Header.Get("Location"))
		}
	}
	elsewhere := post(t, browser, s.URL+"/logout?next=/bye", url.Values{})
	if got := elsewhere.Header.Get("Location"); got != "/" {
		t.Errorf("next in the address, not the form: leads to %s, want /", got)
	}
}

// Copies of a session that would outlive the one that signed out are refused too.
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

// A replica signs the user out while another is about to save new tokens.
func TestSignOutDuringRenewal(t *testing.T) {
	store := newMapStore()
	s := newSite(t, withStore(store))
	other := s.newReplica(withStore(store))
	clock := s.newClock(other)
	browser := s.browser()
	cookie := s.newSessionIn(browser, ada)
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
	store := newMapStore()
	key1, key2 := testKey("1"), testKey("2")
	s := newSite(t, func(c *hfoauth.Config) { c.Store = store; c.SessionKeys = [][]byte{key1} })
	cookie := s.newSession(ada)
	rotated := s.newReplica(func(c *hfoauth.Config) { c.Store = store; c.SessionKeys = [][]byte{key2, key1} })
	clock := s.newClock(rotated)
	clock.advance(time.Second)
	if err := rotated.LogoutUser(t.Context(), userOf(s.client, cookie).Sub); err != nil {
		t.Fatal(err)
	}
	if signedIn(s.client, cookie) || signedIn(rotated, cookie) {
		t.Error("a replica that lacks the new key lets the user in")
	}
}

// A sign-out with a made-up cookie leaves nothing in the store.
func TestSignOutOfNobodyStoresNothing(t *testing.T) {
	store := newMapStore()
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
	store := newMapStore()
	keys := func(key string) func(*hfoauth.Config) {
		return func(c *hfoauth.Config) {
			c.Store = store
			c.SessionKeys = [][]byte{testKey(key)}
		}
	}
	s := newSite(t, keys("2"))
	before := s.newReplica(keys("1"))
	clock := s.newClock(before)
	if err := before.LogoutUser(t.Context(), hfoauthtest.DefaultUsers()[0].ID()); err != nil {
		t.Fatal(err)
	}
	clock.advance(time.Hour)
	browser := s.browser()
	s.signIn(browser, ada, "/private")
	if s.username(browser) != "ada" {
		t.Error("the new session is not signed in")
	}
}

// More than 16 KiB of a form is not read.
func TestLogoutFormIsBounded(t *testing.T) {
	s := newSite(t, nil)
	form := url.Values{"a": {strings.Repeat("x", 16<<10)}, "next": {"/private"}}
	if got := post(t, s.browser(), s.URL+"/logout", form).Header.Get("Location"); got != "/" {
		t.Errorf("the return path behind 16 KiB leads to %q, want /", got)
	}
}

// A sign-out continues if the browser does not wait for the response.
func TestLogoutGoesOn(t *testing.T) {
	store := newMapStore()
	s := newSite(t, withStore(store))
	cookie := s.newSession(ada)
	gone, leave := context.WithCancel(t.Context())
	leave()
	r := httptest.NewRequestWithContext(gone, "POST", "/logout", nil)
	r.AddCookie(cookie)
	w := httptest.NewRecorder()
	s.client.LogoutHandler().ServeHTTP(w, r)
	if w.Code != http.StatusSeeOther {
		t.Errorf("%d, want 303: %s", w.Code, w.Body)
	}
	if signedIn(s.newReplica(withStore(store)), cookie) {
		t.Error("the session continues on another replica")
	}
}
