package hfoauth_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// Right after a sign-in, a sign-out or a failure, no page redirects to sign-in:
// if a session cannot be found, for whatever reason, the user sees a page.
func TestNoLoopAfterSignIn(t *testing.T) {
	s := newSite(t, nil)
	denied := func(browser *http.Client) {
		s.signIn(browser, adaDenies, "/private")
	}
	lost := func(browser *http.Client) { // the session's cookie does not come back
		resp := s.signIn(browser, ada, "/private")
		home, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		for _, cookie := range resp.setCookies(s.client.SessionCookie()) {
			browser.Jar.SetCookies(home, []*http.Cookie{{Name: cookie.Name, Path: "/", MaxAge: -1}})
		}
	}
	signedOut := func(browser *http.Client) {
		s.signIn(browser, ada, "/private")
		post(t, browser, s.URL+"/logout", nil)
	}
	for name, before := range map[string]func(*http.Client){
		"denied": denied, "session lost": lost, "signed out": signedOut,
	} {
		browser := s.browser()
		before(browser)
		resp := get(t, browser, s.URL+"/private")
		checkStatus(t, name, resp, 401)
		checkHas(t, name+": the page", resp.body, "Sign in to view this page", `href="/login?next=%2Fprivate"`)
		for _, cookie := range resp.Cookies() {
			t.Errorf("%s: a page without a session sets %s, want no cookie", name, cookie.Raw)
		}
		checkRedirect(t, name+": signing in by a click", s.signIn(browser, ada, "/private"), "/private")
		checkStatus(t, name+": signed in", get(t, browser, s.URL+"/private"), 200)
		home, _ := url.Parse(s.URL)
		for _, cookie := range browser.Jar.Cookies(home) {
			if strings.Contains(cookie.Name, "pause") {
				t.Errorf("%s: a page with a session leaves %s", name, cookie.Name)
			}
		}
	}
}

// A further scope is requested nevertheless.
func TestStepUpRightAfterSignIn(t *testing.T) {
	s := newSite(t, nil)
	app := httptest.NewServer(s.client.RequireScope(hfoauth.ScopeJobs)(http.NotFoundHandler()))
	defer app.Close()
	browser := s.browser()
	s.signIn(browser, ada, "/")
	resp := get(t, browser, app.URL)
	if resp.StatusCode != 303 || !strings.HasPrefix(resp.Header.Get("Location"), s.hub.URL) {
		t.Errorf("%s to %q", resp.Status, resp.Header.Get("Location"))
	}
}

// Prompt "none" leads back to next once, whatever the provider responds.
func TestSilentSignIn(t *testing.T) {
	for _, code := range []string{
		"login_required", "consent_required", "interaction_required", "server_error", "access_denied",
	} {
		s := newSite(t, nil)
		s.hub.Configure(func(c *hfoauthtest.Settings) {
			c.AuthorizationResponse = func(response url.Values) {
				response.Del("code")
				response.Set("error", code)
			}
		})
		app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.client.Login(w, r, hfoauth.LoginOptions{Prompt: "none", Next: "/page"})
		}))
		defer app.Close()
		browser := s.browser()
		begun := get(t, browser, app.URL+"/page")
		if got := begun.location().Query().Get("prompt"); got != "none" {
			t.Fatalf("%s: prompt %q: %s", code, got, begun.Status)
		}
		resp := get(t, browser, s.decide(begun.Header.Get("Location"), ada))
		checkRedirect(t, code, resp, "/page")
		checkStatus(t, code+", the second time", get(t, browser, app.URL+"/page"), 401)
		checkRedirect(t, code+", the second time, of another page", get(t, browser, app.URL+"/other"), "/page")
	}
	s := newSite(t, nil)
	w := httptest.NewRecorder()
	s.client.Login(w, httptest.NewRequest("GET", "/x", nil), hfoauth.LoginOptions{Prompt: "consent"})
	if location := w.Header().Get("Location"); !strings.Contains(location, "prompt=consent") {
		t.Errorf("leads to %s", location)
	}
}

// A part of a page that htmx requests cannot be redirected: htmx loads the login
// page instead of the page with the part.
func TestHTMX(t *testing.T) {
	s := newSite(t, nil)
	for name, header := range map[string][]string{
		"with metadata":     {"Sec-Fetch-Mode", "cors"},
		"in older browsers": nil,
	} {
		header = append(header, "HX-Request", "true", "HX-Current-URL", s.URL+"/board?x=1", "Accept",
			"text/html, */*")
		resp := get(t, s.browser(), s.URL+"/private", header...)
		checkStatus(t, name, resp, 401)
		if got, want := resp.Header.Get("HX-Redirect"), "/login?next=%2Fboard%3Fx%3D1"; got != want {
			t.Errorf("%s: HX-Redirect %q, want %q", name, got, want)
		}
	}
	resp := get(t, s.browser(), s.URL+"/private",
		"HX-Request", "true", "HX-Current-URL", "https://evil.example//evil.example/")
	if got := resp.Header.Get("HX-Redirect"); got != "/login" {
		t.Errorf("another site's page: HX-Redirect %q", got)
	}
}

func TestJSONHasTheLoginAddress(t *testing.T) {
	s := newSite(t, nil)
	resp := get(t, s.browser(), s.URL+"/private", "Accept", "application/json")
	var body struct{ Error, Login string }
	if err := json.Unmarshal([]byte(resp.body), &body); err != nil {
		t.Fatalf("%v: %s", err, resp.body)
	}
	if body.Error == "" {
		t.Errorf("the response has no error: %s", resp.body)
	}
	if body.Login != "/login" {
		t.Errorf("login is %q, want /login: %s", body.Login, resp.body)
	}
}

func TestLogoutPage(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) { c.AppName = "Engines" })
	browser := s.browser()
	resp := get(t, browser, s.URL+"/logout")
	checkStatus(t, "signed out", resp, 405)
	checkHas(t, "signed out", resp.body, "You are signed out")
	checkLacks(t, "signed out", resp.body, "<form")
	s.signIn(browser, ada, "/")
	resp = get(t, browser, s.URL+"/logout")
	checkStatus(t, "signed in", resp, 405)
	if got := resp.Header.Get("Allow"); got != "POST" {
		t.Errorf("Allow %q, want POST", got)
	}
	checkHas(t, "signed in", resp.body,
		`<form class="hfoauth-actions" method="post" action="/logout">`, "Engines")
	if s.username(browser) != "ada" {
		t.Error("opening the page signs out")
	}
}

var retryFields = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// A denial in the tab of an iframe is not a dead end: the iframe learns of it, and
// trying again in the tab signs the iframe in.
func TestDeniedForAnIframe(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			tab, iframe := s.browser(), s.browser()
			begun := s.popup(tab, url.Values{"challenge": {challengeOf(frameVerifier)}, "next": {"/private"}})
			denied := get(t, tab, s.decide(onward(begun), adaDenies))
			checkStatus(t, "the tab", denied, 403)
			checkHas(t, "the tab", denied.body, "data-hfoauth-close", `action="/login/frame/popup"`)
			if resp, _ := s.claim(iframe, frameVerifier); !strings.Contains(resp.body, `"denied":true`) {
				t.Errorf("the iframe gets %s", resp.body)
			}
			form := url.Values{}
			for _, field := range retryFields.FindAllStringSubmatch(denied.body, -1) {
				form.Set(field[1], html.UnescapeString(field[2]))
			}
			again := s.popup(tab, form)
			done := get(t, tab, s.decide(onward(again), ada))
			if done.Header.Get("Location") != "/login/frame/done" {
				t.Fatalf("%s to %q: %s", done.Status, done.Header.Get("Location"), done.body)
			}
			if resp, cookie := s.claim(iframe, frameVerifier); cookie == nil || s.username(iframe) != "ada" {
				t.Errorf("the iframe gets %s", resp.body)
			}
		})
	}
}

// The pause lasts half a minute.
func TestPauseLifetime(t *testing.T) {
	s := newSite(t, nil)
	pauses := 0
	for _, cookie := range post(t, s.browser(), s.URL+"/logout", nil).Cookies() {
		if strings.Contains(cookie.Name, "pause") {
			pauses++
			if cookie.MaxAge != 30 {
				t.Errorf("Max-Age %d, want 30", cookie.MaxAge)
			}
		}
	}
	if pauses != 1 {
		t.Errorf("%d cookies of a pause, want one", pauses)
	}
}

// A page that signs in silently and returns to itself answers the second time,
// however its address is written.
func TestSilentSignInOfItself(t *testing.T) {
	s := newSite(t, nil)
	s.hub.Configure(func(c *hfoauthtest.Settings) {
		c.AuthorizationResponse = func(response url.Values) {
			response.Del("code")
			response.Set("error", "login_required")
		}
	})
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.client.Login(w, r, hfoauth.LoginOptions{Prompt: "none", Next: r.URL.RequestURI()})
	}))
	defer app.Close()
	for _, path := range []string{"/self", "/self?a=b", "/self?", "/self?__sign=x", "/self?a=b&__sign=x"} {
		browser := s.browser()
		begun := get(t, browser, app.URL+path)
		back := get(t, browser, s.decide(begun.Header.Get("Location"), ada))
		checkStatus(t, path, get(t, browser, app.URL+back.Header.Get("Location")), 401)
	}
}
