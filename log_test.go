package hfoauth_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// recorder is a slog handler that keeps records.
type recorder struct {
	mu      sync.Mutex
	records []slog.Record
}

func (h *recorder) Enabled(context.Context, slog.Level) bool { return true }
func (h *recorder) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *recorder) WithGroup(string) slog.Handler            { return h }

func (h *recorder) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.records = append(h.records, r.Clone())
	return nil
}

// failed returns the records of failed requests, and forgets all records.
func (h *recorder) failed() []slog.Record {
	h.mu.Lock()
	defer h.mu.Unlock()
	var failed []slog.Record
	for _, r := range h.records {
		if r.Message == "hfoauth: request failed" {
			failed = append(failed, r)
		}
	}
	h.records = nil
	return failed
}

// attrsOf returns the attributes of a record as text.
func attrsOf(r slog.Record) map[string]string {
	attrs := map[string]string{}
	r.Attrs(func(a slog.Attr) bool {
		attrs[a.Key] = a.Value.String()
		return true
	})
	return attrs
}

// Levels and attributes are as documented at Config.Logger.
func TestLog(t *testing.T) {
	documentation, err := os.ReadFile("docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	log := &recorder{}
	var onLogin error
	store := newMapStore()
	s := newSite(t, func(c *hfoauth.Config) {
		c.Logger, c.Store = slog.New(log), store
		c.OnLogin = func(context.Context, *hfoauth.Session) error { return onLogin }
	})
	sub := hfoauthtest.DefaultUsers()[0].ID()
	signedIn := s.browser()
	s.signIn(signedIn, ada, "/")
	p := s.protect(map[string]http.Handler{
		"/user":  s.client.RequireUser(http.HandlerFunc(letIn)),
		"/repos": s.client.RequireOrg("strangers", hfoauth.RoleRead)(http.HandlerFunc(letIn)),
		"/error": http.HandlerFunc(func(w http.ResponseWriter,
			r *http.Request) {
			s.client.Error(w, r, errors.New("a bug"))
		}),
		"/silent": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.client.Login(w, r, hfoauth.LoginOptions{Prompt: "none"})
		}),
	})
	answerError := func(code, path string) {
		s.hub.Configure(func(c *hfoauthtest.Settings) {
			c.AuthorizationResponse = func(response url.Values) { response.Set("error", code) }
		})
		browser := s.browser()
		get(t, browser, s.decide(get(t, browser, p.address+path).Header.Get("Location"), ada))
		s.hub.Configure(func(c *hfoauthtest.Settings) { c.AuthorizationResponse = nil })
	}
	signInWith := func(endpoint hfoauthtest.Endpoint, fault hfoauthtest.Fault) {
		s.hub.SetFault(endpoint, fault)
		s.signIn(s.browser(), ada, "/")
		s.hub.SetFault(endpoint, nil)
	}
	for name, tt := range map[string]struct {
		do                      func()
		level                   slog.Level
		kind, status, path, sub string
	}{
		"not signed in": {func() {
			get(t, s.browser(), p.address+"/user?__sign=secret", "Accept", "application/json")
		}, slog.LevelDebug, "not signed in", "401", "/user", ""},
		"forbidden": {func() { get(t, signedIn, p.address+"/repos?__sign=secret") }, slog.LevelInfo,
			"forbidden", "403", "/repos", sub},
		"denied": {func() { s.signIn(s.browser(), adaDenies, "/") }, slog.LevelInfo, "denied",
			"403", "/login/callback", ""},
		"turned away": {func() {
			onLogin = &hfoauth.ForbiddenError{Message: "Closed."}
			s.signIn(s.browser(), ada, "/")
			onLogin = nil
		}, slog.LevelInfo, "forbidden", "403", "/login/callback", ""},
		"state": {func() {
			get(t, s.browser(), s.URL+"/login/callback?code=secret&state=secret")
		}, slog.LevelWarn, "state", "400", "/login/callback", ""},
		"cross site": {func() {
			post(t, signedIn, s.URL+"/logout", url.Values{}, "Sec-Fetch-Site", "cross-site")
		}, slog.LevelWarn, "cross site", "403", "/logout", sub},
		"code refused": {func() {
			signInWith(hfoauthtest.TokenEndpoint, hfoauthtest.Answer(400, `{"error":"invalid_grant"}`))
		},
			slog.LevelWarn, "provider error", "400", "/login/callback", ""},
		"app refused": {func() {
			signInWith(hfoauthtest.TokenEndpoint, hfoauthtest.Answer(401, `{"error":"invalid_client"}`))
		},
			slog.LevelError, "provider error", "400", "/login/callback", ""},
		"app not allowed": {func() { answerError("unauthorized_client", "/login") }, slog.LevelError,
			"provider error", "400", "/login/callback", ""},
		"silent": {func() { answerError("server_error", "/silent") }, slog.LevelWarn, "provider error",
			"400", "/login/callback", ""},
		"provider down": {func() { signInWith(hfoauthtest.TokenEndpoint, hfoauthtest.Answer(503, "")) },
			slog.LevelWarn, "provider unavailable", "503", "/login/callback", ""},
		"provider broken": {func() { signInWith(hfoauthtest.TokenEndpoint, hfoauthtest.Answer(200, "<html>")) },
			slog.LevelError, "provider invalid", "502", "/login/callback", ""},
		"internal": {func() { get(t, signedIn, p.address+"/error") }, slog.LevelError, "internal", "500", "/error", sub},
		"store down": {func() {
			store.fail(errors.New("down"))
			get(t, signedIn, p.address+"/user")
			store.fail(nil)
		}, slog.LevelError, "store unavailable", "503", "/user", ""},
	} {
		log.failed()
		tt.do()
		records := log.failed()
		if len(records) != 1 {
			t.Errorf("%s: %d records, want one", name, len(records))
			continue
		}
		attrs := attrsOf(records[0])
		if records[0].Level != tt.level {
			t.Errorf("%s: level %s, want %s", name, records[0].Level, tt.level)
		}
		for key, want := range map[string]string{
			"kind":   tt.kind,
			"status": tt.status,
			"path":   tt.path,
			"sub":    tt.sub,
		} {
			if attrs[key] != want {
				t.Errorf("%s: %s is %q, want %q", name, key, attrs[key], want)
			}
		}
		for key := range attrs {
			if !strings.Contains(string(documentation), "`"+key+"`") {
				t.Errorf("%s: docs/configuration.md does not name the attribute %s", name, key)
			}
		}
		if attrs["method"] == "" || attrs["error"] == "" {
			t.Errorf("%s: no method or no error: %v", name, attrs)
		}
		if text := fmt.Sprint(attrs); strings.Contains(text, "secret") || strings.Contains(text, "__sign") {
			t.Errorf("%s: the record has the query: %s", name, text)
		}
	}
}

// A sign-in that comes back under another name of the site than the registered
// one is logged with both names.
func TestLogNamesBothHosts(t *testing.T) {
	log := &recorder{}
	s := newSite(t, func(c *hfoauth.Config) { c.Logger = slog.New(log) })
	other := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	for address, want := range map[string]string{s.URL: "", other: strings.TrimPrefix(other, "http://")} {
		get(t, s.browser(), address+"/login/callback?code=x&state=x")
		attrs := attrsOf(log.failed()[0])
		wantRedirect := ""
		if want != "" {
			wantRedirect = strings.TrimPrefix(s.URL, "http://")
		}
		if attrs["host"] != want || attrs["redirect_host"] != wantRedirect {
			t.Errorf("%s: host %q, redirect_host %q, want %q and %q", address, attrs["host"],
				attrs["redirect_host"], want, wantRedirect)
		}
	}
}

// A sign-in and a sign-out that succeed are there for who looks at Debug.
func TestLogOfSuccess(t *testing.T) {
	log := &recorder{}
	s := newSite(t, func(c *hfoauth.Config) { c.Logger = slog.New(log) })
	browser := s.browser()
	s.signIn(browser, ada, "/")
	post(t, browser, s.URL+"/logout", url.Values{})
	post(t, browser, s.URL+"/logout", url.Values{}) // nobody signs out
	var got []string
	for _, r := range log.records {
		attrs := attrsOf(r)
		if r.Level == slog.LevelDebug && strings.HasPrefix(r.Message, "hfoauth: signed") {
			got = append(got, r.Message+" "+attrs["kind"]+" "+attrs["method"]+" "+attrs["path"]+" "+attrs["sub"])
		}
	}
	sub := hfoauthtest.DefaultUsers()[0].ID()
	want := []string{
		"hfoauth: signed in signed in GET /login/callback " + sub,
		"hfoauth: signed out signed out POST /logout " + sub,
	}
	if !slices.Equal(got, want) {
		t.Errorf("records %q, want %q", got, want)
	}
}

// The record of a request refused as another site's has the origin and the host
// that do not match, since a proxy may be to blame. Both come from the sender, and
// are bounded.
func TestLogOfAnotherSite(t *testing.T) {
	log := &recorder{}
	s := newSite(t, func(c *hfoauth.Config) { c.Logger = slog.New(log) })
	p := s.protect(map[string]http.Handler{"/user": s.client.RequireUser(http.HandlerFunc(letIn))})
	browser := s.browser()
	s.signIn(browser, ada, "/")
	for name, tt := range map[string]struct{ address, origin, want string }{
		"a form":       {s.URL + "/logout", "https://app.example", "https://app.example"},
		"a line break": {s.URL + "/logout", "https://app.example\tx", "https://app.example x"},
		"a very long text": {s.URL + "/logout", "https://" + strings.Repeat("x", 10_000),
			"https://" + strings.Repeat("x", 192) + "…"},
		"no origin":       {s.URL + "/logout", "", ""},
		"the frame's own": {s.URL + "/login/frame/claim", "https://app.example", "https://app.example"},
	} {
		log.failed()
		post(t, browser, tt.address, url.Values{}, "Origin", tt.origin, "Sec-Fetch-Site", "cross-site")
		records := log.failed()
		if len(records) != 1 {
			t.Fatalf("%s: %d records, want one", name, len(records))
		}
		attrs := attrsOf(records[0])
		if attrs["origin"] != tt.want {
			t.Errorf("%s: origin is %q, want %q", name, attrs["origin"], tt.want)
		}
		if want := strings.TrimPrefix(s.URL, "http://"); attrs["host"] != want {
			t.Errorf("%s: host is %q, want %q", name, attrs["host"], want)
		}
	}
	get(t, s.browser(), p.address+"/user", "Accept", "application/json", "Origin", "https://app.example")
	if attrs := attrsOf(log.failed()[0]); attrs["origin"] != "" || attrs["host"] != "" {
		t.Errorf("another failure has origin %q and host %q, want neither", attrs["origin"], attrs["host"])
	}
}

// The record of tokens that were not renewed says for metrics what kind of failure
// it was, and whose session it is.
func TestLogOfAFailedRenewal(t *testing.T) {
	log := &recorder{}
	s := newSite(t, func(c *hfoauth.Config) { c.Logger = slog.New(log) })
	clock := s.newClock()
	cookie := s.newSession(ada)
	s.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Answer(503, ""))
	clock.advance(8*time.Hour - 2*time.Minute)
	log.failed()
	if _, _, err := act(t, s.client, cookie); err != nil {
		t.Fatal(err)
	}
	if len(log.records) != 1 {
		t.Fatalf("%d records, want one", len(log.records))
	}
	r := log.records[0]
	if got, want := r.Message, "hfoauth: the access token was not renewed"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
	if r.Level != slog.LevelWarn {
		t.Errorf("level %s, want %s", r.Level, slog.LevelWarn)
	}
	attrs := attrsOf(r)
	for key, want := range map[string]string{"kind": "provider unavailable", "sub": sub("ada")} {
		if attrs[key] != want {
			t.Errorf("%s is %q, want %q", key, attrs[key], want)
		}
	}
}
