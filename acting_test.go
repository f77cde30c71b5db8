package hfoauth_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

// ends reports whether a context ends soon, with ErrNotSignedIn as its cause.
func ends(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return errors.Is(context.Cause(ctx), hfoauth.ErrNotSignedIn)
	case <-time.After(5 * time.Second):
		return false
	}
}

func TestSessionContext(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			browser := s.browser()
			cookie := s.newSessionIn(browser, ada)
			ctx, cancel := sessionOf(t, s.client, cookie).Context(t.Context())
			defer cancel()
			if ctx.Err() != nil {
				t.Fatal("the context of a session ends at once")
			}
			post(t, browser, s.URL+"/logout", nil)
			if !ends(ctx) {
				t.Error("a stream outlives the sign-out")
			}
			late, cancel := contextOfEnded(t, s)
			defer cancel()
			if !ends(late) {
				t.Error("a context of an ended session does not end")
			}
			stopped, cancel := sessionOf(t, s.client, s.newSession(ada)).Context(t.Context())
			cancel()
			<-stopped.Done()
			if cause := context.Cause(stopped); cause != context.Canceled {
				t.Errorf("cancelled with %v", cause)
			}
		})
	}
	ctx, cancel := (&hfoauth.Session{}).Context(t.Context())
	defer cancel()
	if !ends(ctx) {
		t.Error("the context of no session does not end")
	}
}

// contextOfEnded returns the context of a session that had already ended when the
// context was requested.
func contextOfEnded(t *testing.T, s *site) (context.Context, context.CancelFunc) {
	t.Helper()
	browser := s.browser()
	session := sessionOf(t, s.client, s.newSessionIn(browser, ada))
	post(t, browser, s.URL+"/logout", nil)
	return session.Context(t.Context())
}

// A replica learns within a minute that another replica ended a session.
func TestSessionContextAtAnotherReplica(t *testing.T) {
	store := newMapStore()
	s := newSite(t, withStore(store))
	cookie := s.newSession(ada)
	synctest.Test(t, func(t *testing.T) {
		here, there := s.newReplica(withStore(store)), s.newReplica(withStore(store))
		ctx, cancel := sessionOf(t, here, cookie).Context(t.Context())
		defer cancel()
		time.Sleep(10 * time.Minute)
		if ctx.Err() != nil {
			t.Fatalf("the session is valid, but its context ended: %v", context.Cause(ctx))
		}
		store.fail(errors.New("connection refused"))
		time.Sleep(10 * time.Minute)
		if ctx.Err() != nil {
			t.Errorf("a store that is down ends streams: %v", context.Cause(ctx))
		}
		store.fail(nil)
		if err := there.LogoutUser(t.Context(), sub("ada")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if !errors.Is(context.Cause(ctx), hfoauth.ErrNotSignedIn) {
			t.Errorf("a minute after the sign-out elsewhere: %v", context.Cause(ctx))
		}
	})
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

// The context of a token lives as long as the provider accepts the token, which
// is checked every five minutes.
func TestContextOfAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualSite(t, nil)
		var session *hfoauth.Session
		programs := s.client.AcceptBearer(hfoauth.BearerOptions{})
		handler := programs(s.client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			session = hfoauth.SessionFromContext(r.Context())
		})))
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+s.hub.AccessToken("ada", s.app.ClientID))
		handler.ServeHTTP(httptest.NewRecorder(), r)
		ctx, cancel := session.Context(t.Context())
		defer cancel()
		time.Sleep(20 * time.Minute)
		if ctx.Err() != nil {
			t.Errorf("the token is valid, but its context ended: %v", context.Cause(ctx))
		}
		s.hub.Revoke("ada")
		time.Sleep(6 * time.Minute)
		if cause := context.Cause(ctx); !errors.Is(cause, hfoauth.ErrNotSignedIn) {
			t.Errorf("six minutes after the token was revoked: %v, want %v", cause, hfoauth.ErrNotSignedIn)
		}
	})
}

// The context of a token ends when OnLogin turns its user away.
func TestContextOfAUserTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		s := newVirtualSite(t, func(c *hfoauth.Config) {
			c.OnLogin = func(context.Context, *hfoauth.Session) error {
				if away.Load() {
					return &hfoauth.ForbiddenError{Message: "Closed."}
				}
				return nil
			}
		})
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+s.hub.AccessToken("ada", s.app.ClientID))
		var session *hfoauth.Session
		programs := s.client.AcceptBearer(hfoauth.BearerOptions{})
		programs(s.client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			session = hfoauth.SessionFromContext(r.Context())
		}))).ServeHTTP(httptest.NewRecorder(), r)
		ctx, cancel := session.Context(t.Context())
		defer cancel()
		away.Store(true)
		time.Sleep(6 * time.Minute)
		if cause := context.Cause(ctx); !errors.Is(cause, hfoauth.ErrNotSignedIn) {
			t.Errorf("six minutes after the user was turned away: %v, want %v", cause, hfoauth.ErrNotSignedIn)
		}
	})
}

// The context of a session ends when the session expires, not at the next look at
// the store.
func TestContextEndsAtTheExpiry(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newVirtualSite(t, func(c *hfoauth.Config) {
					c.MaxSessionAge = 90 * time.Second
					if change != nil {
						change(c)
					}
				})
				ctx, cancel := sessionOf(t, s.client, s.newSession(ada)).Context(t.Context())
				defer cancel()
				time.Sleep(89 * time.Second)
				if ctx.Err() != nil {
					t.Errorf("after 89 of 90 seconds: ended with %v", context.Cause(ctx))
				}
				time.Sleep(2 * time.Second)
				if cause := context.Cause(ctx); !errors.Is(cause, hfoauth.ErrNotSignedIn) {
					t.Errorf("after 91 seconds: %v, want %v", cause, hfoauth.ErrNotSignedIn)
				}
			})
		})
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
