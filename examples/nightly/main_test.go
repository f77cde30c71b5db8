package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// site is the app, and an API of the Hub that accepts the tokens of its users.
type site struct {
	*app
	t   *testing.T
	hub *hfoauthtest.Server
	URL string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, hub: hfoauthtest.NewServer(t)}
	// a refresh token used twice ends the sign-in
	s.hub.Configure(func(c *hfoauthtest.Settings) { c.ReuseDetection = true })
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, _ := http.NewRequest(http.MethodGet, s.hub.URL+"/oauth/userinfo", nil)
		req.Header.Set("Authorization", r.Header.Get("Authorization"))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		fmt.Fprint(w, `[{},{},{}]`)
	}))
	t.Cleanup(api.Close)
	address, err := url.Parse(api.URL)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	s.URL = "http://" + server.Listener.Addr().String()
	s.hub.Setenv(t, s.URL)
	if s.app, err = newApp(address); err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = s.routes()
	server.Start()
	t.Cleanup(server.Close)
	return s
}

// says opens the start page, which must say something.
func (s *site) says(browser *http.Client, want string) {
	s.t.Helper()
	resp, err := browser.Get(s.URL + "/")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); !strings.Contains(string(body), want) {
		s.t.Errorf("the page says %s, want %s", body, want)
	}
}

func (s *site) click(browser *http.Client, path string) {
	s.t.Helper()
	resp, err := browser.Post(s.URL+path, "", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		s.t.Errorf("%s: %s", path, resp.Status)
	}
}

func TestOnlyForThoseWhoAllowIt(t *testing.T) {
	s := newSite(t)
	ada, grace := s.hub.SignIn(t, s.URL+"/login", "ada"), s.hub.SignIn(t, s.URL+"/login", "grace")
	s.click(ada, "/allow")
	s.says(ada, "The first job runs tonight.")
	s.runAll(t.Context())
	s.says(ada, "Last night you had 3 models.")
	s.says(grace, "Shall I count your models")
	s.click(ada, "/withdraw")
	s.says(ada, "Shall I count your models")
}

// Signing out everywhere also signs the job out.
func TestSignedOut(t *testing.T) {
	s := newSite(t)
	laptop, phone := s.hub.SignIn(t, s.URL+"/login", "ada"), s.hub.SignIn(t, s.URL+"/login", "ada")
	s.click(laptop, "/allow")
	s.click(laptop, "/logout")
	s.runAll(t.Context())
	s.says(phone, "Last night you had 3 models.")
	s.click(phone, "/logout")
	s.runAll(t.Context())
	s.says(s.hub.SignIn(t, s.URL+"/login", "ada"), "The last job failed: signed out everywhere")
}

// Jobs and a browser that both renew the user's token, often at the same time, sign
// no user out.
func TestBesideBrowsing(t *testing.T) {
	s := newSite(t)
	s.hub.Configure(func(c *hfoauthtest.Settings) { c.AccessTokenLifetime = time.Second })
	ada := s.hub.SignIn(t, s.URL+"/login", "ada")
	s.click(ada, "/allow")
	var done atomic.Bool
	var working sync.WaitGroup
	working.Go(func() {
		for !done.Load() {
			s.runAll(t.Context())
		}
	})
	renewals := func() int {
		n := 0
		for _, request := range s.hub.Requests(hfoauthtest.TokenEndpoint) {
			if request.Form.Get("grant_type") == "refresh_token" {
				n++
			}
		}
		return n
	}
	for renewals() < 4 && !t.Failed() {
		s.says(ada, "Stop counting my models")
	}
	done.Store(true)
	working.Wait()
	s.runAll(t.Context())
	s.says(ada, "Last night you had 3 models.")
}
