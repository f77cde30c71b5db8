package main

import (
	"bytes"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// screen is what the program prints.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// find waits for something to be printed.
func (s *screen) find(t *testing.T, pattern string) string {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for range 1000 {
		if match := regexp.MustCompile(pattern).FindString(s.String()); match != "" {
			return match
		}
		<-ticker.C
	}
	t.Fatalf("%s was not printed: %s", pattern, s)
	return ""
}

func start(t *testing.T, device bool) (*hfoauthtest.Server, *screen, <-chan error) {
	t.Helper()
	hub := hfoauthtest.NewServer(t)
	hub.Configure(func(c *hfoauthtest.Settings) { c.DeviceInterval = time.Second })
	app := hub.RegisterApp(hfoauthtest.App{Public: true, RedirectURIs: []string{"http://127.0.0.1/login/callback"}})
	t.Setenv("OAUTH_CLIENT_ID", app.ClientID)
	t.Setenv("OAUTH_CLIENT_SECRET", "")
	t.Setenv("OAUTH_SCOPES", "")
	t.Setenv("SPACE_HOST", "")
	t.Setenv("OPENID_PROVIDER_URL", hub.URL)
	out, done := &screen{}, make(chan error, 1)
	go func() { done <- run(t.Context(), device, out) }()
	return hub, out, done
}

func TestBrowser(t *testing.T) {
	hub, out, done := start(t, false)
	browser := hub.SignIn(t, out.find(t, `http://127\.0\.0\.1:\d+/login`), "ada")
	browser.CloseIdleConnections()
	if err := <-done; err != nil || !strings.Contains(out.String(), "Hello, Ada Lovelace") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestDevice(t *testing.T) {
	hub, out, done := start(t, true)
	out.find(t, `seconds left`)
	code := strings.TrimSpace(out.find(t, `(?m)^  [A-Z]{4}-[A-Z]{4}$`))
	if err := hub.ApproveDevice(code, "grace"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || !strings.Contains(out.String(), "Hello, Grace Hopper") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestDenied(t *testing.T) {
	hub, out, done := start(t, true)
	if err := hub.DenyDevice(strings.TrimSpace(out.find(t, `(?m)^  [A-Z]{4}-[A-Z]{4}$`))); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "denied") {
		t.Error(err)
	}
}

// Nothing is registered: the program brings a stand-in, whose page for devices
// takes the code.
func TestStandIn(t *testing.T) {
	t.Setenv("OAUTH_CLIENT_ID", "")
	out, done := &screen{}, make(chan error, 1)
	go func() { done <- run(t.Context(), true, out) }()
	code := strings.TrimSpace(out.find(t, `(?m)^  [A-Z]{4}-[A-Z]{4}$`))
	address, _, _ := strings.Cut(strings.TrimPrefix(out.find(t, `Open \S+ `), "Open "), " ")
	resp, err := http.PostForm(address, url.Values{"user_code": {code}, "user": {"ada"}, "decision": {"approve"}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := <-done; err != nil || !strings.Contains(out.String(), "Hello, Ada Lovelace") {
		t.Errorf("%v: %s", err, out)
	}
}
