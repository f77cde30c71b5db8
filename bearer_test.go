package hfoauth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// bearer returns the user of a token if tokens of the app and user tokens are
// accepted.
func bearer(client *hfoauth.Client, token string, cookies ...*http.Cookie) (*hfoauth.User, error) {
	return bearerAt(client, hfoauth.BearerOptions{UserTokens: true}, token, cookies...)
}

// bearerAt returns the user of a token behind AcceptBearer.
func bearerAt(client *hfoauth.Client, options hfoauth.BearerOptions, token string, cookies ...*http.Cookie) (
	user *hfoauth.User, err error,
) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	for _, cookie := range cookies {
		r.AddCookie(cookie)
	}
	handler := client.AcceptBearer(options)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		user, err = client.UserFromRequest(r)
	}))
	handler.ServeHTTP(httptest.NewRecorder(), r)
	return user, err
}

func TestBearer(t *testing.T) {
	s := newSite(t, nil)
	clock := s.newClock()
	oauthToken := s.hub.AccessToken("ada", s.app.ClientID)
	for name, token := range map[string]string{"OAuth token": oauthToken, "user token": s.hub.UserToken("ada")} {
		user, err := bearer(s.client, token)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if user.Username != "ada" || user.Sub != sub("ada") {
			t.Errorf("%s: the user is %q with the ID %q, want ada", name, user.Username, user.Sub)
		}
		if user.Org("engines") == nil {
			t.Errorf("%s: the user is not in engines: %v", name, user.Orgs)
		}
		if want := s.hub.URL + "/"; !strings.HasPrefix(user.Picture, want) {
			t.Errorf("%s: picture %q, want one below %s", name, user.Picture, want)
		}
	}
	for _, endpoint := range []hfoauthtest.Endpoint{hfoauthtest.UserInfoEndpoint, hfoauthtest.WhoAmIEndpoint} {
		if got := s.hub.Calls(endpoint); got != 1 {
			t.Errorf("%s is asked %d times about an OAuth and a user token, want once", endpoint, got)
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

	cookie := s.newSession(grace)
	if user, err := bearer(s.client, oauthToken, cookie); err != nil || user.Username != "ada" {
		t.Errorf("token and cookie: %v %v", user, err)
	}
	if _, err := bearer(s.client, "hf_bad", cookie); !errors.Is(err, hfoauth.ErrNotSignedIn) {
		t.Errorf("bad token and good cookie: %v", err)
	}

	t.Run("remembered", func(t *testing.T) {
		calls := s.hub.Calls(hfoauthtest.UserInfoEndpoint)
		clock.advance(4 * time.Minute)
		bearer(s.client, oauthToken)
		if got := s.hub.Calls(hfoauthtest.UserInfoEndpoint) - calls; got != 0 {
			t.Errorf("%d calls after four minutes, want none", got)
		}
		s.hub.Revoke("ada")
		clock.advance(time.Minute + time.Second)
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
	t.Run("provider down", func(t *testing.T) {
		s.hub.SetFault(hfoauthtest.WhoAmIEndpoint, hfoauthtest.Answer(503, ""))
		token := s.hub.UserToken("ada")
		_, err := bearer(s.client, token)
		if !errors.Is(err, hfoauth.ErrProviderUnavailable) {
			t.Errorf("while the provider is down: %v, want %v", err, hfoauth.ErrProviderUnavailable)
		}
		s.hub.SetFault(hfoauthtest.WhoAmIEndpoint, nil)
		if _, err := bearer(s.client, token); err != nil {
			t.Errorf("when the provider is back: %v", err)
		}
	})
	t.Run("of nobody", func(t *testing.T) {
		s.hub.SetFault(hfoauthtest.UserInfoEndpoint, hfoauthtest.Answer(200, `{"preferred_username":"ada"}`))
		defer s.hub.SetFault(hfoauthtest.UserInfoEndpoint, nil)
		_, err := bearer(s.client, s.hub.AccessToken("ada", s.app.ClientID))
		if !errors.Is(err, hfoauth.ErrProviderInvalid) {
			t.Errorf("%v, want %v", err, hfoauth.ErrProviderInvalid)
		}
	})
	for _, status := range []int{401, 403} {
		t.Run(fmt.Sprint("refused with ", status), func(t *testing.T) {
			s.hub.SetFault(hfoauthtest.UserInfoEndpoint, hfoauthtest.Answer(status, ""))
			defer s.hub.SetFault(hfoauthtest.UserInfoEndpoint, nil)
			_, err := bearer(s.client, s.hub.AccessToken("ada", s.app.ClientID))
			if !errors.Is(err, hfoauth.ErrNotSignedIn) {
				t.Errorf("%v, want %v", err, hfoauth.ErrNotSignedIn)
			}
		})
	}
}

// A session of a token says so, and has no ID: it is kept nowhere.
func TestSessionOfAToken(t *testing.T) {
	s := newSite(t, nil)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+s.hub.AccessToken("ada", s.app.ClientID))
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := s.client.SessionFromRequest(w, r)
		if err != nil {
			t.Fatal(err)
		}
		if !session.Bearer {
			t.Error("Session.Bearer is false, want true")
		}
		if session.ID != "" {
			t.Errorf("Session.ID is %q, want none", session.ID)
		}
		if err := session.End(r.Context()); err == nil || !strings.Contains(err.Error(), "bearer") {
			t.Errorf("Session.End: %v, want an error that says why", err)
		}
	})
	s.client.AcceptBearer(hfoauth.BearerOptions{})(handler).ServeHTTP(httptest.NewRecorder(), r)
}

// A program that sends a token learns what is wrong with it, even if it says that
// it accepts pages.
func TestBearerIsNotSentToSignIn(t *testing.T) {
	s := newSite(t, nil)
	handler := s.client.AcceptBearer(hfoauth.BearerOptions{})(s.client.RequireUser(http.NotFoundHandler()))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Authorization", "Bearer hf_oauth_invented")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("%d to %q, want 401", w.Code, w.Header().Get("Location"))
	}
}

// The scopes that the app requests at sign-in are not those of a program's token.
func TestScopesOfATokenAreItsOwn(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) { c.Scopes = hfoauth.Scopes{hfoauth.ScopeInferenceAPI} })
	programs := s.client.AcceptBearer(hfoauth.BearerOptions{})
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	handler := programs(s.client.RequireScope(hfoauth.ScopeInferenceAPI)(page))
	for scopes, want := range map[string]int{"openid profile": 403, "openid profile inference-api": 204} {
		r := httptest.NewRequest("GET", "/", nil)
		token := s.hub.AccessToken("ada", s.app.ClientID, strings.Fields(scopes)...)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("a token with %s: %d, want %d", scopes, w.Code, want)
		}
	}
}

func TestOnSignInSeesBearers(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) {
		c.OnLogin = func(_ context.Context, session *hfoauth.Session) error {
			if session.User.Username == "ada" {
				return &hfoauth.ForbiddenError{Message: "Closed."}
			}
			return nil
		}
	})
	token := s.hub.AccessToken("ada", s.app.ClientID)
	for range 2 {
		if _, err := bearer(s.client, token); hfoauth.HTTPStatus(err) != http.StatusForbidden {
			t.Errorf("with the token of a user whom OnLogin refuses: %v, want its error", err)
		}
	}
	if got := s.hub.Calls(hfoauthtest.UserInfoEndpoint); got != 1 {
		t.Errorf("the provider is asked %d times about a token that OnLogin refused, want once", got)
	}
	if _, err := bearer(s.client, s.hub.AccessToken("grace", s.app.ClientID)); err != nil {
		t.Error(err)
	}
}

// Invented tokens are verified a few at a time; some wait, the others are turned
// away. Valid tokens that come all at once each get their turn.
func TestManyTokensAtOnce(t *testing.T) {
	s := newSite(t, nil)
	if err := s.client.Ping(t.Context()); err != nil {
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

// A request that waited too long for its turn makes room in the queue.
func TestPlacesOfThoseWhoGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		whoami := transportFunc(func(r *http.Request) (*http.Response, error) {
			if away.Load() {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			time.Sleep(time.Millisecond)
			return answerOf(http.StatusOK, `{"type":"user","id":"5dd9","name":"ada"}`), nil
		})
		client := newClient(t, hfoauth.Config{Transport: whoami})
		askAll := func(kind string, tokens int) (unanswered int64) {
			var failed atomic.Int64
			var wg sync.WaitGroup
			for i := range tokens {
				wg.Go(func() {
					if _, err := bearer(client, fmt.Sprintf("hf_%s_%d", kind, i)); err != nil {
						failed.Add(1)
					}
				})
			}
			wg.Wait()
			return failed.Load()
		}
		const places = 32 + 256
		away.Store(true)
		if got := askAll("before", places); got != places {
			t.Errorf("%d unanswered while the provider hangs, want all %d", got, places)
		}
		away.Store(false)
		if got := askAll("after", places); got != 0 {
			t.Errorf("%d of %d unanswered when it is back, want none", got, places)
		}
	})
}

// answerOf returns a response for a transport.
func answerOf(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// A flood of invented tokens does not shut out tokens that were valid within a
// day before.
func TestProvenTokensPassAFlood(t *testing.T) {
	s := newSite(t, nil)
	clock := s.newClock()
	old, proven := s.hub.UserToken("ada"), s.hub.UserToken("ada")
	for _, token := range []string{old, proven} {
		if _, err := bearer(s.client, token); err != nil {
			t.Fatal(err)
		}
		clock.advance(25 * time.Hour)
	}
	clock.advance(-24 * time.Hour)
	release := make(chan struct{})
	s.hub.SetFault(hfoauthtest.WhoAmIEndpoint, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if token := r.Header.Get("Authorization"); token != "Bearer "+proven && token != "Bearer "+old {
				<-release
			}
			next.ServeHTTP(w, r)
		})
	})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(release)
	const places = 32 + 256
	turnedAway := make(chan struct{}, places+1)
	for i := range places + 1 { // one more than fit
		wg.Go(func() {
			if _, err := bearer(s.client, fmt.Sprintf("hf_%d", i)); errors.Is(err, hfoauth.ErrProviderUnavailable) {
				turnedAway <- struct{}{}
			}
		})
	}
	<-turnedAway
	if _, err := bearer(s.client, proven); err != nil {
		t.Errorf("a token that was valid is turned away: %v", err)
	}
	if _, err := bearer(s.client, old); !errors.Is(err, hfoauth.ErrProviderUnavailable) {
		t.Errorf("a token that was valid 26 hours ago: %v, want %v", err, hfoauth.ErrProviderUnavailable)
	}
}

func TestBurstOfTokens(t *testing.T) {
	s := newSite(t, nil)
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

// OnLogin may keep and change the user that it gets.
func TestOnSignInKeepsTheUserOfAToken(t *testing.T) {
	var kept *hfoauth.Session
	s := newSite(t, func(c *hfoauth.Config) {
		c.OnLogin = func(_ context.Context, session *hfoauth.Session) error { kept = session; return nil }
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

// A token that was refused is remembered for a short while.
func TestRefusedTokenIsRemembered(t *testing.T) {
	s := newSite(t, nil)
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

// A token is accepted behind AcceptBearer and nowhere else.
func TestTokensCountPerRoute(t *testing.T) {
	s := newSite(t, nil)
	token := s.hub.AccessToken("ada", s.app.ClientID)
	user := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.client.SessionFromRequest(w, r); err != nil {
			w.WriteHeader(hfoauth.HTTPStatus(err))
		}
	})
	programs := s.client.AcceptBearer(hfoauth.BearerOptions{Resource: "/api"})
	other := s.newReplica(nil).AcceptBearer(hfoauth.BearerOptions{})
	for name, tt := range map[string]struct {
		handler http.Handler
		want    int
	}{
		"programs":               {programs(user), 200},
		"programs, RequireUser":  {programs(s.client.RequireUser(user)), 200},
		"browsers":               {user, 401},
		"browsers, RequireUser":  {s.client.RequireUser(user), 401},
		"programs of another":    {other(user), 401},
		"RequireUser around all": {s.client.RequireUser(programs(user)), 401},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		tt.handler.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s: %d, want %d", name, w.Code, tt.want)
		}
	}
}

// A route inside another one that accepts more tokens decides for itself, even
// behind a Require handler that accepted the token.
func TestStricterRouteInsideAnother(t *testing.T) {
	s := newSite(t, nil)
	token := s.hub.AccessToken("ada", s.hub.RegisterApp(hfoauthtest.App{Name: "Another"}).ClientID)
	user := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.client.UserFromRequest(r); err != nil {
			w.WriteHeader(hfoauth.HTTPStatus(err))
		}
	})
	strict := s.client.AcceptBearer(hfoauth.BearerOptions{Resource: "/admin"})
	loose := s.client.AcceptBearer(hfoauth.BearerOptions{AnyApp: true})
	for name, tt := range map[string]struct {
		handler http.Handler
		want    int
	}{
		"loose":                            {loose(s.client.RequireUser(user)), 200},
		"strict":                           {strict(s.client.RequireUser(user)), 401},
		"strict in loose":                  {loose(s.client.RequireUser(strict(s.client.RequireUser(user)))), 401},
		"strict in loose, UserFromRequest": {loose(s.client.RequireUser(strict(user))), 401},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		tt.handler.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s: %d, want %d", name, w.Code, tt.want)
		}
	}
}

// accessToken returns an OAuth access token in the Hub's format with a payload.
func accessToken(payload string) string {
	encode := base64.RawURLEncoding.EncodeToString
	header, signature := encode([]byte(`{"alg":"EdDSA"}`)), encode([]byte("signature"))
	return "hf_oauth_" + header + "." + encode([]byte(payload)) + "." + signature
}

// Which tokens are accepted is as BearerOptions say, if the provider vouches for
// all of them. The provider is not asked about the others.
func TestBearerOptions(t *testing.T) {
	s := newSite(t, nil)
	s.hub.SetFault(hfoauthtest.UserInfoEndpoint,
		hfoauthtest.Answer(200, `{"sub":"5dd96eb166059660ed1ee413","preferred_username":"ada"}`))
	s.hub.SetFault(hfoauthtest.WhoAmIEndpoint,
		hfoauthtest.Answer(200, `{"type":"user","id":"5dd96eb166059660ed1ee413","name":"ada"}`))
	options := map[string]hfoauth.BearerOptions{
		"the zero value": {}, "Apps": {Resource: "/apps", Apps: []string{"other"}},
		"AnyApp": {Resource: "/any", AnyApp: true}, "UserTokens": {Resource: "/users", UserTokens: true},
	}
	app := func(id, more string) string { return accessToken(`{"oauthApp":"` + id + `"` + more + `}`) }
	ofTwoParts := app(s.app.ClientID, ``)
	ofTwoParts = ofTwoParts[:strings.LastIndex(ofTwoParts, ".")]
	for name, tt := range map[string]struct {
		token string
		want  []string // the options that accept it
	}{
		"of the app": {app(s.app.ClientID, `,"scope":["openid","profile"]`),
			[]string{"the zero value", "Apps", "AnyApp", "UserTokens"}},
		"that hides scopes": {app(s.app.ClientID, ``), []string{"the zero value", "Apps", "AnyApp", "UserTokens"}},
		"of another app":    {app("other", `,"scope":"openid profile"`), []string{"Apps", "AnyApp"}},
		"of a third app":    {app("third", ``), []string{"AnyApp"}},
		"of no app":         {accessToken(`{"scope":"openid profile"}`), []string{"AnyApp"}},
		"of the app by azp": {accessToken(`{"azp":"` + s.app.ClientID + `"}`),
			[]string{"the zero value", "Apps", "AnyApp", "UserTokens"}},
		"by client_id": {accessToken(`{"client_id":"` + s.app.ClientID + `"}`),
			[]string{"the zero value", "Apps", "AnyApp", "UserTokens"}},
		"of two apps":       {app("other", `,"azp":"`+s.app.ClientID+`"`), []string{"Apps", "AnyApp"}},
		"of two parts":      {ofTwoParts, []string{"AnyApp"}},
		"of four parts":     {app(s.app.ClientID, ``) + ".x", []string{"AnyApp"}},
		"of 8 KiB":          {"hf_" + strings.Repeat("x", 8<<10-len("hf_")), []string{"UserTokens"}},
		"of more than that": {"hf_" + strings.Repeat("x", 8<<10), nil},
		"of an odd app":     {accessToken(`{"oauthApp":["` + s.app.ClientID + `"]}`), []string{"AnyApp"}},
		"that is opaque":    {"hf_oauth_opaque", []string{"AnyApp"}},
		"of a user":         {"hf_user", []string{"UserTokens"}},
		"for repositories":  {app(s.app.ClientID, `,"scope":["gated-repos"]`), nil}, // a trusted publisher's
		"without openid":    {app(s.app.ClientID, `,"scope":["profile","email"]`), nil},
		"without profile":   {app(s.app.ClientID, `,"scope":["openid","email"]`), nil},
		"without scopes":    {app(s.app.ClientID, `,"scope":""`), nil},
		"to refresh":        {"hf_oauth__refresh_" + strings.Repeat("x", 34), nil},
		"of something else": {"gh_token", nil},
	} {
		for option, options := range options {
			calls := s.hub.Calls(hfoauthtest.UserInfoEndpoint) + s.hub.Calls(hfoauthtest.WhoAmIEndpoint)
			user, err := bearerAt(s.client, options, tt.token)
			if slices.Contains(tt.want, option) {
				if err != nil || user.Username != "ada" {
					t.Errorf("a token %s with %s: %v, %v", name, option, user, err)
				}
				continue
			}
			if !errors.Is(err, hfoauth.ErrNotSignedIn) {
				t.Errorf("a token %s with %s: %v, %v, want ErrNotSignedIn", name, option, user, err)
			}
			if got := s.hub.Calls(hfoauthtest.UserInfoEndpoint) + s.hub.Calls(hfoauthtest.WhoAmIEndpoint); got != calls {
				t.Errorf("a token %s with %s: the provider is asked", name, option)
			}
		}
	}
}

// The log says why a token is refused, for the owner of the app. The challenge
// says no more than a holder of the token knows or can ask the provider.
func TestWhyTokensAreRefused(t *testing.T) {
	log := &recorder{}
	s := newSite(t, func(c *hfoauth.Config) { c.Logger = slog.New(log) })
	programs := s.client.AcceptBearer(hfoauth.BearerOptions{})
	withUserTokens := s.client.AcceptBearer(hfoauth.BearerOptions{Resource: "/users", UserTokens: true})
	other := s.hub.RegisterApp(hfoauthtest.App{Name: "Other"}).ClientID
	long := strings.Repeat("x", 1000)
	for name, tt := range map[string]struct {
		accept      func(http.Handler) http.Handler
		token       string
		reason      string // of the record's error
		description string
	}{
		"another app's": {programs, s.hub.AccessToken("ada", other),
			`the bearer token is of the app "` + other + `", which is neither this app nor in BearerOptions.Apps`,
			"The token was issued to another app."},
		"an app's with an odd name": {programs,
			accessToken(`{"oauthApp":"a\"b\nlevel=ERROR` + long + `","scope":"openid profile"}`),
			`the bearer token is of the app "a\"b level=ERROR` + long[:185] +
				`…", which is neither this app nor in BearerOptions.Apps`, "The token was issued to another app."},
		"an opaque one": {programs, "hf_oauth_opaque",
			"the bearer token does not say which app it was issued to: such tokens need BearerOptions.AnyApp",
			"The token does not say which app it was issued to."},
		"one for repositories": {programs, s.hub.AccessToken("ada", s.app.ClientID, "read-repos"),
			"the bearer token lacks the scope openid or profile, so it is no sign-in",
			"The token lacks the scope openid or profile."},
		"a user's": {programs, s.hub.UserToken("ada"),
			"the bearer token is a user access token or an organization's: for users' set BearerOptions.UserTokens",
			"Only OAuth access tokens are accepted here."},
		"an organization's": {withUserTokens, s.hub.OrgToken("engines"),
			"the bearer token is an organization's or an app's, not a user's", "The token is not a user's."},
		"an unknown user's": {withUserTokens, "hf_unknown",
			"the provider does not accept the bearer token: it has expired, was revoked, or never existed",
			"The token has expired, was revoked, or never existed."},
		"a refresh token": {programs, "hf_oauth__refresh_x",
			"the bearer token is a refresh token, which only its own app may use",
			"This is a refresh token: send the access token."},
		"another service's": {programs, "gh_token",
			"the bearer token does not begin with hf_, so it is not Hugging Face's",
			"This is not a token of Hugging Face."},
		"garbage": {programs, "hf_ \"x",
			"the bearer token is too long, or has characters that no token has", "The token is malformed."},
		"one that does not count": {func(next http.Handler) http.Handler { return next }, s.hub.UserToken("ada"),
			"the request has a bearer token, but its route has no AcceptBearer", ""},
	} {
		for kind, handler := range map[string]http.Handler{
			"RequireUser": s.client.RequireUser(http.HandlerFunc(letIn)),
			"UserFromRequest": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, err := s.client.UserFromRequest(r)
				s.client.Error(w, r, err)
			}),
		} {
			log.failed()
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Authorization", "Bearer "+tt.token)
			w := httptest.NewRecorder()
			tt.accept(handler).ServeHTTP(w, r)
			if w.Code != http.StatusUnauthorized {
				t.Errorf("%s, %s: %d, want 401", name, kind, w.Code)
			}
			records := log.failed()
			if len(records) != 1 || records[0].Level != slog.LevelDebug {
				t.Fatalf("%s, %s: %v, want one record at Debug", name, kind, records)
			}
			if got, want := attrsOf(records[0])["error"], "hfoauth: not signed in: "+tt.reason; got != want {
				t.Errorf("%s, %s: the log says %s, want %s", name, kind, got, want)
			}
			if got := parseChallenge(w.Header().Get("WWW-Authenticate"))["error_description"]; got != tt.description {
				t.Errorf("%s, %s: the challenge says %q, want %q", name, kind, got, tt.description)
			}
			checkLacks(t, fmt.Sprintf("%s, %s: the response", name, kind), fmt.Sprint(w.Header(), w.Body),
				"level=ERROR", other, "BearerOptions")
		}
	}
}

// A user token does not show which sign-in requirements are unmet: it suffices
// for pages of any member, but for a role only if whoami says that both are met.
func TestUserTokenIsNoProofOfMembership(t *testing.T) {
	s := newSite(t, nil)
	programs := s.client.AcceptBearer(hfoauth.BearerOptions{UserTokens: true})
	handler := programs(s.client.RequireOrg("engines",
		hfoauth.RoleRead)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) })))
	for demands, want := range map[string]int{
		``: 403, `,"pendingSSO":false`: 403, `,"pendingSSO":false,"missingMFA":true`: 403,
		`,"pendingSSO":false,"missingMFA":false`: 204,
	} {
		s.hub.SetFault(hfoauthtest.WhoAmIEndpoint, hfoauthtest.Answer(200, `{"type":"user","id":"5dd9",`+
			`"name":"ada","orgs":[{"id":"6a","name":"engines","roleInOrg":"admin"`+demands+`}]}`))
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+s.hub.UserToken("ada"))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("whoami with %q: %d, want %d", demands, w.Code, want)
		}
	}
}

func TestAcceptBearerPanics(t *testing.T) {
	s := newSite(t, nil)
	s.client.AcceptBearer(hfoauth.BearerOptions{Resource: "/mcp", AnyApp: true})
	s.client.AcceptBearer(hfoauth.BearerOptions{Resource: "/mcp", AnyApp: true})
	for _, options := range []hfoauth.BearerOptions{
		{Resource: "mcp"}, {Resource: "//evil.example"}, {Resource: "https://app.example/mcp"},
		{Resource: "/mcp?x"}, {Resource: "/mcp"},
		{Resource: "/scopes", Scopes: hfoauth.Scopes{"two words"}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v does not panic", options)
				}
			}()
			s.client.AcceptBearer(options)
		}()
	}
}

// Two clients can share a list of apps: neither writes to it.
func TestAppsRemainTheCallers(t *testing.T) {
	apps := append(make([]string, 0, 2), "other")
	newClient(t, hfoauth.Config{}).AcceptBearer(hfoauth.BearerOptions{Apps: apps})
	if got := apps[:2][1]; got != "" {
		t.Errorf("AcceptBearer writes %q past the end of the app's slice, want nothing", got)
	}
}

// A panic in the app's own code is logged with its stack, as net/http logs
// those in its goroutines.
func TestPanicInOnLoginIsLogged(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) {
		c.OnLogin = func(context.Context, *hfoauth.Session) error { return panicking() }
	})
	if _, err := bearer(s.client, s.hub.UserToken("ada")); err == nil || hfoauth.HTTPStatus(err) != 500 {
		t.Errorf("a panic lets the user in: %v", err)
	}
	for _, want := range []string{"level=ERROR", "no database", "panicking"} {
		if log := s.log.String(); !strings.Contains(log, want) {
			t.Errorf("the log does not say %q: %s", want, log)
		}
	}
}

func panicking() error { panic("no database") }

// BenchmarkBearers is an API with a thousand tokens in use.
func BenchmarkBearers(b *testing.B) {
	s := newSite(b, nil)
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	handler := s.client.AcceptBearer(hfoauth.BearerOptions{})(s.client.RequireUser(page))
	requests := make([]*http.Request, 1000)
	for i := range requests {
		requests[i] = httptest.NewRequest("GET", "/", nil)
		requests[i].Header.Set("Authorization", "Bearer "+s.hub.AccessToken("ada", s.app.ClientID))
	}
	before := heap()
	for _, r := range requests {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusNoContent {
			b.Fatal(w.Code)
		}
	}
	kept := heap() - before
	var next atomic.Int64
	var mu sync.Mutex
	var all []time.Duration
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		var took []time.Duration
		for pb.Next() {
			r := requests[next.Add(1)%int64(len(requests))]
			began := time.Now()
			handler.ServeHTTP(httptest.NewRecorder(), r)
			took = append(took, time.Since(began))
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, took...)
	})
	b.StopTimer()
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds()), "ns/p99")
	b.ReportMetric(float64(s.hub.Calls(hfoauthtest.UserInfoEndpoint)), "calls")
	b.ReportMetric(float64(kept)/1000, "B/token")
}

// Inside AcceptBearer the token counts and the cookie does not. If a Require
// handler is around it, both the cookie's user and the token's must meet its
// requirements.
func TestTokenInsideRequire(t *testing.T) {
	s := newSite(t, nil)
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, err := s.client.UserFromRequest(r)
		if err != nil {
			s.client.Error(w, r, err)
			return
		}
		io.WriteString(w, user.Username)
	})
	user, members := s.client.RequireUser, s.client.RequireOrg("engines", hfoauth.RoleAny)
	programs := s.client.AcceptBearer(hfoauth.BearerOptions{})
	handlers := map[string]http.Handler{
		"user(programs(user))":          user(programs(user(who))),
		"user(programs)":                user(programs(who)),
		"members(programs(user))":       members(programs(user(who))),
		"members(programs)":             members(programs(who)),
		"members(user(programs(user)))": members(http.HandlerFunc(user(programs(user(who))).ServeHTTP)),
	}
	cookies := map[string]*http.Cookie{"ada": s.newSession(ada), "grace": s.newSession(grace)}
	tokens := map[string]string{
		"ada": s.hub.AccessToken("ada", s.app.ClientID), "grace": s.hub.AccessToken("grace", s.app.ClientID),
		"of another app": s.hub.AccessToken("ada", "another app"),
	}
	for _, tt := range []struct {
		cookie, token  string
		users, members string // who is let in, or the status
	}{
		{"ada", "", "ada", "ada"}, {"", "ada", "401", "401"}, {"", "", "401", "401"},
		{"grace", "ada", "ada", "403"}, {"ada", "grace", "grace", "403"}, {"ada", "ada", "ada", "ada"},
		{"ada", "of another app", "401", "401"},
	} {
		for name, handler := range handlers {
			r := httptest.NewRequest("GET", "/", nil)
			if tt.cookie != "" {
				r.AddCookie(cookies[tt.cookie])
			}
			if tt.token != "" {
				r.Header.Set("Authorization", "Bearer "+tokens[tt.token])
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			got := fmt.Sprint(w.Code)
			if w.Code == http.StatusOK {
				got = w.Body.String()
			}
			want := tt.users
			if strings.HasPrefix(name, "members") {
				want = tt.members
			}
			if got != want {
				t.Errorf("%s with the cookie %q and the token %q: %s, want %s", name, tt.cookie, tt.token, got, want)
			}
		}
	}
}

// Behind AcceptBearer the context has no user but that of a Require handler
// inside it: one outside found the cookie's, or another kind of token's.
func TestContextBehindAcceptBearer(t *testing.T) {
	s := newSite(t, nil)
	lax := s.client.AcceptBearer(hfoauth.BearerOptions{Resource: "/lax", AnyApp: true, UserTokens: true})
	strict := s.client.AcceptBearer(hfoauth.BearerOptions{Resource: "/strict"})
	show := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user := hfoauth.UserFromContext(r.Context()); user != nil {
			fmt.Fprint(w, user.Username)
		}
	})
	p := s.protect(map[string]http.Handler{
		"/tokens":  lax(s.client.RequireUser(strict(show))),
		"/cookies": s.client.RequireUser(strict(show)),
	})
	browser := s.browser()
	s.signIn(browser, ada, "/")
	for _, tt := range []struct{ path, token, want string }{
		{"/tokens", s.hub.UserToken("grace"), ""},
		{"/cookies", "hf_oauth_invented", ""},
		{"/cookies", "", "ada"},
	} {
		header := []string{}
		if tt.token != "" {
			header = []string{"Authorization", "Bearer " + tt.token}
		}
		if resp := get(t, browser, p.address+tt.path, header...); resp.body != tt.want {
			t.Errorf("%s with the token %.12q: the context has the user %q, want %q", tt.path, tt.token,
				resp.body, tt.want)
		}
	}
}
