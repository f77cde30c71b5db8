package hfoauthtest_test

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// register sends client metadata to the registration endpoint.
func register(t *testing.T, hub *hfoauthtest.Server, metadata map[string]any) (int, map[string]any) {
	t.Helper()
	body, err := json.Marshal(metadata)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, hub.URL+"/oauth/register", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return answer(t, req)
}

func TestServerMetadata(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	document := func(path string) map[string]any {
		req, err := http.NewRequest(http.MethodGet, hub.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		status, document := answer(t, req)
		if status != 200 {
			t.Fatalf("%s: %d", path, status)
		}
		return document
	}
	openid := document("/.well-known/openid-configuration")
	oauth := document("/.well-known/oauth-authorization-server")
	has(t, "RFC 8414", oauth, map[string]any{
		"issuer": hub.URL, "registration_endpoint": hub.URL + "/oauth/register",
		"client_id_metadata_document_supported": true, "token_endpoint": hub.URL + "/oauth/token",
	})
	for _, name := range []string{"registration_endpoint", "client_id_metadata_document_supported"} {
		if value, ok := openid[name]; ok {
			t.Errorf("openid-configuration has %s: %v", name, value)
		}
	}
	if len(oauth) != len(openid)+2 {
		t.Errorf("RFC 8414 has %d members, openid-configuration %d", len(oauth), len(openid))
	}
}

// The complete document, on which clients base their choices.
func TestMetadata(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	resp, err := browser.Get(hub.URL + "/.well-known/openid-configuration")
	want := `{"authorization_endpoint":"URL/oauth/authorize","code_challenge_methods_supported":["S256"],` +
		`"device_authorization_endpoint":"URL/oauth/device",` +
		`"grant_types_supported":["authorization_code","refresh_token",` +
		`"urn:ietf:params:oauth:grant-type:device_code","urn:ietf:params:oauth:grant-type:token-exchange"],` +
		`"id_token_signing_alg_values_supported":["RS256"],"issuer":"URL","jwks_uri":"URL/oauth/jwks",` +
		`"response_types_supported":["code"],` +
		`"subject_types_supported":["public"],"token_endpoint":"URL/oauth/token",` +
		`"token_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post"],` +
		`"userinfo_endpoint":"URL/oauth/userinfo"}`
	if got := strings.TrimSpace(body(resp, err)); got != strings.ReplaceAll(want, "URL", hub.URL) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// An app that registered itself signs a user in.
func TestRegisteredApp(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	for method, secret := range map[string]bool{
		"none":                false,
		"client_secret_basic": true,
		"client_secret_post":  true,
		"":                    true,
	} {
		metadata := map[string]any{"client_name": "Robot", "redirect_uris": []string{redirect},
			"scope": "openid profile made-up"}
		if method != "" {
			metadata["token_endpoint_auth_method"] = method
		}
		status, answer := register(t, hub, metadata)
		if status != http.StatusCreated {
			t.Fatalf("%q: %d %v", method, status, answer)
		}
		has(t, method, answer, map[string]any{"client_name": "Robot", "scope": "openid profile"})
		want := cmp.Or(method, "client_secret_basic")
		if got := answer["token_endpoint_auth_method"]; got != want {
			t.Errorf("%q: token_endpoint_auth_method is %v, want %s", method, got, want)
		}
		if secret && !slices.Contains(hub.Secrets(), answer["client_secret"].(string)) {
			t.Errorf("%q: the secret is not among the secrets", method)
		}
		if (answer["client_secret"] != nil) != secret || (answer["client_secret_expires_at"] == 0.0) != secret {
			t.Errorf("%q: secret %v that expires at %v", method, answer["client_secret"],
				answer["client_secret_expires_at"])
		}
		app := hfoauthtest.App{ClientID: answer["client_id"].(string)}
		_, response := consent(t, hub, authorization(app, func(p url.Values) {
			p.Add("resource", "https://mcp.example/a")
			p.Add("resource", "https://mcp.example/b")
		}), url.Values{"user": {"grace"}})
		form := url.Values{"grant_type": {"authorization_code"}, "code": {response.Get("code")},
			"redirect_uri": {redirect}, "code_verifier": {verifier}, "client_id": {app.ClientID}}
		if secret {
			form.Set("client_secret", answer["client_secret"].(string))
		}
		status, tokens := call(t, hub.URL+"/oauth/token", "", "", form)
		if status != 200 {
			t.Fatalf("%q: status %d, want 200: %v", method, status, tokens)
		}
		equal(t, method+": the user", userInfo(t, hub, tokens)["preferred_username"], "grace")
		status, response = consent(t, hub,
			authorization(app, func(p url.Values) { p.Set("scope", "openid email") }), url.Values{"user": {"grace"}})
		equal(t, method+": a scope that was not registered: status", status, 302)
		equal(t, method+": a scope that was not registered: error", response.Get("error"), "invalid_scope")
	}
	_, answer := register(t, hub, map[string]any{"redirect_uris": []string{redirect}})
	equal(t, "the default grant type", answer["grant_types"].([]any)[0], "authorization_code")
	equal(t, "the default response type", answer["response_types"].([]any)[0], "code")
	if _, ok := answer["client_name"]; ok {
		t.Errorf("client_name was not sent, but the response has %v", answer["client_name"])
	}
	if issued := time.Unix(int64(answer["client_id_issued_at"].(float64)), 0); time.Since(issued) > time.Minute {
		t.Errorf("issued at %v", issued)
	}
}

func TestRegisterRefuses(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	for _, uri := range []string{
		"", "/login/callback", "http://app.example/cb", "https://app.example/cb#",
		"https://app.example/cb#a", "https:///cb", "javascript:alert(1)", "data:text/html,x", "%zz",
	} {
		status, answer := register(t, hub, map[string]any{"redirect_uris": []string{redirect, uri}})
		responds(t, "redirect URI "+uri, status, answer, 400, "invalid_redirect_uri")
	}
	for _, uri := range []string{
		"http://localhost:1234/callback", "http://127.0.0.1/cb", "http://[::1]:1/cb",
		"cursor://anysphere.cursor-mcp/oauth/callback", "com.example.app:/cb",
	} {
		if status, answer := register(t, hub, map[string]any{"redirect_uris": []string{uri}}); status != 201 {
			t.Errorf("redirect URI %q: %d %v", uri, status, answer)
		}
	}
	for name, metadata := range map[string]map[string]any{
		"no redirect":     {},
		"empty redirects": {"redirect_uris": []string{}},
		"method":          {"redirect_uris": []string{redirect}, "token_endpoint_auth_method": "private_key_jwt"},
		"grant": {"redirect_uris": []string{redirect},
			"grant_types": []string{"authorization_code", "password"}},
		"response":             {"redirect_uris": []string{redirect}, "response_types": []string{"code", "token"}},
		"a text for redirects": {"redirect_uris": redirect},
	} {
		if status, answer := register(t, hub, metadata); status != 400 || answer["error"] == nil {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
}

func TestRegistrationExpires(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	clock := newClock(hub)
	_, answer := register(t, hub, map[string]any{"redirect_uris": []string{redirect}})
	app := hfoauthtest.App{ClientID: answer["client_id"].(string)}
	clock.advance(364 * 24 * time.Hour)
	approved(t, hub, app)
	clock.advance(2 * 24 * time.Hour)
	if status, _ := consent(t, hub, authorization(app, nil), url.Values{"user": {"ada"}}); status != 400 {
		t.Errorf("after more than a year: %d", status)
	}
}
