package e2e

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
)

// site is an app that signs in with a provider from another project.
type site struct {
	t      *testing.T
	issuer string
	app    string
	tokens atomic.Int64 // requests to the provider's token endpoint
	log    logged       // of the library
}

// logged is a log that can be written and read concurrently.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// signedIn is the app's start page.
type signedIn struct {
	User    *hfoauth.User
	Expiry  time.Time // of the access token
	Refresh bool      // whether there is a refresh token
}

// The secrets of the app: rightSecret shows that HTTP Basic is form-encoded (RFC
// 6749 section 2.3.1).
const (
	rightSecret = "the app's secret + 100% of what form-encoding changes: 7f3e91a5"
	wrongSecret = "another-secret-of-an-app-that-is-not-this-one-0c42b8d6"
)

// newSite starts an app, registered as "web" with rightSecret, and its provider.
// The function provider returns the provider's handler, given its address.
func newSite(t *testing.T, secret, tokenPath string, provider func(s *site) http.Handler) *site {
	t.Helper()
	s := &site{t: t}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the app logged: %s", s.log.String())
		}
	})
	providerMux, appMux := http.NewServeMux(), http.NewServeMux()
	s.issuer = s.serve(providerMux)
	s.app = s.serve(appMux)
	handler := provider(s)
	providerMux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == tokenPath {
			s.tokens.Add(1)
		}
		handler.ServeHTTP(w, r)
	})
	client, err := hfoauth.New(hfoauth.Config{
		ClientID:     "web",
		ClientSecret: secret,
		ProviderURL:  s.issuer,
		RedirectURL:  s.redirectURL(),
		Scopes:       hfoauth.Scopes{"email", "offline_access"},
		Logger:       slog.New(slog.NewTextHandler(&s.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.appPages(appMux, client)
	return s
}

// serve starts a server and returns its address, with the name localhost.
func (s *site) serve(handler http.Handler) string {
	server := httptest.NewServer(handler)
	s.t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
}

func (s *site) redirectURL() string { return s.app + "/login/callback" }

func (s *site) appPages(mux *http.ServeMux, client *hfoauth.Client) {
	client.Mount(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		session, err := client.SessionFromRequest(w, r)
		if err != nil {
			http.Error(w, err.Error(), hfoauth.HTTPStatus(err))
			return
		}
		token, err := session.Token()
		if err != nil {
			http.Error(w, err.Error(), hfoauth.HTTPStatus(err))
			return
		}
		json.NewEncoder(w).Encode(signedIn{session.User, token.Expiry, session.Expiry.After(token.Expiry)})
	})
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		if _, err := client.SessionFromRequest(w, r); err != nil {
			http.Error(w, err.Error(), hfoauth.HTTPStatus(err))
		}
	})
}

// person is a user's browser, without JavaScript.
func (s *site) person() *http.Client {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

// begin clicks "sign in", and returns the provider's page and its address.
func (s *site) begin(person *http.Client) *http.Response {
	s.t.Helper()
	resp, err := person.Get(s.app + "/login")
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

// get opens a page of the app.
func (s *site) get(person *http.Client, path string) (status int, body string) {
	s.t.Helper()
	resp, err := person.Get(s.app + path)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.read(resp)
}

func (s *site) read(resp *http.Response) (status int, body string) {
	s.t.Helper()
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// home opens the app's start page, which only signed-in users see.
func (s *site) home(person *http.Client) signedIn {
	s.t.Helper()
	status, body := s.get(person, "/")
	var page signedIn
	if err := json.Unmarshal([]byte(body), &page); err != nil || status != http.StatusOK {
		s.t.Fatalf("not signed in: %d %s", status, body)
	}
	return page
}

// renews waits until the access token has been renewed and the browser has the
// new session.
func (s *site) renews(person *http.Client) {
	s.t.Helper()
	before, calls := s.home(person), s.tokens.Load()
	s.until("the access token is renewed", func() bool {
		if status, body := s.get(person, "/token"); status != http.StatusOK {
			s.t.Fatalf("refresh: %d %s", status, body)
		}
		return s.tokens.Load() > calls
	})
	after := s.home(person)
	if !after.Expiry.After(before.Expiry) {
		s.t.Errorf("the refreshed token expires at %s, want after %s", after.Expiry, before.Expiry)
	}
	if !after.Refresh {
		s.t.Errorf("no refresh token after the refresh: %+v", after)
	}
	if after.User.Sub != before.User.Sub {
		s.t.Errorf("the sub after the refresh is %q, want %q", after.User.Sub, before.User.Sub)
	}
}

// act is what a person does at the provider after the click on "sign in". It
// returns where that leads.
type act func(person *http.Client) (status int, body string)

// checkSignIn signs in and checks that the access token is renewed twice, the
// second time with the refresh token of the first renewal.
func (s *site) checkSignIn(signIn act, email string) {
	s.t.Helper()
	person := s.person()
	if status, body := signIn(person); status != http.StatusOK {
		s.t.Fatalf("%d %s", status, body)
	}
	page := s.home(person)
	if page.User.Sub == "" {
		s.t.Errorf("signed in without a sub: %+v", page)
	}
	if page.User.Email != email {
		s.t.Errorf("signed in with the address %q, want %q", page.User.Email, email)
	}
	if !page.Refresh {
		s.t.Errorf("signed in without a refresh token: %+v", page)
	}
	s.renews(person)
	s.renews(person)
}

// checkForgotten makes the provider forget the person's tokens. When the access
// token has expired, the app responds with a status and text, and the person can
// sign in again.
func (s *site) checkForgotten(signIn act, forget func(person *http.Client), status int, text string) {
	s.t.Helper()
	person := s.person()
	signIn(person)
	forget(person)
	if got, body := s.ends(person); got != status || !strings.Contains(body, text) {
		s.t.Errorf("%d %s, want %d and %q", got, body, status, text)
	}
	signIn(person)
	if status, body := s.get(person, "/token"); status != http.StatusOK {
		s.t.Errorf("after a new sign-in: %d %s", status, body)
	}
}

// checkWrongSecret checks a site that has wrongSecret.
func (s *site) checkWrongSecret(signIn act, code string) {
	s.t.Helper()
	if status, body := signIn(s.person()); status != http.StatusBadRequest || !strings.Contains(body, code) {
		s.t.Errorf("%d %s, want 400 and %s", status, body, code)
	}
}

// checkDenied denies access, which leads back to the app, and then signs in.
func (s *site) checkDenied(deny, signIn act) {
	s.t.Helper()
	person := s.person()
	status, body := deny(person)
	if status != http.StatusForbidden || !strings.Contains(body, "Sign-in cancelled") {
		s.t.Errorf("%d %s", status, body)
	}
	s.checkSignInAfter(person, signIn)
}

// checkStays does something after which the provider does not redirect, and then
// signs in.
func (s *site) checkStays(fail, signIn act) {
	s.t.Helper()
	person := s.person()
	fail(person)
	if status, _ := s.get(person, "/"); status != http.StatusUnauthorized {
		s.t.Errorf("the start page answers %d, want 401", status)
	}
	s.checkSignInAfter(person, signIn)
}

func (s *site) checkSignInAfter(person *http.Client, signIn act) {
	s.t.Helper()
	if status, body := signIn(person); status != http.StatusOK {
		s.t.Errorf("sign-in afterwards: %d %s", status, body)
	}
}

// ends waits until the app no longer has an access token for the person, and
// returns the page.
func (s *site) ends(person *http.Client) (status int, body string) {
	s.t.Helper()
	s.until("the access token ends", func() bool {
		status, body = s.get(person, "/token")
		return status != http.StatusOK
	})
	return status, body
}

func (s *site) until(what string, condition func() bool) {
	s.t.Helper()
	if !eventually(condition) {
		s.t.Fatalf("%s: did not happen", what)
	}
}
