package hfoauthtest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
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

// failure records the message with which SignIn fails a test.
type failure struct{ message string }

func (f *failure) Helper()               {}
func (f *failure) Cleanup(func())        {}
func (f *failure) Setenv(string, string) {}
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
	// The connection is closed during a request whose URL contains a code.
	drops := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter,
		*http.Request) {
		panic(http.ErrAbortHandler)
	}))
	defer drops.Close()
	leaks := httptest.NewServer(http.RedirectHandler(drops.URL+"/callback?code=c0de", http.StatusSeeOther))
	defer leaks.Close()
	got := signIn(leaks.URL)
	if got == "" {
		t.Error("the sign-in has no message")
	}
	lacks(t, "the message", got, "c0de")
}

// A page that signs nobody in is not the address of sign-in.
func TestSignInNeedsACallback(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/public", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "Welcome") })
	mux.Handle("/elsewhere", http.RedirectHandler("/public", http.StatusSeeOther))
	mux.Handle("/provider", http.RedirectHandler(hub.URL+"/", http.StatusSeeOther))
	app := httptest.NewServer(mux)
	defer app.Close()
	for _, path := range []string{"/public", "/elsewhere", "/provider"} {
		got := failureOf(func(f *failure) { hub.SignIn(f, app.URL+path, "ada") })
		want := "signed nobody in: use the URL that starts a sign-in, such as " + app.URL + "/login"
		if !strings.HasSuffix(got, want) {
			t.Errorf("%s: the message is %q, want %q at its end", path, got, want)
		}
	}
}

// A page of an app is told by what a person reads on it.
func TestSignInFailsInFewWords(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	for name, tt := range map[string]struct{ kind, body, want string }{
		"a page": {"text/html; charset=utf-8",
			"<!DOCTYPE html><html><head><title>Oops &amp; sorry</title><style>main { color: red }</style></head>" +
				"<body><script>let x = 1 < 2</script><main>\n<h1>It is\n broken</h1><p>Try " +
				"&lt;later&gt;.</p></main></body></html>", ": Oops & sorry: It is broken Try <later>."},
		"a page without a title": {"text/html", "<p>No.</p>", ": No."},
		"JSON":                   {"application/json", `{"error":"<no>"}`, `: {"error":"<no>"}`},
		"a long page":            {"text/html", "<p>" + strings.Repeat("word ", 1000), " wor…"},
		"nothing":                {"text/html", "", "500 Internal Server Error"},
	} {
		app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", tt.kind)
			w.WriteHeader(http.StatusInternalServerError)
			io.WriteString(w, tt.body)
		}))
		got := failureOf(func(f *failure) { hub.SignIn(f, app.URL, "ada") })
		app.Close()
		if !strings.HasSuffix(got, tt.want) || len(got) > 700 {
			t.Errorf("%s: the message is %q (%d bytes), want at most 700 with %q at the end", name, got,
				len(got), tt.want)
		}
	}
}

// failureOf returns the message with which a test fails.
func failureOf(test func(*failure)) (message string) {
	f := &failure{}
	defer func() {
		recover()
		message = f.message
	}()
	test(f)
	return ""
}

// SignIn succeeds if the app has no start page, but not if it has no callback or
// did not redirect to the provider.
func TestSignInWithoutStartPage(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	registered := hub.RegisterApp(hfoauthtest.App{})
	mux := http.NewServeMux()
	app := httptest.NewServer(mux)
	defer app.Close()
	authorize := func(callback string) http.Handler {
		query := url.Values{"response_type": {"code"}, "client_id": {registered.ClientID},
			"redirect_uri": {app.URL + callback}}
		return http.RedirectHandler(hub.URL+"/oauth/authorize?"+query.Encode(), http.StatusSeeOther)
	}
	mux.Handle("/login", authorize("/callback"))
	mux.Handle("/callback", http.RedirectHandler("/missing", http.StatusSeeOther))
	mux.Handle("/wrong", authorize("/missing"))
	mux.Handle("/elsewhere", http.RedirectHandler("/missing", http.StatusSeeOther))
	mux.Handle("/twice", http.RedirectHandler("/elsewhere", http.StatusSeeOther))
	mux.Handle("/forbidden", authorize("/refuses"))
	mux.Handle("/refuses", http.RedirectHandler("/no", http.StatusSeeOther))
	mux.HandleFunc("/no", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) })
	for path, fails := range map[string]bool{
		"/login":     false,
		"/wrong":     true,
		"/elsewhere": true,
		"/twice":     true,
		"/forbidden": true,
		"/missing":   true,
	} {
		func() {
			defer func() {
				if (recover() != nil) != fails {
					t.Errorf("%s: failed is %v, want %v", path, !fails, fails)
				}
			}()
			hub.SignIn(&failure{}, app.URL+path, "ada")
		}()
	}
}

// A Browser submits the form only if it sees the consent page.
func TestPersonOnlyAnswersThePage(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{})
	browser := hub.Browser(hfoauthtest.Person{Username: "ada"})
	defer browser.CloseIdleConnections()
	query := url.Values{"response_type": {"code"}, "client_id": {app.ClientID}, "redirect_uri": {"http://localhost:1/cb"}}
	resp, err := browser.Head(hub.URL + "/oauth/authorize?" + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	equal(t, "HEAD: status", resp.StatusCode, 200)
	equal(t, "HEAD: calls", hub.Calls(hfoauthtest.AuthorizeEndpoint), 1)
	resp, err = browser.Get(hub.URL + "/")
	if body(resp, err) == "" {
		t.Errorf("the start page is empty: %v", err)
	}
	equal(t, "calls after the start page", hub.Calls(hfoauthtest.AuthorizeEndpoint), 1)
}

func TestPersonTransport(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request) {
		fmt.Fprint(w, "over TLS")
	}))
	defer app.Close()
	browser := hub.Browser(hfoauthtest.Person{Transport: app.Client().Transport})
	if got := body(browser.Get(app.URL)); got != "over TLS" {
		t.Errorf("own transport: %q", got)
	}
}

func TestServedOverTLS(t *testing.T) {
	var hub *hfoauthtest.Server
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request) {
		hub.ServeHTTP(w, r)
	}))
	defer server.Close()
	hub = hfoauthtest.New(server.URL + "/")
	defer hub.Close()
	got := body(server.Client().Get(hub.URL + "/.well-known/openid-configuration"))
	if !strings.Contains(got, `"issuer":"`+server.URL+`"`) {
		t.Errorf("metadata: %s", got)
	}
	if hub.Secrets() != nil {
		t.Error("a Server that is not for a test records secrets")
	}
}
