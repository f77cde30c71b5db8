package hfoauth_test

import (
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// The provider's keys are fetched before the browser comes back.
func TestKeysAreFetchedAhead(t *testing.T) {
	s := newSite(t, nil)
	s.begin(s.browser(), "/")
	// real time, with room
	for deadline := time.Now().Add(20 * time.Second); s.hub.Calls(hfoauthtest.JWKSEndpoint) == 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the login redirect does not fetch the keys")
		}
	}
	s.newSession(ada)
	if calls := s.hub.Calls(hfoauthtest.JWKSEndpoint); calls != 1 {
		t.Errorf("%d calls for keys, want one", calls)
	}
}

// The ID token is verified while the userinfo is fetched: keys that arrive only
// after the userinfo was requested are early enough.
func TestUserInfoDoesNotWaitForKeys(t *testing.T) {
	s := newSite(t, nil)
	asked := make(chan struct{})
	var once sync.Once
	s.hub.SetFault(hfoauthtest.UserInfoEndpoint, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			once.Do(func() { close(asked) })
			next.ServeHTTP(w, r)
		})
	})
	s.hub.SetFault(hfoauthtest.JWKSEndpoint, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-asked:
			case <-r.Context().Done():
			}
			next.ServeHTTP(w, r)
		})
	})
	s.newSession(ada)
}

// The provider has twelve seconds for all of the callback's requests together.
func TestCallbackIsBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualSite(t, nil)
		for _, endpoint := range []hfoauthtest.Endpoint{hfoauthtest.TokenEndpoint, hfoauthtest.UserInfoEndpoint} {
			s.hub.SetFault(endpoint, hfoauthtest.Delay(9*time.Second))
		}
		began := time.Now()
		resp := s.signIn(s.browser(), ada, "/")
		if resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s, want 503: %s", resp.Status, resp.body)
		}
		if got := time.Since(began); got != 12*time.Second {
			t.Errorf("after %v, want 12 s", got)
		}
	})
}
