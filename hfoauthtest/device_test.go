package hfoauthtest_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// device starts a device login for a new public app.
func device(t *testing.T, hub *hfoauthtest.Server) map[string]any {
	t.Helper()
	app := hub.RegisterApp(hfoauthtest.App{Public: true})
	status, answer := call(t, hub.URL+"/oauth/device", "", "", url.Values{"client_id": {app.ClientID}})
	if status != 200 {
		t.Fatalf("%d %v", status, answer)
	}
	return answer
}

func TestDeviceCodes(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	answer := device(t, hub)
	for name, shape := range map[string]string{
		"user_code":   `[A-Z0-9]{4}-[A-Z0-9]{4}`,
		"device_code": `[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`,
	} {
		if got := answer[name].(string); !regexp.MustCompile(`^` + shape + `$`).MatchString(got) {
			t.Errorf("%s is %s, want %s", name, got, shape)
		}
	}
	var codes strings.Builder
	for range 50 {
		codes.WriteString(device(t, hub)["user_code"].(string))
	}
	for what, characters := range map[string]string{"vowel": "AEIOU", "digit": "0123456789"} {
		if !strings.ContainsAny(codes.String(), characters) {
			t.Errorf("fifty codes have no %s: %s", what, codes.String())
		}
	}
}

// Each poll begins the interval anew, even one that is too fast (RFC 8628
// section 3.5).
func TestDevicePollsTooFast(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	clock := time.Now()
	hub.Configure(func(s *hfoauthtest.Settings) { s.Now = func() time.Time { return clock } })
	app := hub.RegisterApp(hfoauthtest.App{Public: true})
	form := url.Values{"client_id": {app.ClientID}}
	_, started := call(t, hub.URL+"/oauth/device", "", "", form)
	form.Set("grant_type", deviceGrant)
	form.Set("device_code", started["device_code"].(string))
	for i, poll := range []struct {
		after time.Duration // since the poll before
		want  string
	}{
		{0, "authorization_pending"},
		{5*time.Second - time.Millisecond, "slow_down"},
		{3 * time.Second, "slow_down"},
		{5 * time.Second, "authorization_pending"},
	} {
		clock = clock.Add(poll.after)
		if _, answer := call(t, hub.URL+"/oauth/token", "", "", form); answer["error"] != poll.want {
			t.Errorf("poll %d, %v after the one before: %v, want %s", i+1, poll.after, answer["error"], poll.want)
		}
	}
}

// The page has another host name than the issuer, like hf.co, and redirects to
// the issuer's, where the person is signed in.
func TestVerificationURI(t *testing.T) {
	local, err := hfoauthtest.Listen("localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	address := hfoauthtest.NewServer(t)
	for hub, name := range map[*hfoauthtest.Server]string{local: "127.0.0.1", address: "localhost"} {
		issuer := mustParse(t, hub.URL)
		want := "http://" + net.JoinHostPort(name, issuer.Port()) + "/oauth/device"
		if got := device(t, hub)["verification_uri"]; got != want {
			t.Fatalf("%s: verification_uri %v, want %s", hub.URL, got, want)
		}
		resp, err := browser.Get(want)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		equal(t, want+": status", resp.StatusCode, http.StatusFound)
		equal(t, want+": Location", resp.Header.Get("Location"), hub.URL+"/oauth/device")
		resp, err = browser.Get(hub.URL + "/oauth/device")
		contains(t, "the page of "+hub.URL, body(resp, err), "Connect a device")
		equal(t, hub.URL+": status", resp.StatusCode, 200)
	}
}

func TestVerificationURIElsewhere(t *testing.T) {
	for _, issuer := range []string{"https://hub.example", "https://localhost", "http://hub.example"} {
		hub := hfoauthtest.New(issuer)
		app := hub.RegisterApp(hfoauthtest.App{Public: true})
		req, err := http.NewRequest(http.MethodPost, issuer+"/oauth/device",
			strings.NewReader("client_id="+app.ClientID))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer := &textWriter{statusWriter: statusWriter{header: http.Header{}}}
		hub.ServeHTTP(answer, req)
		if want := `"verification_uri":"` + issuer + `/oauth/device"`; !strings.Contains(answer.text.String(), want) {
			t.Errorf("%s: %s", issuer, answer.text.String())
		}
		for _, host := range []string{
			strings.TrimPrefix(strings.TrimPrefix(issuer, "http://"), "https://"), "proxied.example",
		} {
			req, err := http.NewRequest(http.MethodGet, "http://"+host+"/oauth/device", nil)
			if err != nil {
				t.Fatal(err)
			}
			page := &statusWriter{header: http.Header{}}
			hub.ServeHTTP(page, req)
			if page.header.Get("Location") != "" {
				t.Errorf("%s: the page at %s redirects to %s", issuer, host, page.header.Get("Location"))
			}
		}
	}
}

type textWriter struct {
	statusWriter
	text strings.Builder
}

func (w *textWriter) Write(b []byte) (int, error) { return w.text.Write(b) }

// The form on the page approves as the selected account.
func TestDeviceForm(t *testing.T) {
	v := newVisitor(t, hfoauthtest.NewServer(t))
	v.read(v.PostForm(v.hub.URL+"/login", url.Values{"user": {"grace"}}))
	page := v.read(v.Get(v.hub.URL + "/oauth/device")).Header.Get("Text")
	if !strings.Contains(page, `value="grace" checked`) || strings.Contains(page, `value="ada" checked`) {
		t.Errorf("grace is signed in, but not selected: %s", page)
	}
	app := v.hub.RegisterApp(hfoauthtest.App{Public: true})
	_, start := call(t, v.hub.URL+"/oauth/device", "", "", url.Values{"client_id": {app.ClientID}})
	resp := v.read(v.PostForm(v.hub.URL+"/device",
		url.Values{"user_code": {start["user_code"].(string)}, "user": {"grace"}, "decision": {"approve"}}))
	if resp.StatusCode != 200 {
		t.Errorf("approving: %s", resp.Status)
	}
	_, tokens := call(t, v.hub.URL+"/oauth/token", "", "",
		url.Values{"client_id": {app.ClientID}, "device_code": {start["device_code"].(string)},
			"grant_type": {deviceGrant}})
	if got := userInfo(t, v.hub, tokens)["preferred_username"]; got != "grace" {
		t.Errorf("signed in as %v", got)
	}
	resp = v.read(v.PostForm(v.hub.URL+"/device",
		url.Values{"user_code": {"AAAA-AAAA"}, "user": {"grace"}, "decision": {"approve"}}))
	if resp.StatusCode != 400 {
		t.Errorf("an unknown code: %s", resp.Status)
	}
}

// Settings.ApproveAs approves device logins as well, unless they are decided
// before the device asks.
func TestDeviceApprovedAtOnce(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	hub.Configure(func(s *hfoauthtest.Settings) { s.ApproveAs = "grace" })
	app := hub.RegisterApp(hfoauthtest.App{Public: true})
	for _, tt := range []struct {
		decide func(userCode string) error
		want   any // the user, or the error
	}{
		{func(string) error { return nil }, "grace"},
		{func(code string) error { return hub.ApproveDevice(code, "ada") }, "ada"},
		{hub.DenyDevice, "access_denied"},
	} {
		_, start := call(t, hub.URL+"/oauth/device", "", "", url.Values{"client_id": {app.ClientID}})
		if err := tt.decide(start["user_code"].(string)); err != nil {
			t.Fatal(err)
		}
		status, tokens := call(t, hub.URL+"/oauth/token", "", "",
			url.Values{"client_id": {app.ClientID}, "device_code": {start["device_code"].(string)},
				"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}})
		got := tokens["error"]
		if status == 200 {
			got = userInfo(t, hub, tokens)["preferred_username"]
		}
		if got != tt.want {
			t.Errorf("signed in as %v, want %v", got, tt.want)
		}
	}
}

// A device login that another site's page started is not approved by itself:
// its script could read the tokens.
func TestDeviceOfAnotherSite(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	hub.Configure(func(s *hfoauthtest.Settings) { s.ApproveAs = "ada" })
	app := hub.RegisterApp(hfoauthtest.App{Public: true})
	req, err := http.NewRequest("POST", hub.URL+"/oauth/device", strings.NewReader("client_id="+app.ClientID))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", "https://evil.example")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var start struct {
		DeviceCode string `json:"device_code"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&start); err != nil {
		t.Fatal(err)
	}
	_, tokens := call(t, hub.URL+"/oauth/token", "", "", url.Values{
		"client_id": {app.ClientID}, "device_code": {start.DeviceCode},
		"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"},
	})
	if got := tokens["error"]; got != "authorization_pending" {
		t.Errorf("the token endpoint returns the error %v, want authorization_pending", got)
	}
}

// Another app cannot redeem a device code.
func TestDeviceCodeOfAnotherApp(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	start := device(t, hub)
	if err := hub.ApproveDevice(start["user_code"].(string), "ada"); err != nil {
		t.Fatal(err)
	}
	other := hub.RegisterApp(hfoauthtest.App{Public: true})
	_, answer := call(t, hub.URL+"/oauth/token", "", "",
		url.Values{"client_id": {other.ClientID}, "device_code": {start["device_code"].(string)},
			"grant_type": {deviceGrant}})
	if answer["error"] != "expired_token" {
		t.Errorf("%v, want expired_token", answer)
	}
}

func TestDeviceResponseHook(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	hub.Configure(func(s *hfoauthtest.Settings) {
		s.DeviceResponse = func(response map[string]any) { response["verification_uri_complete"] = "https://hf.co/x" }
	})
	if got := device(t, hub)["verification_uri_complete"]; got != "https://hf.co/x" {
		t.Errorf("changed response: %v", got)
	}
}
