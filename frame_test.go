package hfoauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

const frameVerifier = "iframe-secret-iframe-secret-iframe-secret-43"

func challengeOf(verifier string) string {
	hash := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(hash[:])
}

// popup begins a sign-in for an iframe.
func (s *site) popup(browser *http.Client, form url.Values, header ...string) answer {
	s.t.Helper()
	if header == nil {
		header = []string{"Sec-Fetch-Site", "same-origin"}
	}
	return post(s.t, browser, s.URL+"/login/frame/popup", form, header...)
}

var continueLink = regexp.MustCompile(`<a class="hfoauth-primary" href="([^"]+)" data-hfoauth-continue>`)

// onward is where the pop-up's page leads, "" if nowhere.
func onward(popup answer) string {
	match := continueLink.FindStringSubmatch(popup.body)
	if match == nil || popup.StatusCode != 200 {
		return ""
	}
	return html.UnescapeString(match[1])
}

// asksFor is the scope that it asks for there.
func asksFor(popup answer) string {
	address, err := url.Parse(onward(popup))
	if err != nil {
		return err.Error()
	}
	return address.Query().Get("scope")
}

// claim asks for the session of a verifier and returns the cookie, if any.
func (s *site) claim(browser *http.Client, verifier string) (answer, *http.Cookie) {
	s.t.Helper()
	resp := post(s.t, browser, s.URL+"/login/frame/claim", url.Values{"verifier": {verifier}}, "Sec-Fetch-Site", "same-origin")
	for _, cookie := range resp.setCookies(s.client.SessionCookie() + "-frame") {
		return resp, cookie
	}
	return resp, nil
}

func TestFrameSignIn(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			tab, iframe := s.browser(), s.browser()
			resp := s.popup(tab, url.Values{"challenge": {challengeOf(frameVerifier)}, "next": {"/private"}})
			if onward(resp) == "" {
				t.Fatalf("%s: %s", resp.Status, resp.body)
			}
			if early, cookie := s.claim(iframe, frameVerifier); cookie != nil || early.body != `{"signedIn":false}`+"\n" {
				t.Errorf("claimed before it is there: %s", early.body)
			}
			done := get(t, tab, s.decide(onward(resp), ada))
			if done.Header.Get("Location") != "/login/frame/done" || s.username(tab) != "ada" {
				t.Fatalf("callback: %s to %s, tab is %q", done.Status, done.Header.Get("Location"), s.username(tab))
			}
			if wrong, cookie := s.claim(iframe, frameVerifier+"x"); cookie != nil || wrong.body != `{"signedIn":false}`+"\n" || wrong.StatusCode != 200 {
				t.Errorf("another verifier: %s", wrong.body)
			}
			claimed, cookie := s.claim(iframe, frameVerifier)
			if cookie == nil || claimed.body != `{"signedIn":true}`+"\n" || s.username(iframe) != "ada" {
				t.Fatalf("%s, iframe is %q", claimed.body, s.username(iframe))
			}
			if replayed, cookie := s.claim(s.browser(), frameVerifier); cookie != nil || replayed.body != `{"signedIn":false}`+"\n" {
				t.Errorf("claimed twice: %s", replayed.body)
			}

			// The iframe's session renews itself and stays in its cookie.
			clock := s.newClock()
			clock.advance(9 * time.Hour)
			if _, answered, err := act(t, s.client, cookie); err != nil || answered != nil {
				t.Errorf("renewal: %v, answered in the wrong cookie: %v", err, answered)
			}
			post(t, iframe, s.URL+"/logout", nil, "Sec-Fetch-Site", "same-origin")
			if s.username(iframe) != "" || signedIn(s.client, cookie) {
				t.Error("signing out in the iframe did not")
			}
		})
	}
}

// A later sign-in in the tab, or another pop-up, leaves the session of the
// iframe alone, claimed or not.
func TestLaterSignInsLeaveTheIframe(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			tab, first, second := s.browser(), s.browser(), s.browser()
			for _, verifier := range []string{frameVerifier, frameVerifier + "2"} {
				resp := s.popup(tab, url.Values{"challenge": {challengeOf(verifier)}})
				get(t, tab, s.decide(onward(resp), ada))
			}
			_, one := s.claim(first, frameVerifier)
			_, two := s.claim(second, frameVerifier+"2")
			if one == nil || two == nil {
				t.Fatalf("claims: %v, %v", one, two)
			}
			s.signIn(tab, grace, "/")
			if s.username(tab) != "grace" || s.username(first) != "ada" || s.username(second) != "ada" {
				t.Errorf("tab is %q, iframes are %q and %q", s.username(tab), s.username(first), s.username(second))
			}
		})
	}
}

// What cannot be known is no answer: the script would tell the user that the
// browser keeps no cookies.
func TestCheckDuringAnOutage(t *testing.T) {
	store := newMapStore()
	s := newSite(t, withStore(store))
	browser := s.browser()
	s.newSessionIn(browser, ada)
	store.fail(errors.New("connection refused"))
	if resp := post(t, browser, s.URL+"/login/frame/check", nil, "Sec-Fetch-Site", "same-origin"); resp.StatusCode != 503 {
		t.Errorf("%s: %s, want 503", resp.Status, resp.body)
	}
}

func TestFrameAttacks(t *testing.T) {
	s := newSite(t, nil)
	good := url.Values{"challenge": {challengeOf(frameVerifier)}}
	for name, header := range map[string][]string{
		"another site":                 {"Sec-Fetch-Site", "cross-site"},
		"another site by a form":       {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		"a sibling":                    {"Sec-Fetch-Site", "same-site"},
		"a typed address":              {"Sec-Fetch-Site", "none"},
		"an old browser, another site": {"Origin", "https://evil.example"},
		"a sandboxed frame":            {"Origin", "null"},
		"no browser":                   {"Accept", "*/*"},
	} {
		for _, path := range []string{"popup", "claim", "check"} {
			if resp := post(t, s.browser(), s.URL+"/login/frame/"+path, good, header...); resp.StatusCode != 403 {
				t.Errorf("%s posts to %s: %s", name, path, resp.Status)
			}
		}
	}
	for name, header := range map[string][]string{
		"an old browser of ours": {"Origin", s.URL},
		"Safari":                 {"Sec-Fetch-Site", "cross-site", "Origin", s.URL},
	} {
		if resp := s.popup(s.browser(), good, header...); onward(resp) == "" {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	t.Run("a link cannot bring a challenge", func(t *testing.T) {
		browser := s.browser()
		resp := get(t, browser, s.URL+"/login?challenge="+challengeOf(frameVerifier)+"&popup=1")
		callback := get(t, browser, s.decide(resp.Header.Get("Location"), ada))
		if _, cookie := s.claim(s.browser(), frameVerifier); cookie != nil || callback.Header.Get("Location") != "/" {
			t.Error("an attacker's link parked a session")
		}
		if page := get(t, browser, s.URL+"/login/frame/popup?challenge="+challengeOf(frameVerifier)); page.StatusCode != 405 {
			t.Errorf("a link begins the iframe's sign-in: %s", page.Status)
		}
		if resp = post(t, browser, s.URL+"/login/frame/popup?challenge="+challengeOf(frameVerifier), nil, "Sec-Fetch-Site", "same-origin"); onward(resp) == "" {
			t.Fatal(resp.Status)
		}
		get(t, browser, s.decide(onward(resp), ada))
		if _, cookie := s.claim(s.browser(), frameVerifier); cookie != nil {
			t.Error("the pop-up takes a challenge from its address")
		}
	})
	t.Run("late claim", func(t *testing.T) {
		browser := s.browser()
		resp := s.popup(browser, good)
		get(t, browser, s.decide(onward(resp), ada))
		s.client.SetClock(func() time.Time { return time.Now().Add(2*time.Minute + time.Second) })
		defer s.client.SetClock(time.Now)
		if _, cookie := s.claim(s.browser(), frameVerifier); cookie != nil {
			t.Error("claimed after two minutes")
		}
	})
	t.Run("short challenge", func(t *testing.T) {
		browser := s.browser()
		resp := s.popup(browser, url.Values{"challenge": {"short"}, "next": {"/private"}})
		if callback := get(t, browser, s.decide(onward(resp), ada)); callback.Header.Get("Location") != "/private" {
			t.Errorf("leads to %s", callback.Header.Get("Location"))
		}
	})
	t.Run("scopes of somebody else's choice", func(t *testing.T) {
		resp := s.popup(s.browser(), url.Values{"options": {"AAAA"}, "scope": {"write-repos"}})
		if scope := asksFor(resp); scope != "openid profile" {
			t.Errorf("asks for %q", scope)
		}
	})
	t.Run("return path", func(t *testing.T) {
		browser := s.browser()
		resp := s.popup(browser, url.Values{"next": {"//evil.example"}})
		if callback := get(t, browser, s.decide(onward(resp), ada)); callback.Header.Get("Location") != "/" {
			t.Errorf("leads to %s", callback.Header.Get("Location"))
		}
	})
}

// Under another name of the site than the provider sends the browser back to,
// the attempt's cookie would be lost: the pop-up signs in under that name.
func TestFramePopupOnACustomDomain(t *testing.T) {
	client := newClient(t, hfoauth.Config{SpaceHost: "user-app.hf.space,www.example.com"})
	r := httptest.NewRequest("POST", "https://www.example.com/login/frame/popup", strings.NewReader(url.Values{"challenge": {challengeOf(frameVerifier)}, "next": {"/private"}}.Encode()))
	for header, value := range map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"} {
		r.Header.Set(header, value)
	}
	w := httptest.NewRecorder()
	client.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), `href="https://user-app.hf.space/login?next=%2Fprivate"`) || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("%d: %s, cookies %v", w.Code, w.Body, w.Header()["Set-Cookie"])
	}
}

func TestFramePagesAreNotFramed(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	client := newClient(t, hfoauth.Config{SpaceHost: "user-app.hf.space", ProviderURL: hub.URL})
	mux := http.NewServeMux()
	client.Mount(mux)
	for request, want := range map[string]string{
		"POST /login/frame/popup": "frame-ancestors 'none'",
		"GET /login/frame/done":   "frame-ancestors 'self' " + hub.URL,
		"GET /login":              "frame-ancestors 'self' " + hub.URL,
	} {
		method, path, _ := strings.Cut(request, " ")
		r := httptest.NewRequest(method, path, nil)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Sec-Fetch-Dest", "iframe")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if policy := w.Header().Get("Content-Security-Policy"); w.Code != 200 || !strings.HasSuffix(policy, want) || !strings.Contains(policy, "script-src 'self'") {
			t.Errorf("%s: %d, policy %q", path, w.Code, policy)
		}
	}
}

func TestPageTemplate(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) {
		c.PageTemplate = template.Must(template.New("").Parse(`<html><head><link rel="stylesheet" href="/our.css">{{.Head}}</head><body>Ours: {{.Title}} {{range .Text}}{{.}}{{end}} {{.Controls}}</body></html>`))
	})
	for path, wants := range map[string][]string{
		"/login/callback":    {"Ours: This sign-in link has expired or was already used", `href="/login"`},
		"/login/frame/popup": {"Ours: Sign in", "data-hfoauth-continue", "<script src="},
		"/login/frame/done":  {"Ours: You are signed in", "<script src="},
	} {
		var resp answer
		if strings.HasSuffix(path, "popup") {
			resp = s.popup(s.browser(), nil)
		} else {
			resp = get(t, s.browser(), s.URL+path)
		}
		for _, want := range append(wants, "/our.css") {
			if !strings.Contains(resp.body, want) {
				t.Errorf("%s lacks %s: %s", path, want, resp.body)
			}
		}
		if policy := resp.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "style-src 'self'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %s", path, policy)
		}
	}
}

func TestLoginInAFrame(t *testing.T) {
	s := newSite(t, nil)
	resp := get(t, s.browser(), s.URL+"/private", "Sec-Fetch-Dest", "iframe", "Sec-Fetch-Mode", "navigate")
	if resp.StatusCode != 303 {
		t.Fatal(resp.Status)
	}
	page := get(t, s.browser(), s.URL+resp.Header.Get("Location"), "Sec-Fetch-Dest", "iframe")
	if page.StatusCode != 200 || !strings.Contains(page.body, `data-hfoauth-next="/private"`) || !strings.Contains(page.body, `target="_blank"`) {
		t.Errorf("%s: %s", page.Status, page.body)
	}
	if policy := page.Header.Get("Referrer-Policy"); policy != "same-origin" {
		t.Errorf("old browsers post forms without their origin: %q", policy)
	}
	// What a page asks for in a frame reaches the provider through the pop-up.
	handler := s.client.RequireScope(hfoauth.ScopeInferenceAPI)(http.NotFoundHandler())
	r := httptest.NewRequest("GET", "/chat", nil)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Dest", "iframe")
	r.AddCookie(s.newSession(ada))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	options := regexp.MustCompile(`data-hfoauth-options="([^"]+)"`).FindStringSubmatch(w.Body.String())
	if options == nil {
		t.Fatal(w.Body)
	}
	popup := s.popup(s.browser(), url.Values{"options": {options[1]}})
	if scope := asksFor(popup); scope != "openid profile inference-api" {
		t.Errorf("asks for %q", scope)
	}
}

func TestButton(t *testing.T) {
	s := newSite(t, nil)
	r := httptest.NewRequest("GET", "/page?a=b", nil)
	button := string(s.client.Button(r, hfoauth.ButtonOptions{}))
	for _, want := range []string{`href="/login?next=%2Fpage%3Fa%3Db"`, `class="hfoauth-button hfoauth-md hfoauth-auto"`, "Sign in with Hugging Face", "🤗", `data-hfoauth-login`} {
		if !strings.Contains(button, want) {
			t.Errorf("button lacks %s: %s", want, button)
		}
	}
	if strings.Contains(button, "_blank") || strings.Contains(button, "style=") || strings.Contains(button, "onclick") {
		t.Errorf("button: %s", button)
	}
	button = string(s.client.Button(r, hfoauth.ButtonOptions{Size: "xl", Theme: "dark", Label: "Se connecter <3", Next: "//evil.example"}))
	for _, want := range []string{`hfoauth-xl hfoauth-dark`, "Se connecter &lt;3", `href="/login"`} {
		if !strings.Contains(button, want) {
			t.Errorf("button lacks %s: %s", want, button)
		}
	}
	r.Header.Set("Sec-Fetch-Dest", "iframe")
	if button := string(s.client.Button(r, hfoauth.ButtonOptions{})); !strings.Contains(button, `target="_blank"`) {
		t.Errorf("button in a frame: %s", button)
	}

	r.AddCookie(s.newSession(ada))
	button = string(s.client.Button(r, hfoauth.ButtonOptions{LogoutLabel: "Bye"}))
	for _, want := range []string{`<form method="post" action="/logout">`, ">ada<", ">Bye<", `value="/"`} {
		if !strings.Contains(button, want) {
			t.Errorf("user lacks %s: %s", want, button)
		}
	}
}

func TestButtonAssets(t *testing.T) {
	s := newSite(t, nil)
	assets := string(s.client.ButtonAssets())
	paths := regexp.MustCompile(`(?:href|src)="([^"]+)"`).FindAllStringSubmatch(assets, -1)
	if len(paths) != 2 {
		t.Fatal(assets)
	}
	for _, path := range paths {
		resp := get(t, s.browser(), s.URL+path[1])
		if resp.StatusCode != 200 || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") || len(resp.body) > 10<<10 || len(resp.body) < 1000 {
			t.Errorf("%s: %s, %d bytes, %v", path[1], resp.Status, len(resp.body), resp.Header)
		}
	}
	// Windows that talked could be talked to by others.
	script := get(t, s.browser(), s.URL+paths[1][1]).body
	for _, word := range []string{"postMessage", `"message"`, "window.opener", "window.open(", `"opener"`} {
		if strings.Contains(script, word) {
			t.Errorf("the script says %s", word)
		}
	}
	if resp := get(t, s.browser(), s.URL+"/login/frame/hfoauth-000000000000.js"); resp.StatusCode != 404 {
		t.Errorf("another version's script: %s", resp.Status)
	}
}

func TestFrameAncestors(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	for name, tt := range map[string]struct {
		config hfoauth.Config
		policy string
		site   http.SameSite
	}{
		"none":                   {hfoauth.Config{}, "frame-ancestors 'none'", http.SameSiteLaxMode},
		"Space":                  {hfoauth.Config{SpaceHost: "user-app.hf.space"}, "frame-ancestors 'self' " + hub.URL, http.SameSiteNoneMode},
		"Space, framed nowhere":  {hfoauth.Config{SpaceHost: "user-app.hf.space", FrameAncestors: []string{}}, "frame-ancestors 'none'", http.SameSiteLaxMode},
		"elsewhere, by its site": {hfoauth.Config{FrameAncestors: []string{"https://blog.example", "https://*.example.org"}}, "frame-ancestors 'self' https://blog.example https://*.example.org", http.SameSiteNoneMode},
	} {
		tt.config.ProviderURL = hub.URL
		client := newClient(t, tt.config)
		ask := func(dest string) *http.Response {
			r := httptest.NewRequest("GET", "/login", nil)
			r.Header.Set("Sec-Fetch-Dest", dest)
			w := httptest.NewRecorder()
			client.LoginHandler().ServeHTTP(w, r)
			return w.Result()
		}
		if policy := ask("iframe").Header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, tt.policy) {
			t.Errorf("%s: policy %q, want %q", name, policy, tt.policy)
		}
		if cookies := ask("document").Cookies(); len(cookies) != 1 || cookies[0].SameSite != tt.site {
			t.Errorf("%s: cookies %v, want SameSite %v", name, cookies, tt.site)
		}
	}
	for _, wrong := range []string{"huggingface.co", "https://huggingface.co/spaces", "*", "https://a.example; script-src *", "https://a.example https://b.example", "'self'", "http://a.example"} {
		_, err := hfoauth.New(hfoauth.Config{ClientID: "id", SessionKeys: [][]byte{testKey("one")}, RedirectURL: "https://app.example/cb", FrameAncestors: []string{wrong}})
		if err == nil || !strings.Contains(err.Error(), "Config.FrameAncestors") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// All sentences of the script are served in the user's language, and the
// script and the style have addresses that stay.
func TestScriptText(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) {
		c.Translate = func(r *http.Request, format string, args ...any) string {
			return r.Header.Get("Accept-Language") + " " + fmt.Sprintf(format, args...)
		}
	})
	script := get(t, s.browser(), s.URL+"/login/frame/hfoauth.js")
	style := get(t, s.browser(), s.URL+"/login/frame/hfoauth.css")
	for _, resp := range []answer{script, style} {
		if resp.StatusCode != 200 || resp.Header.Get("Cache-Control") != "no-cache" || resp.Header.Get("ETag") == "" {
			t.Errorf("%s %v", resp.Status, resp.Header)
		}
		again := get(t, s.browser(), s.URL+resp.Request.URL.Path, "If-None-Match", resp.Header.Get("ETag"))
		if again.StatusCode != 304 {
			t.Errorf("%s again: %s", resp.Request.URL.Path, again.Status)
		}
	}
	if !strings.Contains(script.body, `"translated":true`) {
		t.Error("the script does not ask for translations")
	}
	resp := get(t, s.browser(), s.URL+"/login/frame/text", "Accept-Language", "fr")
	if resp.Header.Get("Cache-Control") != "private, no-store" || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%v", resp.Header)
	}
	var text map[string]string
	if err := json.Unmarshal([]byte(resp.body), &text); err != nil {
		t.Fatal(err)
	}
	sentences := regexp.MustCompile(`inWords\("([^"]*)"\)`).FindAllStringSubmatch(script.body, -1)
	if len(sentences) < 5 {
		t.Fatalf("the script has %d sentences", len(sentences))
	}
	for _, sentence := range sentences {
		if got, want := text[sentence[1]], "fr "+sentence[1]; got != want {
			t.Errorf("%q is %q, want %q", sentence[1], got, want)
		}
	}
}
