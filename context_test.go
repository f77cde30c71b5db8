package hfoauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hfoauth/hfoauth"
)

// ends reports whether a context ends soon, with ErrNotSignedIn as its cause.
func ends(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return errors.Is(context.Cause(ctx), hfoauth.ErrNotSignedIn)
	case <-time.After(20 * time.Second): // real time, with room
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
