//go:build providers

package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"testing"
)

// glewlwydSite is an app whose provider is Debian's Glewlwyd, which is configured
// with its API; its pages use the same API.
type glewlwydSite struct {
	*site
	api      string
	provider *background
}

func newGlewlwydSite(t *testing.T, secret string) *glewlwydSite {
	t.Helper()
	g := &glewlwydSite{}
	g.site = newSite(t, secret, "/api/oidc/token", func(s *site) http.Handler {
		g.site = s
		g.api = s.issuer + "/api"
		port, database := freePort(t), filepath.Join(t.TempDir(), "db")
		schema := exec.Command("/usr/bin/python3", "-c", `
import sqlite3, sys
sqlite3.connect(sys.argv[1]).executescript(open(sys.argv[2]).read())`,
			database, "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
		if out, err := schema.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		g.provider = newBackground(t, []string{port}, []string{
			"GLWD_PORT=" + port, "GLWD_BIND_ADDRESS=127.0.0.1", "GLWD_EXTERNAL_URL=" + s.issuer,
			"GLWD_API_PREFIX=api", "GLWD_LOGIN_URL=login", "GLWD_COOKIE_SECURE=0",
			"GLWD_LOG_MODE=console", "GLWD_LOG_LEVEL=WARNING",
			"GLWD_SESSION_EXPIRATION=3600", "GLWD_SESSION_KEY=session",
			"GLWD_ADMIN_SCOPE=g_admin", "GLWD_PROFILE_SCOPE=g_profile",
			"GLWD_USER_MODULE_PATH=/usr/lib/glewlwyd/user", "GLWD_CLIENT_MODULE_PATH=/usr/lib/glewlwyd/client",
			"GLWD_AUTH_SCHEME_MODULE_PATH=/usr/lib/glewlwyd/scheme", "GLWD_PLUGIN_MODULE_PATH=/usr/lib/glewlwyd/plugin",
			"GLWD_DATABASE_TYPE=sqlite3", "GLWD_DATABASE_SQLITE3_PATH=" + database,
		}, "glewlwyd", "--env-variables")
		handler := g.provider.handler()
		mux := http.NewServeMux()
		mux.Handle("/api/", handler)
		mux.HandleFunc("GET /login", func(http.ResponseWriter, *http.Request) {})
		s.issuer += "/api/oidc"
		g.configure("http://127.0.0.1:" + port + "/api")
		return mux
	})
	return g
}

// configure sets up a new Glewlwyd as an OpenID provider, with a user and a
// client.
func (g *glewlwydSite) configure(api string) {
	g.t.Helper()
	admin := g.person()
	g.must(admin, "POST", api+"/auth", map[string]any{"username": "admin", "password": "password"})
	private, public := rsaKey(g.t)
	g.must(admin, "POST", api+"/mod/plugin/", map[string]any{
		"module": "oidc", "name": "oidc", "display_name": "OpenID Connect", "order_rank": 0,
		"parameters": map[string]any{
			"iss": g.issuer, "subject-type": "public",
			"jwt-type": "rsa", "jwt-key-size": "256", "key": private, "cert": public, "jwks-show": true,
			"access-token-duration": int(shortLife.Seconds()), "refresh-token-duration": 3600, "code-duration": 60,
			"refresh-token-rolling": true, "refresh-token-one-use": "always",
			"auth-type-code-enabled": true, "auth-type-token-enabled": false, "auth-type-refresh-enabled": true,
			"pkce-allowed": true, "pkce-method-plain-allowed": false, "oauth-as-iss-id": true,
			"name-claim": "mandatory", "email-claim": "mandatory",
		},
	})
	for _, scope := range []string{"profile", "email", "offline_access"} { // openid exists already
		g.must(admin, "POST", api+"/scope/", map[string]any{
			"name": scope, "display_name": scope, "description": scope,
			"password_required": false, "password_max_age": 0, "scheme": map[string]any{},
		})
	}
	g.must(admin, "POST", api+"/user/", map[string]any{
		"username": "ada", "name": "Ada Lovelace", "email": "ada@example.com", "password": adasPassword,
		"enabled": true,
		"scope":   []string{"openid", "profile", "email", "offline_access", "g_profile"},
	})
	g.must(admin, "POST", api+"/client/", map[string]any{
		"client_id": "web", "name": "An app", "confidential": true, "password": plainSecret, "enabled": true,
		"redirect_uri": []string{g.redirectURL()}, "scope": []string{},
		"authorization_type":         []string{"code", "refresh_token"},
		"token_endpoint_auth_method": []string{"client_secret_basic"},
	})
}

// rsaKey returns a new key and its public part, as PEM.
func rsaKey(t *testing.T) (private, public string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY",
			Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// call calls the API in a browser's session.
func (g *glewlwydSite) call(person *http.Client, method, address string, body any) (status int, answer string) {
	g.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		g.t.Fatal(err)
	}
	req, err := http.NewRequest(method, address, bytes.NewReader(text))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := person.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	return g.read(resp)
}

// must is call, but fails the test on an error.
func (g *glewlwydSite) must(person *http.Client, method, address string, body any) (answer string) {
	g.t.Helper()
	status, answer := g.call(person, method, address, body)
	if status != http.StatusOK {
		g.t.Fatalf("%s %s: %d %s", method, address, status, answer)
	}
	return answer
}

// answer enters a password at the provider, grants what the app requests, and
// continues where the login page leads.
func (g *glewlwydSite) answer(person *http.Client, password string) (status int, body string) {
	g.t.Helper()
	page := g.begin(person).Request.URL
	status, _ := g.call(person, "POST", g.api+"/auth", map[string]any{"username": "ada", "password": password})
	if status == http.StatusOK {
		g.must(person, "PUT", g.api+"/auth/grant/web", map[string]any{"scope": "openid profile email offline_access"})
	}
	next, err := url.Parse(page.Query().Get("callback_url"))
	if err != nil || next.Host == "" {
		g.t.Fatalf("the login page is at %s", page)
	}
	query := next.Query()
	query.Set("g_continue", "")
	next.RawQuery = query.Encode()
	resp, err := person.Get(next.String())
	if err != nil {
		g.t.Fatal(err)
	}
	return g.read(resp)
}

func (g *glewlwydSite) signIn(person *http.Client) (status int, body string) {
	g.t.Helper()
	return g.answer(person, adasPassword)
}

const (
	adasPassword = "the password"
	plainSecret  = "the-secret-of-an-app-that-needs-no-encoding-5d90e2a7"
)

func TestGlewlwydSignIn(t *testing.T) {
	s := newGlewlwydSite(t, plainSecret)
	s.checkSignIn(s.signIn, "ada@example.com")
}

// Glewlwyd responds to an unknown refresh token with status 400 and no body,
// instead of the invalid_grant of RFC 6749 section 5.2. A proxy could do the same,
// so this ends no session.
func TestGlewlwydForgetsTheUser(t *testing.T) {
	s := newGlewlwydSite(t, plainSecret)
	s.checkForgotten(s.signIn, func(person *http.Client) {
		var tokens []struct {
			Hash string `json:"token_hash"`
		}
		err := json.Unmarshal([]byte(s.must(person, "GET", s.api+"/oidc/token", nil)), &tokens)
		if err != nil || len(tokens) != 1 {
			t.Fatalf("%d refresh tokens, %v", len(tokens), err)
		}
		s.must(person, "DELETE", s.api+"/oidc/token/"+url.PathEscape(tokens[0].Hash), nil)
	}, http.StatusBadGateway, "status 400")
}

// For a wrong secret, Glewlwyd returns unauthorized_client, not the
// invalid_client of RFC 6749 section 5.2. It also reads HTTP Basic without the
// form encoding of section 2.3.1, so secrets must not need any.
func TestGlewlwydRefusesTheClient(t *testing.T) {
	s := newGlewlwydSite(t, wrongSecret)
	s.checkWrongSecret(s.signIn, "unauthorized_client")
}

// Glewlwyd does not redirect users who refuse: they stay on its login page.
func TestGlewlwydRefusesTheUser(t *testing.T) {
	s := newGlewlwydSite(t, plainSecret)
	s.checkStays(func(person *http.Client) (int, string) { return s.answer(person, "wrong") }, s.signIn)
}
