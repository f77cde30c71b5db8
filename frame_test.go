package hfoauth_test

import (
	"context"
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
	"slices"
	"strings"
	"sync/atomic"
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

// popup begins a sign-in for an iframe, in a tab.
func (s *site) popup(browser *http.Client, form url.Values, header ...string) answer {
	s.t.Helper()
	if header == nil {
		header = []string{"Sec-Fetch-Site", "same-origin"}
	}
	return post(s.t, browser, s.URL+"/login/frame/popup", form, header...)
}

var continueLink = regexp.MustCompile(`<a class="hfoauth-primary" href="([^"]+)" data-hfoauth-continue>`)

// onward returns where the tab's first page leads, or "".
func onward(popup answer) string {
	match := continueLink.FindStringSubmatch(popup.body)
	if match == nil || popup.StatusCode != 200 {
		return ""
	}
	return html.UnescapeString(match[1])
}

// asksFor returns the scope that it requests there.
func asksFor(popup answer) string {
	address, err := url.Parse(onward(popup))
	if err != nil {
		return err.Error()
	}
	return address.Query().Get("scope")
}

// claim claims the session of a verifier and returns the cookie, if any.
func (s *site) claim(browser *http.Client, verifier string) (answer, *http.Cookie) {
	s.t.Helper()
	form := url.Values{"verifier": {verifier}}
	resp := post(s.t, browser, s.URL+"/login/frame/claim", form, "Sec-Fetch-Site", "same-origin")
	for _, cookie := range resp.setCookies(s.client.SessionCookie() + "-frame") {
		return resp, cookie
	}
	return resp, nil
}

// refusesClaim checks that a claim gets no session yet.
func (s *site) refusesClaim(what string, browser *http.Client, verifier string) {
	s.t.Helper()
	resp, cookie := s.claim(browser, verifier)
	checkStatus(s.t, what, resp, http.StatusOK)
	if want := `{"signedIn":false}` + "\n"; resp.body != want {
		s.t.Errorf("%s: %s, want %s", what, resp.body, want)
	}
	if cookie != nil {
		s.t.Errorf("%s: sets %v", what, cookie)
	}
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
			s.refusesClaim("before the sign-in", iframe, frameVerifier)
			done := get(t, tab, s.decide(onward(resp), ada))
			checkRedirect(t, "callback", done, "/login/frame/done")
			if got := s.username(tab); got != "ada" {
				t.Fatalf("the tab is signed in as %q, want ada", got)
			}
			s.refusesClaim("another verifier", iframe, frameVerifier+"x")
			claimed, cookie := s.claim(iframe, frameVerifier)
			if want := `{"signedIn":true}` + "\n"; cookie == nil || claimed.body != want {
				t.Fatalf("claim: %s with the cookie %v, want %s and one", claimed.body, cookie, want)
			}
			if got := s.username(iframe); got != "ada" {
				t.Fatalf("the iframe is signed in as %q, want ada", got)
			}
			s.refusesClaim("a second time", s.browser(), frameVerifier)

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
			home, err := url.Parse(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			for _, left := range iframe.Jar.Cookies(home) {
				if left.Name == cookie.Name {
					t.Error("signing out in the iframe leaves its cookie there")
				}
			}
		})
	}
}

// Over https the cookie of an iframe is partitioned (CHIPS): browsers keep such
// cookies even if they block third-party ones.
func TestFrameCookieAttributes(t *testing.T) {
	s := newSecureSite(t, nil)
	tab := s.browser()
	resp := s.popup(tab, url.Values{"challenge": {challengeOf(frameVerifier)}})
	get(t, tab, s.decide(onward(resp), ada))
	claimed, cookie := s.claim(s.browser(), frameVerifier)
	if cookie == nil {
		t.Fatalf("claim: %s: %s", claimed.Status, claimed.body)
	}
	for attribute, set := range map[string]bool{
		"Path=/": cookie.Path == "/", "HttpOnly": cookie.HttpOnly, "Secure": cookie.Secure,
		"SameSite=None": cookie.SameSite == http.SameSiteNoneMode, "Partitioned": cookie.Partitioned,
	} {
		if !set {
			t.Errorf("the cookie lacks %s: %s", attribute, cookie.Raw)
		}
	}
}

// Of the two cookies of a sign-in, the iframe's has the refresh token, which works
// only once.
func TestFrameHasTheRefreshToken(t *testing.T) {
	s := newSite(t, nil)
	clock := s.newClock()
	tab := s.browser()
	popup := s.popup(tab, url.Values{"challenge": {challengeOf(frameVerifier)}})
	done := get(t, tab, s.decide(onward(popup), ada))
	_, framed := s.claim(s.browser(), frameVerifier)
	clock.advance(8*time.Hour - 2*time.Minute)
	calls := s.hub.Calls(hfoauthtest.TokenEndpoint)
	for _, cookie := range append(done.setCookies(s.client.SessionCookie()), framed) {
		if _, err := s.client.SessionFromRequest(httptest.NewRecorder(), requestWith(cookie)); err != nil {
			t.Errorf("%s: %v", cookie.Name, err)
		}
		want := 0
		if cookie == framed {
			want = 1
		}
		if got := s.hub.Calls(hfoauthtest.TokenEndpoint) - calls; got != want {
			t.Errorf("%d renewals after a request with %s, want %d", got, cookie.Name, want)
		}
	}
}

// parklessStore fails to park sessions.
type parklessStore struct{ *mapStore }

func (s *parklessStore) CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error {
	if strings.HasPrefix(key, "hfoauth-parked-") {
		return errors.New("connection refused")
	}
	return s.mapStore.CommitCtx(ctx, key, b, expiry)
}

// A sign-in whose session the iframe cannot claim fails.
func TestSessionThatCannotBeParked(t *testing.T) {
	s := newSite(t, withStore(&parklessStore{newMapStore()}))
	tab := s.browser()
	popup := s.popup(tab, url.Values{"challenge": {challengeOf(frameVerifier)}})
	resp := get(t, tab, s.decide(onward(popup), ada))
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("callback: %s, want 503", resp.Status)
	}
	if got := s.username(tab); got != "" {
		t.Errorf("the tab is signed in as %s, want nobody", got)
	}
}

// If iframe and tab share their cookies, a later sign-in counts in both.
func TestSignInWhereTheIframeSharesCookies(t *testing.T) {
	for name, change := range keptIn() {
		s := newSite(t, change)
		browser := s.browser()
		popup := s.popup(browser, url.Values{"challenge": {challengeOf(frameVerifier)}})
		get(t, browser, s.decide(onward(popup), ada))
		_, framed := s.claim(browser, frameVerifier)
		if framed == nil {
			t.Fatal("no session for the iframe")
		}
		signedIn := s.signIn(browser, grace, "/")
		removed := slices.ContainsFunc(signedIn.Cookies(), func(c *http.Cookie) bool {
			return c.Name == framed.Name && c.MaxAge < 0
		})
		if !removed {
			t.Errorf("%s: the sign-in leaves %s in the browser", name, framed.Name)
		}
		if got := s.username(browser); got != "grace" {
			t.Errorf("%s: signed in as %s, want grace", name, got)
		}
	}
}

// In an iframe its own session counts, not the tab's.
func TestFrameSessionComesFirst(t *testing.T) {
	s := newSite(t, nil)
	tab, iframe := s.newSession(ada), s.newSession(hfoauthtest.Person{Username: "grace"})
	cookies := tab.Name + "=" + tab.Value + "; " + tab.Name + "-frame=" + iframe.Value
	if resp := get(t, s.browser(), s.URL+"/me", "Cookie", cookies); !strings.Contains(resp.body, `"grace"`) {
		t.Errorf("the iframe of grace in a tab of ada is signed in as %s", resp.body)
	}
}

// A later sign-in in the tab, or for another iframe, does not affect the session
// of the iframe, claimed or not.
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
			for _, tt := range []struct {
				where   string
				browser *http.Client
				want    string
			}{{"tab", tab, "grace"}, {"first iframe", first, "ada"}, {"second iframe", second, "ada"}} {
				if got := s.username(tt.browser); got != tt.want {
					t.Errorf("the %s is signed in as %q, want %q", tt.where, got, tt.want)
				}
			}
		})
	}
}

// A sign-in in a browser that keeps an iframe's cookie beside the tab's leaves
// alone the session that another iframe still waits for.
func TestLaterSignInLeavesAClaim(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			tab, iframe := s.browser(), s.browser()
			for _, verifier := range []string{frameVerifier, frameVerifier + "2"} {
				get(t, tab, s.decide(onward(s.popup(tab, url.Values{"challenge": {challengeOf(verifier)}})), ada))
			}
			s.claim(tab, frameVerifier) // an iframe of the same site
			s.signIn(tab, grace, "/")
			if _, cookie := s.claim(iframe, frameVerifier+"2"); cookie == nil {
				t.Fatal("the other iframe gets no session")
			}
			if got := s.username(iframe); got != "ada" {
				t.Errorf("the other iframe is signed in as %q, want ada", got)
			}
			if got := s.username(tab); got != "grace" {
				t.Errorf("the tab is signed in as %q, want grace", got)
			}
		})
	}
}

// A user who signs in again in an iframe has one session there.
func TestClaimEndsTheSessionBefore(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			iframe := s.browser()
			var claimed []*http.Cookie
			for _, verifier := range []string{frameVerifier, frameVerifier + "2"} {
				tab := s.browser()
				popup := s.popup(tab, url.Values{"challenge": {challengeOf(verifier)}})
				get(t, tab, s.decide(onward(popup), ada))
				resp, cookie := s.claim(iframe, verifier)
				if cookie == nil {
					t.Fatalf("claim: %s: %s", resp.Status, resp.body)
				}
				claimed = append(claimed, cookie)
			}
			for i, want := range []bool{false, true} {
				if got := signedIn(s.client, claimed[i]); got != want {
					t.Errorf("after two claims, session %d is signed in: %t, want %t", i+1, got, want)
				}
			}
		})
	}
}

// A claim works only once, so it continues if the browser stops waiting.
func TestClaimGoesOn(t *testing.T) {
	for name, change := range keptIn() {
		s := newSite(t, change)
		tab := s.browser()
		get(t, tab, s.decide(onward(s.popup(tab, url.Values{"challenge": {challengeOf(frameVerifier)}})), ada))
		gone, leave := context.WithCancel(t.Context())
		leave()
		form := strings.NewReader(url.Values{"verifier": {frameVerifier}}.Encode())
		r := httptest.NewRequestWithContext(gone, "POST", s.URL+"/login/frame/claim", form)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		w := httptest.NewRecorder()
		s.client.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
		if got := len(w.Result().Cookies()); got != 1 {
			t.Errorf("%s: %d cookies, want the session's: %d: %s", name, got, w.Code, w.Body)
		}
	}
}

// Keys may be rotated, in the two steps that Config.SessionKeys describes, at any
// point of an iframe's sign-in, and replicas of neighboring steps may serve it.
func TestKeyRotationDuringAClaim(t *testing.T) {
	var serving atomic.Pointer[hfoauth.Client]
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serving.Load().Handler(http.NotFoundHandler()).ServeHTTP(w, r)
	}))
	defer app.Close()
	s := &site{t: t, hub: hfoauthtest.NewServer(t), URL: app.URL}
	store := newMapStore()
	s.serve(http.NewServeMux(), withStore(store))
	oldKey, newKey := testKey("old"), testKey("new")
	steps := [][][]byte{{oldKey}, {oldKey, newKey}, {newKey, oldKey}}
	var replicas []*hfoauth.Client
	for _, keys := range steps {
		replicas = append(replicas, s.newReplica(func(c *hfoauth.Config) { c.Store, c.SessionKeys = store, keys }))
	}
	for _, path := range [][3]int{ // the steps of the replicas that begin, park and claim
		{0, 0, 0}, {0, 0, 1}, {0, 0, 2}, {0, 1, 1}, {0, 1, 2}, {0, 2, 2}, {1, 1, 2}, {1, 2, 2}, {2, 2, 2},
		{1, 0, 1}, {0, 1, 0}, {2, 1, 2}, {1, 2, 1},
	} {
		tab, iframe, verifier := s.browser(), s.browser(), frameVerifier+fmt.Sprint(path)
		serving.Store(replicas[path[0]])
		callback := s.decide(onward(s.popup(tab, url.Values{"challenge": {challengeOf(verifier)}})), ada)
		serving.Store(replicas[path[1]])
		checkRedirect(t, fmt.Sprint(path, ": callback"), get(t, tab, callback), "/login/frame/done")
		serving.Store(replicas[path[2]])
		resp, cookie := s.claim(iframe, verifier)
		if cookie == nil {
			t.Errorf("%v: the claim gets %s: %s, want a session", path, resp.Status, resp.body)
			continue
		}
		if user := userOf(replicas[path[2]], cookie); user == nil || user.Username != "ada" {
			t.Errorf("%v: the iframe is signed in as %v, want ada", path, user)
		}
	}
}

// The iframe learns that the user said no even if the tab is closed at once.
func TestDenialReachesTheIframe(t *testing.T) {
	for name, change := range keptIn() {
		s := newSite(t, change)
		tab := s.browser()
		popup := s.popup(tab, url.Values{"challenge": {challengeOf(frameVerifier)}})
		gone, leave := context.WithCancel(t.Context())
		leave()
		r := httptest.NewRequestWithContext(gone, "GET", s.decide(onward(popup), adaDenies), nil)
		for _, cookie := range tab.Jar.Cookies(r.URL) {
			r.AddCookie(cookie)
		}
		s.client.CallbackHandler().ServeHTTP(httptest.NewRecorder(), r)
		resp, _ := s.claim(s.browser(), frameVerifier)
		checkHas(t, name, resp.body, `"denied":true`)
	}
}

// Responses to the iframe's script are not cached.
func TestFrameAnswersAreNotCached(t *testing.T) {
	s := newSite(t, nil)
	answers := map[string]answer{"done": get(t, s.browser(), s.URL+"/login/frame/done")}
	for _, path := range []string{"popup", "claim", "check"} {
		answers[path] = post(t, s.browser(), s.URL+"/login/frame/"+path, nil, "Sec-Fetch-Site", "same-origin")
		answers[path+" of another site"] = post(t, s.browser(), s.URL+"/login/frame/"+path, nil)
	}
	for name, resp := range answers {
		for header, want := range map[string]string{
			"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff",
		} {
			if got := resp.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
	}
}

var sealedOptions = regexp.MustCompile(`data-hfoauth-options="([^"]+)"`)

// frame opens a page in a frame.
func (p *protected) frame(browser *http.Client, path string) answer {
	p.t.Helper()
	return get(p.t, browser, p.address+path, "Sec-Fetch-Dest", "iframe", "Sec-Fetch-Mode", "navigate")
}

// popupOf begins the sign-in that a page in a frame offers.
func (s *site) popupOf(browser *http.Client, page answer) answer {
	s.t.Helper()
	options := sealedOptions.FindStringSubmatch(page.body)
	if options == nil {
		s.t.Fatalf("%s offers no sign-in: %s", page.Request.URL, page.body)
	}
	return s.popup(browser, url.Values{"challenge": {challengeOf(frameVerifier)}, "options": {options[1]}})
}

// What a page in a frame requires is requested from the provider by the tab.
func TestPopupAsksForAll(t *testing.T) {
	s := newSite(t, nil)
	p := s.protect(map[string]http.Handler{"/ask": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.client.Login(w, r, hfoauth.LoginOptions{
			Scopes: hfoauth.Scopes{hfoauth.ScopeJobs}, Org: "org1", Prompt: "consent",
			Params: url.Values{"login_hint": {"ada"}},
		})
	})})
	address, err := url.Parse(onward(s.popupOf(s.browser(), p.frame(s.browser(), "/ask"))))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"scope": "openid profile jobs", "orgIds": "org1", "prompt": "consent", "login_hint": "ada",
	} {
		if got := address.Query().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// The tab knows what was requested before, and what may be left out.
func TestPopupAsksOnce(t *testing.T) {
	s := newSite(t, nil)
	s.hideRoles()
	p := s.protect(map[string]http.Handler{
		"/engines": s.client.RequireOrg("engines", hfoauth.RoleWrite)(http.HandlerFunc(letIn)),
		"/notes":   s.client.RequireOrg("notes", hfoauth.RoleWrite)(http.HandlerFunc(letIn)),
	})
	browser := s.browser()
	s.signIn(browser, ada, "/")
	for _, path := range []string{"/engines", "/notes"} {
		popup := s.popupOf(browser, p.frame(browser, path))
		if got, want := asksFor(popup), "openid profile read-memberships"; got != want {
			t.Errorf("the tab of %s requests %q, want %q", path, got, want)
		}
		get(t, browser, s.decide(onward(popup), ada))
	}
	for _, path := range []string{"/engines", "/notes"} {
		if _, asked := p.visit(browser, path, ada); len(asked) != 0 {
			t.Errorf("%s asks %d times more, want none", path, len(asked))
		}
	}
}

// When the tab retries without a scope that the provider refused, it still signs
// in for the iframe.
func TestPopupWithoutARefusedScope(t *testing.T) {
	s := newSite(t, nil)
	s.app.Scopes = []string{"openid", "profile"}
	s.hub.RegisterApp(s.app)
	p := s.protect(map[string]http.Handler{"/engines": s.client.RequireOrg("engines",
		hfoauth.RoleWrite)(http.HandlerFunc(letIn))})
	browser := s.browser()
	s.signIn(browser, ada, "/")
	popup := s.popupOf(browser, p.frame(browser, "/engines"))
	again := get(t, browser, s.decide(onward(popup), ada))
	if got, want := again.location().Query().Get("scope"), "openid profile"; got != want {
		t.Fatalf("%s: asks for %q, want %q", again.Status, got, want)
	}
	get(t, browser, s.decide(again.Header.Get("Location"), ada))
	if resp, cookie := s.claim(s.browser(), frameVerifier); cookie == nil {
		t.Errorf("claim: %s: %s", resp.Status, resp.body)
	}
}

// If sign-in cannot begin, the tab shows one page that says why.
func TestPopupDuringAnOutage(t *testing.T) {
	s := newSite(t, nil)
	s.hub.SetFault(hfoauthtest.MetadataEndpoint, hfoauthtest.Answer(503, ""))
	popup := s.popup(s.browser(), url.Values{"challenge": {challengeOf(frameVerifier)}},
		"Sec-Fetch-Site", "same-origin", "Accept", "text/html")
	if popup.StatusCode != 503 {
		t.Errorf("%s, want 503", popup.Status)
	}
	if got := strings.Count(popup.body, "</html>"); got != 1 {
		t.Errorf("%d pages, want one: %s", got, popup.body)
	}
}

// If the store is down, the check is an error, not false: the script would say
// that the browser keeps no cookies.
func TestCheckDuringAnOutage(t *testing.T) {
	store := newMapStore()
	s := newSite(t, withStore(store))
	browser := s.browser()
	s.newSessionIn(browser, ada)
	store.fail(errors.New("connection refused"))
	for _, path := range []string{"check", "claim"} {
		resp := post(t, browser, s.URL+"/login/frame/"+path, url.Values{"verifier": {frameVerifier}},
			"Sec-Fetch-Site", "same-origin")
		if resp.StatusCode != 503 {
			t.Errorf("%s: %s: %s, want 503", path, resp.Status, resp.body)
		}
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
			resp := post(t, s.browser(), s.URL+"/login/frame/"+path, good, header...)
			checkStatus(t, name+" posts to "+path, resp, 403)
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
		browser, query := s.browser(), "?challenge="+challengeOf(frameVerifier)
		resp := get(t, browser, s.URL+"/login"+query+"&popup=1")
		callback := get(t, browser, s.decide(resp.Header.Get("Location"), ada))
		checkRedirect(t, "the callback of a link", callback, "/")
		s.refusesClaim("after a link with a challenge", s.browser(), frameVerifier)
		checkStatus(t, "a link to the tab's first page", get(t, browser, s.URL+"/login/frame/popup"+query), 405)
		resp = post(t, browser, s.URL+"/login/frame/popup"+query, nil, "Sec-Fetch-Site", "same-origin")
		if onward(resp) == "" {
			t.Fatal(resp.Status)
		}
		get(t, browser, s.decide(onward(resp), ada))
		s.refusesClaim("after a challenge in the query", s.browser(), frameVerifier)
	})
	t.Run("late claim", func(t *testing.T) {
		browser := s.browser()
		resp := s.popup(browser, good)
		get(t, browser, s.decide(onward(resp), ada))
		s.client.SetClock(func() time.Time { return time.Now().Add(2*time.Minute + time.Second) })
		defer s.client.SetClock(time.Now)
		s.refusesClaim("after two minutes", s.browser(), frameVerifier)
	})
	t.Run("large form", func(t *testing.T) {
		browser := s.browser()
		get(t, browser, s.decide(onward(s.popup(browser, good)), ada))
		large := url.Values{"padding": {strings.Repeat("x", 16<<10)}, "verifier": {frameVerifier}}
		resp := post(t, s.browser(), s.URL+"/login/frame/claim", large, "Sec-Fetch-Site", "same-origin")
		if got := len(resp.Cookies()); got != 0 {
			t.Errorf("a form of more than 16 KiB is read: %s", resp.body)
		}
		if _, cookie := s.claim(s.browser(), frameVerifier); cookie == nil {
			t.Error("a form that was not read claims the session")
		}
	})
	t.Run("short challenge", func(t *testing.T) {
		browser := s.browser()
		resp := s.popup(browser, url.Values{"challenge": {"short"}, "next": {"/private"}})
		checkRedirect(t, "callback", get(t, browser, s.decide(onward(resp), ada)), "/private")
	})
	t.Run("scopes that another site chose", func(t *testing.T) {
		unsealed := hfoauth.UnsealedOptions(hfoauth.LoginOptions{Scopes: hfoauth.Scopes{"write-repos"}})
		for _, options := range []string{"AAAA", unsealed} {
			resp := s.popup(s.browser(), url.Values{"options": {options}, "scope": {"write-repos"}})
			if scope := asksFor(resp); scope != "openid profile" {
				t.Errorf("options %q ask for %q, want openid profile", options, scope)
			}
		}
	})
	t.Run("return path", func(t *testing.T) {
		browser := s.browser()
		resp := s.popup(browser, url.Values{"next": {"//evil.example"}})
		checkRedirect(t, "callback", get(t, browser, s.decide(onward(resp), ada)), "/")
	})
}

// If the site is open under another name than the callback's, the attempt's cookie
// would be lost: the tab signs in under the callback's name.
func TestFramePopupOnACustomDomain(t *testing.T) {
	client := newClient(t, hfoauth.Config{SpaceHost: "user-app.hf.space,www.example.com"})
	form := url.Values{"challenge": {challengeOf(frameVerifier)}, "next": {"/private"}}
	r := httptest.NewRequest("POST", "https://www.example.com/login/frame/popup", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	w := httptest.NewRecorder()
	client.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
	checkHas(t, "the page", w.Body.String(), `href="https://user-app.hf.space/login?next=%2Fprivate"`)
	if cookies := w.Header()["Set-Cookie"]; len(cookies) > 0 {
		t.Errorf("sets %q, want no cookie", cookies)
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
		if w.Code != 200 {
			t.Errorf("%s: status %d, want 200", path, w.Code)
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.HasSuffix(policy, want) {
			t.Errorf("%s: policy %q, want it to end with %q", path, policy, want)
		}
		checkHas(t, path+": the policy", policy, "script-src 'self'")
	}
}

func TestPageTemplate(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) {
		c.PageTemplate = template.Must(template.New("").Parse(
			`<html><head><link rel="stylesheet" href="/our.css">{{.Head}}</head>
			<body>Ours: {{.Title}} {{range .Text}}{{.}}{{end}} {{.Controls}}</body></html>`))
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
		checkHas(t, path, resp.body, append(wants, "/our.css")...)
		policy := resp.Header.Get("Content-Security-Policy")
		checkHas(t, path+": the policy", policy, "style-src 'self'")
		checkLacks(t, path+": the policy", policy, "unsafe")
	}
}

func TestLoginInAFrame(t *testing.T) {
	s := newSite(t, nil)
	resp := get(t, s.browser(), s.URL+"/private", "Sec-Fetch-Dest", "iframe", "Sec-Fetch-Mode", "navigate")
	if resp.StatusCode != 303 {
		t.Fatal(resp.Status)
	}
	login := s.URL + resp.Header.Get("Location")
	for _, dest := range []string{"frame", "embed", "object"} {
		checkStatus(t, "the login page in an "+dest, get(t, s.browser(), login, "Sec-Fetch-Dest", dest), 200)
	}
	page := get(t, s.browser(), login, "Sec-Fetch-Dest", "iframe")
	checkStatus(t, "the login page", page, 200)
	checkHas(t, "the login page", page.body, `data-hfoauth-next="/private"`, `target="_blank"`)
	if policy := page.Header.Get("Referrer-Policy"); policy != "same-origin" {
		t.Errorf("old browsers post forms without their origin: %q", policy)
	}
	// What a page in a frame requires is requested from the provider by the tab.
	handler := s.client.RequireScope(hfoauth.ScopeInferenceAPI)(http.NotFoundHandler())
	r := httptest.NewRequest("GET", "/chat", nil)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Dest", "iframe")
	r.AddCookie(s.newSession(ada))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	options := sealedOptions.FindStringSubmatch(w.Body.String())
	if options == nil {
		t.Fatal(w.Body)
	}
	popup := s.popup(s.browser(), url.Values{"options": {options[1]}})
	if scope := asksFor(popup); scope != "openid profile inference-api" {
		t.Errorf("asks for %q", scope)
	}
}

func TestFrameAncestors(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	for name, tt := range map[string]struct {
		config hfoauth.Config
		policy string
		site   http.SameSite
	}{
		"none": {hfoauth.Config{}, "frame-ancestors 'none'", http.SameSiteLaxMode},
		"Space": {hfoauth.Config{SpaceHost: "user-app.hf.space"},
			"frame-ancestors 'self' " + hub.URL, http.SameSiteNoneMode},
		"Space, framed nowhere": {hfoauth.Config{SpaceHost: "user-app.hf.space", FrameAncestors: []string{}},
			"frame-ancestors 'none'", http.SameSiteLaxMode},
		"elsewhere, by its site": {hfoauth.Config{FrameAncestors: []string{"https://blog.example",
			"https://*.example.org"}}, "frame-ancestors 'self' https://blog.example https://*.example.org",
			http.SameSiteNoneMode},
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
	for _, wrong := range []string{
		"huggingface.co", "https://huggingface.co/spaces", "*", "https://a.example; script-src *",
		"https://a.example https://b.example", "'self'", "http://a.example",
	} {
		_, err := hfoauth.New(hfoauth.Config{
			ClientID: "id", SessionKeys: [][]byte{testKey("one")}, RedirectURL: "https://app.example/cb",
			FrameAncestors: []string{wrong},
		})
		if err == nil || !strings.Contains(err.Error(), "Config.FrameAncestors") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// All sentences of the script are served in the user's language, and the addresses
// of the script and the style do not change.
func TestScriptText(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) {
		c.Translate = func(r *http.Request, format string, args ...any) string {
			return r.Header.Get("Accept-Language") + " " + fmt.Sprintf(format, args...)
		}
	})
	script := get(t, s.browser(), s.URL+"/login/frame/hfoauth.js")
	style := get(t, s.browser(), s.URL+"/login/frame/hfoauth.css")
	for _, resp := range []answer{script, style} {
		checkStatus(t, resp.Request.URL.Path, resp, 200)
		if got := resp.Header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("%s: Cache-Control %q, want no-cache", resp.Request.URL.Path, got)
		}
		if resp.Header.Get("ETag") == "" {
			t.Errorf("%s has no ETag", resp.Request.URL.Path)
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
	if resp.Header.Get("Cache-Control") != "private, no-store" ||
		resp.Header.Get("Content-Type") != "application/json" {
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
