package hfoauthtest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestAuthorizeRefusesMore(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	approve := adaApproves
	confidential := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	public := hub.RegisterApp(hfoauthtest.App{Public: true, ClientSecret: "x", RedirectURIs: []string{redirect}})
	if public.ClientSecret != "" {
		t.Error("a public app has a secret")
	}
	noPKCE := func(p url.Values) { p.Del("code_challenge"); p.Del("code_challenge_method") }
	for name, tt := range map[string]struct {
		app    hfoauthtest.App
		change func(url.Values)
		status int
		want   string
	}{
		"two clients":   {confidential, func(p url.Values) { p.Add("client_id", "x") }, 400, ""},
		"two redirects": {confidential, func(p url.Values) { p.Add("redirect_uri", redirect) }, 400, ""},
		"two states":    {confidential, func(p url.Values) { p.Add("state", "x") }, 302, "invalid_request"},
		"method alone":  {confidential, func(p url.Values) { p.Del("code_challenge") }, 302, "invalid_request"},
		"challenge alone": {confidential, func(p url.Values) { p.Del("code_challenge_method") }, 302,
			"invalid_request"},
		"short challenge":     {confidential, func(p url.Values) { p.Set("code_challenge", "x") }, 302, "invalid_request"},
		"public without PKCE": {public, noPKCE, 302, "invalid_request"},
		"secret without PKCE": {confidential, noPKCE, 303, ""},
		"scope of other apps": {hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect},
			Scopes: []string{"openid"}}), nil, 302, "invalid_scope"},
		"scope in the wild":    {confidential, func(p url.Values) { p.Set("scope", "openid read-mcp") }, 303, ""},
		"two organization IDs": {confidential, func(p url.Values) { p["orgIds"] = []string{"a", "b"} }, 303, ""},
	} {
		status, response := consent(t, hub, authorization(tt.app, tt.change), approve)
		equal(t, name+": status", status, tt.status)
		equal(t, name+": error", response.Get("error"), tt.want)
		equal(t, name+": there is a code", response.Has("code"), tt.status == 303)
	}
	status, response := consent(t, hub, authorization(confidential, nil),
		url.Values{"user": {"nobody"}, "decision": {"approve"}})
	equal(t, "unknown user: status", status, 400)
	equal(t, "unknown user: response", response.Encode(), "")
	resp, err := browser.Do(&http.Request{Method: http.MethodDelete,
		URL: mustParse(t, hub.URL+"/oauth/authorize?"+authorization(confidential, nil).Encode())})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %s", resp.Status)
	}
}

// No parameter may be repeated (RFC 6749 section 3.1) but those that say so.
func TestAuthorizeRefusesRepeatedParameters(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	for _, name := range []string{"state", "nonce", "scope", "code_challenge", "response_type"} {
		params := authorization(app, func(p url.Values) { p.Add(name, p.Get(name)) })
		if _, response := consent(t, hub, params, adaApproves); response.Get("error") != "invalid_request" {
			t.Errorf("two of %s: %v, want invalid_request", name, response)
		}
	}
}

func TestAuthorizeAnswersOnlyWithACode(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	for _, kind := range []string{"", "token", "code id_token", "none"} {
		params := authorization(app, func(p url.Values) { p.Set("response_type", kind) })
		_, response := consent(t, hub, params, adaApproves)
		if got := response.Get("error"); got != "unsupported_response_type" {
			t.Errorf("response_type %q: %v, want unsupported_response_type", kind, response)
		}
	}
}

func mustParse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestRedirectURIs(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	anywhere := hub.RegisterApp(hfoauthtest.App{})
	loopback := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{"http://127.0.0.1/cb",
		"http://[::1]:80/cb"}})
	for _, tt := range []struct {
		app    hfoauthtest.App
		uri    string
		status int
	}{
		{anywhere, "http://localhost:7860/login/callback", 303},
		{anywhere, "http://[::1]:7860/x", 303},
		{anywhere, "https://localhost/cb", 400},
		{anywhere, "http://app.example/cb", 400},
		{anywhere, "http://localhost@app.example/cb", 400},
		{anywhere, "http://localhost.app.example/cb", 400},
		{anywhere, "http://user@127.0.0.1:1/cb", 400},
		{anywhere, "", 400},
		{loopback, "http://127.0.0.1:1/cb", 303},
		{loopback, "http://[::1]:1/cb", 303},
		{loopback, "http://127.0.0.1:1/cb#", 400},
		{loopback, "http://127.0.0.1:1/cb?", 400},
		{loopback, "http://127.0.0.1:1/%63b", 400},
		{loopback, "http://user@127.0.0.1:1/cb", 400},
	} {
		params := authorization(tt.app, func(p url.Values) { p.Set("redirect_uri", tt.uri) })
		if status, _ := consent(t, hub, params, adaApproves); status != tt.status {
			t.Errorf("%q: %d, want %d", tt.uri, status, tt.status)
		}
	}
}

func TestIssuerParameter(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	for _, on := range []bool{false, true} {
		hub.Configure(func(s *hfoauthtest.Settings) { s.IssuerParameter = on })
		for _, decision := range []string{"approve", "deny"} {
			_, response := consent(t, hub, authorization(app, nil), url.Values{"user": {"ada"}, "decision": {decision}})
			var want []string
			if on {
				want = []string{hub.URL}
			}
			if got := response["iss"]; !slices.Equal(got, want) {
				t.Errorf("%v, %s: iss %q, want %q", on, decision, got, want)
			}
		}
		resp, err := browser.Get(hub.URL + "/.well-known/openid-configuration")
		got := body(resp, err)
		if strings.Contains(got, "authorization_response_iss_parameter_supported") != on {
			t.Errorf("with iss: %v, but the metadata is %s", on, got)
		}
		lacks(t, "the metadata", got, "scopes_supported")
	}
	hub.Configure(func(s *hfoauthtest.Settings) {
		s.AuthorizationResponse = func(params url.Values) {
			params.Set("iss", "https://evil.example")
			params.Del("state")
		}
	})
	_, response := consent(t, hub, authorization(app, nil), adaApproves)
	equal(t, "changed response: iss", response.Get("iss"), "https://evil.example")
	equal(t, "changed response: there is a state", response.Has("state"), false)
}

// Submitting the form of the consent page, as a browser does, redirects back with
// a code.
func TestConsentForm(t *testing.T) {
	shared := hfoauthtest.Org{Username: "shared"}
	hub := hfoauthtest.NewServer(t,
		hfoauthtest.User{Username: "ada", Orgs: []hfoauthtest.Org{shared, {Username: "own"}}},
		hfoauthtest.User{Username: "bob", Orgs: []hfoauthtest.Org{shared}})
	app := hub.RegisterApp(hfoauthtest.App{Name: "App", RedirectURIs: []string{redirect}})
	resp, err := browser.Get(hub.URL + "/oauth/authorize?" +
		authorization(app, func(p url.Values) { p.Set("orgIds", shared.ID()) }).Encode())
	page := body(resp, err)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	action := regexp.MustCompile(`action="([^"]*)"`).FindStringSubmatch(page)
	ticked := regexp.MustCompile(`name="(org-[^"]*)" value="([^"]*)" checked`).FindAllStringSubmatch(page, -1)
	if action == nil {
		t.Fatalf("the page has no form: %s", page)
	}
	if len(ticked) != 2 {
		t.Fatalf("ticked: %v, want one organization of ada and one of bob", ticked)
	}
	equal(t, "the first ticked organization's name", ticked[0][1], "org-ada")
	equal(t, "the second's name", ticked[1][1], "org-bob")
	equal(t, "the first ticked organization's ID", ticked[0][2], shared.ID())
	target, err := resp.Request.URL.Parse(html.UnescapeString(action[1]))
	if err != nil {
		t.Fatal(err)
	}
	resp, err = browser.PostForm(target.String(),
		url.Values{"user": {"bob"}, "org-ada": {shared.ID()}, "decision": {"approve"}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	location, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	_, tokens := redeem(t, hub, app, location.Query().Get("code"))
	if org := userInfo(t, hub, tokens)["orgs"].([]any)[0].(map[string]any); org["roleInOrg"] != nil {
		t.Errorf("an organization that ada ticked was granted by bob: %v", org)
	}
}

func TestPagesCannotBeFramed(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	for _, path := range []string{
		"/oauth/authorize?" + authorization(app, nil).Encode(), "/oauth/authorize", "/oauth/device", "/",
	} {
		resp, err := browser.Get(hub.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		page := body(resp, err)
		policy := resp.Header.Get("Content-Security-Policy")
		_, style, _ := strings.Cut(page, "<style>")
		style, _, _ = strings.Cut(style, "</style>")
		hash := sha256.Sum256([]byte(style))
		if style == "" || !strings.Contains(policy,
			"style-src 'sha256-"+base64.StdEncoding.EncodeToString(hash[:])+"'") {
			t.Errorf("%s: the policy does not allow the style: %s", path, policy)
		}
		if got := resp.Header.Get("Referrer-Policy"); got != "strict-origin-when-cross-origin" {
			t.Errorf("%s: Referrer-Policy %q", path, got)
		}
		equal(t, path+": X-Frame-Options", resp.Header.Get("X-Frame-Options"), "DENY")
		equal(t, path+": Cross-Origin-Opener-Policy", resp.Header.Get("Cross-Origin-Opener-Policy"), "same-origin")
		contains(t, path+": the policy", policy, "frame-ancestors 'none'")
		lacks(t, path+": the policy", policy, "unsafe-inline")
		lacks(t, path+": the policy", policy, "form-action")
	}
}

func TestRevokeEndsCodes(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	code := approved(t, hub, app)
	hub.Revoke("ada")
	if status, _ := redeem(t, hub, app, code); status != 400 {
		t.Errorf("a code of a revoked user: %d", status)
	}
}
