package hfoauthtest_test

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// visitor is a browser that stores cookies and does not follow redirects.
type visitor struct {
	t   *testing.T
	hub *hfoauthtest.Server
	app hfoauthtest.App
	*http.Client
}

func newVisitor(t *testing.T, hub *hfoauthtest.Server) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	app := hub.RegisterApp(hfoauthtest.App{Name: "App", RedirectURIs: []string{redirect}})
	return &visitor{t, hub, app, &http.Client{Jar: jar, CheckRedirect: browser.CheckRedirect}}
}

// authorize sends an authorization request, modified by change.
func (v *visitor) authorize(change func(url.Values)) *http.Response {
	v.t.Helper()
	return v.read(v.Get(v.hub.URL + "/oauth/authorize?" + authorization(v.app, change).Encode()))
}

// decides submits the consent form.
func (v *visitor) decides(form url.Values, change func(url.Values)) *http.Response {
	v.t.Helper()
	return v.read(v.PostForm(v.hub.URL+"/oauth/authorize?"+authorization(v.app, change).Encode(), form))
}

// read reads and closes a response, and stores its body in the header Text.
func (v *visitor) read(resp *http.Response, err error) *http.Response {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	resp.Header.Set("Text", string(text))
	return resp
}

// user redeems the code of an authorization response and returns the userinfo.
func (v *visitor) user(resp *http.Response) map[string]any {
	v.t.Helper()
	location, err := resp.Location()
	if err != nil || resp.StatusCode != http.StatusSeeOther {
		v.t.Fatalf("%s, want 303 with a code", resp.Status)
	}
	status, tokens := redeem(v.t, v.hub, v.app, location.Query().Get("code"))
	if status != 200 {
		v.t.Fatalf("%d %v", status, tokens)
	}
	return userInfo(v.t, v.hub, tokens)
}

// problem returns the error of an authorization response, or the status if it is
// not a redirect.
func problem(resp *http.Response) string {
	location, err := resp.Location()
	if err != nil {
		return resp.Status
	}
	return location.Query().Get("error")
}

var adaApproves = url.Values{"user": {"ada"}, "decision": {"approve"}}

// The form takes organizations by username or ID, and refuses others.
func TestOrgsInTheForm(t *testing.T) {
	v := newVisitor(t, hfoauthtest.NewServer(t))
	engines := hfoauthtest.DefaultUsers()[0].Orgs[0]
	for _, name := range []string{engines.Username, engines.ID()} {
		orgs := v.user(v.decides(url.Values{"user": {"ada"}, "org-ada": {name}}, nil))["orgs"].([]any)
		for _, entry := range orgs {
			org := entry.(map[string]any)
			if _, granted := org["roleInOrg"]; granted != (org["preferred_username"] == "engines") {
				t.Errorf("org-ada=%s: %v", name, org)
			}
		}
	}
	for _, name := range []string{"engine", "strangers", ""} {
		resp := v.decides(url.Values{"user": {"ada"}, "org-ada": {"notes", name}}, nil)
		want := "ada is in no organization "
		equal(t, "org-ada="+name+": status", resp.StatusCode, 400)
		contains(t, "org-ada="+name+": the page", resp.Header.Get("Text"), want)
	}
}

func TestConsentIsRemembered(t *testing.T) {
	v := newVisitor(t, hfoauthtest.NewServer(t))
	if resp := v.authorize(nil); resp.StatusCode != 200 {
		t.Fatalf("a stranger: %s, want the page", resp.Status)
	}
	v.decides(adaApproves, nil)
	if got := v.user(v.authorize(nil))["preferred_username"]; got != "ada" {
		t.Errorf("signed in as %v, want ada", got)
	}
	for name, change := range map[string]func(url.Values){
		"more scopes":  func(p url.Values) { p.Set("scope", "openid profile email") },
		"fewer scopes": func(p url.Values) { p.Set("scope", "openid") },
		"orgIds":       func(p url.Values) { p.Set("orgIds", "x") },
		"another app": func(p url.Values) {
			p.Set("client_id", v.hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}}).ClientID)
		},
		"prompt=consent":        func(p url.Values) { p.Set("prompt", "consent") },
		"prompt=select_account": func(p url.Values) { p.Set("prompt", "select_account") },
	} {
		if resp := v.authorize(change); resp.StatusCode != 200 {
			t.Errorf("%s: %s, want the page", name, resp.Status)
		}
	}
	for name, change := range map[string]func(url.Values){
		"the scopes in another order": func(p url.Values) { p.Set("scope", "profile openid profile") },
		"prompt=none":                 func(p url.Values) { p.Set("prompt", "none") },
	} {
		if resp := v.authorize(change); resp.StatusCode != 303 {
			t.Errorf("%s: %s, want 303", name, resp.Status)
		}
	}
	if resp := newVisitor(t, v.hub).authorize(nil); resp.StatusCode != 200 {
		t.Errorf("another browser: %s, want the page", resp.Status)
	}
}

// A consent to one organization is none to another.
func TestConsentIsForItsOrganizations(t *testing.T) {
	v := newVisitor(t, hfoauthtest.NewServer(t))
	names := func(org string) func(url.Values) { return func(p url.Values) { p.Set("orgIds", org) } }
	v.decides(adaApproves, names("one"))
	if resp := v.authorize(names("one")); resp.StatusCode != 303 {
		t.Errorf("the same organization: %s, want 303", resp.Status)
	}
	if resp := v.authorize(names("two")); resp.StatusCode != 200 {
		t.Errorf("another organization: %s, want the page", resp.Status)
	}
}

func TestConsentIsForgotten(t *testing.T) {
	for name, forget := range map[string]func(*hfoauthtest.Server){
		"revoked": func(hub *hfoauthtest.Server) { hub.Revoke("ada") },
		"removed": func(hub *hfoauthtest.Server) { hub.RemoveUser("ada") },
		"always asked": func(hub *hfoauthtest.Server) {
			hub.Configure(func(s *hfoauthtest.Settings) { s.AlwaysAsk = true })
		},
	} {
		v := newVisitor(t, hfoauthtest.NewServer(t))
		v.decides(adaApproves, nil)
		forget(v.hub)
		if resp := v.authorize(nil); resp.StatusCode != 200 {
			t.Errorf("%s: %s, want the page", name, resp.Status)
		}
	}
}

// A consent is remembered for a year.
func TestConsentExpires(t *testing.T) {
	v := newVisitor(t, hfoauthtest.NewServer(t))
	clock := newClock(v.hub)
	v.decides(adaApproves, nil)
	clock.advance(364 * 24 * time.Hour)
	if resp := v.authorize(nil); resp.StatusCode != 303 {
		t.Errorf("after 364 days: %s, want 303", resp.Status)
	}
	clock.advance(2 * 24 * time.Hour)
	if resp := v.authorize(nil); resp.StatusCode != 200 {
		t.Errorf("after 366 days: %s, want the page", resp.Status)
	}
}

func TestDenialIsNotRemembered(t *testing.T) {
	v := newVisitor(t, hfoauthtest.NewServer(t))
	if got := problem(v.decides(url.Values{"user": {"grace"}, "decision": {"deny"}}, nil)); got != "access_denied" {
		t.Errorf("denial: %s", got)
	}
	page := v.authorize(nil)
	if page.StatusCode != 200 {
		t.Fatalf("%s, want the page", page.Status)
	}
	if !strings.Contains(page.Header.Get("Text"), `value="grace" required checked`) {
		t.Error("the user who denied access is not signed in at the provider")
	}
}

func TestRememberedConsentKeepsOrganizations(t *testing.T) {
	v := newVisitor(t, hfoauthtest.NewServer(t,
		hfoauthtest.User{Username: "ada lovelace;", Orgs: []hfoauthtest.Org{{Username: "engines"}, {Username: "notes"}}}))
	notes := hfoauthtest.Org{Username: "notes"}
	v.decides(url.Values{"user": {"ada lovelace;"}, "org-ada lovelace;": {notes.ID()}}, nil)
	orgs := v.user(v.authorize(nil))["orgs"].([]any)
	if role := orgs[0].(map[string]any)["roleInOrg"]; role != nil {
		t.Errorf("engines, never granted: %v", role)
	}
	if role := orgs[1].(map[string]any)["roleInOrg"]; role != "read" {
		t.Errorf("notes, granted before: %v", role)
	}
}

// An empty POST approves as the signed-in user, or else as the first user.
func TestEmptyFormApproves(t *testing.T) {
	v := newVisitor(t, hfoauthtest.NewServer(t))
	if got := v.user(v.decides(nil, nil))["preferred_username"]; got != "ada" {
		t.Errorf("a stranger: %v, want ada", got)
	}
	v = newVisitor(t, v.hub)
	v.read(v.PostForm(v.hub.URL+"/login", url.Values{"user": {"grace"}}))
	if got := v.user(v.decides(nil, nil))["preferred_username"]; got != "grace" {
		t.Errorf("grace: %v", got)
	}
	resp, err := browser.Post(v.hub.URL+"/oauth/authorize?"+authorization(v.app, nil).Encode(), "", nil)
	if v.read(resp, err).StatusCode != http.StatusSeeOther {
		t.Errorf("without a body: %s", resp.Status)
	}
	none := newVisitor(t, hfoauthtest.NewServer(t))
	none.hub.SetUsers()
	if resp := none.decides(nil, nil); resp.StatusCode != 400 {
		t.Errorf("without users: %s", resp.Status)
	}
}

func TestPromptNone(t *testing.T) {
	v := newVisitor(t, hfoauthtest.NewServer(t))
	none := func(p url.Values) { p.Set("prompt", "none") }
	resp := v.authorize(none)
	equal(t, "a stranger: status", resp.StatusCode, 302)
	equal(t, "a stranger: error", problem(resp), "login_required")
	v.read(v.PostForm(v.hub.URL+"/login", url.Values{"user": {"grace"}}))
	if got := problem(v.authorize(none)); got != "consent_required" {
		t.Errorf("signed in: %s", got)
	}
	v.decides(url.Values{"user": {"grace"}}, nil)
	if got := v.user(v.authorize(none))["preferred_username"]; got != "grace" {
		t.Errorf("consented: %v", got)
	}
	v.hub.Configure(func(s *hfoauthtest.Settings) { s.AlwaysAsk = true })
	if got := problem(v.authorize(none)); got != "consent_required" {
		t.Errorf("always asked: %s", got)
	}
}

func TestSwitchingAccounts(t *testing.T) {
	v := newVisitor(t, hfoauthtest.NewServer(t))
	start := func(path string) string { return v.read(v.Get(v.hub.URL + path)).Header.Get("Text") }
	stranger := start("/")
	contains(t, "a stranger's page", stranger, "You are not signed in")
	lacks(t, "a stranger's page", stranger, "/logout")
	v.decides(adaApproves, nil)
	if got := start("/"); !strings.Contains(got, "signed in as <strong>ada</strong>") {
		t.Errorf("after approving: %s", got)
	}
	login := v.read(v.PostForm(v.hub.URL+"/login", url.Values{"user": {"grace"}}))
	equal(t, "switch: status", login.StatusCode, 303)
	equal(t, "switch: Location", login.Header.Get("Location"), "/")
	switched := start("/logout")
	contains(t, "after the switch the page", switched, "signed in as <strong>grace</strong>")
	contains(t, "after the switch the page", switched, `action="/logout"`)
	if resp := v.authorize(nil); resp.StatusCode != 200 {
		t.Errorf("grace did not consent: %s, want the page", resp.Status)
	}
	if resp := v.read(v.PostForm(v.hub.URL+"/login", url.Values{"user": {"nobody"}})); resp.StatusCode != 400 {
		t.Errorf("switch to an unknown user: %s", resp.Status)
	}
	resp := v.read(v.PostForm(v.hub.URL+"/logout", nil))
	equal(t, "sign-out: status", resp.StatusCode, 303)
	equal(t, "sign-out: Location", resp.Header.Get("Location"), "/")
	if cookies := resp.Cookies(); len(cookies) != 1 || cookies[0].MaxAge >= 0 {
		t.Errorf("sign-out does not remove the cookie: %v", cookies)
	}
	if got := start("/"); !strings.Contains(got, "You are not signed in") {
		t.Errorf("after sign-out: %s", got)
	}
	v.read(v.PostForm(v.hub.URL+"/login", url.Values{"user": {"ada"}}))
	if got := v.user(v.authorize(nil))["preferred_username"]; got != "ada" {
		t.Errorf("ada consented before: %v", got)
	}
}

// The account cookie is only set on the provider's own pages.
func TestAccountCookie(t *testing.T) {
	v := newVisitor(t, hfoauthtest.NewServer(t))
	for name, resp := range map[string]*http.Response{
		"approve": v.decides(adaApproves, nil),
		"login":   v.read(v.PostForm(v.hub.URL+"/login", url.Values{"user": {"ada"}})),
	} {
		cookies := resp.Cookies()
		if len(cookies) != 1 {
			t.Errorf("%s: cookies %v, want one", name, cookies)
			continue
		}
		equal(t, name+": HttpOnly", cookies[0].HttpOnly, true)
		equal(t, name+": SameSite", cookies[0].SameSite, http.SameSiteLaxMode)
		equal(t, name+": Path", cookies[0].Path, "/")
	}
	for _, value := range []string{"nobody", "%zz", ""} {
		req, err := http.NewRequest(http.MethodGet, v.hub.URL+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.AddCookie(&http.Cookie{Name: "hfoauthtest-account", Value: value})
		if got := v.read(browser.Do(req)).Header.Get("Text"); !strings.Contains(got, "You are not signed in") {
			t.Errorf("cookie %q: %s", value, got)
		}
	}
}

func TestApproveAs(t *testing.T) {
	v := newVisitor(t, hfoauthtest.NewServer(t))
	v.hub.Configure(func(s *hfoauthtest.Settings) { s.ApproveAs = "ada" })
	engines := hfoauthtest.Org{Username: "engines"}
	user := v.user(v.authorize(func(p url.Values) { p.Set("orgIds", engines.ID()) }))
	orgs := user["orgs"].([]any)
	equal(t, "the user", user["preferred_username"], "ada")
	equal(t, "the role in engines, which was requested", orgs[0].(map[string]any)["roleInOrg"], "admin")
	if role := orgs[1].(map[string]any)["roleInOrg"]; role != nil {
		t.Errorf("notes, never requested: %v", role)
	}
	v.read(v.PostForm(v.hub.URL+"/login", url.Values{"user": {"grace"}}))
	if got := v.user(v.authorize(nil))["preferred_username"]; got != "grace" {
		t.Errorf("grace is signed in: %v", got)
	}
	v.hub.Configure(func(s *hfoauthtest.Settings) { s.ApproveAs = "nobody" })
	if resp := v.authorize(nil); resp.StatusCode != 200 {
		t.Errorf("as an unknown user: %s, want the page", resp.Status)
	}
}

// A browser of Server.Browser acts for its Person, whatever the provider
// remembers.
func TestPersonActsAsThemselves(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := tinyApp(hub)
	defer app.Close()
	hub.Configure(func(s *hfoauthtest.Settings) { s.ApproveAs = "ada" })
	if got := body(hub.SignIn(t, app.URL+"/login", "grace").Get(app.URL + "/me")); got != "Hello, Grace Hopper!" {
		t.Errorf("with ApproveAs: %s", got)
	}
	denies := hub.Browser(hfoauthtest.Person{Username: "ada", Deny: true})
	defer denies.CloseIdleConnections()
	if got := body(denies.Get(app.URL + "/login")); got != "access_denied\n" {
		t.Errorf("with ApproveAs, denied: %s", got)
	}
	hub.Configure(func(s *hfoauthtest.Settings) { s.ApproveAs = "" })
	browser := hub.SignIn(t, app.URL+"/login", "grace")
	provider, err := url.Parse(hub.URL)
	if err != nil {
		t.Fatal(err)
	}
	hub.SignIn(t, app.URL+"/login", "ada")
	browser.Jar.SetCookies(provider, []*http.Cookie{{Name: "hfoauthtest-account", Value: "ada"}})
	if got := body(browser.Get(app.URL + "/login")); got != "Hello, Grace Hopper!" {
		t.Errorf("with ada's cookie: %s", got)
	}
	calls := hub.Calls(hfoauthtest.AuthorizeEndpoint)
	got := body(browser.Get(app.URL + "/login"))
	if got != "Hello, Grace Hopper!" || hub.Calls(hfoauthtest.AuthorizeEndpoint) != calls+1 {
		t.Errorf("again: %s after %d calls, want one, without the page", got,
			hub.Calls(hfoauthtest.AuthorizeEndpoint)-calls)
	}
}

func TestRedirectWithoutPath(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	for registered, want := range map[string]string{
		"http://localhost:3000":     "http://localhost:3000/?code=",
		"http://localhost:3000/":    "http://localhost:3000/?code=",
		"http://localhost:3000?a=b": "http://localhost:3000/?a=b&code=",
		"https://app.example/x?a=b": "https://app.example/x?a=b&code=",
		"com.example.app:/signedin": "com.example.app:/signedin?code=",
		"com.example.app:signedin":  "com.example.app:signedin?code=",
	} {
		app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{registered}})
		params := authorization(app, func(p url.Values) { p.Set("redirect_uri", registered); p.Del("state") })
		resp, err := browser.PostForm(hub.URL+"/oauth/authorize?"+params.Encode(), adaApproves)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		got := resp.Header.Get("Location")
		if !strings.HasPrefix(got, want) || resp.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %s to %s, want 303 to %s", registered, resp.Status, got, want)
		}
		if got := resp.Header.Get("Location"); strings.Contains(got, "state=") {
			t.Errorf("%s: the response has a state that was not sent: %s", registered, got)
		}
	}
}

func TestConsentPageExplainsScopes(t *testing.T) {
	v := newVisitor(t, hfoauthtest.NewServer(t))
	v.app = v.hub.RegisterApp(hfoauthtest.App{Name: "App", RedirectURIs: []string{redirect},
		Scopes: []string{"openid", "email", "own-scope"}})
	page := html.UnescapeString(v.authorize(func(p url.Values) {
		p.Set("scope", "openid email own-scope")
	}).Header.Get("Text"))
	for _, want := range []string{
		"know that it is you who signed in <code>openid</code>",
		"see your e-mail address <code>email</code>", "<li><code>own-scope</code></li>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not contain %q", want)
		}
	}
	if strings.Contains(page, "read-repos") {
		t.Error("the page explains a scope that was not requested")
	}
	page = v.authorize(func(p url.Values) { p.Set("scope", "") }).Header.Get("Text")
	if strings.Contains(page, "will be able to") {
		t.Error("the page explains scopes although none were requested")
	}
}

// A page of another site cannot make decisions, even if its name resolves to this
// machine (DNS rebinding).
func TestForeignForms(t *testing.T) {
	v := newVisitor(t, hfoauthtest.NewServer(t))
	_, port, _ := strings.Cut(strings.TrimPrefix(v.hub.URL, "http://"), ":")
	form := adaApproves.Encode() + "&user_code=AAAA-AAAA"
	send := func(path, host string, header ...string) int {
		t.Helper()
		req, err := http.NewRequest(http.MethodPost, v.hub.URL+path, strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Host = host
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		return v.read(browser.Do(req)).StatusCode
	}
	for _, path := range []string{
		"/oauth/authorize?" + authorization(v.app, nil).Encode(), "/login", "/logout", "/device",
	} {
		for _, tt := range []struct {
			host    string
			header  []string
			refused bool
		}{
			{"127.0.0.1:" + port, nil, false},
			{"localhost:" + port, nil, false},
			{"LOCALHOST:" + port, nil, false},
			{"[::1]:" + port, nil, false},
			{"127.0.0.1:" + port, []string{"Origin", v.hub.URL, "Sec-Fetch-Site", "same-origin"}, false},
			{"127.0.0.1", nil, true},
			{"localhost:1", nil, true},
			{"hub.evil.example:" + port, nil, true},
			{"hub.evil.example:" + port, []string{"Origin", "http://hub.evil.example:" + port,
				"Sec-Fetch-Site", "same-origin"}, true},
			{"127.0.0.1:" + port, []string{"Origin", "https://evil.example"}, true},
			{"127.0.0.1:" + port, []string{"Origin", "http://127.0.0.1:1"}, true},
			{"127.0.0.1:" + port, []string{"Origin", "null"}, true},
			{"127.0.0.1:" + port, []string{"Sec-Fetch-Site", "cross-site"}, true},
			{"127.0.0.1:" + port, []string{"Sec-Fetch-Site", "same-site"}, true},
		} {
			if got := send(path, tt.host, tt.header...); (got == http.StatusForbidden) != tt.refused {
				t.Errorf("%s at %s with %q: %d, refused %v", path[:6], tt.host, tt.header, got, tt.refused)
			}
		}
	}
}

// A page whose name resolves to this machine (DNS rebinding) gets no code either.
func TestAuthorizeAtAnotherHost(t *testing.T) {
	v := newVisitor(t, hfoauthtest.NewServer(t))
	v.hub.Configure(func(s *hfoauthtest.Settings) { s.ApproveAs = "ada" })
	_, port, _ := strings.Cut(strings.TrimPrefix(v.hub.URL, "http://"), ":")
	for host, want := range map[string]int{
		"localhost:" + port:    303,
		"127.0.0.1:" + port:    303,
		"evil.example:" + port: 403,
		"localhost":            403,
	} {
		req, err := http.NewRequest(http.MethodGet,
			v.hub.URL+"/oauth/authorize?"+authorization(v.app, nil).Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		if got := v.read(browser.Do(req)); got.StatusCode != want {
			t.Errorf("%s: %s, want %d", host, got.Status, want)
		}
	}
}

// A Server that is not on loopback accepts only the host of its issuer.
func TestForeignFormsElsewhere(t *testing.T) {
	hub := hfoauthtest.New("https://hub.example")
	for host, want := range map[string]int{
		"hub.example":   303,
		"HUB.example":   303,
		"localhost":     403,
		"hub.example:1": 403,
	} {
		req, err := http.NewRequest(http.MethodPost, "https://"+host+"/login", strings.NewReader("user=ada"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer := &statusWriter{header: http.Header{}}
		hub.ServeHTTP(answer, req)
		if answer.status != want {
			t.Errorf("%s: %d, want %d", host, answer.status, want)
		}
	}
}

type statusWriter struct {
	header http.Header
	status int
}

func (w *statusWriter) Header() http.Header         { return w.header }
func (w *statusWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *statusWriter) WriteHeader(status int)      { w.status = status }

func TestCrossOrigin(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	methods := map[hfoauthtest.Endpoint]string{
		hfoauthtest.MetadataEndpoint: "GET", hfoauthtest.JWKSEndpoint: "GET", hfoauthtest.UserInfoEndpoint: "GET",
		hfoauthtest.WhoAmIEndpoint: "GET", hfoauthtest.TokenEndpoint: "POST", hfoauthtest.DeviceEndpoint: "POST",
	}
	send := func(method string, endpoint hfoauthtest.Endpoint) *http.Response {
		t.Helper()
		req, err := http.NewRequest(method, hub.URL+string(endpoint), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "https://app.example")
		req.Header.Set("Authorization", "Bearer none")
		resp, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	for endpoint, method := range methods {
		preflight := send(http.MethodOptions, endpoint)
		what, allow := string(endpoint)+": preflight: ", "Access-Control-Allow-"
		equal(t, what+"status", preflight.StatusCode, http.StatusNoContent)
		equal(t, what+"methods", preflight.Header.Get(allow+"Methods"), method)
		equal(t, what+"headers", preflight.Header.Get(allow+"Headers"), "Authorization, Content-Type")
		if calls := hub.Calls(endpoint); calls != 0 {
			t.Errorf("%s: a preflight counts as %d calls", endpoint, calls)
		}
		answers := map[string]*http.Response{"preflight": preflight, "answer": send(method, endpoint),
			"wrong method": send(http.MethodDelete, endpoint)}
		hub.SetFault(endpoint, hfoauthtest.Answer(500, "{}"))
		answers["fault"] = send(method, endpoint)
		for name, resp := range answers {
			if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "*" {
				t.Errorf("%s: %s has Access-Control-Allow-Origin %q", endpoint, name, got)
			}
		}
		equal(t, string(endpoint)+": DELETE", answers["wrong method"].StatusCode, http.StatusMethodNotAllowed)
		equal(t, string(endpoint)+": a fault", answers["fault"].StatusCode, 500)
	}
	hub.SetFault(hfoauthtest.MetadataEndpoint, nil)
	if resp := send(http.MethodHead, hfoauthtest.MetadataEndpoint); resp.StatusCode != 200 {
		t.Errorf("HEAD: %s", resp.Status)
	}
	for _, path := range []hfoauthtest.Endpoint{hfoauthtest.AuthorizeEndpoint, "/"} {
		if got := send(http.MethodGet, path).Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s, a page for people, has Access-Control-Allow-Origin %q", path, got)
		}
	}
}
