package hfoauthtest_test

import (
	"net/url"
	"testing"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// A code can be redeemed with only PKCE, as huggingface.js does: without a secret
// and without client_id.
func TestRedeemByPKCE(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	confidential := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	public := hub.RegisterApp(hfoauthtest.App{Public: true, RedirectURIs: []string{redirect}})
	noPKCE := func(p url.Values) { p.Del("code_challenge"); p.Del("code_challenge_method") }
	for name, tt := range map[string]struct {
		app       hfoauthtest.App
		authorize func(url.Values)
		form      url.Values
		status    int
		code      any
	}{
		"public":               {public, nil, nil, 200, nil},
		"public, by ID":        {public, nil, url.Values{"client_id": {public.ClientID}}, 200, nil},
		"with a secret":        {confidential, nil, nil, 200, nil},
		"with a secret, by ID": {confidential, nil, url.Values{"client_id": {confidential.ClientID}}, 200, nil},
		"another app's ID":     {public, nil, url.Values{"client_id": {confidential.ClientID}}, 400, "invalid_grant"},
		"an unknown ID":        {public, nil, url.Values{"client_id": {"x"}}, 401, "invalid_client"},
		"another verifier": {confidential, nil, url.Values{"code_verifier": {verifier + "x"}},
			400, "invalid_grant"},
		"no verifier": {confidential, nil, url.Values{"code_verifier": {""}}, 401, "invalid_client"},
		"no verifier, public, by ID": {public, nil,
			url.Values{"code_verifier": {""}, "client_id": {public.ClientID}}, 400, "invalid_grant"},
		"a code without a challenge": {confidential, noPKCE, nil, 401, "invalid_client"},
		"a wrong secret": {confidential, nil,
			url.Values{"client_id": {confidential.ClientID}, "client_secret": {"x"}}, 401, "invalid_client"},
		"an unknown code": {confidential, nil, url.Values{"code": {"x"}}, 400, "invalid_grant"},
		"another redirect URI": {confidential, nil,
			url.Values{"redirect_uri": {"http://localhost:1/"}}, 400, "invalid_grant"},
		"a refresh with a verifier": {confidential, nil, url.Values{"grant_type": {"refresh_token"}},
			401, "invalid_client"},
		"an exchange with a verifier": {confidential, nil, url.Values{"grant_type": {exchangeGrant}}, 401, "invalid_client"},
		"a device with a verifier":    {confidential, nil, url.Values{"grant_type": {deviceGrant}}, 401, "invalid_client"},
		"a device, by ID, no secret": {confidential, nil,
			url.Values{"grant_type": {deviceGrant}, "client_id": {confidential.ClientID}}, 401, "invalid_client"},
		"an unknown grant, by PKCE": {confidential, nil, url.Values{"grant_type": {"password"}}, 401, "invalid_client"},
	} {
		_, response := consent(t, hub, authorization(tt.app, tt.authorize), url.Values{"user": {"ada"}})
		form := codeForm(response.Get("code"))
		for key, values := range tt.form {
			form[key] = values
		}
		status, answer := call(t, hub.URL+"/oauth/token", "", "", form)
		responds(t, name, status, answer, tt.status, tt.code)
	}
}

// A verifier without a challenge is refused even with the secret.
func TestVerifierWithoutChallenge(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	_, response := consent(t, hub,
		authorization(app, func(p url.Values) { p.Del("code_challenge"); p.Del("code_challenge_method") }),
		url.Values{"user": {"ada"}})
	status, answer := redeem(t, hub, app, response.Get("code"))
	responds(t, "no challenge", status, answer, 400, "invalid_grant")
}

// A wrong secret in the Authorization header is refused even with PKCE.
func TestWrongSecretWithVerifier(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	for _, secret := range []string{"wrong", ""} {
		app := app
		code := approved(t, hub, app)
		app.ClientSecret = secret
		status, answer := redeem(t, hub, app, code)
		responds(t, "the secret "+secret, status, answer, 401, "invalid_client")
	}
}

func TestScopesOfDeviceAndExchange(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{Org: "engines", Scopes: []string{"openid", "profile", "jobs"}})
	device := func(scope string) any {
		_, start := call(t, hub.URL+"/oauth/device", app.ClientID, app.ClientSecret, url.Values{"scope": {scope}})
		if start["error"] != nil {
			return start["error"]
		}
		if err := hub.ApproveDevice(start["user_code"].(string), "ada"); err != nil {
			t.Fatal(err)
		}
		_, tokens := call(t, hub.URL+"/oauth/token", app.ClientID, app.ClientSecret,
			url.Values{"grant_type": {deviceGrant}, "device_code": {start["device_code"].(string)}})
		return tokens["scope"]
	}
	exchange := func(scope string) any {
		_, tokens := call(t, hub.URL+"/oauth/token", app.ClientID, app.ClientSecret, url.Values{
			"grant_type": {exchangeGrant}, "subject_token": {"ada@example.com"},
			"subject_token_type": {emailToken}, "scope": {scope}})
		if tokens["error"] != nil {
			return tokens["error"]
		}
		return tokens["scope"]
	}
	for scope, want := range map[string]string{
		"":             "openid profile jobs",
		"openid jobs":  "openid jobs",
		"openid email": "invalid_scope",
	} {
		if got := device(scope); got != want {
			t.Errorf("device with scope %q: %v, want %s", scope, got, want)
		}
		if got := exchange(scope); got != want {
			t.Errorf("exchange with scope %q: %v, want %s", scope, got, want)
		}
	}
	app = hub.RegisterApp(hfoauthtest.App{})
	if got := exchange("openid"); got != "invalid_client" {
		t.Errorf("exchange by an app without an organization: %v", got)
	}
}
