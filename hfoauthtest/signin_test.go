package hfoauthtest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestSignIn(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := tinyApp(hub)
	defer app.Close()
	browser := hub.SignIn(t, app.URL+"/login", "grace")
	if got := body(browser.Get(app.URL + "/me")); got != "Hello, Grace Hopper!" {
		t.Errorf("signed in: %q", got)
	}
	if calls := hub.Calls(hfoauthtest.AuthorizeEndpoint); calls != 2 {
		t.Errorf("%d calls for the consent page and its form, want 2", calls)
	}
}

func TestBrowserDenies(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := tinyApp(hub)
	defer app.Close()
	browser := hub.Browser(hfoauthtest.Person{Username: "ada", Deny: true})
	defer browser.CloseIdleConnections()
	if got := body(browser.Get(app.URL + "/login")); got != "access_denied\n" {
		t.Errorf("denied: %q", got)
	}
}

// failure records what SignIn says when it fails a test.
type failure struct{ message string }

func (f *failure) Helper()        {}
func (f *failure) Cleanup(func()) {}
func (f *failure) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	panic(f)
}

func TestSignInFails(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := tinyApp(hub)
	defer app.Close()
	signIn := func(login string) (message string) {
		f := &failure{}
		defer func() {
			if recover() == nil {
				t.Errorf("%s: the test did not fail", login)
			}
			message = f.message
		}()
		hub.SignIn(f, login, "ada")
		return ""
	}
	hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Answer(500, ""))
	if got := signIn(app.URL + "/login"); !strings.Contains(got, "502") {
		t.Errorf("the app failed: %s", got)
	}
	// The connection breaks at an address that has a code in it.
	drops := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer drops.Close()
	leaks := httptest.NewServer(http.RedirectHandler(drops.URL+"/callback?code=c0de", http.StatusSeeOther))
	defer leaks.Close()
	if got := signIn(leaks.URL); strings.Contains(got, "c0de") || got == "" {
		t.Errorf("the failure tells the code: %s", got)
	}
}

func TestPersonTransport(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "over TLS") }))
	defer app.Close()
	browser := hub.Browser(hfoauthtest.Person{Transport: app.Client().Transport})
	if got := body(browser.Get(app.URL)); got != "over TLS" {
		t.Errorf("own transport: %q", got)
	}
}

func TestServedOverTLS(t *testing.T) {
	var hub *hfoauthtest.Server
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { hub.ServeHTTP(w, r) }))
	defer server.Close()
	hub = hfoauthtest.New(server.URL + "/")
	defer hub.Close()
	if got := body(server.Client().Get(hub.URL + "/.well-known/openid-configuration")); !strings.Contains(got, `"issuer":"`+server.URL+`"`) {
		t.Errorf("metadata: %s", got)
	}
	if hub.Secrets() != nil {
		t.Error("a Server that is not for a test records secrets")
	}
}
