//go:build providers

package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
)

// hydraSite is an app whose provider is the OpenID-certified Ory Hydra. Hydra has
// no pages for sign-in and consent: the test takes their place with the admin
// API.
type hydraSite struct {
	*site
	admin string
}

func newHydraSite(t *testing.T, secret string) *hydraSite {
	t.Helper()
	h := &hydraSite{}
	h.site = newSite(t, secret, "/oauth2/token", func(s *site) http.Handler {
		h.site = s
		port, adminPort := freePort(t), freePort(t)
		h.admin = "http://127.0.0.1:" + adminPort + "/admin"
		path, err := filepath.Abs("../../.bin/hydra")
		if err != nil {
			t.Fatal(err)
		}
		provider := newBackground(t, []string{port, adminPort}, []string{
			"DSN=memory",
			"SECRETS_SYSTEM=of no use to anyone",
			"SERVE_PUBLIC_HOST=127.0.0.1", "SERVE_PUBLIC_PORT=" + port,
			"SERVE_ADMIN_HOST=127.0.0.1", "SERVE_ADMIN_PORT=" + adminPort,
			"URLS_SELF_ISSUER=" + s.issuer,
			"URLS_LOGIN=" + s.issuer + "/page", "URLS_CONSENT=" + s.issuer + "/page",
			"TTL_ACCESS_TOKEN=" + shortLife.String(),
		}, path, "serve", "all", "--dev", "--sqa-opt-out")
		// Hydra generates its keys when they are first requested. That can take
		// longer than the lifetime of an access token, or than Hydra's own limit.
		s.until("Hydra has keys", func() bool {
			resp, err := http.Get("http://127.0.0.1:" + port + "/.well-known/jwks.json")
			if err != nil {
				return false
			}
			resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		})
		h.call("POST", "/clients", map[string]any{
			"client_id":      "web",
			"client_secret":  rightSecret,
			"redirect_uris":  []string{s.redirectURL()},
			"grant_types":    []string{"authorization_code", "refresh_token"},
			"response_types": []string{"code"},
			"scope":          "openid profile email offline_access",
		})
		mux := http.NewServeMux()
		mux.Handle("/", provider.handler())
		mux.HandleFunc("GET /page", func(http.ResponseWriter, *http.Request) {})
		return mux
	})
	return h
}

// call calls the admin API, and returns the address to which it redirects.
func (h *hydraSite) call(method, path string, body any) (redirectTo string) {
	h.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		h.t.Fatal(err)
	}
	req, err := http.NewRequest(method, h.admin+path, bytes.NewReader(text))
	if err != nil {
		h.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	status, answer := h.read(resp)
	if status >= 300 {
		h.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	var to struct {
		RedirectTo string `json:"redirect_to"`
	}
	if answer != "" && json.Unmarshal([]byte(answer), &to) != nil {
		h.t.Fatalf("%s %s: %s", method, path, answer)
	}
	return to.RedirectTo
}

// decide answers the page that the browser reached, "login" or "consent", with
// "accept" or "reject", and returns where that leads.
func (h *hydraSite) decide(person *http.Client, page *http.Response, kind, decision string,
	body any) *http.Response {
	h.t.Helper()
	challenge := page.Request.URL.Query().Get(kind + "_challenge")
	next := h.call("PUT", "/oauth2/auth/requests/"+kind+"/"+decision+"?"+kind+"_challenge="+
		url.QueryEscape(challenge), body)
	resp, err := person.Get(next)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp
}

// consentPage signs the person in at the provider.
func (h *hydraSite) consentPage(person *http.Client) *http.Response {
	h.t.Helper()
	page := h.decide(person, h.begin(person), "login", "accept", map[string]any{"subject": "ada"})
	page.Body.Close()
	return page
}

func (h *hydraSite) signIn(person *http.Client) (status int, body string) {
	h.t.Helper()
	return h.read(h.decide(person, h.consentPage(person), "consent", "accept", map[string]any{
		"grant_scope": []string{"openid", "profile", "email", "offline_access"},
		"session": map[string]any{"id_token": map[string]any{
			"name": "Ada", "preferred_username": "ada", "email": "ada@example.com", "email_verified": true,
		}},
	}))
}

func (h *hydraSite) deny(person *http.Client) (status int, body string) {
	h.t.Helper()
	return h.read(h.decide(person, h.consentPage(person), "consent", "reject", map[string]any{
		"error": "access_denied", "error_description": "The user denied the request",
	}))
}

func TestHydraSignIn(t *testing.T) {
	s := newHydraSite(t, rightSecret)
	s.checkSignIn(s.signIn, "ada@example.com")
}

func TestHydraForgetsTheUser(t *testing.T) {
	s := newHydraSite(t, rightSecret)
	s.checkForgotten(s.signIn, func(*http.Client) {
		s.call("DELETE", "/oauth2/auth/sessions/consent?subject=ada&all=true", nil)
	}, http.StatusUnauthorized, "not signed in")
}

func TestHydraRefusesTheClient(t *testing.T) {
	s := newHydraSite(t, wrongSecret)
	s.checkWrongSecret(s.signIn, "invalid_client")
}

func TestHydraUserDenies(t *testing.T) {
	s := newHydraSite(t, rightSecret)
	s.checkDenied(s.deny, s.signIn)
}
