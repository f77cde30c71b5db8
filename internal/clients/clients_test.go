package clients

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

const scopes = "openid profile email read-billing"

// client is a client that others wrote, and what it does.
type client struct {
	name        string
	program     string // in drivers
	idToken     bool   // it reads the ID token
	userinfo    bool   // it requests userinfo
	refresh     bool   // it can renew its tokens
	wrongSecret string // what it says then; empty if it sends none
}

var openIDClient = client{name: "openid-client", program: "openidclient.mjs", idToken: true,
	userinfo: true, refresh: true, wrongSecret: "CHALLENGE"}

var clients = []client{
	{name: "huggingface.js", program: "huggingfacejs.mjs", userinfo: true},
	{name: "Auth.js", program: "authjs.mjs", idToken: true, wrongSecret: "CHALLENGE"},
	openIDClient,
	{name: "MCP SDK", program: "mcp.mjs", refresh: true},
	{name: "authlib", program: "authlib_starlette.py", idToken: true, userinfo: true, refresh: true,
		wrongSecret: "invalid_client"},
}

// start starts a provider and the client's web app. change may change the
// registered app before the client hears of it.
func (c client) start(t *testing.T, change func(*hfoauthtest.App)) (*hfoauthtest.Server, *web) {
	t.Helper()
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{Name: c.name, RedirectURIs: []string{
		"http://localhost/callback",
		"http://localhost/callback?_target_url=%2Fme",
		"http://localhost/auth/callback/huggingface",
	}})
	if change != nil {
		change(&app)
	}
	return hub, &web{t, newDriver(t, "drivers/"+c.program, hub.URL, app).line()}
}

func TestClientSignsIn(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			hub, app := c.start(t, nil)
			for _, user := range hfoauthtest.DefaultUsers() {
				t.Run(user.Username, func(t *testing.T) {
					app := &web{t, app.url}
					browser := hub.Browser(hfoauthtest.Person{Username: user.Username})
					defer browser.CloseIdleConnections()
					c.check(t, hub, user, app.account(browser, "GET", "/login"))
				})
			}
		})
	}
}

func TestClientRefreshes(t *testing.T) {
	for _, c := range clients {
		if !c.refresh {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			hub, app := c.start(t, nil)
			for _, user := range hfoauthtest.DefaultUsers() {
				t.Run(user.Username, func(t *testing.T) {
					app := &web{t, app.url}
					browser := hub.Browser(hfoauthtest.Person{Username: user.Username})
					defer browser.CloseIdleConnections()
					tokens := map[string]bool{app.account(browser, "GET", "/login").AccessToken: true}
					for range 2 { // the second time with the refresh token that came of the first
						after := app.account(browser, "POST", "/refresh")
						c.check(t, hub, user, after)
						if tokens[after.AccessToken] {
							t.Error("the access token is an old one")
						}
						tokens[after.AccessToken] = true
					}
				})
			}
		})
	}
}

// Only openid-client has the device login of RFC 8628. The app has a secret, so the
// client must send it by HTTP Basic.
func TestClientSignsInOnDevice(t *testing.T) {
	hub, app, code := beginOnDevice(t)
	ada := hfoauthtest.DefaultUsers()[0]
	if err := hub.ApproveDevice(code, ada.Username); err != nil {
		t.Fatal(err)
	}
	openIDClient.check(t, hub, ada, app.account(app.browser, "POST", "/token"))
}

func TestClientIsDeniedOnDevice(t *testing.T) {
	hub, app, code := beginOnDevice(t)
	if err := hub.DenyDevice(code); err != nil {
		t.Fatal(err)
	}
	status, body := app.open(app.browser, "POST", "/token")
	if status != http.StatusBadRequest || !strings.Contains(body, "access_denied") {
		t.Errorf("status %d: %s; want 400 and access_denied", status, body)
	}
}

// device is a device with openid-client.
type device struct {
	*web
	browser *http.Client // what keeps its session
}

// beginOnDevice begins a device login, and returns the code that the device
// shows.
func beginOnDevice(t *testing.T) (hub *hfoauthtest.Server, d *device, code string) {
	t.Helper()
	hub, app := openIDClient.start(t, nil)
	hub.Configure(func(s *hfoauthtest.Settings) { s.DeviceInterval = time.Second })
	d = &device{app, hub.Browser(hfoauthtest.Person{})}
	t.Cleanup(d.browser.CloseIdleConnections)
	status, body := app.open(d.browser, "POST", "/device")
	var shown struct {
		UserCode string `json:"user_code"`
	}
	if status != http.StatusOK || json.Unmarshal([]byte(body), &shown) != nil {
		t.Fatalf("status %d: %s", status, body)
	}
	return hub, d, shown.UserCode
}

func TestClientIsDenied(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			hub, app := c.start(t, nil)
			browser := hub.Browser(hfoauthtest.Person{Username: "ada", Deny: true})
			defer browser.CloseIdleConnections()
			status, body := app.open(browser, "GET", "/login")
			if status != http.StatusBadRequest || !strings.Contains(body, "access_denied") {
				t.Errorf("status %d: %s; want 400 and access_denied", status, body)
			}
		})
	}
}

func TestClientWithWrongSecret(t *testing.T) {
	for _, c := range clients {
		if c.wrongSecret == "" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			hub, app := c.start(t, func(app *hfoauthtest.App) { app.ClientSecret = "wrong" })
			browser := hub.Browser(hfoauthtest.Person{Username: "ada"})
			defer browser.CloseIdleConnections()
			status, body := app.open(browser, "GET", "/login")
			if status != http.StatusBadRequest || !strings.Contains(body, c.wrongSecret) {
				t.Errorf("status %d: %s; want 400 and %s", status, body, c.wrongSecret)
			}
		})
	}
}

// check compares what a client knows of a user with who that is.
func (c client) check(t *testing.T, hub *hfoauthtest.Server, user hfoauthtest.User, a account) {
	t.Helper()
	if c.idToken {
		checkClaims(t, "ID token", hub, user, a.Claims)
		for _, name := range []string{"isPro", "canPay", "billingMode"} {
			if _, ok := a.Claims[name]; ok {
				t.Errorf("the ID token has %s, which the Hub's does not", name)
			}
		}
	}
	if c.userinfo {
		checkClaims(t, "userinfo", hub, user, a.Userinfo)
		equal(t, "userinfo: isPro", a.Userinfo["isPro"], user.IsPro)
		orgs, _ := a.Userinfo["orgs"].([]any)
		equal(t, "userinfo: number of organizations", len(orgs), len(user.Orgs))
	}
	checkWhoami(t, user, a.Whoami)
	equal(t, "scope", a.Scope, scopes)
}

func checkClaims(t *testing.T, of string, hub *hfoauthtest.Server, user hfoauthtest.User,
	claims map[string]any) {
	t.Helper()
	for name, want := range map[string]any{
		"sub":                user.ID(),
		"preferred_username": user.Username,
		"email":              user.Email,
		"email_verified":     true,
		"profile":            hub.URL + "/" + user.Username,
	} {
		equal(t, of+": "+name, claims[name], want)
	}
	if picture, _ := claims["picture"].(string); !strings.HasPrefix(picture, "http") {
		t.Errorf("%s: picture = %q, want an absolute URL", of, picture)
	}
	if name, _ := claims["name"].(string); name == "" {
		t.Errorf("%s has no name", of)
	}
}

// checkWhoami checks what Hugging Face's own clients declare of the answer.
func checkWhoami(t *testing.T, user hfoauthtest.User, whoami map[string]any) {
	t.Helper()
	for name, want := range map[string]any{
		"type":          "user",
		"id":            user.ID(),
		"name":          user.Username,
		"email":         user.Email,
		"emailVerified": true,
		"isPro":         user.IsPro,
	} {
		equal(t, "whoami: "+name, whoami[name], want)
	}
	for _, name := range []string{"fullname", "avatarUrl", "orgs", "canPay", "periodEnd", "auth"} {
		if _, ok := whoami[name]; !ok {
			t.Errorf("whoami has no %s", name)
		}
	}
	auth, _ := whoami["auth"].(map[string]any)
	equal(t, "whoami: auth.type", auth["type"], "oauth")
	if _, ok := auth["expiresAt"].(string); !ok {
		t.Errorf("whoami: auth.expiresAt = %v, want a time", auth["expiresAt"])
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}
