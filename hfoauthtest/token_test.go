package hfoauthtest_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// clock can be set while the Server reads it.
type clock struct{ nanoseconds atomic.Int64 }

func newClock(hub *hfoauthtest.Server) *clock {
	c := &clock{}
	c.nanoseconds.Store(time.Now().UnixNano())
	hub.Configure(func(s *hfoauthtest.Settings) {
		s.Now = func() time.Time { return time.Unix(0, c.nanoseconds.Load()) }
	})
	return c
}

func (c *clock) advance(d time.Duration) { c.nanoseconds.Add(int64(d)) }

func TestLifetimes(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	clock := newClock(hub)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	code := approved(t, hub, app)
	clock.advance(time.Minute)
	status, answer := redeem(t, hub, app, code)
	responds(t, "an expired code", status, answer, 400, "invalid_grant")
	hub.Configure(func(s *hfoauthtest.Settings) {
		s.AccessTokenLifetime, s.IDTokenLifetime = time.Minute, time.Second
	})
	_, tokens := redeem(t, hub, app, approved(t, hub, app))
	_, claims := parse(t, tokens["id_token"].(string))
	equal(t, "expires_in", tokens["expires_in"], 60.0)
	equal(t, "the lifetime of the ID token", claims["exp"].(float64)-claims["iat"].(float64), 1)
	userInfo(t, hub, tokens)
	clock.advance(time.Minute)
	if status, _ := withToken(t, hub.URL+"/oauth/userinfo", tokens["access_token"].(string)); status != 401 {
		t.Errorf("an expired access token: %d", status)
	}
	hub.Configure(func(s *hfoauthtest.Settings) { s.NoRefreshTokens = true })
	if _, tokens := redeem(t, hub, app, approved(t, hub, app)); tokens["refresh_token"] != nil {
		t.Error("a refresh token despite NoRefreshTokens")
	}
}

func TestTokenHeaders(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	resp, err := browser.PostForm(hub.URL+"/oauth/token", url.Values{"client_id": {"x"}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	equal(t, "invalid client: status", resp.StatusCode, 401)
	if got := resp.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Basic ") {
		t.Errorf("invalid client: WWW-Authenticate is %q, want Basic", got)
	}
	equal(t, "invalid client: Cache-Control", resp.Header.Get("Cache-Control"), "no-store")
	resp, err = browser.Get(hub.URL + "/oauth/token")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %s", resp.Status)
	}
	resp, err = browser.Get(hub.URL + "/oauth/userinfo")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	equal(t, "userinfo without a token: status", resp.StatusCode, 401)
	if got := resp.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer") {
		t.Errorf("userinfo without a token: WWW-Authenticate %q, want Bearer", got)
	}
}

func TestClientAuthentication(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{ClientID: "id with &: /", ClientSecret: "s%ecret:+ ö",
		RedirectURIs: []string{redirect}})
	public := hub.RegisterApp(hfoauthtest.App{Public: true, RedirectURIs: []string{redirect}})
	for name, tt := range map[string]struct {
		app        hfoauthtest.App
		id, secret string // in the Authorization header
		form       url.Values
		status     int
		code       any
	}{
		"Basic":            {app, app.ClientID, app.ClientSecret, nil, 200, nil},
		"Basic and the ID": {app, app.ClientID, app.ClientSecret, url.Values{"client_id": {app.ClientID}}, 200, nil},
		"post": {app, "", "",
			url.Values{"client_id": {app.ClientID}, "client_secret": {app.ClientSecret}}, 200, nil},
		"both": {app, app.ClientID, app.ClientSecret,
			url.Values{"client_secret": {app.ClientSecret}}, 400, "invalid_request"},
		"public": {public, "", "", url.Values{"client_id": {public.ClientID}}, 200, nil},
		"public with a secret": {public, "", "",
			url.Values{"client_id": {public.ClientID}, "client_secret": {"x"}}, 401, "invalid_client"},
		"a wrong secret": {app, app.ClientID, "x", nil, 401, "invalid_client"},
		"a wrong secret in post": {app, "", "",
			url.Values{"client_id": {app.ClientID}, "client_secret": {"x"}}, 401, "invalid_client"},
		"an ID without a secret": {app, app.ClientID, "", nil, 401, "invalid_client"},
		"public, other verifier": {public, "", "",
			url.Values{"client_id": {public.ClientID}, "code_verifier": {"x"}}, 400, "invalid_grant"},
	} {
		form := codeForm(approved(t, hub, tt.app))
		for key, values := range tt.form {
			form[key] = values
		}
		status, answer := call(t, hub.URL+"/oauth/token", tt.id, tt.secret, form)
		responds(t, name, status, answer, tt.status, tt.code)
	}
}

func TestRefreshRefuses(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	other := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	_, tokens := redeem(t, hub, app, approved(t, hub, app))
	refresh := func(app hfoauthtest.App, scope string) (int, map[string]any) {
		return call(t, hub.URL+"/oauth/token", app.ClientID, app.ClientSecret,
			url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}, "scope": {scope}})
	}
	status, answer := refresh(other, "")
	responds(t, "of another app", status, answer, 400, "invalid_grant")
	status, answer = refresh(app, "openid email")
	responds(t, "more scopes", status, answer, 400, "invalid_scope")
	// After these errors the token is still valid for its app, and only one of
	// many concurrent requests can redeem it.
	var granted atomic.Int32
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if status, _ := refresh(app, "openid"); status == 200 {
				granted.Add(1)
			}
		})
	}
	wait.Wait()
	if granted.Load() != 1 {
		t.Errorf("%d of concurrent refreshes were granted, want one", granted.Load())
	}
}

func TestTokenExchangeForMembers(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	engines := hub.RegisterApp(hfoauthtest.App{Org: "engines"})
	public := hub.RegisterApp(hfoauthtest.App{Public: true, Org: "engines"})
	form := func(change func(url.Values)) url.Values {
		form := url.Values{"grant_type": {exchangeGrant}, "subject_token": {"ada@example.com"},
			"subject_token_type": {emailToken}}
		change(form)
		return form
	}
	status, answer := call(t, hub.URL+"/oauth/token", engines.ClientID, engines.ClientSecret,
		form(func(url.Values) {}))
	equal(t, "a member: status", status, 200)
	if answer["id_token"] == nil {
		t.Errorf("a member: no id_token: %v", answer)
	}
	equal(t, "a member: refresh_token", answer["refresh_token"], nil)
	equal(t, "a member: username", userInfo(t, hub, answer)["preferred_username"], "ada")
	for want, change := range map[string]func(url.Values){
		"invalid_grant":   func(f url.Values) { f.Set("subject_token", "grace@example.com") },
		"invalid_request": func(f url.Values) { f.Set("subject_token_type", "x") },
	} {
		_, answer := call(t, hub.URL+"/oauth/token", engines.ClientID, engines.ClientSecret, form(change))
		if answer["error"] != want {
			t.Errorf("%v, want %s", answer, want)
		}
	}
	_, answer = call(t, hub.URL+"/oauth/token", "", "",
		form(func(f url.Values) { f.Set("client_id", public.ClientID) }))
	if answer["error"] != "invalid_client" {
		t.Errorf("a public app: %v", answer)
	}
}

// A member is found only by a verified e-mail address.
func TestTokenExchangeNeedsAVerifiedAddress(t *testing.T) {
	engines := []hfoauthtest.Org{{Username: "engines"}}
	hub := hfoauthtest.NewServer(t,
		hfoauthtest.User{Username: "unverified", Email: "u@example.com", Orgs: engines},
		hfoauthtest.User{Username: "without", EmailVerified: true, Orgs: engines},
		hfoauthtest.User{Username: "verified", Email: "v@example.com", EmailVerified: true, Orgs: engines})
	app := hub.RegisterApp(hfoauthtest.App{Org: "engines"})
	for email, want := range map[string]any{
		"u@example.com": "invalid_grant",
		"":              "invalid_grant",
		"v@example.com": nil,
	} {
		_, answer := call(t, hub.URL+"/oauth/token", app.ClientID, app.ClientSecret,
			url.Values{"grant_type": {exchangeGrant},
				"subject_token": {email}, "subject_token_type": {emailToken}})
		if answer["error"] != want {
			t.Errorf("%q: %v, want %v", email, answer, want)
		}
	}
}

func TestDeviceRefuses(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{})
	inForm := url.Values{"client_id": {app.ClientID}, "client_secret": {app.ClientSecret}}
	status, answer := call(t, hub.URL+"/oauth/device", "", "", inForm)
	responds(t, "a secret in the form", status, answer, 401, "invalid_client")
	start := func() (device, user string) {
		_, answer := call(t, hub.URL+"/oauth/device", app.ClientID, app.ClientSecret, url.Values{"scope": {"openid"}})
		return answer["device_code"].(string), answer["user_code"].(string)
	}
	poll := func(device string) (int, map[string]any) {
		return call(t, hub.URL+"/oauth/token", app.ClientID, app.ClientSecret,
			url.Values{"grant_type": {deviceGrant}, "device_code": {device}})
	}
	device, user := start()
	if err := hub.ApproveDevice(user, "nobody"); err == nil {
		t.Error("approved by an unknown user")
	}
	if err := hub.ApproveDevice(strings.ToLower(strings.ReplaceAll(user, "-", " ")), "grace"); err != nil {
		t.Errorf("a code in another notation: %v", err)
	}
	if err := hub.DenyDevice(user); err == nil {
		t.Error("decided twice")
	}
	inForm.Set("grant_type", deviceGrant)
	inForm.Set("device_code", device)
	if status, _ := call(t, hub.URL+"/oauth/token", "", "", inForm); status != 401 {
		t.Errorf("a poll with the secret in the form: %d", status)
	}
	var granted atomic.Int32
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if status, _ := poll(device); status == 200 {
				granted.Add(1)
			}
		})
	}
	wait.Wait()
	if granted.Load() != 1 {
		t.Errorf("%d of concurrent polls were granted, want one", granted.Load())
	}
	device, user = start()
	resp, err := browser.PostForm(hub.URL+"/device",
		url.Values{"user_code": {user}, "user": {"ada"}, "decision": {"perhaps"}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if _, answer := poll(device); answer["error"] != "access_denied" {
		t.Errorf("neither approved nor denied: %v", answer)
	}
}

func TestWhoAmITellsWhatWasGranted(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	_, own := withToken(t, hub.URL+"/api/whoami-v2", hub.UserToken("ada"))
	role := func(answer map[string]any) any { return answer["orgs"].([]any)[0].(map[string]any)["roleInOrg"] }
	has(t, "own token", own, map[string]any{"email": "ada@example.com", "canPay": true})
	equal(t, "own token: roleInOrg", role(own), "admin")
	_, app := withToken(t, hub.URL+"/api/whoami-v2", hub.AccessToken("ada", "app"))
	equal(t, "an app's token: email", app["email"], nil)
	equal(t, "an app's token: canPay", app["canPay"], nil)
	equal(t, "an app's token: roleInOrg", role(app), nil)
	for name, token := range map[string]string{"invented": "hf_org_engines", "empty": ""} {
		if status, _ := withToken(t, hub.URL+"/api/whoami-v2", token); status != 401 {
			t.Errorf("%s token: %d", name, status)
		}
	}
	if status, _ := withToken(t, hub.URL+"/oauth/userinfo", hub.OrgToken("engines")); status != 401 {
		t.Errorf("an organization at userinfo: %d", status)
	}
}

func TestSecretsAndRequests(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	code := approved(t, hub, app)
	_, tokens := redeem(t, hub, app, code)
	for _, secret := range []any{
		code, verifier, app.ClientSecret, tokens["access_token"], tokens["refresh_token"],
		tokens["id_token"], hub.UserToken("ada"), hub.OrgToken("engines"),
	} {
		if !slices.Contains(hub.Secrets(), secret.(string)) {
			t.Errorf("Secrets lacks %v", secret)
		}
	}
	request := hub.Requests(hfoauthtest.TokenEndpoint)[0]
	if got := request.Header.Get("Authorization"); !strings.HasPrefix(got, "Basic ") {
		t.Errorf("request: Authorization is %q, want Basic", got)
	}
	equal(t, "request: code", request.Form.Get("code"), code)
	equal(t, "request: method", request.Method, http.MethodPost)
	if n := len(hub.Requests(hfoauthtest.UserInfoEndpoint)); n != 0 {
		t.Errorf("%d userinfo requests", n)
	}
}

// What an endpoint received is recorded even if a fault answers or changes it.
func TestRequestsAreRecordedBeforeFaults(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	hub.SetFault(hfoauthtest.TokenEndpoint, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Authorization", "changed")
			r.Form.Set("code", "changed")
			hfoauthtest.Answer(http.StatusServiceUnavailable, "{}")(nil).ServeHTTP(w, r)
		})
	})
	call(t, hub.URL+"/oauth/token", "app", "unknown secret", url.Values{"code": {"sent"}})
	if got := hub.Calls(hfoauthtest.TokenEndpoint); got != 1 {
		t.Fatalf("%d calls, want 1", got)
	}
	request := hub.Requests(hfoauthtest.TokenEndpoint)[0]
	if got := request.Header.Get("Authorization"); !strings.HasPrefix(got, "Basic ") {
		t.Errorf("Authorization is %q, want as it was sent", got)
	}
	if got := request.Form.Get("code"); got != "sent" {
		t.Errorf("code is %q, want as it was sent", got)
	}
	if secret := url.QueryEscape("unknown secret"); !slices.Contains(hub.Secrets(), secret) {
		t.Errorf("Secrets lacks %s", secret)
	}
	credentials := strings.TrimPrefix(request.Header.Get("Authorization"), "Basic ")
	if !slices.Contains(hub.Secrets(), credentials) {
		t.Errorf("Secrets lacks %s, as an app would log it", credentials)
	}
}

func TestFormsAreBounded(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	form := url.Values{"grant_type": {"authorization_code"}, "code": {strings.Repeat("x", 2<<20)}}
	status, answer := call(t, hub.URL+"/oauth/token", "", "", form)
	responds(t, "two mebibytes", status, answer, 400, "invalid_request")
}

// RFC 6750 section 2.1 names one scheme.
func TestOnlyBearerTokensCount(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	token := hub.AccessToken("ada", hub.RegisterApp(hfoauthtest.App{}).ClientID)
	for scheme, want := range map[string]int{"Bearer": 200, "bearer": 200, "Token": 401, "Basic": 401} {
		req, err := http.NewRequest(http.MethodGet, hub.URL+"/oauth/userinfo", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", scheme+" "+token)
		if status, _ := answer(t, req); status != want {
			t.Errorf("%s: %d, want %d", scheme, status, want)
		}
	}
}

func TestRequestsAreBounded(t *testing.T) {
	hub := hfoauthtest.New("http://hub.example")
	const sent = 5000
	for i := range sent {
		req, err := http.NewRequest(http.MethodGet, "/oauth/jwks?n="+string(rune('a'+i%26)), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Body = http.NoBody
		hub.ServeHTTP(discard{http.Header{}}, req)
	}
	kept := hub.Requests(hfoauthtest.JWKSEndpoint)
	equal(t, "the number of calls", hub.Calls(hfoauthtest.JWKSEndpoint), sent)
	equal(t, "the number of calls recorded", len(kept), 4096)
	for i, request := range kept {
		if want := string(rune('a' + (sent-4096+i)%26)); request.Form.Get("n") != want {
			t.Fatalf("recorded request %d is %v, want %s", i, request.Form, want)
		}
	}
}

// discard is an http.ResponseWriter that discards the response.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
