package hfoauthtest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

const (
	redirect = "https://app.example/login/callback"
	verifier = "0123456789012345678901234567890123456789012"

	deviceGrant   = "urn:ietf:params:oauth:grant-type:device_code"
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	emailToken    = "urn:huggingface:token-type:user-email"
)

// codeForm redeems a code that authorization asked for.
func codeForm(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier},
	}
}

var browser = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
	return http.ErrUseLastResponse
}}

func challenge() string {
	hash := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(hash[:])
}

// authorization returns a valid authorization request, modified by change.
func authorization(app hfoauthtest.App, change func(url.Values)) url.Values {
	params := url.Values{
		"response_type": {"code"}, "client_id": {app.ClientID}, "redirect_uri": {redirect}, "scope": {"openid profile"},
		"state": {"s"}, "nonce": {"n"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}
	if change != nil {
		change(params)
	}
	return params
}

// consent submits the consent form and returns the authorization response.
func consent(t *testing.T, hub *hfoauthtest.Server, params, form url.Values) (int, url.Values) {
	t.Helper()
	resp, err := browser.PostForm(hub.URL+"/oauth/authorize?"+params.Encode(), form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	location, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, location.Query()
}

func approved(t *testing.T, hub *hfoauthtest.Server, app hfoauthtest.App) string {
	t.Helper()
	_, response := consent(t, hub, authorization(app, nil), adaApproves)
	if response.Get("code") == "" {
		t.Fatalf("no code: %v", response)
	}
	equal(t, "state", response.Get("state"), "s")
	return response.Get("code")
}

// call posts a form and decodes the response.
func call(t *testing.T, address, id, secret string, form url.Values) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if id != "" {
		req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	}
	return answer(t, req)
}

func answer(t *testing.T, req *http.Request) (int, map[string]any) {
	t.Helper()
	resp, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	return resp.StatusCode, body
}

func withToken(t *testing.T, address, token string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return answer(t, req)
}

func TestAuthorizeRefuses(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	approve := adaApproves
	for name, change := range map[string]func(url.Values){
		"unknown client":     func(p url.Values) { p.Set("client_id", "x") },
		"other redirect":     func(p url.Values) { p.Set("redirect_uri", redirect+"/") },
		"no redirect":        func(p url.Values) { p.Del("redirect_uri") },
		"redirect elsewhere": func(p url.Values) { p.Set("redirect_uri", "https://evil.example/login/callback") },
	} {
		status, response := consent(t, hub, authorization(app, change), approve)
		equal(t, name+": status", status, 400)
		equal(t, name+": response", response.Encode(), "")
	}
	for want, change := range map[string]func(url.Values){
		"unsupported_response_type": func(p url.Values) { p.Set("response_type", "token") },
		"invalid_scope":             func(p url.Values) { p.Set("scope", "openid everything") },
		"invalid_request":           func(p url.Values) { p.Set("code_challenge_method", "plain") },
	} {
		status, response := consent(t, hub, authorization(app, change), approve)
		equal(t, want+": status", status, 302)
		equal(t, want+": error", response.Get("error"), want)
		equal(t, want+": state", response.Get("state"), "s")
	}
	status, response := consent(t, hub, authorization(app, nil), url.Values{"user": {"ada"}, "decision": {"deny"}})
	equal(t, "denial: status", status, 302)
	equal(t, "denial: error", response.Get("error"), "access_denied")
	equal(t, "denial: description", response.Get("error_description"), "The user denied the request")
	equal(t, "denial: state", response.Get("state"), "s")
}

func TestTokenRefuses(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	other := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	for name, tt := range map[string]struct {
		id, secret string
		change     func(url.Values)
		status     int
		code       string
	}{
		"wrong secret": {app.ClientID, "wrong", nil, 401, "invalid_client"},
		"no secret": {"", "",
			func(f url.Values) { f.Set("client_id", app.ClientID); f.Del("code_verifier") }, 401, "invalid_client"},
		"unknown client": {"x", "y", nil, 401, "invalid_client"},
		"two clients": {app.ClientID, app.ClientSecret,
			func(f url.Values) { f.Set("client_id", other.ClientID) }, 401, "invalid_client"},
		"other client": {other.ClientID, other.ClientSecret, nil, 400, "invalid_grant"},
		"wrong redirect": {app.ClientID, app.ClientSecret,
			func(f url.Values) { f.Set("redirect_uri", redirect+"?") }, 400, "invalid_grant"},
		"wrong verifier": {app.ClientID, app.ClientSecret,
			func(f url.Values) { f.Set("code_verifier", "x") }, 400, "invalid_grant"},
		"no verifier": {app.ClientID, app.ClientSecret, func(f url.Values) { f.Del("code_verifier") },
			400, "invalid_grant"},
		"unknown code": {app.ClientID, app.ClientSecret, func(f url.Values) { f.Set("code", "x") }, 400, "invalid_grant"},
		"unknown grant": {app.ClientID, app.ClientSecret,
			func(f url.Values) { f.Set("grant_type", "password") }, 400, "unsupported_grant_type"},
	} {
		form := codeForm(approved(t, hub, app))
		if tt.change != nil {
			tt.change(form)
		}
		status, body := call(t, hub.URL+"/oauth/token", tt.id, tt.secret, form)
		responds(t, name, status, body, tt.status, tt.code)
	}
}

func TestTokenRequestNeedsTheRedirectURI(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	form := codeForm(approved(t, hub, app))
	form.Del("redirect_uri")
	status, body := call(t, hub.URL+"/oauth/token", app.ClientID, app.ClientSecret, form)
	responds(t, "no redirect URI", status, body, 400, "invalid_grant")
}

func TestTokens(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	form := codeForm(approved(t, hub, app))
	status, tokens := call(t, hub.URL+"/oauth/token", app.ClientID, app.ClientSecret, form)
	access, _ := tokens["access_token"].(string)
	if status != 200 {
		t.Fatalf("status %d, want 200: %v", status, tokens)
	}
	if !strings.HasPrefix(access, "hf_oauth_") {
		t.Errorf("the access token is %q, want one that begins with hf_oauth_", access)
	}
	if len(access) < 300 {
		t.Errorf("the access token has %d bytes, want at least 300", len(access))
	}
	has(t, "the answer", tokens, map[string]any{
		"token_type": "bearer", "expires_in": 28800.0, "scope": "openid profile",
	})
	again, body := call(t, hub.URL+"/oauth/token", app.ClientID, app.ClientSecret, form)
	responds(t, "a code that was used", again, body, 400, "invalid_grant")
	status, claims := withToken(t, hub.URL+"/oauth/userinfo", access)
	equal(t, "userinfo: status", status, 200)
	equal(t, "userinfo: preferred_username", claims["preferred_username"], "ada")
	equal(t, "userinfo without the scope email: email", claims["email"], nil)
	equal(t, "userinfo without the scope read-billing: canPay", claims["canPay"], nil)
	org := claims["orgs"].([]any)[0].(map[string]any)
	equal(t, "an organization that was not granted: preferred_username", org["preferred_username"], "engines")
	equal(t, "an organization that was not granted: roleInOrg", org["roleInOrg"], nil)
	if status, _ := withToken(t, hub.URL+"/oauth/userinfo", access+"x"); status != 401 {
		t.Errorf("unknown token: %d", status)
	}

	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}}
	status, renewed := call(t, hub.URL+"/oauth/token", app.ClientID, app.ClientSecret, refresh)
	equal(t, "refresh: status", status, 200)
	for _, name := range []string{"access_token", "refresh_token"} {
		if got := renewed[name]; got == nil || got == tokens[name] {
			t.Errorf("refresh: %s is %v, want another than %v", name, got, tokens[name])
		}
	}
	status, body = call(t, hub.URL+"/oauth/token", app.ClientID, app.ClientSecret, refresh)
	responds(t, "a refresh token that was used", status, body, 400, "invalid_grant")
	hub.Revoke("ada")
	if status, _ := withToken(t, hub.URL+"/oauth/userinfo", access); status != 401 {
		t.Errorf("revoked token: %d", status)
	}
	calls := hub.Calls(hfoauthtest.TokenEndpoint)
	equal(t, "the number of token calls", calls, 4)
	equal(t, "the number of token calls recorded", len(hub.Requests(hfoauthtest.TokenEndpoint)), 4)
}

func TestWhoAmI(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	for token, want := range map[string]string{
		hub.UserToken("ada"):          "access_token",
		hub.AccessToken("ada", "app"): "oauth",
	} {
		status, body := withToken(t, hub.URL+"/api/whoami-v2", token)
		equal(t, want+": status", status, 200)
		has(t, want, body, map[string]any{"type": "user", "name": "ada"})
		auth, _ := body["auth"].(map[string]any)
		equal(t, want+": auth.type", auth["type"], any(want))
	}
	if _, body := withToken(t, hub.URL+"/api/whoami-v2", hub.OrgToken("engines")); body["type"] != "org" {
		t.Errorf("%v", body)
	}
	if status, _ := withToken(t, hub.URL+"/oauth/userinfo", hub.UserToken("ada")); status != 401 {
		t.Errorf("a user access token at userinfo: %d", status)
	}
}

func TestDevice(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{Public: true})
	clock := time.Now()
	hub.Configure(func(s *hfoauthtest.Settings) { s.Now = func() time.Time { return clock } })
	start := func() (string, string) {
		status, body := call(t, hub.URL+"/oauth/device", "", "",
			url.Values{"client_id": {app.ClientID}, "scope": {"openid"}})
		if status != 200 {
			t.Fatalf("status %d, want 200: %v", status, body)
		}
		equal(t, "expires_in", body["expires_in"], 300.0)
		equal(t, "interval", body["interval"], nil)
		equal(t, "verification_uri_complete", body["verification_uri_complete"], nil)
		return body["device_code"].(string), body["user_code"].(string)
	}
	poll := func(code string) any {
		clock = clock.Add(5 * time.Second)
		_, body := call(t, hub.URL+"/oauth/token", "", "", url.Values{"client_id": {app.ClientID}, "device_code": {code},
			"grant_type": {deviceGrant}})
		if body["access_token"] != nil {
			return "token"
		}
		return body["error"]
	}
	code, userCode := start()
	if got := poll(code); got != "authorization_pending" {
		t.Errorf("before: %v", got)
	}
	clock = clock.Add(-4 * time.Second)
	if got := poll(code); got != "slow_down" {
		t.Errorf("too fast: %v", got)
	}
	resp, err := browser.PostForm(hub.URL+"/device",
		url.Values{"user_code": {strings.ToLower(userCode)}, "user": {"ada"}, "decision": {"approve"}})
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	if got := poll(code); got != "token" {
		t.Errorf("approved: %v", got)
	}
	if got := poll(code); got != "expired_token" {
		t.Errorf("again: %v", got)
	}
	code, userCode = start()
	if err := hub.DenyDevice(userCode); err != nil {
		t.Fatal(err)
	}
	if got := poll(code); got != "access_denied" {
		t.Errorf("denied: %v", got)
	}
	code, userCode = start()
	clock = clock.Add(5 * time.Minute)
	if got := poll(code); got != "expired_token" {
		t.Errorf("late: %v", got)
	}
	if err := hub.ApproveDevice(userCode, "ada"); err == nil {
		t.Error("an expired code was approved")
	}
	confidential := hub.RegisterApp(hfoauthtest.App{})
	status, _ := call(t, hub.URL+"/oauth/device", "", "", url.Values{"client_id": {confidential.ClientID}})
	if status != 401 {
		t.Errorf("an app with a secret that does not use it: %d", status)
	}
}

func TestTokenExchange(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{Org: "engines"})
	exchange := func(email, scope string) (int, map[string]any) {
		return call(t, hub.URL+"/oauth/token", app.ClientID, app.ClientSecret, url.Values{
			"grant_type": {exchangeGrant}, "subject_token": {email},
			"subject_token_type": {emailToken}, "scope": {scope}})
	}
	status, body := exchange("ada@example.com", "openid inference-api")
	equal(t, "status", status, 200)
	equal(t, "refresh_token", body["refresh_token"], nil)
	equal(t, "scope", body["scope"], "openid inference-api")
	if body["issued_token_type"] == nil {
		t.Errorf("no issued_token_type: %v", body)
	}
	if _, body := exchange("nobody@example.com", ""); body["error"] != "invalid_grant" {
		t.Errorf("%v", body)
	}
	if _, body := exchange("ada@example.com", "everything"); body["error"] != "invalid_scope" {
		t.Errorf("%v", body)
	}
}

func TestLoopbackRedirectOnAnyPort(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{"http://127.0.0.1/cb"}})
	for uri, want := range map[string]int{
		"http://127.0.0.1:4567/cb":    303,
		"http://127.0.0.1:4567/other": 400,
		"http://localhost:4567/cb":    400,
		"https://127.0.0.1:1/cb":      400,
	} {
		status, _ := consent(t, hub, authorization(app, func(p url.Values) { p.Set("redirect_uri", uri) }),
			adaApproves)
		if status != want {
			t.Errorf("%s: %d, want %d", uri, status, want)
		}
	}
}

func TestClientIDMetadataDocument(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	var document map[string]any
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request) {
		json.NewEncoder(w).Encode(document)
	}))
	defer app.Close()
	clientID := app.URL + "/.well-known/oauth-cimd"
	good := func() map[string]any {
		return map[string]any{"client_id": clientID, "client_name": "App",
			"redirect_uris": []string{redirect}, "token_endpoint_auth_method": "none"}
	}
	authorize := func(change func(url.Values)) int {
		params := authorization(hfoauthtest.App{ClientID: clientID}, change)
		status, _ := consent(t, hub, params, adaApproves)
		return status
	}
	document = good()
	if status := authorize(nil); status != 303 {
		t.Errorf("good document: %d", status)
	}
	for name, value := range map[string]any{
		"client_id":                  app.URL,
		"client_name":                "",
		"redirect_uris":              []string{},
		"token_endpoint_auth_method": "client_secret_basic",
	} {
		document = good()
		document[name] = value
		if status := authorize(nil); status != 400 {
			t.Errorf("document with %s %v: %d", name, value, status)
		}
	}
}

func TestConsentPage(t *testing.T) {
	hub := hfoauthtest.NewServer(t, hfoauthtest.User{Username: "<b>", Orgs: []hfoauthtest.Org{{Username: "o"}}})
	app := hub.RegisterApp(hfoauthtest.App{Name: "<script>", RedirectURIs: []string{redirect}})
	resp, err := browser.Get(hub.URL + "/oauth/authorize?" + authorization(app, nil).Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, _ := io.ReadAll(resp.Body)
	lacks(t, "the page", string(page), "<script>")
	lacks(t, "the page", string(page), "<b>")
	contains(t, "the page", string(page), "Deny")
	for name, want := range map[string]string{
		"X-Frame-Options":            "DENY",
		"Cross-Origin-Opener-Policy": "same-origin",
		"Cache-Control":              "no-store",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestListenOnlyOnLoopback(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0"} {
		if s, err := hfoauthtest.Listen(address); err == nil {
			s.Close()
			t.Errorf("%s is not on loopback, but Listen succeeded", address)
		}
	}
}

func TestListenKeepsTheHost(t *testing.T) {
	for _, host := range []string{"localhost", "127.0.0.1"} {
		s, err := hfoauthtest.Listen(host + ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if got := mustParse(t, s.URL).Hostname(); got != host {
			t.Errorf("the issuer is at %s, want %s", got, host)
		}
		if resp, err := browser.Get(s.URL + "/"); body(resp, err) == "" || resp.StatusCode != 200 {
			t.Errorf("%s: %v", s.URL, err)
		}
	}
}

func TestFaults(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	read := func(patience time.Duration) (int, int, error) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
		resp, err := client.Get(hub.URL + "/.well-known/openid-configuration")
		if err != nil {
			return 0, 0, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp.StatusCode, len(body), err
	}
	// An answer in time has room; one that must not come is not waited for long.
	const ample, short = 30 * time.Second, 300 * time.Millisecond
	_, plain, err := read(ample)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		fault    hfoauthtest.Fault
		patience time.Duration
		status   int
		size     int // any if negative
		fails    bool
	}{
		"answer":  {hfoauthtest.Answer(503, "x"), ample, 503, 1, false},
		"drop":    {hfoauthtest.Drop(), ample, 0, 0, true},
		"cut":     {hfoauthtest.Cut(), ample, 200, plain / 2, true},
		"trickle": {hfoauthtest.Trickle(time.Second), short, 200, -1, true},
		"delay":   {hfoauthtest.Delay(time.Minute), short, 0, 0, true},
		"huge":    {hfoauthtest.Huge(100_000), ample, 200, 100_000, false},
		"none":    {nil, ample, 200, plain, false},
	} {
		hub.SetFault(hfoauthtest.MetadataEndpoint, tt.fault)
		status, size, err := read(tt.patience)
		if status != tt.status {
			t.Errorf("%s: status %d, want %d", name, status, tt.status)
		}
		if tt.size >= 0 && size != tt.size {
			t.Errorf("%s: %d bytes, want %d", name, size, tt.size)
		}
		if (err != nil) != tt.fails {
			t.Errorf("%s: error %v, want one: %v", name, err, tt.fails)
		}
	}
	hub.SetFault(hfoauthtest.MetadataEndpoint, hfoauthtest.Times(2, hfoauthtest.Answer(500, "")))
	for _, want := range []int{500, 500, 200} {
		if status, _, _ := read(ample); status != want {
			t.Errorf("Times: %d, want %d", status, want)
		}
	}
}
