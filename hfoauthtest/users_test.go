package hfoauthtest_test

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// signedIn signs a user in, grants all claims and returns the token response.
func signedIn(t *testing.T, hub *hfoauthtest.Server, scope string, form url.Values) map[string]any {
	t.Helper()
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	form.Set("decision", "approve")
	_, response := consent(t, hub, authorization(app, func(p url.Values) { p.Set("scope", scope) }), form)
	status, tokens := redeem(t, hub, app, response.Get("code"))
	if status != 200 {
		t.Fatalf("%d %v", status, tokens)
	}
	return tokens
}

func redeem(t *testing.T, hub *hfoauthtest.Server, app hfoauthtest.App, code string) (int, map[string]any) {
	t.Helper()
	return call(t, hub.URL+"/oauth/token", app.ClientID, app.ClientSecret,
		codeForm(code))
}

func userInfo(t *testing.T, hub *hfoauthtest.Server, tokens map[string]any) map[string]any {
	t.Helper()
	status, claims := withToken(t, hub.URL+"/oauth/userinfo", tokens["access_token"].(string))
	if status != 200 {
		t.Fatalf("userinfo: %d %v", status, claims)
	}
	return claims
}

func TestClaimsFollowScopesAndOrganizations(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	engines := hfoauthtest.DefaultUsers()[0].Orgs[0]
	claims := userInfo(t, hub, signedIn(t, hub, "openid profile email read-billing",
		url.Values{"user": {"ada"}, "org-ada": {engines.ID()}}))
	for name, want := range map[string]any{"email": "ada@example.com", "email_verified": true,
		"canPay": true, "billingMode": "postpaid",
		"isPro": true, "website": "https://ada.example", "picture": hub.URL + "/avatars/ada"} {
		if claims[name] != want {
			t.Errorf("%s: %v, want %v", name, claims[name], want)
		}
	}
	granted, other := claims["orgs"].([]any)[0].(map[string]any), claims["orgs"].([]any)[1].(map[string]any)
	for _, name := range []string{"roleInOrg", "canPay", "pendingSSO", "missingMFA", "resourceGroups"} {
		if granted[name] == nil || other[name] != nil {
			t.Errorf("%s: %v if granted, %v if not", name, granted[name], other[name])
		}
	}
	has(t, "granted", granted, map[string]any{"isEnterprise": true, "plan": "enterprise"})
	has(t, "other", other, map[string]any{"isEnterprise": false})
}

// As on the Hub, billing claims are only in the userinfo.
func TestIDTokenClaims(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	tokens := signedIn(t, hub, "openid profile email read-billing", url.Values{"user": {"ada"}})
	_, claims := parse(t, tokens["id_token"].(string))
	for _, name := range []string{"isPro", "canPay", "billingMode", "orgs"} {
		if _, ok := userInfo(t, hub, tokens)[name]; !ok {
			t.Errorf("userinfo has no %s", name)
		}
		if value, ok := claims[name]; ok {
			t.Errorf("the ID token has %s: %v", name, value)
		}
	}
	for _, name := range []string{
		"name", "preferred_username", "profile", "picture", "website", "email", "email_verified",
	} {
		if _, ok := claims[name]; !ok {
			t.Errorf("the ID token has no %s", name)
		}
	}
}

// The default users could exist on the Hub, which draws a picture and requires an
// e-mail address.
func TestDefaultUsersCouldExist(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	for _, user := range hfoauthtest.DefaultUsers() {
		claims := userInfo(t, hub, signedIn(t, hub, "openid email", url.Values{"user": {user.Username}}))
		has(t, user.Username, claims, map[string]any{
			"picture": hub.URL + "/avatars/" + user.Username, "email": user.Email, "email_verified": true,
		})
		for _, org := range claims["orgs"].([]any) {
			org := org.(map[string]any)
			if org["picture"] != hub.URL+"/avatars/"+org["preferred_username"].(string) {
				t.Errorf("%s: picture %v", org["preferred_username"], org["picture"])
			}
		}
	}
}

func TestPictures(t *testing.T) {
	hub := hfoauthtest.NewServer(t,
		hfoauthtest.User{Username: "a/b"},
		hfoauthtest.User{Username: "own", Picture: "https://pictures.example/own"},
		hfoauthtest.User{Username: "local", Picture: "/avatars/other"})
	for username, want := range map[string]string{
		"a/b":   hub.URL + "/avatars/a%2Fb",
		"own":   "https://pictures.example/own",
		"local": hub.URL + "/avatars/other",
	} {
		if got := userInfo(t, hub, signedIn(t, hub, "openid", url.Values{"user": {username}}))["picture"]; got != want {
			t.Errorf("%s: %v, want %s", username, got, want)
		}
	}
}

// The scope read-memberships shows the role in each organization even if it was
// not granted.
func TestReadMemberships(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	tokens := signedIn(t, hub, "openid read-memberships",
		url.Values{"user": {"ada"}, "org-ada": {hfoauthtest.Org{Username: "notes"}.ID()}})
	orgs := userInfo(t, hub, tokens)["orgs"].([]any)
	engines, notes := orgs[0].(map[string]any), orgs[1].(map[string]any)
	has(t, "engines", engines, map[string]any{"roleInOrg": "admin", "pendingSSO": false, "missingMFA": false})
	hasNames(t, "engines", engines, "sub", "name", "preferred_username", "picture", "plan",
		"isEnterprise", "roleInOrg", "pendingSSO", "missingMFA")
	has(t, "notes", notes, map[string]any{"roleInOrg": "read", "canPay": false})
	for i, role := range []string{"admin", "read"} {
		got := whoAmI(t, hub, tokens["access_token"].(string))["orgs"].([]any)[i].(map[string]any)["roleInOrg"]
		if got != role {
			t.Errorf("whoami: organization %d has the role %v, want %s", i, got, role)
		}
	}
}

// For a granted organization, the claims say what keeps a member out.
func TestRestrictedOrganization(t *testing.T) {
	org := hfoauthtest.Org{Username: "a/b", Role: "write", PendingSSO: true, MissingMFA: true,
		SecurityRestrictions: []string{"mfa", "sso"}}
	hub := hfoauthtest.NewServer(t, hfoauthtest.User{Username: "ada", Orgs: []hfoauthtest.Org{org}})
	claims := userInfo(t, hub, signedIn(t, hub, "openid",
		url.Values{"user": {"ada"}, "org-ada": {org.ID()}}))["orgs"].([]any)[0].(map[string]any)
	has(t, "organization", claims,
		map[string]any{"roleInOrg": "write", "pendingSSO": true, "missingMFA": true,
			"picture": hub.URL + "/avatars/a%2Fb"})
	if got := fmt.Sprint(claims["securityRestrictions"]); got != "[mfa sso]" {
		t.Errorf("securityRestrictions %s", got)
	}
	if groups, ok := claims["resourceGroups"]; ok {
		t.Errorf("resource groups although there are none: %v", groups)
	}
}

func TestOddClaims(t *testing.T) {
	hub := hfoauthtest.NewServer(t, hfoauthtest.User{
		Username: "odd", Claims: map[string]any{"isPro": "yes", "extra": 1.0},
		Orgs: []hfoauthtest.Org{{Username: "plus", IsEnterprise: "plus", Claims: map[string]any{"plan": nil}}},
	})
	claims := userInfo(t, hub, signedIn(t, hub, "openid", url.Values{"user": {"odd"}}))
	org := claims["orgs"].([]any)[0].(map[string]any)
	has(t, "claims", claims, map[string]any{"isPro": "yes", "extra": 1.0})
	has(t, "organization", org, map[string]any{"isEnterprise": "plus", "plan": nil})
}

func TestManyOrganizations(t *testing.T) {
	user := hfoauthtest.User{Username: "member"}
	for i := range 500 {
		user.Orgs = append(user.Orgs, hfoauthtest.Org{Username: fmt.Sprintf("org-%d", i)})
	}
	hub := hfoauthtest.NewServer(t, user)
	claims := userInfo(t, hub, signedIn(t, hub, "openid", url.Values{"user": {"member"}}))
	if orgs := claims["orgs"].([]any); len(orgs) != 500 {
		t.Errorf("%d organizations", len(orgs))
	}
}

func TestUsersComeAndGo(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	token := hub.AccessToken("ada", "app")
	status := func() int {
		status, _ := withToken(t, hub.URL+"/oauth/userinfo", token)
		return status
	}
	hub.AddUser(hfoauthtest.User{Username: "ada", Name: "Augusta"})
	if _, claims := withToken(t, hub.URL+"/oauth/userinfo", token); claims["name"] != "Augusta" {
		t.Errorf("replaced: %v", claims)
	}
	hub.RemoveUser("ada")
	if got := status(); got != 401 {
		t.Errorf("removed: %d", got)
	}
	hub.SetUsers(hfoauthtest.User{Username: "ada"})
	if got := status(); got != 200 {
		t.Errorf("set: %d", got)
	}
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() { hub.AddUser(hfoauthtest.User{Username: fmt.Sprint("user-", i)}) })
		wait.Go(func() { hub.RemoveUser("nobody") })
	}
	wait.Wait()
	for i := range 20 {
		status, _ := withToken(t, hub.URL+"/oauth/userinfo", hub.AccessToken(fmt.Sprint("user-", i), "app"))
		if status != 200 {
			t.Errorf("user %d, added concurrently: %d", i, status)
		}
	}
}

// A test may use its list of users for something else afterwards.
func TestUsersAreCopied(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	users := hfoauthtest.DefaultUsers()
	hub.SetUsers(users...)
	users[0].Username = "somebody"
	status, claims := withToken(t, hub.URL+"/oauth/userinfo", hub.AccessToken("ada", "app"))
	if status != 200 {
		t.Errorf("after a change of the caller's list: %d %v, want 200", status, claims)
	}
}

// during calls do when a response is first written to.
type during struct {
	*httptest.ResponseRecorder
	do sync.Once
	f  func()
}

func (d *during) Write(b []byte) (int, error) {
	d.do.Do(d.f)
	return d.ResponseRecorder.Write(b)
}

// A response shows the users there were when it was asked for.
func TestUserIsRemovedDuringAResponse(t *testing.T) {
	hub := hfoauthtest.New("https://hub.example")
	w := &during{ResponseRecorder: httptest.NewRecorder(), f: func() { hub.RemoveUser("ada") }}
	hub.ServeHTTP(w, httptest.NewRequest("GET", "https://hub.example/", nil))
	for _, user := range hfoauthtest.DefaultUsers() {
		contains(t, "the page", w.Body.String(), `value="`+user.Username+`"`)
	}
}

// The user may be removed between the steps of a sign-in.
func TestRemovedUserGetsNoToken(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	code := approved(t, hub, app)
	hub.RemoveUser("ada")
	status, answer := redeem(t, hub, app, code)
	responds(t, "a code of a removed user", status, answer, 400, "invalid_grant")
}

func TestRemovedUserGetsNoTokenByDevice(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{Public: true})
	form := url.Values{"client_id": {app.ClientID}}
	_, device := call(t, hub.URL+"/oauth/device", "", "", form)
	if err := hub.ApproveDevice(device["user_code"].(string), "ada"); err != nil {
		t.Fatal(err)
	}
	hub.RemoveUser("ada")
	form.Set("grant_type", deviceGrant)
	form.Set("device_code", device["device_code"].(string))
	status, answer := call(t, hub.URL+"/oauth/token", "", "", form)
	responds(t, "a device code of a removed user", status, answer, 400, "access_denied")
}

func TestAvatar(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	resp, err := browser.Get(hub.URL + "/avatars/%3Cada%3E")
	if err != nil {
		t.Fatal(err)
	}
	kind, drawn := resp.Header.Get("Content-Type"), body(resp, nil)
	equal(t, "Content-Type", kind, "image/svg+xml")
	contains(t, "the picture", drawn, "&lt;</text>")
}
