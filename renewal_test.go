package hfoauth_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// tokenOf returns the access token of a session.
func tokenOf(t *testing.T, session *hfoauth.Session) string {
	t.Helper()
	token, err := session.Token()
	if err != nil {
		t.Fatal(err)
	}
	if token.RefreshToken != "" {
		t.Error("the token shows its refresh token")
	}
	return token.AccessToken
}

// renewed returns the cookie that a browser has after a renewal: that of the
// response or, since a session in a store needs none, the same.
func renewed(t *testing.T, keptIn string, cookie, answered *http.Cookie) *http.Cookie {
	t.Helper()
	if (answered != nil) != (keptIn == "cookie") {
		t.Fatalf("a renewal of a session in a %s answers with the cookie %v", keptIn, answered)
	}
	if answered == nil {
		return cookie
	}
	return answered
}

// act acts for the user of a cookie, and returns the token that it sends, the
// cookie that the response sets, and the error.
func act(t *testing.T, client *hfoauth.Client, cookie *http.Cookie) (token string,
	answered *http.Cookie, err error) {
	t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(cookie)
	w := httptest.NewRecorder()
	session, err := client.SessionFromRequest(w, r)
	if err != nil {
		return "", nil, err
	}
	token = tokenOf(t, session)
	for _, c := range w.Result().Cookies() {
		if c.Name == client.SessionCookie() {
			answered = c
		}
	}
	return token, answered, nil
}

func TestRenewal(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			clock := s.newClock()
			cookie := s.newSession(ada)
			first, answered, err := act(t, s.client, cookie)
			if err != nil {
				t.Fatal(err)
			}
			if calls := s.hub.Calls(hfoauthtest.TokenEndpoint); answered != nil || calls != 1 {
				t.Fatalf("a young token: answered with %v after %d token calls, want nothing new", answered, calls)
			}
			clock.advance(8*time.Hour - 6*time.Minute)
			if token, _, err := act(t, s.client, cookie); err != nil || token != first {
				t.Errorf("six minutes before its end: %v, same token %v: want it not renewed", err, token == first)
			}
			clock.advance(2 * time.Minute)
			second, answered, err := act(t, s.client, cookie)
			if err != nil {
				t.Fatal(err)
			}
			if second == first || !s.works(second) {
				t.Fatalf("an old token was not renewed: the same %v, works %v", second == first, s.works(second))
			}
			cookie = renewed(t, name, cookie, answered)
			clock.advance(7 * time.Hour)
			third, _, err := act(t, s.client, cookie)
			if err != nil || third != second {
				t.Errorf("the renewed session: %v, same token %v", err, third == second)
			}
			if !signedIn(s.client, cookie) {
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
	cookie := s.newSession(ada)
	s.hub.AddUser(hfoauthtest.User{Username: "ada", Name: "Ada King", Orgs: []hfoauthtest.Org{{Username: "new"}}})
	clock.advance(9 * time.Hour)
	_, answered, err := act(t, s.client, cookie)
	if err != nil {
		t.Fatal(err)
	}
	user := userOf(s.client, answered)
	if want := "Ada King"; user.Name != want {
		t.Errorf("name %q, want %q", user.Name, want)
	}
	if len(user.Orgs) != 1 || user.Org("new") == nil {
		t.Errorf("organizations %v, want new alone", user.Orgs)
	}
}

// If the tokens are renewed but the userinfo fails, organizations stay as before
// only as long as the token with which they were read lasts.
func TestMembershipsThatCannotBeReadAgain(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			clock := s.newClock()
			cookie := s.newSession(ada)
			page := s.client.RequireOrg("engines", hfoauth.RoleAny)(http.HandlerFunc(letIn))
			visit := func() int {
				w := httptest.NewRecorder()
				page.ServeHTTP(w, requestWith(cookie))
				return w.Code
			}
			s.hub.AddUser(hfoauthtest.User{Username: "ada"}) // who has left
			s.hub.SetFault(hfoauthtest.UserInfoEndpoint, hfoauthtest.Answer(503, ""))
			clock.advance(8*time.Hour - 2*time.Minute)
			if got := visit(); got != 200 {
				t.Errorf("before the first token expired: %d, want 200", got)
			}
			clock.advance(2 * time.Minute)
			if got := visit(); got != 503 {
				t.Errorf("after that: %d, want 503", got)
			}
			asked := s.hub.Calls(hfoauthtest.UserInfoEndpoint)
			if got := visit(); got != 503 {
				t.Errorf("at once again: %d, want 503", got)
			}
			if got := s.hub.Calls(hfoauthtest.UserInfoEndpoint) - asked; got != 0 {
				t.Errorf("the userinfo is requested %d times more within half a minute, want none", got)
			}
			if !signedIn(s.client, cookie) {
				t.Error("signed out")
			}
			s.hub.SetFault(hfoauthtest.UserInfoEndpoint, nil)
			clock.advance(30 * time.Second)
			if got := visit(); got != 403 {
				t.Errorf("once the userinfo works: %d, want 403", got)
			}
			if user := userOf(s.client, cookie); user.Org("engines") != nil {
				t.Errorf("the session still has %v", user.Orgs)
			}
		})
	}
}

// withStaleUser calls test, for a session in a cookie and one in a store, in the last
// minutes of an access token with which the user could not be read. visit asks for a
// page of the user's organization and returns the status.
func withStaleUser(t *testing.T, test func(t *testing.T, s *site, visit func() int)) {
	t.Helper()
	for name, store := range map[string]func() hfoauth.Store{
		"cookie": func() hfoauth.Store { return nil },
		"store":  func() hfoauth.Store { return newMapStore() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newVirtualSite(t, withStore(store()))
				cookie := s.newSession(ada)
				page := s.client.RequireOrg("engines", hfoauth.RoleAny)(http.HandlerFunc(letIn))
				visit := func() int {
					w := httptest.NewRecorder()
					page.ServeHTTP(w, requestWith(cookie))
					for _, set := range w.Result().Cookies() {
						if set.Name == cookie.Name {
							cookie = set
						}
					}
					return w.Code
				}
				s.hub.SetFault(hfoauthtest.UserInfoEndpoint, hfoauthtest.Answer(503, ""))
				time.Sleep(8*time.Hour - 2*time.Minute)
				visit() // the tokens are renewed, and the user cannot be read
				s.hub.SetFault(hfoauthtest.UserInfoEndpoint, nil)
				time.Sleep(8*time.Hour - 2*time.Minute)
				test(t, s, visit)
			})
		})
	}
}

// A user who is read again during a slow renewal does not cost the session the
// tokens that the renewal then brings.
func TestUserReadDuringARenewal(t *testing.T) {
	withStaleUser(t, func(t *testing.T, s *site, visit func() int) {
		s.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Delay(5*time.Second))
		if got := visit(); got != 200 {
			t.Errorf("while the tokens are renewed: %d, want 200", got)
		}
		if got := visit(); got != 200 {
			t.Errorf("while the tokens are still renewed: %d, want 200", got)
		}
		time.Sleep(10 * time.Minute)
		if got := visit(); got != 200 {
			t.Errorf("with the renewed tokens: %d, want 200", got)
		}
		if calls := s.hub.Calls(hfoauthtest.TokenEndpoint); calls != 3 {
			t.Errorf("%d token calls, want 3: one sign-in and two renewals", calls)
		}
	})
}

// If the tokens are renewed meanwhile, the user who was read again decides, and not
// the one whom the renewal left in the session.
func TestRenewalWhileTheUserIsRead(t *testing.T) {
	withStaleUser(t, func(t *testing.T, s *site, visit func() int) {
		s.hub.AddUser(hfoauthtest.User{Username: "ada"}) // who has left
		s.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Delay(5*time.Second))
		var reads atomic.Int32
		s.hub.SetFault(hfoauthtest.UserInfoEndpoint, func(next http.Handler) http.Handler {
			fault := hfoauthtest.Answer(503, "")(next)
			if reads.Add(1) == 1 {
				fault = hfoauthtest.Delay(8 * time.Second)(next)
			}
			return fault
		})
		if got := visit(); got != 403 {
			t.Errorf("a member who has left: %d, want 403", got)
		}
	})
}

// A burst of requests with one old cookie makes one token call, and all requests
// succeed.
func TestBurst(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			clock := s.newClock()
			cookie := s.newSession(ada)
			clock.advance(9 * time.Hour)
			s.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Delay(20*time.Millisecond))
			tokens := make([]string, 100)
			var wg sync.WaitGroup
			for i := range tokens {
				wg.Go(func() {
					token, answered, err := act(t, s.client, cookie)
					if err != nil {
						t.Errorf("request %d: %v", i, err)
						return
					}
					if kept := renewed(t, name, cookie, answered); !signedIn(s.client, kept) {
						t.Errorf("request %d: its cookie is not signed in", i)
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

// If two replicas renew at once, the loser continues as well.
func TestReplicasRace(t *testing.T) {
	t.Run("store, expired", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := newMapStore()
			s := newVirtualSite(t, withStore(store))
			other := s.newReplica(withStore(store))
			cookie := s.newSession(ada)
			time.Sleep(9 * time.Hour)
			// The winner's tokens and its user arrive late.
			s.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Delay(300*time.Millisecond))
			s.hub.SetFault(hfoauthtest.UserInfoEndpoint, hfoauthtest.Delay(300*time.Millisecond))
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
			if tokens[0] == "" || tokens[0] != tokens[1] {
				t.Error("the loser did not adopt the winner's tokens")
			}
			for i, client := range []*hfoauth.Client{s.client, other} {
				if !signedIn(client, cookie) {
					t.Errorf("replica %d signed the user out", i)
				}
			}
		})
	})
	t.Run("cookie, token still good", func(t *testing.T) {
		s := newSite(t, nil)
		other := s.newReplica(nil)
		clock := s.newClock(other)
		cookie := s.newSession(ada)
		clock.advance(8*time.Hour - 2*time.Minute)
		if _, answered, err := act(t, s.client, cookie); err != nil || answered == nil {
			t.Fatal(answered, err)
		}
		token, answered, err := act(t, other, cookie)
		if err != nil || answered != nil {
			t.Errorf("the loser: answered with %v, %v, want neither", answered, err)
		}
		if !s.works(token) {
			t.Error("the loser has a token that does not work")
		}
		if !signedIn(other, cookie) {
			t.Error("the loser signed the user out")
		}
	})
}

func TestRefreshTokenRevoked(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			clock := s.newClock()
			cookie := s.newSession(ada)
			clock.advance(8*time.Hour - 2*time.Minute)
			s.hub.Revoke("ada")
			_, answered, err := act(t, s.client, cookie)
			if err != nil {
				t.Errorf("while the old token lives: %v", err)
			}
			if answered != nil {
				cookie = answered
			}
			tried := s.hub.Calls(hfoauthtest.TokenEndpoint)
			if _, _, err := act(t, s.client, cookie); err != nil {
				t.Errorf("while the old token lives, again: %v", err)
			}
			if got := s.hub.Calls(hfoauthtest.TokenEndpoint) - tried; got != 0 {
				t.Errorf("a dead refresh token is tried %d times more, want none", got)
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
	cookie := s.newSession(ada)
	clock.advance(8*time.Hour - 2*time.Minute)
	s.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Answer(503, ""))
	first, _, err := act(t, s.client, cookie)
	if err != nil || !s.works(first) {
		t.Errorf("while the old token lives: %v", err)
	}
	asked := s.hub.Calls(hfoauthtest.TokenEndpoint)
	clock.advance(29 * time.Second)
	if _, _, err := act(t, s.client, cookie); err != nil {
		t.Errorf("while the old token lives, again: %v", err)
	}
	if got := s.hub.Calls(hfoauthtest.TokenEndpoint) - asked; got != 0 {
		t.Errorf("the provider is asked %d times within half a minute, want none", got)
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

// If the provider refuses to renew for a reason other than a dead refresh token,
// such as a replaced client secret, the session is not ended for good and the user
// is not stuck: pages redirect to sign-in.
func TestRenewalRefused(t *testing.T) {
	s := newSite(t, nil)
	clock := s.newClock()
	browser := s.browser()
	cookie := s.newSessionIn(browser, ada)
	s.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Answer(401, `{"error":"invalid_client"}`))
	clock.advance(8*time.Hour - 2*time.Minute)
	if _, _, err := act(t, s.client, cookie); err != nil {
		t.Errorf("while the old token lives: %v", err)
	}
	clock.advance(3 * time.Minute)
	_, _, err := act(t, s.client, cookie)
	if !errors.Is(err, hfoauth.ErrNotSignedIn) {
		t.Errorf("after its end: %v, want %v", err, hfoauth.ErrNotSignedIn)
	}
	if e, ok := errors.AsType[*hfoauth.ProviderError](err); !ok || e.Code != "invalid_client" {
		t.Errorf("after its end: %v, want the provider's invalid_client", err)
	}
	page := get(t, s.browser(), s.URL+"/private", "Cookie", cookie.Name+"="+cookie.Value)
	checkRedirect(t, "a page", page, "/login?next=%2Fprivate")
	if log := s.log.String(); !strings.Contains(log, "invalid_client") {
		t.Errorf("the log does not say why: %s", log)
	}
	s.hub.SetFault(hfoauthtest.TokenEndpoint, nil)
	clock.advance(31 * time.Second)
	if token, _, err := act(t, s.client, cookie); err != nil || !s.works(token) {
		t.Errorf("once the provider accepts it: %v", err)
	}
}

// Renewed tokens survive a store that is down when they arrive.
func TestStoreAwayDuringRenewal(t *testing.T) {
	store := newMapStore()
	s := newSite(t, withStore(store))
	clock := s.newClock()
	cookie := s.newSession(ada)
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

// A refresh keeps the tokens it got even if the keys cannot be fetched.
func TestKeysAwayDuringRenewal(t *testing.T) {
	s := newSite(t, nil)
	cookie := s.newSession(ada)
	fresh := s.newReplica(nil) // has no keys yet
	clock := s.newClock(fresh)
	clock.advance(9 * time.Hour)
	s.hub.SetFault(hfoauthtest.JWKSEndpoint, hfoauthtest.Answer(503, ""))
	if token, _, err := act(t, fresh, cookie); err != nil || !s.works(token) {
		t.Errorf("renewal without keys: %v", err)
	}
	for _, want := range []int{503, 303} {
		if want == 303 { // the keys are back
			s.hub.SetFault(hfoauthtest.JWKSEndpoint, nil)
			clock.advance(time.Minute)
		}
		login := httptest.NewRecorder()
		fresh.LoginHandler().ServeHTTP(login, httptest.NewRequest("GET", "/login", nil))
		r := httptest.NewRequest("GET", s.decide(login.Header().Get("Location"), ada), nil)
		for _, cookie := range login.Result().Cookies() {
			r.AddCookie(cookie)
		}
		callback := httptest.NewRecorder()
		if fresh.CallbackHandler().ServeHTTP(callback, r); callback.Code != want {
			t.Errorf("sign-in: %d, want %d: %s", callback.Code, want, callback.Body)
		}
	}
}

// The winner of a race saves its tokens before it requests anything else, so that
// the loser finds them.
func TestLoserDoesNotWaitForUserInfo(t *testing.T) {
	store := newMapStore()
	s := newSite(t, withStore(store))
	other := s.newReplica(withStore(store))
	clock := s.newClock(other)
	cookie := s.newSession(ada)
	clock.advance(9 * time.Hour)
	var winners atomic.Int32
	s.hub.SetFault(hfoauthtest.UserInfoEndpoint, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if winners.Add(1) == 1 { // the winner, whose response waits for the loser
				if _, _, err := act(t, other, cookie); err != nil {
					t.Errorf("the loser: %v", err)
				}
			}
			next.ServeHTTP(w, r)
		})
	})
	if _, _, err := act(t, s.client, cookie); err != nil {
		t.Errorf("the winner: %v", err)
	}
	if winners.Load() == 0 {
		t.Error("the winner did not request the userinfo")
	}
	if calls := s.hub.Calls(hfoauthtest.TokenEndpoint); calls != 2 {
		t.Errorf("%d token calls, want those of the sign-in and of the winner", calls)
	}
}

func TestRenewalOfAnotherUser(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			clock := s.newClock()
			cookie := s.newSession(ada)
			s.hub.Configure(func(c *hfoauthtest.Settings) {
				c.TokenResponse = func(r map[string]any) { delete(r, "id_token") }
				c.UserInfo = func(claims map[string]any) { claims["sub"] = "somebody else" }
			})
			clock.advance(9 * time.Hour)
			if _, answered, err := act(t, s.client, cookie); err == nil || answered != nil {
				t.Errorf("answered %v, %v", answered, err)
			}
			if signedIn(s.client, cookie) {
				t.Error("the session continues with another user's tokens")
			}
		})
	}
}

// So it is if the user is read later than the tokens were renewed.
func TestUserOfARenewalIsAnother(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			clock := s.newClock()
			cookie := s.newSession(ada)
			s.hub.SetFault(hfoauthtest.UserInfoEndpoint, hfoauthtest.Answer(503, ""))
			clock.advance(9 * time.Hour)
			_, answered, err := act(t, s.client, cookie)
			if err != nil {
				t.Fatal(err)
			}
			if answered != nil {
				cookie = answered
			}
			s.hub.SetFault(hfoauthtest.UserInfoEndpoint, nil)
			s.hub.Configure(func(c *hfoauthtest.Settings) {
				c.UserInfo = func(claims map[string]any) { claims["sub"] = "somebody else" }
			})
			page := s.client.RequireOrg("engines", hfoauth.RoleAny)(http.HandlerFunc(letIn))
			w := httptest.NewRecorder()
			if page.ServeHTTP(w, requestWith(cookie)); w.Code != http.StatusUnauthorized {
				t.Errorf("status %d, want 401", w.Code)
			}
			if signedIn(s.client, cookie) {
				t.Error("the session continues with another user's tokens")
			}
		})
	}
}

func TestShortLivedTokens(t *testing.T) {
	s := newSite(t, nil)
	clock := s.newClock()
	s.hub.Configure(func(c *hfoauthtest.Settings) { c.AccessTokenLifetime = 4 * time.Minute })
	cookie := s.newSession(ada)
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

// A page instead of the userinfo does not sign the user out.
func TestNonsenseFromUserInfoDuringRenewal(t *testing.T) {
	s := newSite(t, withStore(newMapStore()))
	clock := s.newClock()
	cookie := s.newSession(ada)
	clock.advance(8*time.Hour - 2*time.Minute)
	maintenance := hfoauthtest.Answer(200, "<html>maintenance", "Content-Type", "text/html")
	s.hub.SetFault(hfoauthtest.UserInfoEndpoint, hfoauthtest.Times(1, maintenance))
	if _, _, err := act(t, s.client, cookie); err != nil {
		t.Error(err)
	}
	if !signedIn(s.client, cookie) {
		t.Error("signed out")
	}
}

// Two copies of one session have the same tokens: after one renewal, each copy gets
// its new cookie.
func TestRenewalOfAnotherCopy(t *testing.T) {
	s := newSite(t, nil)
	clock := s.newClock()
	cookie := s.newSession(ada)
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

// If a store hangs while a token is renewed, one request at a time waits for it and
// the others continue.
func TestStoreHangsDuringRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &hangStore{mapStore: newMapStore()}
		s := newVirtualSite(t, withStore(store))
		cookie := s.newSession(ada)
		time.Sleep(9 * time.Hour)
		s.hub.SetFault(hfoauthtest.TokenEndpoint, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(time.Millisecond) // so that all 20 wait for it
				store.hung.Store(true)
				next.ServeHTTP(w, r)
			})
		})
		began := time.Now()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { act(t, s.client, cookie) })
		}
		wg.Wait()
		if took := time.Since(began); took > time.Second {
			t.Errorf("the slowest of 20 requests took %s, want a second at most", took)
		}
		if calls := s.hub.Calls(hfoauthtest.TokenEndpoint); calls != 2 {
			t.Errorf("%d token calls, want those of the sign-in and of one renewal", calls)
		}
		store.hung.Store(false)
		time.Sleep(time.Minute) // until the new tokens are stored
		if other := s.newReplica(withStore(store)); !signedIn(other, cookie) {
			t.Error("the new tokens were never stored")
		}
	})
}

// The Hub's own timeout looks like a refused grant but is not one
// (https://github.com/huggingface/hub-docs/issues/2757).
func TestAbortedRenewal(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			clock := s.newClock()
			cookie := s.newSession(ada)
			s.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Aborted())
			clock.advance(9 * time.Hour)
			if _, _, err := act(t, s.client, cookie); !errors.Is(err, hfoauth.ErrProviderUnavailable) {
				t.Errorf("%v, want ErrProviderUnavailable", err)
			}
			s.hub.SetFault(hfoauthtest.TokenEndpoint, nil)
			clock.advance(time.Minute)
			if _, _, err := act(t, s.client, cookie); err != nil {
				t.Errorf("the user is signed out: %v", err)
			}
		})
	}
}

// privateLeases is a store in which a replica does not see others' leases, as can
// happen for an instant without compare-and-swap.
type privateLeases struct {
	*mapStore
	replica string
	looked  func() // called when the replica reads a lease; may be nil
}

func (p privateLeases) key(key string) string {
	if strings.HasPrefix(key, "hfoauth-lease-") {
		return key + p.replica
	}
	return key
}

func (p privateLeases) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	if p.key(key) != key && p.looked != nil {
		p.looked()
	}
	return p.mapStore.FindCtx(ctx, p.key(key))
}

func (p privateLeases) CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error {
	return p.mapStore.CommitCtx(ctx, p.key(key), b, expiry)
}

// Two replicas that both have the lease both renew. The one that the provider
// refuses waits for the other's tokens.
func TestLoserOfADoubleRenewal(t *testing.T) {
	store := newMapStore()
	s := newSite(t, withStore(privateLeases{store, "1", nil}))
	renewed, refused, waits := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var once sync.Once
	other := s.newReplica(withStore(privateLeases{store, "2", func() {
		select {
		case <-refused: // and checks who has the lease
			once.Do(func() { close(waits) })
		default:
		}
	}}))
	clock := s.newClock(other)
	cookie := s.newSession(ada)
	clock.advance(9 * time.Hour)
	s.hub.SetFault(hfoauthtest.TokenEndpoint, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			if answer.Code == http.StatusOK {
				close(renewed)
				<-waits // the tokens are on their way
			} else {
				close(refused)
			}
			maps.Copy(w.Header(), answer.Header())
			w.WriteHeader(answer.Code)
			w.Write(answer.Body.Bytes())
		})
	})
	var first string
	done := make(chan struct{})
	go func() {
		defer close(done)
		first, _, _ = act(t, s.client, cookie)
	}()
	<-renewed
	second, _, err := act(t, other, cookie)
	<-done
	if err != nil {
		t.Fatal(err)
	}
	if second == "" || second != first {
		t.Error("the loser does not have the winner's token")
	}
}

// A refresh token that the provider refused is not sent again, even if the store
// fails when the refusal is to be stored.
func TestRefusedTokenIsNotSentAgain(t *testing.T) {
	store := newMapStore()
	s := newSite(t, withStore(store))
	clock := s.newClock()
	cookie := s.newSession(ada)
	s.hub.Revoke("ada")
	clock.advance(9 * time.Hour)
	s.hub.SetFault(hfoauthtest.TokenEndpoint, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			store.fail(errors.New("connection refused"))
			next.ServeHTTP(w, r)
		})
	})
	if _, _, err := act(t, s.client, cookie); err == nil {
		t.Error("a session that the provider refused continues")
	}
	store.fail(nil)
	calls := s.hub.Calls(hfoauthtest.TokenEndpoint)
	clock.advance(time.Minute)
	if _, _, err := act(t, s.client, cookie); !errors.Is(err, hfoauth.ErrNotSignedIn) {
		t.Errorf("%v, want %v", err, hfoauth.ErrNotSignedIn)
	}
	if again := s.hub.Calls(hfoauthtest.TokenEndpoint) - calls; again != 0 {
		t.Errorf("the dead token was sent %d times more", again)
	}
}

// A handler that requests the token again does not wait for the store again.
func TestSlowStoreIsWaitedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowLeases{mapStore: newMapStore()}
		s := newVirtualSite(t, withStore(store))
		cookie := s.newSession(ada)
		time.Sleep(8*time.Hour - 2*time.Minute)
		session := sessionOf(t, s.client, cookie)
		tokenOf(t, session)
		if calls := store.calls.Load(); calls != 1 {
			t.Errorf("the lease was requested %d times, want once", calls)
		}
	})
}

// A store that does not answer is no outage of the provider, which the page
// would blame.
func TestSlowStoreIsNotTheProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualSite(t, withStore(&slowLeases{mapStore: newMapStore()}))
		cookie := s.newSession(ada)
		time.Sleep(9 * time.Hour)
		_, err := s.client.SessionFromRequest(httptest.NewRecorder(), requestWith(cookie))
		if !errors.Is(err, hfoauth.ErrStoreUnavailable) {
			t.Errorf("error %v, want %v", err, hfoauth.ErrStoreUnavailable)
		}
		if errors.Is(err, hfoauth.ErrProviderUnavailable) {
			t.Errorf("error %v, want none of the provider", err)
		}
	})
}

// slowLeases is a store that hangs on leases.
type slowLeases struct {
	*mapStore
	calls atomic.Int32
}

func (s *slowLeases) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	if strings.HasPrefix(key, "hfoauth-lease-") {
		s.calls.Add(1)
		<-ctx.Done()
		return nil, false, ctx.Err()
	}
	return s.mapStore.FindCtx(ctx, key)
}

// A request whose access token is good waits at most a second for the provider,
// and tokens that arrive later are not lost.
func TestSlowRenewalOfAGoodToken(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			clock := s.newClock()
			cookie := s.newSession(ada)
			first, _, err := act(t, s.client, cookie)
			if err != nil {
				t.Fatal(err)
			}
			answer := make(chan struct{})
			s.hub.SetFault(hfoauthtest.TokenEndpoint, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					<-answer
					next.ServeHTTP(w, r)
				})
			})
			clock.advance(8*time.Hour - 2*time.Minute)
			began := time.Now()
			token, _, err := act(t, s.client, cookie)
			took := time.Since(began)
			began = time.Now()
			if _, _, err := act(t, s.client, cookie); err != nil || time.Since(began) > 500*time.Millisecond {
				t.Errorf("the second request: %v after %s, want no wait", err, time.Since(began))
			}
			close(answer)
			if err != nil || token != first {
				t.Errorf("%v, same token %v: want the token that is still good", err, token == first)
			}
			if took > 5*time.Second {
				t.Errorf("the request took %s", took)
			}
			clock.advance(2 * time.Minute)
			if token, _, err := act(t, s.client, cookie); err != nil || token == first {
				t.Errorf("%v, same token %v: want the new token", err, token == first)
			}
			if calls := s.hub.Calls(hfoauthtest.TokenEndpoint); calls != 2 {
				t.Errorf("%d token calls, want 2", calls)
			}
		})
	}
}

// Two sessions that are renewed at the same time each get their own tokens.
func TestRenewalsOfTwoSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualSite(t, nil)
		sessions := map[string]*http.Cookie{"ada": s.newSession(ada), "grace": s.newSession(grace)}
		time.Sleep(9 * time.Hour)
		s.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Delay(time.Second))
		var wg sync.WaitGroup
		for username, cookie := range sessions {
			wg.Go(func() {
				session, err := s.client.SessionFromRequest(httptest.NewRecorder(), requestWith(cookie))
				if err != nil {
					t.Error(err)
				} else if got := session.User.Username; got != username {
					t.Errorf("the session of %s is %s's after its renewal", username, got)
				}
			})
		}
		wg.Wait()
	})
}

// A session without a refresh token lasts as long as its access token.
func TestSessionWithoutARefreshToken(t *testing.T) {
	s := newSite(t, nil)
	s.hub.Configure(func(c *hfoauthtest.Settings) {
		c.TokenResponse = func(answer map[string]any) { delete(answer, "refresh_token") }
	})
	clock := s.newClock()
	cookie := s.newSession(ada)
	clock.advance(8*time.Hour - 2*time.Minute)
	if _, _, err := act(t, s.client, cookie); err != nil {
		t.Errorf("before the end of its token: %v", err)
	}
	if got := s.hub.Calls(hfoauthtest.TokenEndpoint); got != 1 {
		t.Errorf("%d token calls, want that of the sign-in", got)
	}
	clock.advance(3 * time.Minute)
	if _, _, err := act(t, s.client, cookie); !errors.Is(err, hfoauth.ErrNotSignedIn) {
		t.Errorf("after it: %v, want %v", err, hfoauth.ErrNotSignedIn)
	}
}

// While another replica renews forever, a token that is still good is used at
// once, and a request without one waits for twelve seconds.
func TestRenewalIsWaitedForInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualSite(t, withStore(&leasedStore{mapStore: newMapStore()}))
		cookie := s.newSession(ada)
		ask := func() (took time.Duration, err error) {
			began := time.Now()
			_, err = s.client.SessionFromRequest(httptest.NewRecorder(), requestWith(cookie))
			return time.Since(began), err
		}
		time.Sleep(8*time.Hour - 2*time.Minute)
		took, err := ask()
		if err != nil {
			t.Errorf("while the token is good: %v", err)
		}
		if took > time.Second {
			t.Errorf("while the token is good, a request takes %v, want no time", took)
		}
		time.Sleep(3 * time.Minute)
		took, err = ask()
		if !errors.Is(err, hfoauth.ErrProviderUnavailable) {
			t.Errorf("without a token: %v, want %v", err, hfoauth.ErrProviderUnavailable)
		}
		if took != 12*time.Second {
			t.Errorf("without a token, a request takes %v, want 12 s", took)
		}
		time.Sleep(time.Minute) // until the renewal gives up as well
	})
}

// A session that is signed out while its renewal fails has ended, even if its token
// is good.
func TestSignOutDuringAFailedRenewal(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			clock := s.newClock()
			cookie := s.newSession(ada)
			clock.advance(8*time.Hour - 2*time.Minute)
			s.hub.SetFault(hfoauthtest.TokenEndpoint, func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					post(t, s.browser(), s.URL+"/logout", nil, "Cookie", cookie.Name+"="+cookie.Value)
					w.WriteHeader(http.StatusServiceUnavailable)
				})
			})
			if _, err := s.client.SessionFromRequest(httptest.NewRecorder(), requestWith(cookie)); err == nil {
				t.Error("the request is signed in, want an error")
			}
		})
	}
}

// The scopes of a session are those of its newest token.
func TestRenewalWithFewerScopes(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) { c.Scopes = hfoauth.Scopes{hfoauth.ScopeEmail} })
	clock := s.newClock()
	cookie := s.newSession(ada)
	s.hub.Configure(func(c *hfoauthtest.Settings) {
		c.TokenResponse = func(answer map[string]any) { answer["scope"] = "openid profile" }
	})
	clock.advance(9 * time.Hour)
	session, err := s.client.SessionFromRequest(httptest.NewRecorder(), requestWith(cookie))
	if err != nil {
		t.Fatal(err)
	}
	if got := session.Scopes.Param(); got != "openid profile" {
		t.Errorf("the scopes after the renewal are %q, want openid profile", got)
	}
}

// Renewed tokens are used and kept even if the userinfo fails.
func TestUserInfoAwayDuringRenewal(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			clock := s.newClock()
			cookie := s.newSession(ada)
			clock.advance(9 * time.Hour)
			s.hub.SetFault(hfoauthtest.UserInfoEndpoint, hfoauthtest.Answer(503, ""))
			token, answered, err := act(t, s.client, cookie)
			if err != nil {
				t.Fatal(err)
			}
			s.hub.SetFault(hfoauthtest.UserInfoEndpoint, nil)
			if !s.works(token) {
				t.Error("the renewed token does not work")
			}
			if cookie = renewed(t, name, cookie, answered); !signedIn(s.client, cookie) {
				t.Error("the renewed session is not signed in")
			}
		})
	}
}

// A session that is signed out after its renewal, while the userinfo is requested,
// is not sent to the browser.
func TestSignOutRightAfterARenewal(t *testing.T) {
	s := newSite(t, nil)
	clock := s.newClock()
	cookie := s.newSession(ada)
	clock.advance(9 * time.Hour)
	s.hub.SetFault(hfoauthtest.UserInfoEndpoint, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			post(t, s.browser(), s.URL+"/logout", nil, "Cookie", cookie.Name+"="+cookie.Value)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
	})
	w := httptest.NewRecorder()
	if _, err := s.client.SessionFromRequest(w, requestWith(cookie)); !errors.Is(err, hfoauth.ErrNotSignedIn) {
		t.Errorf("error %v, want %v", err, hfoauth.ErrNotSignedIn)
	}
	if got := w.Result().Cookies(); len(got) != 0 {
		t.Errorf("the response sets %v, want no cookie", got)
	}
}
