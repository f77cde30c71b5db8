package hfoauth_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestSignIn(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) { c.Scopes = hfoauth.Scopes{"email"} })
	browser := s.browser()

	authorizeURL := s.begin(browser, "/private?a=b")
	params, err := url.Parse(authorizeURL)
	if err != nil {
		t.Fatal(err)
	}
	query := params.Query()
	for name, want := range map[string]string{
		"response_type": "code", "client_id": s.app.ClientID, "redirect_uri": s.URL + "/login/callback",
		"scope": "openid profile email", "code_challenge_method": "S256",
	} {
		if query.Get(name) != want {
			t.Errorf("authorization request: %s = %q, want %q", name, query.Get(name), want)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(query.Get(name)) != 43 {
			t.Errorf("authorization request: %s = %q, want 256 bits", name, query.Get(name))
		}
	}

	resp := get(t, browser, s.decide(authorizeURL, ada))
	if got := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || got != "/private?a=b" {
		t.Fatalf("callback: %s to %q: %s", resp.Status, got, resp.body)
	}
	for name, want := range map[string]string{
		"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("callback: %s %q, want %q", name, got, want)
		}
	}
	if got := s.username(browser); got != "ada" {
		t.Errorf("signed in as %q", got)
	}
	if resp := get(t, browser, s.URL+"/private?a=b"); resp.body != "private page of ada, query a=b" {
		t.Errorf("private page: %s", resp.body)
	}
	for _, endpoint := range []hfoauthtest.Endpoint{hfoauthtest.TokenEndpoint, hfoauthtest.UserInfoEndpoint} {
		if calls := s.hub.Calls(endpoint); calls != 1 {
			t.Errorf("%d calls of %s, want one", calls, endpoint)
		}
	}
}

// site is an app with sign-in, its provider, and what it logged.
type site struct {
	t       testing.TB
	hub     *hfoauthtest.Server
	app     hfoauthtest.App
	client  *hfoauth.Client
	URL     string
	log     *lockedBuffer
	network http.RoundTripper // nil for the machine's network
	stores  []clocked
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *lockedBuffer) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.Reset()
}

// newSite starts an app on loopback. change may change its config.
func newSite(t testing.TB, change func(*hfoauth.Config)) *site {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s := &site{t: t, hub: hfoauthtest.NewServer(t), URL: server.URL}
	s.serve(mux, change)
	return s
}

// serve registers the app and its pages.
func (s *site) serve(mux *http.ServeMux, change func(*hfoauth.Config)) {
	s.t.Helper()
	clearEnv(s.t)
	s.log = &lockedBuffer{}
	s.app = s.hub.RegisterApp(hfoauthtest.App{Name: "Test", RedirectURIs: []string{s.URL + "/login/callback"}})
	s.client = s.newReplica(change)
	s.client.Mount(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "start") })
	mux.HandleFunc("GET /me", s.me)
	mux.Handle("GET /private", s.client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		username := hfoauth.UserFromContext(r.Context()).Username
		fmt.Fprintf(w, "private page of %s, query %s", username, r.URL.RawQuery)
	})))
}

// newReplica returns another client for the same app.
func (s *site) newReplica(change func(*hfoauth.Config)) *hfoauth.Client {
	s.t.Helper()
	config := hfoauth.Config{
		ClientID:     s.app.ClientID,
		ClientSecret: s.app.ClientSecret,
		ProviderURL:  s.hub.URL,
		RedirectURL:  s.URL + "/login/callback",
		Logger:       slog.New(slog.NewTextHandler(s.log, nil)),
		Transport:    s.network,
	}
	if change != nil {
		change(&config)
	}
	if store, ok := config.Store.(clocked); ok {
		s.stores = append(s.stores, store)
	}
	client, err := hfoauth.New(config)
	if err != nil {
		s.t.Fatal(err)
	}
	return client
}

func (s *site) me(w http.ResponseWriter, r *http.Request) {
	user, err := s.client.UserFromRequest(r)
	if err != nil {
		http.Error(w, err.Error(), hfoauth.HTTPStatus(err))
		return
	}
	json.NewEncoder(w).Encode(user)
}

// browser returns an http.Client with cookies that does not follow redirects.
func (s *site) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: stay, Transport: s.network}
}

// stay prevents an http.Client from following redirects.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// answer is a response with its body.
type answer struct {
	*http.Response
	body string
}

func (a answer) location() *url.URL {
	u, err := a.Location()
	if err != nil {
		return &url.URL{}
	}
	return u
}

// setCookies returns the cookies whose names begin with prefix that a response
// sets, without those that it removes.
func (a answer) setCookies(prefix string) []*http.Cookie {
	var cookies []*http.Cookie
	for _, cookie := range a.Cookies() {
		if strings.HasPrefix(cookie.Name, prefix) && cookie.MaxAge > 0 {
			cookies = append(cookies, cookie)
		}
	}
	return cookies
}

// checkStatus checks the status of a response.
func checkStatus(t testing.TB, what string, resp answer, want int) {
	t.Helper()
	if resp.StatusCode != want {
		t.Errorf("%s: status %d, want %d: %s", what, resp.StatusCode, want, resp.body)
	}
}

// checkRedirect checks that a response redirects to an address.
func checkRedirect(t testing.TB, what string, resp answer, want string) {
	t.Helper()
	checkStatus(t, what, resp, http.StatusSeeOther)
	if got := resp.Header.Get("Location"); got != want {
		t.Errorf("%s: leads to %q, want %q", what, got, want)
	}
}

// checkHas checks that a text has all the parts.
func checkHas(t testing.TB, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s lacks %q: %s", what, part, text)
		}
	}
}

// checkLacks checks that a text has none of the parts.
func checkLacks(t testing.TB, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(text, part) {
			t.Errorf("%s has %q: %s", what, part, text)
		}
	}
}

func do(t testing.TB, browser *http.Client, req *http.Request) answer {
	t.Helper()
	resp, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp, string(body)}
}

func get(t testing.TB, browser *http.Client, address string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return do(t, browser, req)
}

func post(t testing.TB, browser *http.Client, address string, form url.Values, header ...string) answer {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return do(t, browser, req)
}

// begin opens the login page and returns the provider's address to which it
// redirects.
func (s *site) begin(browser *http.Client, next string) string {
	s.t.Helper()
	resp := get(s.t, browser, s.URL+"/login?next="+url.QueryEscape(next))
	location := resp.Header.Get("Location")
	if resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(location, s.hub.URL+"/oauth/authorize?") {
		s.t.Fatalf("GET /login: %s to %s: %s", resp.Status, location, resp.body)
	}
	return location
}

// request returns a request of a page that carries a browser's cookies of this site,
// for a handler that is not the site's own.
func (s *site) request(browser *http.Client, address string) *http.Request {
	s.t.Helper()
	r := httptest.NewRequest("GET", address, nil)
	for _, cookie := range browser.Jar.Cookies(mustParse(s.t, s.URL)) {
		r.AddCookie(cookie)
	}
	return r
}

// decide answers the consent page and returns the callback's address.
func (s *site) decide(authorizeURL string, person hfoauthtest.Person) string {
	s.t.Helper()
	person.Transport = s.network
	provider := s.hub.Browser(person)
	provider.CheckRedirect = stay
	resp := get(s.t, provider, authorizeURL)
	location := resp.Header.Get("Location")
	if location == "" {
		s.t.Fatalf("consent: %s: %s", resp.Status, resp.body)
	}
	return location
}

var (
	ada       = hfoauthtest.Person{Username: "ada"}
	grace     = hfoauthtest.Person{Username: "grace"}
	adaDenies = hfoauthtest.Person{Username: "ada", Deny: true}
)

// signIn runs a sign-in and returns the callback's response.
func (s *site) signIn(browser *http.Client, person hfoauthtest.Person, next string) answer {
	s.t.Helper()
	return get(s.t, browser, s.decide(s.begin(browser, next), person))
}

// newSession signs a person in with a new browser and returns the session's
// cookie.
func (s *site) newSession(person hfoauthtest.Person) *http.Cookie {
	s.t.Helper()
	return s.newSessionIn(s.browser(), person)
}

func (s *site) newSessionIn(browser *http.Client, person hfoauthtest.Person) *http.Cookie {
	s.t.Helper()
	resp := s.signIn(browser, person, "/")
	cookies := resp.setCookies(s.client.SessionCookie())
	if len(cookies) != 1 {
		s.t.Fatalf("sign-in of %s: %s with %d session cookies, want one: %s",
			person.Username, resp.Status, len(cookies), resp.body)
	}
	return cookies[0]
}

// username returns the user who is signed in, or "".
func (s *site) username(browser *http.Client) string {
	s.t.Helper()
	resp := get(s.t, browser, s.URL+"/me")
	var user hfoauth.User
	if resp.StatusCode == http.StatusOK {
		if err := json.Unmarshal([]byte(resp.body), &user); err != nil {
			s.t.Fatal(err)
		}
	}
	return user.Username
}

// clearEnv makes a test independent of its environment.
func clearEnv(t testing.TB) {
	t.Helper()
	for _, name := range []string{
		"OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL",
		"OAUTH_REDIRECT_URL", "SPACE_HOST",
	} {
		t.Setenv(name, "")
	}
}

// clientSecret is strong enough to derive keys from.
const clientSecret = "oauth_app_secret_0123456789abcdefghijklmnopqrstuvwx"

// testKey returns a session key, a different one for each seed.
func testKey(seed string) []byte {
	key := sha256.Sum256([]byte(seed))
	return key[:]
}

// newClient returns a client for config, with missing fields filled in.
func newClient(t testing.TB, config hfoauth.Config) *hfoauth.Client {
	t.Helper()
	clearEnv(t)
	if config.ClientID == "" {
		config.ClientID, config.ClientSecret = "client", clientSecret
	}
	if config.RedirectURL == "" && config.SpaceHost == "" {
		config.RedirectURL = "https://app.example/login/callback"
	}
	client, err := hfoauth.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// clock is a clock that app and provider share.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// clocked is a store whose entries expire by the test's clock.
type clocked interface{ setClock(now func() time.Time) }

// newClock makes a site's clients, stores and provider follow one clock.
func (s *site) newClock(clients ...*hfoauth.Client) *clock {
	c := &clock{}
	for _, client := range append(clients, s.client) {
		client.SetClock(c.now)
	}
	for _, store := range s.stores {
		store.setClock(c.now)
	}
	s.hub.Configure(func(settings *hfoauthtest.Settings) { settings.Now = c.now })
	return c
}

// signedIn reports whether a request with a cookie is signed in.
func signedIn(client *hfoauth.Client, cookie *http.Cookie) bool {
	return userOf(client, cookie) != nil
}

func userOf(client *hfoauth.Client, cookie *http.Cookie) *hfoauth.User {
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(cookie)
	user, err := client.UserFromRequest(r)
	if err != nil {
		return nil
	}
	return user
}
