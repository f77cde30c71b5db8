package hfoauth_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// pathClient returns a client with a redirect URL; its provider is not asked.
func pathClient(t *testing.T, redirectURL string) *hfoauth.Client {
	t.Helper()
	return newClient(t, hfoauth.Config{RedirectURL: redirectURL})
}

// ask returns the status and Location of a handler's response.
func ask(handler http.Handler, method, target string) (status int, location string) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, target, nil)
	r.Header.Set("Accept", "text/html")
	handler.ServeHTTP(w, r)
	return w.Code, w.Header().Get("Location")
}

func TestPathsFollowFromTheRedirectURL(t *testing.T) {
	for redirectURL, login := range map[string]string{
		"https://app.example/login/callback":       "/login",
		"https://app.example/tools/login/callback": "/tools/login",
		"https://app.example/a/b/login/callback":   "/a/b/login",
		"https://app.example/oauth/back":           "/login",
	} {
		client := pathClient(t, redirectURL)
		private := client.RequireUser(http.NotFoundHandler())
		if _, got := ask(private, "GET", "/private"); got != login+"?next=%2Fprivate" {
			t.Errorf("%s: a private page leads to %q, want %s", redirectURL, got, login)
		}
	}
}

func TestHandlerOwnsItsPaths(t *testing.T) {
	s := newVirtualSite(t, func(c *hfoauth.Config) { c.RedirectURL = "https://app.example/tools/login/callback" })
	app := s.client.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	}))
	for _, path := range []string{
		"/tools/login", "/tools/login/callback", "/tools/logout", "/tools/login/frame/check",
		"/tools/login/frame/unknown",
		"/login", "/login/callback", "/logout", "/login/frame/check",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "OPTIONS"} {
			if status, _ := ask(app, method, path); status == http.StatusTeapot {
				t.Errorf("%s %s reaches the app", method, path)
			}
		}
	}
	for _, path := range []string{
		"/", "/tools/", "/tools/login/", "/tools/loginx", "/tools/login/callback/", "/tools/login/frame",
		"/.well-known/oauth-cimd",
	} {
		if status, _ := ask(app, "GET", path); status != http.StatusTeapot {
			t.Errorf("GET %s does not reach the app: %d", path, status)
		}
	}
}

// Mount is compatible with catch-all patterns of the app.
func TestMountBesideCatchAlls(t *testing.T) {
	for _, pattern := range []string{"/", "GET /", "/api/", "GET /{page}"} {
		mux := http.NewServeMux()
		mux.Handle(pattern, http.NotFoundHandler())
		pathClient(t, "https://app.example/tools/login/callback").Mount(mux)
	}
}

// A Client at the root keeps its paths beside a Client below it, in either order:
// paths that only a stripping proxy needs yield.
func TestTwoClientsOnOneMux(t *testing.T) {
	for _, order := range []string{"root first", "root last"} {
		t.Run(order, func(t *testing.T) {
			s := newSite(t, nil)
			mux := http.NewServeMux()
			root := s.newReplica(nil)
			below := s.newReplica(func(c *hfoauth.Config) { c.RedirectURL = s.URL + "/tools/login/callback" })
			clients := []*hfoauth.Client{root, below}
			if order == "root last" {
				clients = []*hfoauth.Client{below, root}
			}
			for _, client := range clients {
				client.Mount(mux)
			}
			leads := func(path, callback string) {
				t.Helper()
				if _, location := ask(mux, "GET", path); !strings.Contains(location, url.QueryEscape(s.URL+callback)) {
					t.Errorf("GET %s leads to %s, want to return to %s", path, location, callback)
				}
			}
			leads("/login", "/login/callback")
			root.AcceptBearer(hfoauth.BearerOptions{Resource: "/api"})
			below.AcceptBearer(hfoauth.BearerOptions{Resource: "/tools/api"})
			for resource, want := range map[string]int{"/api": 200, "/tools/api": 200, "/other": 404} {
				if status, _ := ask(mux, "GET", "/.well-known/oauth-protected-resource"+resource); status != want {
					t.Errorf("metadata of %s: %d, want %d", resource, status, want)
				}
			}
			leads("/tools/login", "/tools/login/callback")
		})
	}
}

// A Client around another one does not hide what only the inner one has.
func TestClientInsideAnother(t *testing.T) {
	root := pathClient(t, "https://app.example/login/callback")
	below := pathClient(t, "https://app.example/tools/login/callback")
	root.AcceptBearer(hfoauth.BearerOptions{Resource: "/api"})
	below.AcceptBearer(hfoauth.BearerOptions{Resource: "/tools/api"})
	app := root.Handler(below.Handler(http.NotFoundHandler()))
	for resource, want := range map[string]int{"/api": 200, "/tools/api": 200, "/other": 404} {
		if status, _ := ask(app, "GET", "/.well-known/oauth-protected-resource"+resource); status != want {
			t.Errorf("metadata of %s: %d, want %d", resource, status, want)
		}
	}
}

// The path of a redirect URL that ends in a slash is that path alone.
func TestCallbackThatEndsInASlash(t *testing.T) {
	mux := http.NewServeMux()
	pathClient(t, "https://app.example/back/").Mount(mux)
	for path, want := range map[string]int{"/back/": 400, "/back/page": 404} {
		if status, _ := ask(mux, "GET", path); status != want {
			t.Errorf("GET %s: %d, want %d", path, status, want)
		}
	}
}

// proxied starts an app at /tools/ of an address, behind a proxy that keeps or
// strips that prefix.
func proxied(t *testing.T, hub *hfoauthtest.Server, strip bool) (address string) {
	t.Helper()
	clearEnv(t)
	backend := httptest.NewUnstartedServer(nil)
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: backend.Listener.Addr().String()})
		r.Out.Host = r.In.Host
		if strip {
			r.Out.URL.Path = strings.TrimPrefix(r.Out.URL.Path, "/tools")
		}
	}})
	t.Cleanup(proxy.Close)
	redirectURL := proxy.URL + "/tools/login/callback"
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirectURL}})
	client, err := hfoauth.New(hfoauth.Config{
		ClientID: app.ClientID, ClientSecret: app.ClientSecret,
		ProviderURL: hub.URL, RedirectURL: redirectURL,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	client.Mount(mux)
	prefix := "/tools"
	if strip {
		prefix = ""
	}
	mux.HandleFunc("GET "+prefix+"/{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, client.ButtonAssets(), client.Button(r, hfoauth.ButtonOptions{}))
	})
	private := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "private page, query %s", r.URL.RawQuery)
	})
	mux.Handle("GET "+prefix+"/private", client.RequireUser(private))
	mux.HandleFunc("GET "+prefix+"/chat", func(w http.ResponseWriter, r *http.Request) {
		client.Login(w, r, hfoauth.LoginOptions{Scopes: hfoauth.Scopes{hfoauth.ScopeInferenceAPI}})
	})
	backend.Config.Handler = mux
	backend.Start()
	t.Cleanup(backend.Close)
	return proxy.URL + "/tools"
}

func TestBehindAProxy(t *testing.T) {
	for name, strip := range map[string]bool{"that keeps the prefix": false, "that strips the prefix": true} {
		t.Run(name, func(t *testing.T) {
			hub := hfoauthtest.NewServer(t)
			address := proxied(t, hub, strip)

			browser := hub.Browser(ada)
			resp := get(t, browser, address+"/private?a=b")
			if resp.body != "private page, query a=b" {
				t.Errorf("a private page leads through sign-in to %s: %s %s", resp.Request.URL, resp.Status, resp.body)
			}
			if got := resp.Request.URL.Path; got != "/tools/private" {
				t.Errorf("and ends at %s", got)
			}

			home := get(t, browser, address+"/")
			if !strings.Contains(home.body, `action="/tools/logout"`) {
				t.Errorf("the button signs out elsewhere: %s", home.body)
			}
			script := between(home.body, `<script src="`, `"`)
			if resp := get(t, browser, strings.TrimSuffix(address, "/tools")+script); resp.StatusCode != http.StatusOK {
				t.Errorf("the script at %s: %s", script, resp.Status)
			}
			checked := post(t, browser, address+"/login/frame/check", nil, "Sec-Fetch-Site", "same-origin")
			if !strings.Contains(checked.body, "true") {
				t.Errorf("below /login/frame/: %s %s", checked.Status, checked.body)
			}

			browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			if got := post(t, browser, address+"/logout", nil).Header.Get("Location"); got != "/tools/" {
				t.Errorf("sign-out leads to %q", got)
			}
			out := post(t, browser, address+"/logout", url.Values{"next": {"/tools/private"}})
			if got := out.Header.Get("Location"); got != "/tools/private" {
				t.Errorf("sign-out with a return path leads to %q", got)
			}
			failed := get(t, browser, address+"/login/callback?state=x&code=y")
			if !strings.Contains(failed.body, `<a href="/tools/">`) {
				t.Errorf("a failure offers another start page: %s", failed.body)
			}
			if !strings.Contains(failed.body, `href="/tools/login"`) {
				t.Errorf("a failure does not offer sign-in here: %s", failed.body)
			}
		})
	}
}

// between returns the text between two others.
func between(text, before, after string) string {
	_, text, _ = strings.Cut(text, before)
	text, _, _ = strings.Cut(text, after)
	return text
}

func TestCallbackNeedsAPathOfItsOwn(t *testing.T) {
	clearEnv(t)
	secret := "0123456789abcdefghijklmnop"
	for want, config := range map[string]hfoauth.Config{
		`"https://app.example"`:  {RedirectURL: "https://app.example"},
		`"https://app.example/"`: {RedirectURL: "https://app.example/"},
		`"/login"`:               {RedirectURL: "https://app.example/login"},
		`"/out"`:                 {RedirectURL: "https://app.example/out", LogoutPath: "/out"},
		`Config.LogoutPath: "/sign"`: {
			RedirectURL: "https://app.example/back", LoginPath: "/sign", LogoutPath: "/sign",
		},
		`Config.HomePath: "home"`: {RedirectURL: "https://app.example/login/callback", HomePath: "home"},
	} {
		config.ClientID, config.ClientSecret = "client", secret
		if _, err := hfoauth.New(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %s", err, want)
		}
	}
}

// A sign-in that begins under another name of the site is redirected to the
// registered one, below the prefix that a proxy strips.
func TestOtherHostBehindAProxy(t *testing.T) {
	for name, strip := range map[string]bool{"that keeps the prefix": false, "that strips the prefix": true} {
		t.Run(name, func(t *testing.T) {
			address := proxied(t, hfoauthtest.NewServer(t), strip)
			for path, want := range map[string]string{
				"/login":                   "/login",
				"/login?next=%2Fprivate":   "/login?next=%2Fprivate",
				"/login?next=/a&__sign=ab": "/login?next=/a",
				"/chat?page=2":             "/chat?page=2",
			} {
				req, err := http.NewRequest("GET", address+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Host = "localhost:" + req.URL.Port()
				req.Header.Set("Sec-Fetch-Mode", "navigate")
				browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
					return http.ErrUseLastResponse
				}}
				if got := do(t, browser, req).Header.Get("Location"); got != address+want {
					t.Errorf("%s on localhost leads to %q, want %q", path, got, address+want)
				}
			}
		})
	}
}

// The pages of sign-in are no return paths, whether or not they have the prefix
// that a proxy strips.
func TestReturnPathsBehindAProxy(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	address := proxied(t, hub, true)
	for _, next := range []string{
		"/login?next=/login?next=/login", "/tools/login?next=/tools/login", "/logout",
		"/login/callback?state=x&code=y", "/login/frame/done",
	} {
		browser, before := hub.Browser(hfoauthtest.Person{Username: "ada"}), hub.Calls(hfoauthtest.TokenEndpoint)
		resp, err := browser.Get(address + "/login?next=" + url.QueryEscape(next))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Request.URL.String(); got != address+"/" {
			t.Errorf("next=%s leads to %s, want the start page", next, got)
		}
		if got := hub.Calls(hfoauthtest.TokenEndpoint) - before; got != 1 {
			t.Errorf("next=%s: %d sign-ins, want one", next, got)
		}
	}
}
