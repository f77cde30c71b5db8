package hfoauth_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// sessionOf returns the session of a cookie.
func sessionOf(t *testing.T, client *hfoauth.Client, cookie *http.Cookie) *hfoauth.Session {
	t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(cookie)
	session, err := client.SessionFromRequest(httptest.NewRecorder(), r)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// sub returns the ID of a user of the stand-in.
func sub(username string) string {
	for _, user := range hfoauthtest.DefaultUsers() {
		if user.Username == username {
			return user.ID()
		}
	}
	return ""
}

func TestSessionFromContext(t *testing.T) {
	s := newSite(t, nil)
	other := s.newReplica(nil)
	cookie := s.newSession(ada)
	var inner, outer *hfoauth.Session
	page := s.client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner = hfoauth.SessionFromContext(r.Context())
		outer, _ = other.SessionFromRequest(w, r)
	}))
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(cookie)
	page.ServeHTTP(httptest.NewRecorder(), r)
	if inner == nil {
		t.Fatal("no session behind RequireUser")
	}
	if got := inner.User.Username; got != "ada" {
		t.Errorf("behind RequireUser the session is %q's, want ada's", got)
	}
	if inner.ID == "" {
		t.Error("the session has no ID")
	}
	if inner.Bearer {
		t.Error("the session claims to be a bearer token's")
	}
	if !s.works(tokenOf(t, inner)) {
		t.Error("its token does not work")
	}
	if outer == nil || outer.ID != inner.ID {
		t.Errorf("another client finds %+v", outer)
	}
	if session := hfoauth.SessionFromContext(t.Context()); session != nil {
		t.Errorf("without a handler around it, the context has the session %+v", session)
	}
	if user := hfoauth.UserFromContext(t.Context()); user != nil {
		t.Errorf("without a handler around it, the context has the user %+v", user)
	}
}

// A session in a store renews its token by itself, in the middle of a stream.
func TestSessionRenewsItself(t *testing.T) {
	s := newSite(t, withStore(newMapStore()))
	clock := s.newClock()
	session := sessionOf(t, s.client, s.newSession(ada))
	first := tokenOf(t, session)
	clock.advance(9 * time.Hour)
	if second := tokenOf(t, session); second == first || !s.works(second) {
		t.Errorf("after nine hours the token is the same: %v", second == first)
	}
	clock.advance(9 * time.Hour)
	resp, err := session.HTTPClient().Get(s.hub.URL + "/api/whoami-v2")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("a request after eighteen hours: %s", resp.Status)
	}
}

// The token of a session in a cookie is the one that came with the request: a
// new one could not be saved.
func TestSessionInACookieDoesNotRenewItself(t *testing.T) {
	s := newSite(t, nil)
	clock := s.newClock()
	session := sessionOf(t, s.client, s.newSession(ada))
	clock.advance(9 * time.Hour)
	if _, err := session.Token(); !errors.Is(err, hfoauth.ErrNotSignedIn) {
		t.Errorf("%v, want %v", err, hfoauth.ErrNotSignedIn)
	}
	if calls := s.hub.Calls(hfoauthtest.TokenEndpoint); calls != 1 {
		t.Errorf("%d token calls, want that of the sign-in", calls)
	}
}

func TestSessions(t *testing.T) {
	store := newMapStore()
	s := newSite(t, withStore(store))
	other := s.newReplica(withStore(store))
	clock := s.newClock(other)
	browser := s.browser()
	get(t, browser, s.decide(s.begin(browser, "/"), ada), "User-Agent", "first "+strings.Repeat("x", 300)+"é")
	clock.advance(time.Minute)
	cookie := s.newSession(ada)
	s.newSession(grace)

	sessions, err := other.Sessions(t.Context(), sub("ada"))
	if err != nil || len(sessions) != 2 {
		t.Fatalf("%d sessions, %v, want two", len(sessions), err)
	}
	if sessions[0].ID != sessionOf(t, s.client, cookie).ID {
		t.Error("the latest session is not first")
	}
	if agent := sessions[1].UserAgent; !strings.HasPrefix(agent, "first x") || len(agent) != 256 {
		t.Errorf("user agent %q", agent)
	}
	if sessions[0].User.Username != "ada" || !sessions[0].Started.After(sessions[1].Started) {
		t.Errorf("sessions %+v and %+v", sessions[0], sessions[1])
	}
	// For work outside a request.
	clock.advance(9 * time.Hour)
	if token := tokenOf(t, sessions[0]); !s.works(token) {
		t.Error("a session of the list does not renew itself")
	}
	if err := sessions[0].End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if signedIn(s.client, cookie) {
		t.Error("an ended session is signed in")
	}
	if _, err := sessions[0].Token(); !errors.Is(err, hfoauth.ErrNotSignedIn) {
		t.Errorf("the token of an ended session: %v", err)
	}
	if sessions, err := s.client.Sessions(t.Context(), sub("ada")); len(sessions) != 1 || err != nil {
		t.Errorf("%d sessions are left, %v, want one", len(sessions), err)
	}
	store.fail(errors.New("connection refused"))
	if _, err := s.client.Sessions(t.Context(), sub("ada")); !errors.Is(err, hfoauth.ErrStoreUnavailable) {
		t.Errorf("%v, want %v", err, hfoauth.ErrStoreUnavailable)
	}
	if _, err := newSite(t, nil).client.Sessions(t.Context(), "x"); err == nil {
		t.Error("Sessions without a store succeeded")
	}
}

func TestMaxSessionAge(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(c *hfoauth.Config) {
				c.MaxSessionAge = 20 * time.Hour
				if change != nil {
					change(c)
				}
			})
			clock := s.newClock()
			cookie := s.newSession(ada)
			for range 2 {
				clock.advance(9 * time.Hour)
				if _, answered, err := act(t, s.client, cookie); err != nil {
					t.Fatal(err)
				} else if answered != nil {
					cookie = answered
				}
			}
			if !signedIn(s.client, cookie) {
				t.Error("not signed in after 18 of 20 hours")
			}
			clock.advance(2 * time.Hour)
			if _, _, err := act(t, s.client, cookie); !errors.Is(err, hfoauth.ErrNotSignedIn) {
				t.Errorf("after 20 hours: %v, want %v", err, hfoauth.ErrNotSignedIn)
			}
		})
	}
	_, err := hfoauth.New(hfoauth.Config{
		ClientID: "x", ClientSecret: clientSecret, RedirectURL: "https://app.example/cb", MaxSessionAge: -time.Hour,
	})
	if err == nil || !strings.Contains(err.Error(), "MaxSessionAge") {
		t.Errorf("an age below zero: %v", err)
	}
}

// The cookie of a session in a store lasts as long as the session can be renewed.
func TestCookieOfAStoredSession(t *testing.T) {
	const age = 90 * 24 * time.Hour
	s := newSite(t, func(c *hfoauth.Config) { c.Store, c.MaxSessionAge = newMapStore(), age })
	got := time.Duration(s.newSession(ada).MaxAge) * time.Second
	if got < age-time.Minute || got > age {
		t.Errorf("the cookie lasts %v, want %v", got, age)
	}
}

// New logs which optional methods of a store are used.
func TestStoreMethodsAreLogged(t *testing.T) {
	for want, store := range map[string]hfoauth.Store{
		"contexts=true compareAndSwap=false":  newMapStore(),
		"contexts=false compareAndSwap=false": contextless{newMapStore()},
		"contexts=false compareAndSwap=true":  hfoauth.NewMemoryStore(),
	} {
		var out bytes.Buffer
		debug := &slog.HandlerOptions{Level: slog.LevelDebug}
		newClient(t, hfoauth.Config{Store: store, Logger: slog.New(slog.NewTextHandler(&out, debug))})
		if !strings.Contains(out.String(), want) {
			t.Errorf("%T is logged as %s, want %s", store, out.String(), want)
		}
	}
}

// A session that did not come from a Client has no token.
func TestTokenOfNoSession(t *testing.T) {
	if _, err := (&hfoauth.Session{}).Token(); !errors.Is(err, hfoauth.ErrNotSignedIn) {
		t.Errorf("error %v, want %v", err, hfoauth.ErrNotSignedIn)
	}
}

// A renewal that finds the session ended at another replica yields no token,
// even if the old one has not expired.
func TestTokenOfASessionEndedElsewhere(t *testing.T) {
	store := hfoauth.NewMemoryStore()
	s := newSite(t, func(c *hfoauth.Config) { c.Store = store })
	other := s.newReplica(func(c *hfoauth.Config) { c.Store = store })
	clock := s.newClock(s.client, other)
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(s.newSession(ada))
	session, err := s.client.SessionFromRequest(httptest.NewRecorder(), r)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Logout(httptest.NewRecorder(), r); err != nil {
		t.Fatal(err)
	}
	clock.advance(8*time.Hour - 4*time.Minute)
	if _, err := session.Token(); !errors.Is(err, hfoauth.ErrNotSignedIn) {
		t.Errorf("error %v, want ErrNotSignedIn", err)
	}
}
