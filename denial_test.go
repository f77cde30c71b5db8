package hfoauth_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// newDemanding returns a site whose pages require more than a sign-in grants.
func newDemanding(t *testing.T, change func(*hfoauth.Config)) *protected {
	s := newSite(t, change)
	page := http.HandlerFunc(letIn)
	return s.protect(map[string]http.Handler{
		"/write": s.client.RequireOrg("engines", hfoauth.RoleWrite)(page),
		"/chat":  s.client.RequireScope(hfoauth.ScopeInferenceAPI)(page),
		"/everything": s.client.RequireScope(
			hfoauth.ScopeEmail, hfoauth.ScopeReadBilling, hfoauth.ScopeReadRepos, hfoauth.ScopeGatedRepos,
			hfoauth.ScopeContributeRepos, hfoauth.ScopeWriteRepos,
			hfoauth.ScopeManageRepos, hfoauth.ScopeReadCollections, hfoauth.ScopeWriteCollections,
			hfoauth.ScopeInferenceAPI, hfoauth.ScopeJobs,
		)(page),
		"/silent": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.client.Login(w, r, hfoauth.LoginOptions{Prompt: "none",
				Scopes: hfoauth.Scopes{hfoauth.ScopeInferenceAPI}, Next: "/chat"})
		}),
	})
}

func (p *protected) open(browser *http.Client, path string) answer {
	return get(p.t, browser, p.address+path)
}

// asks opens a page that must redirect to the provider, and returns the address.
func (p *protected) asks(browser *http.Client, path string) string {
	p.t.Helper()
	resp := p.open(browser, path)
	location := resp.Header.Get("Location")
	if resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(location, p.hub.URL) {
		p.t.Fatalf("GET %s: %s to %q, want the provider: %s", path, resp.Status, location, resp.body)
	}
	return location
}

// answers sends a person's decision to the callback.
func (p *protected) answers(browser *http.Client, asked string, person hfoauthtest.Person) answer {
	p.t.Helper()
	return p.callback(browser, p.address, p.decide(asked, person))
}

// fieldsOf returns the hidden fields of a page's form.
func fieldsOf(page answer) url.Values {
	form := url.Values{}
	for _, field := range retryFields.FindAllStringSubmatch(page.body, -1) {
		form.Set(field[1], html.UnescapeString(field[2]))
	}
	return form
}

// A user who denies a further permission is not asked again in this session,
// however it is kept and renewed, until they click to try again.
func TestDeniedPermission(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			d := newDemanding(t, change)
			clock := d.newClock()
			browser := d.browser()
			d.signIn(browser, ada, "/")

			denied := d.answers(browser, d.asks(browser, "/write"), adaDenies)
			if denied.StatusCode != http.StatusForbidden {
				t.Fatalf("the response to the denial is %s, want 403: %s", denied.Status, denied.body)
			}
			for _, want := range []string{
				"<h1>Permission not granted</h1>",
				"You did not give this app the permission that it asked for. You are still signed in.",
				`<a class="hfoauth-primary" href="/">Back to the start page</a>`,
				`<button class="hfoauth-secondary">Try again</button>`,
			} {
				if !strings.Contains(denied.body, want) {
					t.Errorf("the page of the denial lacks %q: %s", want, denied.body)
				}
			}
			if strings.Contains(denied.body, `href="/write"`) {
				t.Errorf("the page of the denial links to the page that asks: %s", denied.body)
			}
			if got, want := denied.Header.Get("Referrer-Policy"), "same-origin"; got != want {
				t.Errorf("the page of the denial has Referrer-Policy %q, want %q: its form would have no Origin", got, want)
			}

			asked := d.hub.Calls(hfoauthtest.AuthorizeEndpoint)
			for visit, ahead := range []time.Duration{0, time.Minute, 8 * time.Hour, 48 * time.Hour} {
				clock.advance(ahead)
				resp := d.open(browser, "/write")
				if resp.StatusCode != http.StatusForbidden || !strings.Contains(resp.body, "members of engines") {
					t.Errorf("visit %d after the denial: %s to %q, want 403 with what is missing: %s", visit,
						resp.Status, resp.Header.Get("Location"), resp.body)
				}
			}
			if got := d.hub.Calls(hfoauthtest.AuthorizeEndpoint); got != asked {
				t.Errorf("asked %d more times after the denial", got-asked)
			}
			if got := d.username(browser); got != "ada" {
				t.Errorf("signed in as %q after the denial, want ada", got)
			}

			again := onward(d.popup(browser, fieldsOf(denied), "Origin", d.URL))
			member := hfoauthtest.Person{Username: "ada", Orgs: []string{"engines"}}
			if back := d.answers(browser, again, member); back.Header.Get("Location") != "/write" {
				t.Fatalf("trying again ends at %q, want /write: %s", back.Header.Get("Location"), back.body)
			}
			if resp := d.open(browser, "/write"); resp.body != "let in" {
				t.Errorf("after trying again: %s: %s", resp.Status, resp.body)
			}
		})
	}
}

// A denial counts for what was requested, in one session.
func TestDenialCountsForItsSessionAlone(t *testing.T) {
	d := newDemanding(t, nil)
	browser := d.browser()
	d.signIn(browser, ada, "/")
	d.answers(browser, d.asks(browser, "/write"), adaDenies)
	d.answers(browser, d.asks(browser, "/chat"), adaDenies) // something else
	for _, path := range []string{"/write", "/chat"} {
		if resp := d.open(browser, path); resp.StatusCode != http.StatusForbidden {
			t.Errorf("GET %s after both denials: %s, want 403", path, resp.Status)
		}
	}
	if got := d.denials(browser); got != 1 {
		t.Errorf("%d cookies of denials, want one", got)
	}
	d.signIn(browser, ada, "/") // a new session
	if got := d.denials(browser); got != 0 {
		t.Errorf("%d cookies of denials after a new sign-in, want none", got)
	}
	denied := d.answers(browser, d.asks(browser, "/write"), adaDenies)
	kept := denied.setCookies(d.client.SessionCookie() + "-denial")
	if len(kept) != 1 {
		t.Fatalf("the denial is kept in %v, want one cookie", kept)
	}
	want := 30 * 24 * 3600
	if got := kept[0].MaxAge; got < want-5 || got > want {
		t.Fatalf("the denial is kept for %d seconds, want %d", got, want)
	}
	d.asks(browser, "/chat")
	if resp := post(t, browser, d.URL+"/logout", nil); resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign-out: %s", resp.Status)
	}
	if got := d.denials(browser); got != 0 {
		t.Errorf("%d cookies of denials after a sign-out, want none", got)
	}
	d.signIn(browser, ada, "/")
	browser.Jar.SetCookies(mustParse(t, d.URL), kept) // of the session before
	d.asks(browser, "/write")
}

// denials returns how many denial cookies a browser has.
func (p *protected) denials(browser *http.Client) int {
	found := 0
	for _, cookie := range browser.Jar.Cookies(mustParse(p.t, p.URL)) {
		if cookie.Name == p.client.SessionCookie()+"-denial" {
			found++
		}
	}
	return found
}

// A user who was not asked has not denied anything.
func TestSilentDenialIsNone(t *testing.T) {
	d := newDemanding(t, nil)
	browser := d.browser()
	d.signIn(browser, ada, "/")
	answerDenied := func(on bool) {
		d.hub.Configure(func(c *hfoauthtest.Settings) {
			c.AuthorizationResponse = nil
			if on {
				c.AuthorizationResponse = func(response url.Values) { response.Set("error", "access_denied") }
			}
		})
	}
	get(t, browser, d.URL+"/private") // the pause after a sign-in ends
	asked := d.asks(browser, "/silent")
	answerDenied(true)
	back := d.answers(browser, asked, ada)
	answerDenied(false)
	if back.StatusCode != http.StatusSeeOther {
		t.Fatalf("the silent sign-in ends with %s", back.Status)
	}
	d.asks(browser, "/chat")
}

// The tab that an iframe opened says that its user is still signed in. In that tab
// the user is not asked again either.
func TestDeniedPermissionForAnIframe(t *testing.T) {
	d := newDemanding(t, func(c *hfoauth.Config) { c.FrameAncestors = []string{"https://huggingface.co"} })
	tab := d.browser()
	d.signIn(tab, ada, "/")
	framed := get(t, tab, d.address+"/write", "Sec-Fetch-Dest", "iframe", "Sec-Fetch-Mode", "navigate")
	options := sealedOptions.FindStringSubmatch(framed.body)
	if options == nil {
		t.Fatalf("no button in the frame: %s %s", framed.Status, framed.body)
	}
	begun := d.popup(tab, url.Values{"challenge": {challengeOf(frameVerifier)}, "next": {"/write"},
		"options": {options[1]}})
	denied := d.answers(tab, onward(begun), adaDenies)
	for _, want := range []string{
		"You are still signed in.", `<button class="hfoauth-primary">Try again</button>`, "data-hfoauth-close",
	} {
		if !strings.Contains(denied.body, want) {
			t.Errorf("the page of the denial lacks %q: %s", want, denied.body)
		}
	}
	if resp := d.open(tab, "/write"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("GET /write in the tab: %s, want 403", resp.Status)
	}
}

func mustParse(t testing.TB, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// A denial that arrives after another user signed in is not that user's.
func TestDenialOfTheSessionBefore(t *testing.T) {
	d := newDemanding(t, nil)
	browser := d.browser()
	d.signIn(browser, ada, "/")
	asked := d.asks(browser, "/chat")
	d.signIn(browser, grace, "/") // in a second tab
	d.answers(browser, asked, adaDenies)
	d.asks(browser, "/chat")
}

// However much a user denies, all cookies together stay below what servers
// accept.
func TestDenialsAreBounded(t *testing.T) {
	d := newDemanding(t, func(c *hfoauth.Config) { c.SpaceHost = "user-app.hf.space" })
	user := hfoauthtest.User{Username: "joiner"}
	for i := range 18 { // the session still fits in its cookie
		user.Orgs = append(user.Orgs, hfoauthtest.Org{Username: fmt.Sprintf("org%d", i)})
	}
	d.hub.AddUser(user)
	site := d.protect(map[string]http.Handler{"/of/{org}": http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request) {
		d.client.RequireOrg(r.PathValue("org"), hfoauth.RoleWrite)(http.HandlerFunc(letIn)).ServeHTTP(w, r)
	})})
	browser := d.browser()
	joiner := hfoauthtest.Person{Username: "joiner"}
	popup := d.popup(browser, url.Values{"challenge": {challengeOf(frameVerifier)}})
	get(t, browser, d.decide(onward(popup), joiner))
	d.claim(browser, frameVerifier)

	denies := hfoauthtest.Person{Username: "joiner", Deny: true}
	d.answers(browser, d.asks(browser, "/everything"), denies)
	for _, org := range user.Orgs {
		site.answers(browser, site.asks(browser, "/of/"+org.Username), denies)
	}
	get(t, browser, d.URL+"/login?next="+url.QueryEscape("/"+strings.Repeat("x", 1020)))
	if size := cookieHeaderSize(t, browser, d.URL); size >= 8000 {
		t.Errorf("all cookies take %d bytes, want less than 8000", size)
	}
	last := user.Orgs[len(user.Orgs)-1].Username
	checkStatus(t, "what was denied last", site.open(browser, "/of/"+last), 403)
}

// Trying again after a denial requests what was requested before, as it was: what
// may be left out may still be left out.
func TestTryingAgainAfterADenial(t *testing.T) {
	d := newDemanding(t, nil)
	browser := d.browser()
	d.signIn(browser, ada, "/")
	denied := d.answers(browser, d.asks(browser, "/write"), adaDenies)
	again := onward(d.popup(browser, fieldsOf(denied), "Origin", d.URL))
	if got, want := mustParse(t, again).Query().Get("scope"), "openid profile read-memberships"; got != want {
		t.Errorf("trying again asks for the scopes %q, want %q", got, want)
	}
	if got, want := mustParse(t, again).Query().Get("orgIds"), orgID(d.site, "engines"); got != want {
		t.Errorf("trying again asks for the organization %q, want %q", got, want)
	}
	d.app.Scopes = []string{"openid", "profile"}
	d.hub.RegisterApp(d.app)
	without := d.answers(browser, again, ada)
	if got, want := without.location().Query().Get("scope"), "openid profile"; got != want {
		t.Errorf("without the refused scope: %s asks for %q, want %q", without.Status, got, want)
	}
}

// Who denies one organization again and again does not make the app forget the
// other one.
func TestDeniedAgainAndAgain(t *testing.T) {
	s := newSite(t, nil)
	p := s.protect(map[string]http.Handler{
		"/engines": s.client.RequireOrg("engines", hfoauth.RoleWrite)(http.HandlerFunc(letIn)),
		"/notes":   s.client.RequireOrg("notes", hfoauth.RoleWrite)(http.HandlerFunc(letIn)),
	})
	browser := s.browser()
	s.signIn(browser, ada, "/")
	p.answers(browser, p.asks(browser, "/engines"), adaDenies)
	denied := p.answers(browser, p.asks(browser, "/notes"), adaDenies)
	for range 10 {
		denied = p.answers(browser, onward(p.popup(browser, fieldsOf(denied), "Origin", p.URL)), adaDenies)
	}
	checkStatus(t, "the organization that was denied once", p.open(browser, "/engines"), 403)
}
