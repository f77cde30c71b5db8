package hfoauthtest_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// renewal is an app whose user has signed in.
type renewal struct {
	t      *testing.T
	hub    *hfoauthtest.Server
	app    hfoauthtest.App
	tokens map[string]any
}

func newRenewal(t *testing.T, reuseDetection bool) *renewal {
	t.Helper()
	hub := hfoauthtest.NewServer(t)
	hub.Configure(func(s *hfoauthtest.Settings) { s.ReuseDetection = reuseDetection })
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	_, tokens := redeem(t, hub, app, approved(t, hub, app))
	return &renewal{t, hub, app, tokens}
}

func (r *renewal) refresh(tokens map[string]any) (int, map[string]any) {
	r.t.Helper()
	return call(r.t, r.hub.URL+"/oauth/token", r.app.ClientID, r.app.ClientSecret,
		url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}})
}

func (r *renewal) works(tokens map[string]any) bool {
	r.t.Helper()
	status, _ := withToken(r.t, r.hub.URL+"/oauth/userinfo", tokens["access_token"].(string))
	return status == 200
}

func TestReuseDetection(t *testing.T) {
	for _, on := range []bool{false, true} {
		r := newRenewal(t, on)
		_, other := redeem(t, r.hub, r.app, approved(t, r.hub, r.app))
		_, second := r.refresh(r.tokens)
		_, third := r.refresh(second)
		status, answer := r.refresh(r.tokens)
		responds(t, "reuse of a refresh token", status, answer, 400, "invalid_grant")
		for name, tokens := range map[string]map[string]any{"first": r.tokens, "second": second, "third": third} {
			if r.works(tokens) == on {
				t.Errorf("%v: after a reuse the %s access token works: %v", on, name, !on)
			}
		}
		if !r.works(other) {
			t.Errorf("%v: the tokens of another sign-in ended", on)
		}
		if status, _ := r.refresh(third); (status == 200) == on {
			t.Errorf("%v: after a reuse the last refresh token: %d", on, status)
		}
		if status, _ := r.refresh(other); status != 200 {
			t.Errorf("%v: the refresh token of another sign-in: %d", on, status)
		}
	}
}

// A refresh token expires after thirty days.
func TestRefreshTokenExpires(t *testing.T) {
	for age, want := range map[time.Duration]int{29 * 24 * time.Hour: 200, 30 * 24 * time.Hour: 400} {
		r := newRenewal(t, false)
		clock := newClock(r.hub)
		_, r.tokens = redeem(t, r.hub, r.app, approved(t, r.hub, r.app))
		clock.advance(age)
		if status, _ := r.refresh(r.tokens); status != want {
			t.Errorf("after %v: %d, want %d", age, status, want)
		}
	}
}

// A refresh token that was never issued ends nothing.
func TestUnknownRefreshTokenEndsNothing(t *testing.T) {
	r := newRenewal(t, true)
	if status, _ := r.refresh(map[string]any{"refresh_token": "hf_oauth__refresh_x"}); status != 400 {
		t.Errorf("unknown: %d", status)
	}
	if !r.works(r.tokens) {
		t.Error("an unknown refresh token ended a sign-in")
	}
}

// Aborted is like a timeout of the Hub: the refresh token stays valid.
func TestAborted(t *testing.T) {
	r := newRenewal(t, false)
	r.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Times(1, hfoauthtest.Aborted()))
	status, answer := r.refresh(r.tokens)
	equal(t, "status", status, 400)
	equal(t, "error", answer["error"], "invalid_grant")
	equal(t, "error_description", answer["error_description"], "This operation was aborted")
	if status, answer := r.refresh(r.tokens); status != 200 {
		t.Errorf("afterwards: %d %v", status, answer)
	}
}

func TestWhoAmIHook(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	hub.Configure(func(s *hfoauthtest.Settings) {
		s.WhoAmI = func(answer map[string]any) { answer["type"] = "robot" }
	})
	for name, token := range map[string]string{
		"user":         hub.UserToken("ada"),
		"organization": hub.OrgToken("engines"),
		"app":          hub.AppToken("x"),
	} {
		if got := whoAmI(t, hub, token)["type"]; got != "robot" {
			t.Errorf("%s: type %v", name, got)
		}
	}
}
