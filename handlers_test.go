package hfoauth_test

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestTokenRequest(t *testing.T) {
	s := newSite(t, nil)
	s.app = s.hub.RegisterApp(hfoauthtest.App{
		ClientID: "id with &: /", ClientSecret: "s%ecret:+ ö 0123456789abcdef", RedirectURIs: s.app.RedirectURIs,
	})
	client := s.newReplica(nil)
	login := httptest.NewRecorder()
	client.LoginHandler().ServeHTTP(login, httptest.NewRequest("GET", "/login", nil))
	req := httptest.NewRequest("GET", s.decide(login.Header().Get("Location"), ada), nil)
	for _, cookie := range login.Result().Cookies() {
		req.AddCookie(cookie)
	}
	callback := httptest.NewRecorder()
	client.CallbackHandler().ServeHTTP(callback, req)
	if callback.Code != http.StatusSeeOther {
		t.Fatalf("callback: %d %s", callback.Code, callback.Body)
	}
	requests := s.hub.Requests(hfoauthtest.TokenEndpoint)
	form := requests[len(requests)-1].Form
	for name, want := range map[string]string{
		"client_id":    s.app.ClientID,
		"redirect_uri": s.URL + "/login/callback",
	} {
		if got := form.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := form.Get("code_verifier"); len(got) != 43 {
		t.Errorf("code_verifier has %d characters, want 43", len(got))
	}
	if form.Has("client_secret") {
		t.Error("the form has the client secret")
	}
	// RFC 6749 section 2.3.1: both parts form-urlencoded before base64.
	r := http.Request{Header: requests[len(requests)-1].Header}
	id, secret, _ := r.BasicAuth()
	if want := url.QueryEscape(s.app.ClientID); id != want {
		t.Errorf("Basic credentials have the ID %q, want %q", id, want)
	}
	if want := url.QueryEscape(s.app.ClientSecret); secret != want {
		t.Errorf("Basic credentials have the secret %q, want %q", secret, want)
	}
}

// The table of failures: what the provider or the browser does, and what the user
// sees.
func TestFailures(t *testing.T) {
	hub := func(endpoint hfoauthtest.Endpoint, fault hfoauthtest.Fault) func(*site) {
		return func(s *site) { s.hub.SetFault(endpoint, fault) }
	}
	settings := func(change func(*hfoauthtest.Settings)) func(*site) {
		return func(s *site) { s.hub.Configure(change) }
	}
	claim := func(name string, value any) func(*site) {
		return settings(func(c *hfoauthtest.Settings) {
			c.IDToken = func(_, claims map[string]any) { claims[name] = value }
		})
	}
	answerWith := func(params url.Values) func(*site) {
		return settings(func(c *hfoauthtest.Settings) {
			c.AuthorizationResponse = func(response url.Values) {
				response.Del("code")
				for name, values := range params {
					response[name] = values
				}
			}
		})
	}
	token := func(fault hfoauthtest.Fault) func(*site) { return hub(hfoauthtest.TokenEndpoint, fault) }
	userinfo := func(fault hfoauthtest.Fault) func(*site) { return hub(hfoauthtest.UserInfoEndpoint, fault) }
	const expired, away, invalid = "expired or was already used", "is unavailable right now", "We could not verify"
	script := "<script>alert(1)</script>"
	evil := "https://evil.example"
	form := "access_token=x&token_type=bearer"
	tests := []struct {
		name   string
		break_ func(*site)
		person hfoauthtest.Person
		status int
		says   string
	}{
		{"denied", func(*site) {}, adaDenies, 403, "Sign-in cancelled"},
		{"other error", answerWith(url.Values{
			"error": {"server_error"}, "error_description": {script},
		}), ada, 400, "server_error"},
		{"hostile error", answerWith(url.Values{"error": {script}}), ada, 400, "&lt;script&gt;"},
		{"no code", answerWith(nil), ada, 400, expired},
		{"two codes", answerWith(url.Values{"code": {"a", "b"}}), ada, 400, expired},
		{"unknown code", answerWith(url.Values{"code": {"invented"}}), ada, 400, "invalid_grant"},
		{"foreign iss", answerWith(url.Values{"code": {"x"}, "iss": {evil}}), ada, 400, expired},
		{"two issuers", func(s *site) {
			s.hub.Configure(func(c *hfoauthtest.Settings) {
				c.AuthorizationResponse = func(response url.Values) { response["iss"] = []string{s.hub.URL, evil} }
			})
		}, ada, 400, expired},
		{"two states", settings(func(c *hfoauthtest.Settings) {
			c.AuthorizationResponse = func(response url.Values) { response.Add("state", "another") }
		}), ada, 400, expired},
		{"foreign iss with error", answerWith(url.Values{"error": {"access_denied"}, "iss": {evil}}), ada, 400, expired},

		{"token endpoint 500", token(hfoauthtest.Answer(500, "oops")), ada, 503, away},
		{"token endpoint 429", token(hfoauthtest.Answer(429, "{}", "Retry-After", "7")), ada, 503, away},
		{"token endpoint dropped", token(hfoauthtest.Drop()), ada, 503, away},
		{"token endpoint cut", token(hfoauthtest.Cut()), ada, 503, away},
		{"userinfo 503", userinfo(hfoauthtest.Answer(503, "")), ada, 503, away},
		{"jwks 502", hub(hfoauthtest.JWKSEndpoint, hfoauthtest.Answer(502, "")), ada, 503, away},
		{"jwks dropped", hub(hfoauthtest.JWKSEndpoint, hfoauthtest.Drop()), ada, 503, away},

		{"token endpoint HTML", token(hfoauthtest.Answer(200, "<html>", "Content-Type", "text/html")), ada, 502, invalid},
		{"token endpoint form", token(hfoauthtest.Answer(200, form, "Content-Type", "text/plain")), ada, 502, invalid},
		{"token endpoint 404", token(hfoauthtest.Answer(404, "nothing here")), ada, 502, "unexpected response"},
		{"token endpoint redirects", token(hfoauthtest.Answer(307, "", "Location", "/oauth/token")), ada,
			502, "unexpected response"},
		{"token endpoint empty", token(hfoauthtest.Answer(200, "")), ada, 502, invalid},
		{"token endpoint huge", token(hfoauthtest.Huge(20 << 20)), ada, 502, invalid},
		{"token endpoint bomb", token(hfoauthtest.GzipBomb(20 << 20)), ada, 502, invalid},
		{"userinfo huge", userinfo(hfoauthtest.Huge(20 << 20)), ada, 502, invalid},
		{"userinfo no object", userinfo(hfoauthtest.Answer(200, "[]")), ada, 502, invalid},
		{"userinfo 401", userinfo(hfoauthtest.Answer(401, "{}")), ada, 502, "unexpected response"},
		{"userinfo of another", settings(func(c *hfoauthtest.Settings) {
			c.UserInfo = func(claims map[string]any) { claims["sub"] = "somebody else" }
		}), ada, 502, invalid},
		{"no access token", settings(func(c *hfoauthtest.Settings) {
			c.TokenResponse = func(r map[string]any) { delete(r, "access_token") }
		}), ada, 502, invalid},
		{"no ID token", settings(func(c *hfoauthtest.Settings) {
			c.TokenResponse = func(r map[string]any) { delete(r, "id_token") }
		}), ada, 502, invalid},
		{"token type mac", settings(func(c *hfoauthtest.Settings) {
			c.TokenResponse = func(r map[string]any) { r["token_type"] = "mac" }
		}), ada, 502, invalid},
		{"negative lifetime", settings(func(c *hfoauthtest.Settings) {
			c.TokenResponse = func(r map[string]any) { r["expires_in"] = -5 }
		}), ada, 502, invalid},
		{"ID token nonce", claim("nonce", "other"), ada, 502, invalid},
		{"ID token issuer", claim("iss", evil), ada, 502, invalid},
		{"ID token audience", claim("aud", "other"), ada, 502, invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			browser := s.browser()
			if err := s.client.Ping(t.Context()); err != nil { // discovery works
				t.Fatal(err)
			}
			tt.break_(s)
			resp := s.signIn(browser, tt.person, "/private")
			s.checkFailure(resp, tt.status, tt.says)
			if tt.status != 400 || !strings.Contains(resp.body, expired) {
				if !strings.Contains(resp.body, `href="/login?next=%2Fprivate"`) {
					t.Errorf("no way to try again on the page: %s", resp.body)
				}
			}
			if got := s.username(browser); got != "" {
				t.Errorf("signed in as %q", got)
			}
		})
	}
}

// strictPolicy is the policy of a page that has no script and cannot be framed.
var strictPolicy = regexp.MustCompile(`^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; ` +
	`base-uri 'none'; form-action 'self'; frame-ancestors 'none'$`)

// checkFailure checks what all failure pages have in common.
func (s *site) checkFailure(resp answer, status int, says string) {
	s.t.Helper()
	if resp.StatusCode != status {
		s.t.Errorf("status %d, want %d", resp.StatusCode, status)
	}
	if !strings.Contains(resp.body, says) {
		s.t.Errorf("page does not say %q: %s", says, resp.body)
	}
	checkLacks(s.t, "the page", resp.body, "<script")
	checkHas(s.t, "the page", resp.body, `href="/login`)
	if got := resp.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		s.t.Errorf("Content-Type %q", got)
	}
	if got := resp.Header.Get("Cache-Control"); got != "private, no-store" {
		s.t.Errorf("Cache-Control %q", got)
	}
	if got := resp.Header.Get("Content-Security-Policy"); !strictPolicy.MatchString(got) {
		s.t.Errorf("Content-Security-Policy %q, want %s", got, strictPolicy)
	}
	if got := resp.Header.Get("Retry-After"); (got != "") != (status == 503) {
		s.t.Errorf("Retry-After %q with status %d", got, status)
	}
	if cookies := resp.setCookies(s.client.SessionCookie()); len(cookies) > 0 {
		s.t.Errorf("a failure sets %v", cookies)
	}
}

func TestMethods(t *testing.T) {
	s := newSite(t, nil)
	for _, tt := range []struct {
		handler http.Handler
		allowed string
		method  string
	}{
		{s.client.LoginHandler(), "GET, HEAD", "POST"},
		{s.client.LoginHandler(), "GET, HEAD", "PUT"},
		{s.client.CallbackHandler(), "GET", "HEAD"},
		{s.client.CallbackHandler(), "GET", "POST"},
		{s.client.LogoutHandler(), "POST", "GET"},
	} {
		recorder := httptest.NewRecorder()
		tt.handler.ServeHTTP(recorder, httptest.NewRequest(tt.method, "/", nil))
		allow := strings.Join(recorder.Result().Header["Allow"], ", ")
		if recorder.Code != 405 || allow != tt.allowed {
			t.Errorf("%s: %d, Allow %q, want 405 and %q", tt.method, recorder.Code, allow, tt.allowed)
		}
	}
	resp := get(t, s.browser(), s.URL+"/logout")
	if resp.StatusCode != 405 {
		t.Errorf("GET /logout: %s", resp.Status)
	}
}

func TestQueryCannotChangeTheRequest(t *testing.T) {
	s := newSite(t, nil)
	const forged = "scope=write-repos&orgIds=org2&prompt=none&redirect_uri=https://evil.example&state=x&nonce=y"
	request := get(t, s.browser(), s.URL+"/login?"+forged).location()
	checkLacks(t, "the authorization request", request.RawQuery, "orgIds", "prompt", "evil")
	query := request.Query()
	if got, want := query.Get("scope"), "openid profile"; got != want {
		t.Errorf("scope %q, want %q", got, want)
	}
	for _, name := range []string{"state", "nonce"} {
		if got := query.Get(name); len(got) != 43 {
			t.Errorf("%s %q, want 43 characters", name, got)
		}
	}
}

func TestLoginOptions(t *testing.T) {
	s := newSite(t, nil)
	recorder := httptest.NewRecorder()
	s.client.Login(recorder, httptest.NewRequest("GET", "/x", nil), hfoauth.LoginOptions{
		Scopes: hfoauth.Scopes{hfoauth.ScopeInferenceAPI},
		Org:    "org1",
		Params: url.Values{"login_hint": {"ada"}},
		Next:   "/chat",
	})
	location, _ := url.Parse(recorder.Header().Get("Location"))
	for name, want := range map[string]string{
		"scope": "openid profile inference-api", "orgIds": "org1", "login_hint": "ada",
	} {
		if got := location.Query().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	recorder = httptest.NewRecorder()
	reserved := hfoauth.LoginOptions{Params: url.Values{"state": {"x"}}}
	s.client.Login(recorder, httptest.NewRequest("GET", "/x", nil), reserved)
	if recorder.Code != 500 || !strings.Contains(s.log.String(), "LoginOptions.Params") {
		t.Errorf("a reserved parameter: %d, log %s", recorder.Code, s.log)
	}
	params := url.Values{"login_hint": {"ada"}}
	recorder = httptest.NewRecorder()
	s.client.Login(recorder, httptest.NewRequest("GET", "/x", nil),
		hfoauth.LoginOptions{Org: "org1", Params: params})
	if got := params.Encode(); got != "login_hint=ada" {
		t.Errorf("Login makes the app's Params %s, want login_hint=ada", got)
	}
}

// The app's return path counts, not that of the query.
func TestLoginOptionsNameTheReturnPath(t *testing.T) {
	s := newSite(t, nil)
	p := s.protect(map[string]http.Handler{"/ask": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.client.Login(w, r, hfoauth.LoginOptions{Next: "/private"})
	})})
	browser := s.browser()
	asked := get(t, browser, p.address+"/ask?next=/elsewhere")
	back := get(t, browser, s.decide(asked.Header.Get("Location"), ada))
	if got := back.Header.Get("Location"); got != "/private" {
		t.Errorf("returns to %s, want /private", got)
	}
}

// At most 200 bytes of the provider's error text are shown and logged.
func TestProviderErrorsAreCut(t *testing.T) {
	s := newSite(t, nil)
	s.hub.Configure(func(c *hfoauthtest.Settings) {
		c.AuthorizationResponse = func(response url.Values) {
			response.Del("code")
			response.Set("error", strings.Repeat("e", 300))
			response.Set("error_description", strings.Repeat("d", 300))
		}
	})
	shown := s.signIn(s.browser(), ada, "/").body + s.log.String()
	for _, letter := range []string{"e", "d"} {
		if !strings.Contains(shown, strings.Repeat(letter, 200)) {
			t.Errorf("200 times %q are neither shown nor logged", letter)
		}
		if strings.Contains(shown, strings.Repeat(letter, 201)) {
			t.Errorf("%q is shown or logged more than 200 times", letter)
		}
	}
}

// A scope of Config that the provider refuses is an error: without it the sign-in
// would not be what the app requires, and with it the provider would refuse again.
func TestCallbackWithARefusedScope(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) { c.Scopes = hfoauth.Scopes{hfoauth.ScopeJobs} })
	s.app.Scopes = []string{"openid", "profile"}
	s.hub.RegisterApp(s.app)
	s.checkFailure(s.signIn(s.browser(), ada, "/"), 400, "invalid_scope")
}

func TestOnSignIn(t *testing.T) {
	var seen *hfoauth.Session
	var answer error
	s := newSite(t, func(c *hfoauth.Config) {
		c.OnLogin = func(_ context.Context, session *hfoauth.Session) error {
			seen = session
			return answer
		}
	})
	browser := s.browser()
	answer = &hfoauth.ForbiddenError{Message: "Only <members> may come in."}
	resp := s.signIn(browser, ada, "/")
	s.checkFailure(resp, 403, "Only &lt;members&gt; may come in.")
	answer = errors.New("database password is hunter2")
	resp = s.signIn(browser, ada, "/")
	s.checkFailure(resp, 500, "Something went wrong")
	if strings.Contains(resp.body, "hunter2") {
		t.Error("the page shows an internal error")
	}
	answer = nil
	if resp := s.signIn(browser, ada, "/"); resp.StatusCode != 303 || s.username(browser) != "ada" {
		t.Errorf("%s", resp.Status)
	}
	if got := seen.User.Username; got != "ada" {
		t.Errorf("OnLogin saw the user %q, want ada", got)
	}
	if !s.works(tokenOf(t, seen)) {
		t.Error("OnLogin saw a token that does not work")
	}
	if got, want := seen.Scopes.Param(), "openid profile"; got != want {
		t.Errorf("OnLogin saw the scopes %q, want %q", got, want)
	}
}

// OnLogin gets a copy at a sign-in: changing it, then or later, does not change
// the session.
func TestOnLoginGetsACopyAtSignIn(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			var kept *hfoauth.Session
			spoil := func() {
				kept.User.Username = "mallory"
				kept.User.Orgs[0].Role = hfoauth.RoleAdmin
				kept.Scopes[0] = hfoauth.ScopeManageRepos
			}
			s := newSite(t, func(c *hfoauth.Config) {
				c.OnLogin = func(_ context.Context, session *hfoauth.Session) error {
					kept = session
					spoil()
					return nil
				}
				if change != nil {
					change(c)
				}
			})
			s.hub.AddUser(hfoauthtest.User{Username: "reader", Orgs: []hfoauthtest.Org{{Username: "engines", Role: "read"}}})
			cookie := s.newSession(hfoauthtest.Person{Username: "reader", Orgs: []string{"engines"}})
			for _, when := range []string{"in OnLogin", "later"} {
				session, err := s.client.SessionFromRequest(httptest.NewRecorder(), requestWith(cookie))
				if err != nil {
					t.Fatal(err)
				}
				if got := session.User.Username; got != "reader" {
					t.Errorf("changed %s: the user is %q", when, got)
				}
				if got := session.User.Orgs[0].Role; got != hfoauth.RoleRead {
					t.Errorf("changed %s: the role is %q", when, got)
				}
				if got := session.Scopes.Param(); got != "openid profile" {
					t.Errorf("changed %s: the scopes are %q", when, got)
				}
				spoil()
			}
		})
	}
}

func TestErrorHandler(t *testing.T) {
	var got error
	s := newSite(t, func(c *hfoauth.Config) {
		c.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) bool {
			got = err
			w.WriteHeader(hfoauth.HTTPStatus(err))
			io.WriteString(w, "our own page")
			return true
		}
	})
	resp := s.signIn(s.browser(), adaDenies, "/")
	checkStatus(t, "denied", resp, 403)
	if want := "our own page"; resp.body != want {
		t.Errorf("the page is %q, want %q", resp.body, want)
	}
	if !errors.Is(got, hfoauth.ErrDenied) {
		t.Errorf("the handler gets %v, want %v", got, hfoauth.ErrDenied)
	}
	get(t, s.browser(), s.URL+"/login/callback?state=x")
	if !errors.Is(got, hfoauth.ErrState) {
		t.Errorf("%v is not ErrState", got)
	}
	refusal := hfoauthtest.Answer(400, `{"error":"invalid_client","error_description":"no"}`)
	s.hub.SetFault(hfoauthtest.TokenEndpoint, refusal)
	s.signIn(s.browser(), ada, "/")
	answer, ok := errors.AsType[*hfoauth.ProviderError](got)
	if !ok {
		t.Fatalf("%v is not the provider's error", got)
	}
	if answer.Code != "invalid_client" || answer.Description != "no" {
		t.Errorf("code %q and description %q, want the provider's", answer.Code, answer.Description)
	}
}

// A failure that the handler ignores gets the usual page.
func TestErrorHandlerLeavesTheRest(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) {
		c.ErrorHandler = func(http.ResponseWriter, *http.Request, error) bool { return false }
	})
	s.checkFailure(s.signIn(s.browser(), adaDenies, "/"), 403, "Sign-in cancelled")
}

func TestProviderDownAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualSite(t, nil)
		s.hub.SetFault(hfoauthtest.MetadataEndpoint, hfoauthtest.Drop())
		resp := get(t, s.browser(), s.URL+"/login")
		s.checkFailure(resp, 503, "is unavailable right now")
		if err := s.client.Ping(t.Context()); !errors.Is(err, hfoauth.ErrProviderUnavailable) {
			t.Errorf("Ping: %v, want %v", err, hfoauth.ErrProviderUnavailable)
		}
		if resp := get(t, s.browser(), s.URL+"/"); resp.StatusCode != 200 {
			t.Errorf("start page: %s, want 200", resp.Status)
		}
		s.hub.SetFault(hfoauthtest.MetadataEndpoint, nil)
		if resp := s.signIn(s.browser(), ada, "/"); resp.StatusCode != 303 {
			t.Errorf("after the provider is back: %s, want 303", resp.Status)
		}
		if err := s.client.Ping(t.Context()); err != nil {
			t.Errorf("Ping: %v", err)
		}
	})
}

func TestConcurrentFirstUse(t *testing.T) {
	s := newSite(t, nil)
	s.hub.SetFault(hfoauthtest.MetadataEndpoint, hfoauthtest.Delay(50*time.Millisecond))
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if resp := s.signIn(s.browser(), ada, "/"); resp.StatusCode != 303 {
				t.Errorf("%s: %s", resp.Status, resp.body)
			}
		})
	}
	wg.Wait()
	if calls := s.hub.Calls(hfoauthtest.MetadataEndpoint); calls != 1 {
		t.Errorf("%d discoveries, want one", calls)
	}
	if calls := s.hub.Calls(hfoauthtest.JWKSEndpoint); calls > 2 {
		t.Errorf("%d JWKS calls, want two at most", calls)
	}
}

// Secrets must not appear in logs or pages.
func TestNothingLeaks(t *testing.T) {
	s := newSite(t, nil)
	var pages strings.Builder
	faults := []func(){
		func() {},
		func() { s.hub.SetFault(hfoauthtest.UserInfoEndpoint, hfoauthtest.Answer(500, "")) },
		func() { s.hub.SetFault(hfoauthtest.UserInfoEndpoint, hfoauthtest.Answer(401, "{}")) },
		func() { s.hub.SetFault(hfoauthtest.TokenEndpoint, echoFault(400)) },
		func() { s.hub.SetFault(hfoauthtest.TokenEndpoint, echoFault(200)) },
		func() { s.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Cut()) },
		func() {
			s.hub.Configure(func(c *hfoauthtest.Settings) {
				c.IDToken = func(_, claims map[string]any) { claims["nonce"] = "wrong" }
			})
		},
		func() {
			s.hub.Configure(func(c *hfoauthtest.Settings) {
				c.Sign = func(*rsa.PrivateKey, map[string]any, map[string]any) string { return "not.a.token" }
			})
		},
		func() {
			s.hub.Configure(func(c *hfoauthtest.Settings) {
				c.TokenResponse = func(r map[string]any) { r["expires_in"] = r["access_token"] }
			})
		},
	}
	for i := range 108 {
		s.hub.SetFault(hfoauthtest.UserInfoEndpoint, nil)
		s.hub.SetFault(hfoauthtest.TokenEndpoint, nil)
		s.hub.Configure(func(c *hfoauthtest.Settings) { *c = hfoauthtest.Settings{} })
		faults[i%len(faults)]()
		browser := s.browser()
		pages.WriteString(s.signIn(browser, ada, "/private").body)
		pages.WriteString(get(t, browser, s.URL+"/private").body)
		pages.WriteString(get(t, browser, s.URL+"/me").body)
	}
	secrets := s.hub.Secrets()
	if len(secrets) < 300 {
		t.Fatalf("only %d secrets seen", len(secrets))
	}
	seen := s.log.String() + pages.String()
	for _, secret := range secrets {
		if strings.Contains(seen, secret) {
			t.Errorf("%q shows in a log or page", secret)
		}
	}
	if !strings.Contains(s.log.String(), "invalid_request") {
		t.Error("the log does not have the provider's response")
	}
}

// echoFault repeats the request's secrets in an error response.
func echoFault(status int) hfoauthtest.Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, secret, _ := r.BasicAuth()
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			said := []string{"code", r.PostForm.Get("code"), "verifier", r.PostForm.Get("code_verifier"),
				"secret", secret}
			json.NewEncoder(w).Encode(map[string]string{
				"error": "invalid_request", "error_description": strings.Join(said, " "),
			})
		})
	}
}

func TestPublicApp(t *testing.T) {
	key := testKey("one")
	s := newSite(t, func(c *hfoauth.Config) { c.ClientSecret = ""; c.SessionKeys = [][]byte{key} })
	s.hub.RegisterApp(hfoauthtest.App{ClientID: s.app.ClientID, Public: true, RedirectURIs: s.app.RedirectURIs})
	if resp := s.signIn(s.browser(), ada, "/"); resp.StatusCode != 303 {
		t.Fatalf("%s: %s", resp.Status, resp.body)
	}
	request := s.hub.Requests(hfoauthtest.TokenEndpoint)[0]
	if got := request.Header.Get("Authorization"); got != "" {
		t.Errorf("Authorization %q, want none", got)
	}
	if request.Form.Has("client_secret") {
		t.Error("the form has a client secret")
	}
	if got := request.Form.Get("client_id"); got != s.app.ClientID {
		t.Errorf("client_id %q, want %q", got, s.app.ClientID)
	}
	if request.Form.Get("code_verifier") == "" {
		t.Error("the form has no code_verifier")
	}
}

func TestRedirectURLInASpace(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	client := newClient(t, hfoauth.Config{SpaceHost: "user-app.hf.space, app.example", ProviderURL: hub.URL + "/"})
	recorder := httptest.NewRecorder()
	client.LoginHandler().ServeHTTP(recorder, httptest.NewRequest("GET", "/login", nil))
	location, _ := url.Parse(recorder.Header().Get("Location"))
	if got := location.Query().Get("redirect_uri"); got != "https://user-app.hf.space/login/callback" {
		t.Errorf("redirect_uri %q", got)
	}
	for name, tt := range map[string]struct{ host, mode, want string }{
		"custom domain in a browser": {"app.example", "navigate", "https://user-app.hf.space/login?next=/x"},
		"its own host":               {"user-app.hf.space", "navigate", hub.URL},
		"unknown host":               {"internal:7860", "navigate", hub.URL},
		"no browser":                 {"app.example", "", hub.URL},
	} {
		r := httptest.NewRequest("GET", "/login?next=/x", nil)
		r.Host = tt.host
		r.Header.Set("Sec-Fetch-Mode", tt.mode)
		recorder := httptest.NewRecorder()
		client.LoginHandler().ServeHTTP(recorder, r)
		if got := recorder.Header().Get("Location"); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: redirects to %q", name, got)
		}
	}
}

// The callback gets a good state each time, so that the code behind it is reached:
// whatever else the query says, no user is signed in and the page is ours.
func FuzzCallbackQuery(f *testing.F) {
	s := newVirtualSite(f, nil)
	if err := s.client.Ping(f.Context()); err != nil {
		f.Fatal(err)
	}
	browser := s.browser()
	authorize, err := url.Parse(s.begin(browser, "/"))
	if err != nil {
		f.Fatal(err)
	}
	home, err := url.Parse(s.URL)
	if err != nil {
		f.Fatal(err)
	}
	attempt := browser.Jar.Cookies(home)[0]
	state := "state=" + authorize.Query().Get("state")
	right := "iss=" + url.QueryEscape(s.hub.URL)
	for _, query := range []string{
		"", "code=x", "code=", "code=a&code=b", "code=%zz", "code=x;state=y", "state=other", "%73tate=other&code=x",
		"code=x&" + right, "code=x&iss=https%3A%2F%2Fevil.example", "code=x&iss=",
		"error=access_denied", "error=access_denied&code=x", "error=access_denied&" + right,
		"error=invalid_scope&iss=c",
		"error=server_error&error_description=%3Cscript%3E", "error=%3Cscript%3E", "error=a&error=b",
		"error=invalid_scope",
		"error_uri=javascript:alert(1)&error=x", "error=javascript:alert(1)", "error=%22javascript:",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/login/callback", nil)
		r.URL.RawQuery = state + "&" + query
		r.AddCookie(attempt)
		recorder := httptest.NewRecorder()
		s.client.ForgetSpent()
		s.client.CallbackHandler().ServeHTTP(recorder, r)
		if recorder.Code != 400 && recorder.Code != 403 {
			t.Errorf("%q: status %d, want 400 or 403", query, recorder.Code)
		}
		checkLacks(t, "the page for "+query, recorder.Body.String(), "<script", `="javascript:`)
		if cookies := (answer{Response: recorder.Result()}).setCookies(s.client.SessionCookie()); len(cookies) > 0 {
			t.Errorf("%q sets %v", query, cookies)
		}
		if location := recorder.Header().Get("Location"); location != "" {
			t.Errorf("%q leads to %s", query, location)
		}
	})
}

func TestClockDifference(t *testing.T) {
	for difference, want := range map[time.Duration]int{
		59 * time.Second: 303, 10 * time.Minute: 502, 2 * time.Hour: 502,
		-59 * time.Second: 303, -10 * time.Minute: 502, -2 * time.Hour: 502,
	} {
		s := newSite(t, nil)
		s.hub.Configure(func(c *hfoauthtest.Settings) {
			c.Now = func() time.Time { return time.Now().Add(difference) }
		})
		resp := s.signIn(s.browser(), ada, "/")
		if resp.StatusCode != want {
			t.Errorf("provider's clock off by %s: %s, want %d", difference, resp.Status, want)
		}
		if (want == 502) != strings.Contains(s.log.String(), "clock") {
			t.Errorf("provider's clock off by %s: log %s", difference, s.log)
		}
	}
}

func TestMountBesideAStartPage(t *testing.T) {
	client := newClient(t, hfoauth.Config{})
	for _, pattern := range []string{"GET /", "/", "GET /{$}", "POST /"} {
		mux := http.NewServeMux()
		mux.Handle(pattern, http.NotFoundHandler())
		client.Mount(mux)
	}
}

func TestFailuresSetNoCookies(t *testing.T) {
	store := newMapStore()
	s := newSite(t, withStore(store))
	store.fail(errors.New("connection refused"))
	resp := s.signIn(s.browser(), ada, "/")
	if resp.StatusCode != 503 {
		t.Errorf("sign-in: %s, want 503", resp.Status)
	}
	if cookies := resp.setCookies(s.client.SessionCookie()); len(cookies) > 0 {
		t.Errorf("sign-in sets %v, want no session", cookies)
	}
}

// leadsTo returns where a handler redirects a browser that opens an address.
func leadsTo(handler http.Handler, address string) string {
	r := httptest.NewRequest("GET", address, nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Header().Get("Location")
}

// A proxy in front of a Space must send the Space's own name as Host. Such a
// request is not sent to the address that the browser already has.
func TestSpaceBehindAProxy(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	client := newClient(t, hfoauth.Config{
		SpaceHost: "user-app.hf.space", RedirectURL: "https://app.example/login/callback", ProviderURL: hub.URL,
	})
	got := leadsTo(client.LoginHandler(), "https://user-app.hf.space/login")
	if !strings.HasPrefix(got, hub.URL+"/oauth/authorize?") {
		t.Errorf("leads to %q, want the provider", got)
	}
}

// What a page requests is requested under the site's other name as well.
func TestLoginOptionsOnAnotherHost(t *testing.T) {
	client := newClient(t, hfoauth.Config{SpaceHost: "user-app.hf.space,www.example.com"})
	r := httptest.NewRequest("GET", "https://www.example.com/album?page=2", nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	w := httptest.NewRecorder()
	client.Login(w, r, hfoauth.LoginOptions{Scopes: hfoauth.Scopes{hfoauth.ScopeReadRepos}})
	location := w.Header().Get("Location")
	if w.Code != 303 || location != "https://user-app.hf.space/album?page=2" {
		t.Errorf("%d to %s", w.Code, location)
	}
}

// A proxy may add the port to the name in Host, even that of https.
func TestOtherNameWithItsPort(t *testing.T) {
	client := newClient(t, hfoauth.Config{SpaceHost: "user-app.hf.space,www.example.com"})
	got := leadsTo(client.LoginHandler(), "https://www.example.com:443/login")
	if want := "https://user-app.hf.space/login"; got != want {
		t.Errorf("leads to %q, want %s", got, want)
	}
}

// Browsers send host names in lower case.
func TestSpaceHostInCapitals(t *testing.T) {
	client := newClient(t, hfoauth.Config{SpaceHost: "User-App.hf.space,WWW.Example.com"})
	got := leadsTo(client.LoginHandler(), "https://www.example.com/login")
	if want := "https://user-app.hf.space/login"; got != want {
		t.Errorf("leads to %q, want %s", got, want)
	}
}

// If the metadata is invalid when a callback arrives, the error says so: nothing is
// wrong with the browser's attempt.
func TestCallbackWithInvalidMetadata(t *testing.T) {
	s := newSite(t, nil)
	browser := s.browser()
	callback := s.decide(s.begin(browser, "/"), ada)
	s.hub.SetFault(hfoauthtest.MetadataEndpoint, hfoauthtest.Answer(200, `{"issuer":"https://another.example"}`))
	w := httptest.NewRecorder()
	s.newReplica(nil).CallbackHandler().ServeHTTP(w, s.request(browser, callback))
	if w.Code != http.StatusBadGateway {
		t.Errorf("status %d, want 502: %s", w.Code, w.Body)
	}
}
