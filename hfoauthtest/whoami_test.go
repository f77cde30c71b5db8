package hfoauthtest_test

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func whoAmI(t *testing.T, hub *hfoauthtest.Server, token string) map[string]any {
	t.Helper()
	status, answer := withToken(t, hub.URL+"/api/whoami-v2", token)
	if status != 200 {
		t.Fatalf("whoami: %d %v", status, answer)
	}
	return answer
}

// has reports the fields of a response that differ from those wanted.
func has(t *testing.T, what string, answer, want map[string]any) {
	t.Helper()
	for name, value := range want {
		got, ok := answer[name]
		if !ok || got != value {
			t.Errorf("%s: %s is %v (present: %v), want %v", what, name, got, ok, value)
		}
	}
}

// equal fails the test unless a value is the one that is wanted.
func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// responds fails the test unless a response has a status and an error code, nil
// for none.
func responds(t *testing.T, what string, status int, answer map[string]any, wantStatus int, wantError any) {
	t.Helper()
	equal(t, what+": status", status, wantStatus)
	equal(t, what+": error", answer["error"], wantError)
}

// contains fails the test unless a text has a part.
func contains(t *testing.T, what, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("%s lacks %q: %s", what, part, text)
	}
}

// lacks fails the test if a text has a part.
func lacks(t *testing.T, what, text, part string) {
	t.Helper()
	if strings.Contains(text, part) {
		t.Errorf("%s has %q: %s", what, part, text)
	}
}

// hasNames fails the test unless a response has exactly these fields.
func hasNames(t *testing.T, what string, answer map[string]any, names ...string) {
	t.Helper()
	slices.Sort(names)
	if got := slices.Sorted(maps.Keys(answer)); !slices.Equal(got, names) {
		t.Errorf("%s has %v, want %v", what, got, names)
	}
}

// huggingface.js asserts these fields in who-am-i.spec.ts.
func TestWhoAmIOfUserToken(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	now := time.Date(2026, 12, 24, 8, 0, 0, 5e6, time.UTC)
	hub.Configure(func(s *hfoauthtest.Settings) { s.Now = func() time.Time { return now } })
	answer := whoAmI(t, hub, hub.UserToken("alan"))
	hasNames(t, "alan", answer, "type", "id", "name", "fullname", "email", "emailVerified", "canPay",
		"isPro", "periodEnd", "avatarUrl", "billingMode", "orgs", "auth")
	has(t, "alan", answer, map[string]any{"type": "user",
		"id": hfoauthtest.User{Username: "alan"}.ID(), "name": "alan", "fullname": "alan",
		"email": "alan@example.com", "emailVerified": true, "canPay": false, "isPro": false,
		"periodEnd": nil, "avatarUrl": "/avatars/alan", "billingMode": "prepaid"})
	auth := answer["auth"].(map[string]any)
	hasNames(t, "auth", auth, "type", "accessToken")
	has(t, "auth", auth, map[string]any{"type": "access_token"})
	accessToken := auth["accessToken"].(map[string]any)
	hasNames(t, "accessToken", accessToken, "displayName", "role", "createdAt")
	has(t, "accessToken", accessToken,
		map[string]any{"displayName": "hfoauthtest", "role": "write", "createdAt": "2026-12-24T08:00:00.005Z"})

	ada := whoAmI(t, hub, hub.UserToken("ada"))
	has(t, "ada", ada, map[string]any{"isPro": true,
		"periodEnd":   float64(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).Unix()),
		"billingMode": "postpaid", "canPay": true})
	org := ada["orgs"].([]any)[0].(map[string]any)
	hasNames(t, "organization", org, "type", "id", "name", "fullname", "avatarUrl", "isEnterprise",
		"email", "canPay", "periodEnd", "roleInOrg")
	has(t, "organization", org, map[string]any{"type": "org", "id": hfoauthtest.Org{Username: "engines"}.ID(),
		"name": "engines", "fullname": "Analytical Engines",
		"avatarUrl": "/avatars/engines", "isEnterprise": true, "email": nil, "canPay": true,
		"periodEnd": nil, "roleInOrg": "admin"})
}

func TestWhoAmIOfAppsToken(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	now := time.Date(2026, 12, 24, 8, 0, 0, 0, time.UTC)
	hub.Configure(func(s *hfoauthtest.Settings) { s.Now = func() time.Time { return now } })
	answer := whoAmI(t, hub, hub.AccessToken("ada", "app"))
	hasNames(t, "without scopes", answer, "type", "id", "name", "fullname", "isPro", "avatarUrl", "orgs", "auth")
	auth := answer["auth"].(map[string]any)
	hasNames(t, "auth", auth, "type", "expiresAt")
	has(t, "auth", auth, map[string]any{"type": "oauth", "expiresAt": "2026-12-24T16:00:00.000Z"})
	org := answer["orgs"].([]any)[0].(map[string]any)
	hasNames(t, "an organization that was not granted", org, "type", "id", "name", "fullname",
		"avatarUrl", "isEnterprise")

	answer = whoAmI(t, hub, hub.AccessToken("ada", "app", "openid", "profile", "email", "read-billing"))
	has(t, "with scopes", answer, map[string]any{"email": "ada@example.com", "emailVerified": true,
		"canPay": true, "billingMode": "postpaid"})

	granted := signedIn(t, hub, "openid",
		url.Values{"user": {"ada"}, "org-ada": {hfoauthtest.Org{Username: "notes"}.ID()}})
	orgs := whoAmI(t, hub, granted["access_token"].(string))["orgs"].([]any)
	if role := orgs[0].(map[string]any)["roleInOrg"]; role != nil {
		t.Errorf("engines was not granted: %v", role)
	}
	if role := orgs[1].(map[string]any)["roleInOrg"]; role != "read" {
		t.Errorf("notes was granted: %v", role)
	}
}

func TestWhoAmIOfOthers(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	org := whoAmI(t, hub, hub.OrgToken("engines"))
	hasNames(t, "organization", org, "type", "id", "name", "fullname", "avatarUrl", "isEnterprise",
		"email", "canPay", "periodEnd", "auth")
	has(t, "organization", org, map[string]any{"type": "org", "id": hfoauthtest.Org{Username: "engines"}.ID(),
		"name": "engines", "fullname": "Analytical Engines", "email": nil})
	has(t, "its auth", org["auth"].(map[string]any), map[string]any{"type": "access_token"})
	if got := whoAmI(t, hub, hub.OrgToken("unknown"))["name"]; got != "unknown" {
		t.Errorf("an organization without members: %v", got)
	}
	app := whoAmI(t, hub, hub.AppToken("robot"))
	hasNames(t, "app", app, "type", "id", "name", "auth")
	has(t, "app", app, map[string]any{"type": "app", "name": "robot"})
	if status, _ := withToken(t, hub.URL+"/oauth/userinfo", hub.AppToken("robot")); status != 401 {
		t.Errorf("an app at userinfo: %d", status)
	}
}

// A token of the Hub's settings is valid for a year.
func TestSettingsTokensExpire(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	clock := newClock(hub)
	tokens := map[string]string{
		"user": hub.UserToken("ada"), "organization": hub.OrgToken("engines"), "app": hub.AppToken("robot"),
	}
	clock.advance(364 * 24 * time.Hour)
	for owner, token := range tokens {
		if status, _ := withToken(t, hub.URL+"/api/whoami-v2", token); status != 200 {
			t.Errorf("the token of the %s after 364 days: %d, want 200", owner, status)
		}
	}
	clock.advance(2 * 24 * time.Hour)
	for owner, token := range tokens {
		if status, _ := withToken(t, hub.URL+"/api/whoami-v2", token); status != 401 {
			t.Errorf("the token of the %s after 366 days: %d, want 401", owner, status)
		}
	}
}

// A test may use its list of scopes for something else afterwards.
func TestScopesOfATokenAreCopied(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	scopes := []string{"openid", "email"}
	token := hub.AccessToken("ada", "app", scopes...)
	scopes[1] = "read-billing"
	has(t, "whoami", whoAmI(t, hub, token), map[string]any{"email": "ada@example.com"})
}

// The formats are those in huggingface_hub and the Hub's documentation.
func TestShapes(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	_, tokens := redeem(t, hub, app, approved(t, hub, app))
	for shape, value := range map[string]any{
		`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`: app.ClientID,
		`oauth_app_secret_[A-Za-z0-9]{34}`:                                    app.ClientSecret,
		`hf_oauth__refresh_[A-Za-z0-9]{34}`:                                   tokens["refresh_token"],
		`hf_oauth_[\w-]+\.[\w-]+\.[\w-]+`:                                     tokens["access_token"],
		`hf_[A-Za-z0-9]{34}`:                                                  hub.UserToken("ada"),
	} {
		if !regexp.MustCompile(`^` + shape + `$`).MatchString(value.(string)) {
			t.Errorf("%v is not %s", value, shape)
		}
	}
}
