package hfoauthtest_test

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestRedirectURIsOfSpace(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	space := hub.RegisterApp(hfoauthtest.App{SpaceHost: "ada-app.hf.space"})
	both := hub.RegisterApp(hfoauthtest.App{SpaceHost: "ada-app.hf.space",
		RedirectURIs: []string{"http://localhost/cb"}})
	local := hub.RegisterApp(hfoauthtest.App{SpaceHost: "localhost:7860", RedirectURIs: []string{}})
	for _, tt := range []struct {
		app    hfoauthtest.App
		uri    string
		status int
	}{
		{space, "https://ada-app.hf.space/login/callback", 303},
		{space, "https://ada-app.hf.space/login/callback?_target_url=%2F%3Fa%3Db", 303},
		{space, "https://ADA-app.hf.space", 303},
		{space, "http://ada-app.hf.space/login/callback", 400},
		{space, "https://ada-app.hf.space:8443/", 400},
		{space, "https://ada-app.hf.space.evil.example/", 400},
		{space, "https://user@ada-app.hf.space/", 400},
		{space, "https://ada-app.hf.space/#", 400},
		{space, "https://ada-other.hf.space/", 400},
		{space, "//ada-app.hf.space/", 400},
		{space, "http://localhost:7860/cb", 400},
		{both, "https://ada-app.hf.space/x", 303},
		{both, "http://localhost:1/cb", 303},
		{both, "http://localhost:1/other", 400},
		{local, "http://localhost:7860/login/callback?_target_url=/", 303},
		{local, "http://localhost:1/", 303},
		{local, "http://127.0.0.1:7860/", 400},
		{local, "https://localhost:7860/", 303},
		{local, "https://localhost:1/", 400},
	} {
		params := authorization(tt.app, func(p url.Values) { p.Set("redirect_uri", tt.uri) })
		if status, _ := consent(t, hub, params, url.Values{"user": {"ada"}}); status != tt.status {
			t.Errorf("%s: %q: %d, want %d", tt.app.SpaceHost, tt.uri, status, tt.status)
		}
	}
}

func TestPrivateSpace(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	clock := newClock(hub)
	handler := hub.PrivateSpace(http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request) {
		fmt.Fprint(w, r.URL.RawQuery)
	}))
	for name, start := range map[string]func(http.Handler) *httptest.Server{
		"http":  httptest.NewServer,
		"https": httptest.NewTLSServer,
	} {
		space := start(handler)
		defer space.Close()
		client := space.Client()
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		client.Jar = jar
		status := func(address string) int {
			t.Helper()
			resp, err := client.Get(address)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			return resp.StatusCode
		}
		if got := status(space.URL + "/"); got != 404 {
			t.Errorf("%s: a stranger: %d", name, got)
		}
		if got := status(space.URL + "/?__sign=made-up"); got != 404 {
			t.Errorf("%s: a made-up signature: %d", name, got)
		}
		signed, err := hub.SignedURL(space.URL+"/?a=b", "ada")
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Get(signed)
		query := body(resp, err)
		sign := strings.TrimPrefix(query, "__sign=")
		sign, rest, _ := strings.Cut(sign, "&")
		equal(t, name+": signed: status", resp.StatusCode, 200)
		equal(t, name+": signed: the rest of the query", rest, "a=b")
		if !slices.Contains(hub.Secrets(), sign) {
			t.Errorf("%s: __sign in the query %s is not among the secrets", name, query)
		}
		cookie := resp.Cookies()[0]
		equal(t, name+": cookie", cookie.Name, "spaces-jwt")
		equal(t, name+": Secure", cookie.Secure, name == "https")
		equal(t, name+": Partitioned", cookie.Partitioned, name == "https")
		equal(t, name+": HttpOnly", cookie.HttpOnly, true)
		clock.advance(23 * time.Hour)
		if got := status(space.URL + "/other"); got != 200 {
			t.Errorf("%s: with the cookie: %d", name, got)
		}
		clock.advance(time.Hour)
		if got := status(space.URL + "/other"); got != 404 {
			t.Errorf("%s: with the cookie a day later: %d", name, got)
		}
	}
	if _, err := hub.SignedURL("%zz", "ada"); err == nil {
		t.Error("an invalid URL was signed")
	}
}

func TestSpacePage(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	hub.RegisterApp(hfoauthtest.App{Name: "Ada's <app>", SpaceHost: "localhost:17443"})
	resp, err := http.Get(hub.URL + "/spaces/LOCALHOST:17443")
	page := body(resp, err)
	for _, want := range []string{
		`<h1>Ada&#39;s &lt;app&gt;</h1>`, `src="https://localhost:17443/"`, "allow-popups-to-escape-sandbox",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of a Space lacks %q: %s", want, page)
		}
	}
	got, want := resp.Header.Get("Content-Security-Policy"), "frame-src https://localhost:17443;"
	if !strings.Contains(got, want) {
		t.Errorf("policy %q, want %q in it", got, want)
	}
	resp, err = http.Get(hub.URL + "/spaces/evil.example")
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("the page of an unknown Space: %v %v, want 400", resp.Status, err)
	}
}
