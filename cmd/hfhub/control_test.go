//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// control sends a request with the token to the control API and decodes the
// response.
func (h *hub) control(method, path string, form url.Values) (int, any) {
	h.t.Helper()
	resp, text := h.send(method, h.env["HFHUB_CONTROL_URL"]+path, form.Encode(), h.withToken)
	var answer any
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		h.t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
	return resp.StatusCode, answer
}

func (h *hub) withToken(r *http.Request) {
	r.Header.Set("Authorization", "Bearer "+h.env["HFHUB_CONTROL_TOKEN"])
}

// does sends a request to the control API that must succeed.
func (h *hub) does(path string, form url.Values) map[string]any {
	h.t.Helper()
	status, answer := h.control("POST", path, form)
	if status != http.StatusOK {
		h.t.Fatalf("%s %v: %d %v", path, form, status, answer)
	}
	return answer.(map[string]any)
}

// get sends a GET request with a token to the stand-in.
func (h *hub) get(path, token string) (int, map[string]any) {
	h.t.Helper()
	resp, text := h.send("GET", h.url()+path, "", func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+token)
	})
	var answer map[string]any
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		h.t.Fatalf("%s: %v: %s", path, err, text)
	}
	return resp.StatusCode, answer
}

func newControlled(t *testing.T) *hub {
	t.Helper()
	return start(t, nil, "-control", "127.0.0.1:0", "-as", "ada")
}

func TestControlDevice(t *testing.T) {
	h := newControlled(t)
	begin := func() (device, user string) {
		form := url.Values{}
		_, text := h.send("POST", h.url()+"/oauth/device", form.Encode(), h.asApp)
		var answer map[string]any
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatal(err)
		}
		return answer["device_code"].(string), answer["user_code"].(string)
	}
	poll := func(device string) map[string]any {
		form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {device}}
		_, text := h.send("POST", h.url()+"/oauth/token", form.Encode(), h.asApp)
		var answer map[string]any
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	device, user := begin()
	h.does("/device/approve", url.Values{"user_code": {user}, "user": {"grace"}})
	_, who := h.get("/oauth/userinfo", poll(device)["access_token"].(string))
	if who["preferred_username"] != "grace" {
		t.Errorf("approved for grace: %v", who)
	}
	device, user = begin()
	h.does("/device/deny", url.Values{"user_code": {user}})
	if got := poll(device)["error"]; got != "access_denied" {
		t.Errorf("denied: %v", got)
	}
	for path, form := range map[string]url.Values{
		"/device/approve": {"user_code": {"AAAA-AAAA"}, "user": {"ada"}},
		"/device/deny":    {"user_code": {"AAAA-AAAA"}},
	} {
		if status, answer := h.control("POST", path, form); status != http.StatusBadRequest {
			t.Errorf("%s of an unknown code: %d %v", path, status, answer)
		}
	}
}

// asApp authenticates a request as the app.
func (h *hub) asApp(r *http.Request) {
	r.SetBasicAuth(h.env["OAUTH_CLIENT_ID"], h.env["OAUTH_CLIENT_SECRET"])
}

func TestControlTokens(t *testing.T) {
	h := newControlled(t)
	app := h.env["OAUTH_CLIENT_ID"]
	for _, tt := range []struct {
		form     url.Values
		kind     string // type in the response of whoami
		name     string
		email    bool
		authType string
	}{
		{url.Values{"kind": {"user"}, "name": {"grace"}}, "user", "grace", true, "access_token"},
		{url.Values{"kind": {"org"}, "name": {"engines"}}, "org", "engines", true, "access_token"},
		{url.Values{"kind": {"app"}, "name": {"robot"}}, "app", "robot", false, "access_token"},
		{url.Values{"kind": {"oauth"}, "name": {"ada"}, "client_id": {app}}, "user", "ada", false, "oauth"},
		{url.Values{"kind": {"oauth"}, "name": {"ada"}, "client_id": {app}, "scope": {"openid email"}},
			"user", "ada", true, "oauth"},
	} {
		_, who := h.get("/api/whoami-v2", h.does("/tokens", tt.form)["token"].(string))
		_, email := who["email"]
		what, auth := fmt.Sprint(tt.form), who["auth"].(map[string]any)
		equal(t, what+": type", who["type"], any(tt.kind))
		equal(t, what+": name", who["name"], any(tt.name))
		equal(t, what+": has an email", email, tt.email)
		equal(t, what+": auth.type", auth["type"], any(tt.authType))
	}
	for want, form := range map[string]url.Values{
		"must be oauth, user, org or app": {"kind": {"x"}, "name": {"ada"}},
		"name is missing":                 {"kind": {"user"}},
		"client_id is missing":            {"kind": {"oauth"}, "name": {"ada"}},

		`there is no user "nobody": use one of ada, grace, alan`: {"kind": {"user"}, "name": {"nobody"}},
		`there is no user "engines"`: {"kind": {"oauth"}, "name": {"engines"},
			"client_id": {app}},
		`there is no app "x": use $OAUTH_CLIENT_ID`: {"kind": {"oauth"}, "name": {"ada"}, "client_id": {"x"}},
		`the app may not request the scope "e-mail"`: {"kind": {"oauth"}, "name": {"ada"},
			"client_id": {app}, "scope": {"openid e-mail"}},
		`there is no organization "ada"`: {"kind": {"org"}, "name": {"ada"}},
	} {
		status, answer := h.control("POST", "/tokens", form)
		if status != 400 || !strings.Contains(answer.(map[string]any)["error"].(string), want) {
			t.Errorf("%v: %d %v, want %s", form, status, answer, want)
		}
	}
	token := h.does("/tokens", url.Values{"kind": {"user"}, "name": {"ada"}})["token"].(string)
	h.does("/revoke", url.Values{"user": {"ada"}})
	if status, _ := h.get("/api/whoami-v2", token); status != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d", status)
	}
	for _, user := range []string{"", "nobody"} {
		if status, answer := h.control("POST", "/revoke", url.Values{"user": {user}}); status != 400 {
			t.Errorf("revoke of the user %q: %d %v, want 400", user, status, answer)
		}
	}
	// An app that registered itself is known as well.
	_, text := h.send("POST", h.url()+"/oauth/register",
		`{"redirect_uris":["http://localhost/callback"]}`, func(r *http.Request) {
			r.Header.Set("Content-Type", "application/json")
		})
	var registered struct {
		ClientID string `json:"client_id"`
	}
	if err := json.Unmarshal([]byte(text), &registered); err != nil {
		t.Fatal(err)
	}
	h.does("/tokens", url.Values{"kind": {"oauth"}, "name": {"ada"}, "client_id": {registered.ClientID}})
}

func TestControlFormIsBounded(t *testing.T) {
	h := newControlled(t)
	form := url.Values{"drop": {strings.Repeat("x", 1<<20)}}
	if status, answer := h.control("POST", "/keys/rotate", form); status != 400 {
		t.Errorf("a form of more than a megabyte: %d %v, want 400", status, answer)
	}
}

func TestControlKeys(t *testing.T) {
	h := newControlled(t)
	keys := func() int {
		_, document := h.get("/oauth/jwks", "")
		return len(document["keys"].([]any))
	}
	h.does("/keys/rotate", nil)
	if got := keys(); got != 2 {
		t.Errorf("%d keys after a rotation, want 2", got)
	}
	h.does("/keys/rotate", url.Values{"drop": {"false"}})
	if got := keys(); got != 3 {
		t.Errorf("%d keys after a rotation that drops none, want 3", got)
	}
	h.does("/keys/rotate", url.Values{"drop": {"true"}})
	if got := keys(); got != 1 {
		t.Errorf("%d keys after a rotation that drops the others, want 1", got)
	}
}

func TestControlClock(t *testing.T) {
	h := newControlled(t)
	token := h.does("/tokens", url.Values{"kind": {"oauth"}, "name": {"ada"},
		"client_id": {h.env["OAUTH_CLIENT_ID"]}})["token"].(string)
	answer := h.does("/clock", url.Values{"advance": {"7h59m"}})
	now, err := time.Parse(time.RFC3339, answer["now"].(string))
	if err != nil {
		t.Errorf("the clock is at %v: %v", answer["now"], err)
	}
	off := time.Until(now) - (7*time.Hour + 59*time.Minute)
	if off.Abs() > time.Minute {
		t.Errorf("the clock is at %v, %s off, want 7h59m ahead", now, off)
	}
	if status, _ := h.get("/oauth/userinfo", token); status != 200 {
		t.Errorf("before it expires: %d", status)
	}
	h.does("/clock", url.Values{"advance": {"1m"}})
	if status, _ := h.get("/oauth/userinfo", token); status != 401 {
		t.Errorf("after it expired: %d", status)
	}
	h.does("/clock", url.Values{"advance": {"-8h"}})
	if status, answer := h.control("POST", "/clock", url.Values{"advance": {"tomorrow"}}); status != 400 {
		t.Errorf("tomorrow: %d %v", status, answer)
	}
}

func TestControlFaults(t *testing.T) {
	h := newControlled(t)
	status := func() int {
		resp, _ := h.send("GET", h.url()+"/oauth/jwks", "", nil)
		return resp.StatusCode
	}
	h.does("/faults", url.Values{"endpoint": {"jwks"}, "fault": {"503"}})
	if got := status(); got != 503 {
		t.Errorf("with a fault: %d", got)
	}
	h.does("/faults", url.Values{"endpoint": {"jwks"}})
	if got := status(); got != 200 {
		t.Errorf("without one: %d", got)
	}
	for _, form := range []url.Values{{"endpoint": {"x"}, "fault": {"503"}}, {"endpoint": {"jwks"}, "fault": {"x"}}, {}} {
		if status, answer := h.control("POST", "/faults", form); status != 400 {
			t.Errorf("%v: %d %v", form, status, answer)
		}
	}
}

func TestControlRequests(t *testing.T) {
	h := newControlled(t)
	h.token(h.authorize())
	list := func(path string) []any {
		status, answer := h.control("GET", path, nil)
		if status != 200 {
			t.Fatalf("%s: %d %v", path, status, answer)
		}
		return answer.([]any)
	}
	if got := len(list("/requests")); got != 2 {
		t.Errorf("%d requests, want one to authorize and one to token", got)
	}
	one := list("/requests?endpoint=token")
	if len(one) != 1 {
		t.Fatalf("%d token requests", len(one))
	}
	request := one[0].(map[string]any)
	equal(t, "endpoint", request["endpoint"], "token")
	equal(t, "method", request["method"], "POST")
	grantType := request["form"].(map[string]any)["grant_type"].([]any)[0]
	equal(t, "grant_type", grantType, "authorization_code")
	if header := request["header"].(map[string]any); header["Content-Type"] == nil {
		t.Errorf("no Content-Type: %v", header)
	}
	if got := len(list("/requests?endpoint=device")); got != 0 {
		t.Errorf("%d device requests", got)
	}
	if status, answer := h.control("GET", "/requests?endpoint=x", nil); status != 400 {
		t.Errorf("an unknown endpoint: %d %v", status, answer)
	}
}

// Only programs that know the token can control the stand-in.
func TestControlIsGuarded(t *testing.T) {
	h := newControlled(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(h.env["HFHUB_CONTROL_URL"], "http://"), ":")
	token := "Bearer " + h.env["HFHUB_CONTROL_TOKEN"]
	for _, tt := range []struct {
		authorization, host string
		header              []string
		want                int
	}{
		{token, "127.0.0.1:" + port, nil, 200},
		{token, "localhost:" + port, nil, 200},
		{token, "127.0.0.1:" + port, []string{"Origin", "http://127.0.0.1:" + port, "Sec-Fetch-Site", "same-origin"}, 200},
		{"", "127.0.0.1:" + port, nil, 401},
		{"Bearer ", "127.0.0.1:" + port, nil, 401},
		{"Bearer x", "127.0.0.1:" + port, nil, 401},
		{token + "x", "127.0.0.1:" + port, nil, 401},
		{strings.Replace(token, "Bearer", "Basic", 1), "127.0.0.1:" + port, nil, 401},
		{token, "evil.example:" + port, nil, 403},
		{token, "127.0.0.1", nil, 403},
		{token, "127.0.0.1:" + port, []string{"Origin", "https://evil.example"}, 403},
		{token, "127.0.0.1:" + port, []string{"Origin", "null"}, 403},
		{token, "127.0.0.1:" + port, []string{"Origin", "http://127.0.0.1:1"}, 403},
		{token, "127.0.0.1:" + port, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{token, "127.0.0.1:" + port, []string{"Sec-Fetch-Site", "same-site"}, 403},
	} {
		for method, path := range map[string]string{"GET": "/requests", "POST": "/keys/rotate"} {
			resp, _ := h.send(method, h.env["HFHUB_CONTROL_URL"]+path, "", func(r *http.Request) {
				r.Host = tt.host
				if tt.authorization != "" {
					r.Header.Set("Authorization", tt.authorization)
				}
				for i := 0; i+1 < len(tt.header); i += 2 {
					r.Header.Set(tt.header[i], tt.header[i+1])
				}
			})
			if resp.StatusCode != tt.want {
				t.Errorf("%s with %q at %s with %q: %s, want %d", method, tt.authorization, tt.host, tt.header,
					resp.Status, tt.want)
			}
			if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("%s: pages of %s may read the response", method, got)
			}
			if got := resp.Header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("%s: Cache-Control is %q, want no-store: answers contain tokens", method, got)
			}
		}
	}
	for _, path := range []string{"/", "/tokens", "/device"} {
		if status, _ := h.control("GET", path, nil); status != 404 && status != 405 {
			t.Errorf("GET %s: %d", path, status)
		}
	}
	resp, _ := h.send("GET", h.url()+"/requests", "", h.withToken)
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("a path of the control API at the stand-in's own port: %s, want 404", resp.Status)
	}
}

// Each run has its own token, and without -control there is no API.
func TestControlToken(t *testing.T) {
	if a, b := newControlled(t).env["HFHUB_CONTROL_TOKEN"], newControlled(t).env["HFHUB_CONTROL_TOKEN"]; a == b {
		t.Error("two runs have the same token")
	}
	if env := start(t, nil).env; env["HFHUB_CONTROL_URL"] != "" {
		t.Errorf("a control API without -control: %v", env)
	}
}

// equal fails the test unless a value is the one that is wanted.
func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}
