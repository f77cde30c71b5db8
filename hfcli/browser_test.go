package hfcli_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfcli"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// fetch gets a URL without following redirects.
func fetch(t *testing.T, client *http.Client, address string, change func(*http.Request)) (
	status int, location *url.URL, body string,
) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	still := *client
	still.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := still.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	location, err = resp.Location()
	if err != nil {
		location = &url.URL{}
	}
	return resp.StatusCode, location, string(content)
}

func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Transport: http.DefaultTransport.(*http.Transport).Clone()}
	t.Cleanup(browser.CloseIdleConnections)
	return browser
}

// approve signs in at the provider as a user and returns the URL that the browser
// is redirected to.
func (tl *tool) approve(location *url.URL, person hfoauthtest.Person) *url.URL {
	tl.t.Helper()
	provider := tl.hub.Browser(person)
	defer provider.CloseIdleConnections()
	_, callback, body := fetch(tl.t, provider, location.String(), nil)
	if callback.Path != "/login/callback" {
		tl.t.Errorf("the provider redirects the browser to %s: %s", callback, body)
	}
	return callback
}

func TestBrowserRequest(t *testing.T) {
	tl := newTool(t)
	_, err := tl.login(func() {
		browser := newBrowser(t)
		address := tl.screen.find(loginAddress)
		status, location, _ := fetch(t, browser, address, nil)
		query := location.Query()
		if status != http.StatusSeeOther || !strings.HasPrefix(location.String(), tl.hub.URL+"/oauth/authorize?") {
			t.Errorf("the URL redirects with status %d to %s", status, location)
		}
		for _, name := range []string{"state", "nonce", "code_challenge"} {
			if len(query.Get(name)) < 43 {
				t.Errorf("%s has %d characters, want 43 or more", name, len(query.Get(name)))
			}
		}
		for name, want := range map[string]string{
			"redirect_uri":          `^http://127\.0\.0\.1:\d+/login/callback$`,
			"scope":                 `^openid profile$`,
			"code_challenge_method": `^S256$`,
		} {
			if got := query.Get(name); !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("%s is %q, want %s", name, got, want)
			}
		}
		status, _, body := fetch(t, browser, tl.approve(location, hfoauthtest.Person{Username: "ada"}).String(), nil)
		if status != http.StatusOK || !strings.Contains(body, "You are signed in as ada") {
			t.Errorf("the last page has status %d: %s", status, body)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// opened returns the response to the URL that the tool printed.
func (tl *tool) opened() *http.Response {
	tl.t.Helper()
	req, err := http.NewRequest(http.MethodGet, tl.screen.find(loginAddress), nil)
	if err != nil {
		tl.t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		tl.t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

// The URLs contain secrets, and the pages are for a browser's window alone.
func TestBrowserHeaders(t *testing.T) {
	tl := newTool(t)
	_, err := tl.login(func() {
		header := tl.opened().Header
		for name, want := range map[string]string{
			"Cache-Control":           "no-store",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
			"Referrer-Policy":         "no-referrer",
			"X-Content-Type-Options":  "nosniff",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		tl.inBrowser(hfoauthtest.Person{Username: "ada"})
	})
	if err != nil {
		t.Error(err)
	}
}

// Servers on all ports of 127.0.0.1 share cookies.
func TestBrowserCookie(t *testing.T) {
	tl := newTool(t)
	_, err := tl.login(func() {
		cookies := tl.opened().Cookies()
		if len(cookies) != 1 {
			t.Errorf("%d cookies, want one", len(cookies))
		}
		for _, c := range cookies {
			got := fmt.Sprintf("Path %s, HttpOnly %v, SameSite %v", c.Path, c.HttpOnly, c.SameSite)
			want := fmt.Sprintf("Path /login/callback, HttpOnly true, SameSite %v", http.SameSiteLaxMode)
			if got != want {
				t.Errorf("the cookie has %s, want %s", got, want)
			}
		}
		browser := newBrowser(t)
		_, location, _ := fetch(t, browser, tl.screen.find(loginAddress), nil)
		callback := tl.approve(location, hfoauthtest.Person{Username: "ada"})
		fetch(t, browser, callback.String(), nil)
		if left := browser.Jar.Cookies(callback); len(left) != 0 {
			t.Errorf("%d cookies are left after the sign-in, want none", len(left))
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// Two tools can sign in at the same time in one browser.
func TestTwoToolsInOneBrowser(t *testing.T) {
	tl := newTool(t)
	other := *tl
	other.screen = newScreen()
	other.config.Name, other.config.Output = "other", other.screen
	browser := newBrowser(t)
	_, err := tl.login(func() {
		_, location, _ := fetch(t, browser, tl.screen.find(loginAddress), nil)
		if _, err := other.login(func() {
			_, location, _ := fetch(t, browser, other.screen.find(loginAddress), nil)
			callback := other.approve(location, hfoauthtest.Person{Username: "grace"})
			fetch(t, browser, callback.String(), nil)
		}); err != nil {
			t.Errorf("the tool that began second: %v", err)
		}
		callback := tl.approve(location, hfoauthtest.Person{Username: "ada"})
		if status, _, body := fetch(t, browser, callback.String(), nil); status != http.StatusOK {
			t.Errorf("the tool that began first: %d %s, want 200", status, body)
			tl.inBrowser(hfoauthtest.Person{Username: "ada"})
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// What a sign-in is recognized by is new each time.
func TestBrowserSecrets(t *testing.T) {
	seen := map[string]string{}
	for range 2 {
		tl := newTool(t)
		_, err := tl.login(func() {
			resp := tl.opened()
			location, err := resp.Location()
			if err != nil {
				t.Error(err)
				return
			}
			query := location.Query()
			secrets := map[string]string{"address": tl.screen.find(loginAddress)[len("http://127.0.0.1:"):]}
			for _, name := range []string{"state", "nonce", "code_challenge"} {
				secrets[name] = query.Get(name)
			}
			for _, cookie := range resp.Cookies() {
				secrets["cookie"] = cookie.Value
			}
			for name, secret := range secrets {
				if len(secret) < 43 {
					t.Errorf("%s has %d characters, want 43 or more", name, len(secret))
				}
				if other, ok := seen[secret]; ok {
					t.Errorf("%s is that of the %s", name, other)
				}
				seen[secret] = name
			}
			tl.inBrowser(hfoauthtest.Person{Username: "ada"})
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// Someone who reloads the last page does not send the code again.
func TestBrowserComesBackOnce(t *testing.T) {
	tl := newTool(t)
	browser := newBrowser(t)
	var callback string
	tl.hub.SetFault(hfoauthtest.TokenEndpoint, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			tl.hub.SetFault(hfoauthtest.TokenEndpoint, nil)
			status, _, body := fetch(t, browser, callback, nil)
			if status != http.StatusBadRequest {
				t.Errorf("the second time: status %d, want 400", status)
			}
			if want := "This sign-in is already complete"; !strings.Contains(body, want) {
				t.Errorf("the second time: %s, want %s", body, want)
			}
			next.ServeHTTP(w, r)
		})
	})
	_, err := tl.login(func() {
		_, location, _ := fetch(t, browser, tl.screen.find(loginAddress), nil)
		callback = tl.approve(location, hfoauthtest.Person{Username: "ada"}).String()
		fetch(t, browser, callback, nil)
	})
	if err != nil {
		t.Error(err)
	}
}

// Any user of the machine can connect to the port. No request of theirs ends or
// takes over the sign-in of the user, who can still complete it.
func TestBrowserAttacks(t *testing.T) {
	for name, attack := range map[string]func(tl *tool, address string, victim *http.Client){
		"a code of the attacker's with an invented state": func(tl *tool, address string, _ *http.Client) {
			callback, _ := url.Parse(address)
			callback.Path, callback.RawQuery = "/login/callback", "code=theirs&state="+strings.Repeat("A", 52)
			tl.refused(newBrowser(tl.t), callback.String(), nil)
		},
		"a guessed address": func(tl *tool, address string, _ *http.Client) {
			callback, _ := url.Parse(address)
			callback.Path = "/login/" + strings.Repeat("A", 52)
			tl.refused(newBrowser(tl.t), callback.String(), nil)
		},
		"an address with another last character": func(tl *tool, address string, _ *http.Client) {
			end := "A"
			if strings.HasSuffix(address, end) {
				end = "B"
			}
			tl.refused(newBrowser(tl.t), address[:len(address)-1]+end, nil)
		},
		"the state is known, the browser is another": func(tl *tool, address string, victim *http.Client) {
			_, location, _ := fetch(tl.t, victim, address, nil)
			tl.refused(newBrowser(tl.t), tl.approve(location, hfoauthtest.Person{Username: "grace"}).String(), nil)
		},
		"the state is known, the cookie is invented": func(tl *tool, address string, victim *http.Client) {
			_, location, _ := fetch(tl.t, victim, address, nil)
			callback := tl.approve(location, hfoauthtest.Person{Username: "grace"})
			tl.refused(newBrowser(tl.t), callback.String(), func(r *http.Request) {
				r.AddCookie(&http.Cookie{Name: "hfcli-" + callback.Port(), Value: strings.Repeat("A", 52)})
			})
		},
		"the browser is the user's, sent there with an invented state": func(tl *tool, address string,
			victim *http.Client) {
			_, location, _ := fetch(tl.t, victim, address, nil)
			callback := tl.approve(location, hfoauthtest.Person{Username: "grace"})
			query := callback.Query()
			query.Set("state", strings.Repeat("A", 52))
			callback.RawQuery = query.Encode()
			tl.refused(victim, callback.String(), nil)
		},
		"the browser is the user's, sent there with an error": func(tl *tool, address string, victim *http.Client) {
			fetch(tl.t, victim, address, nil)
			callback, _ := url.Parse(address)
			callback.Path, callback.RawQuery = "/login/callback", "error=access_denied"
			tl.refused(victim, callback.String(), nil)
		},
		"a page of another site that names its own host 127.0.0.1": func(tl *tool, address string,
			victim *http.Client) {
			tl.refused(victim, address, func(r *http.Request) { r.Host = "evil.example" })
		},
	} {
		t.Run(name, func(t *testing.T) {
			tl := newTool(t)
			session, err := tl.login(func() {
				victim := newBrowser(t)
				address := tl.screen.find(loginAddress)
				attack(tl, address, victim)
				_, location, _ := fetch(t, victim, address, nil)
				callback := tl.approve(location, hfoauthtest.Person{Username: "ada"})
				if status, _, body := fetch(t, victim, callback.String(), nil); status != http.StatusOK {
					t.Errorf("the user's browser gets %d: %s", status, body)
				}
			})
			if err != nil || session.User.Username != "ada" {
				t.Errorf("%v, %v, want ada", session, err)
			}
		})
	}
}

// refused requests a URL, which must return an error and no redirect.
func (tl *tool) refused(browser *http.Client, address string, change func(*http.Request)) {
	tl.t.Helper()
	status, location, _ := fetch(tl.t, browser, address, change)
	if status/100 != 4 || location.String() != "" {
		tl.t.Errorf("status %d with Location %q, want an error", status, location)
	}
}

func TestBrowserFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		person hfoauthtest.Person
		change func(*tool)
		want   error
		page   string
	}{
		"denied": {hfoauthtest.Person{Deny: true}, func(*tool) {}, hfoauth.ErrDenied, "Sign-in cancelled"},
		"another issuer": {hfoauthtest.Person{Username: "ada"}, func(tl *tool) {
			tl.hub.Configure(func(s *hfoauthtest.Settings) {
				s.AuthorizationResponse = func(params url.Values) { params.Set("iss", "https://evil.example") }
			})
		}, hfoauth.ErrProviderInvalid, "Sign-in failed"},
		"denied by another issuer": {hfoauthtest.Person{Deny: true}, func(tl *tool) {
			tl.hub.Configure(func(s *hfoauthtest.Settings) {
				s.AuthorizationResponse = func(params url.Values) { params.Set("iss", "https://evil.example") }
			})
		}, hfoauth.ErrProviderInvalid, "Sign-in failed"},
		"nonce of another sign-in": {hfoauthtest.Person{Username: "ada"}, func(tl *tool) {
			tl.hub.Configure(func(s *hfoauthtest.Settings) {
				s.IDToken = func(_, claims map[string]any) { claims["nonce"] = "other" }
			})
		}, hfoauth.ErrProviderInvalid, "Sign-in failed"},
		"userinfo of another user": {hfoauthtest.Person{Username: "ada"}, func(tl *tool) {
			tl.hub.Configure(func(s *hfoauthtest.Settings) {
				s.UserInfo = func(claims map[string]any) { claims["sub"] = "other" }
			})
		}, hfoauth.ErrProviderInvalid, "Sign-in failed"},
		"token endpoint down": {hfoauthtest.Person{Username: "ada"}, func(tl *tool) {
			tl.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Answer(503, ""))
		}, hfoauth.ErrProviderUnavailable, "Sign-in failed"},
		"userinfo down for a moment": {hfoauthtest.Person{Username: "ada"}, func(tl *tool) {
			tl.hub.SetFault(hfoauthtest.UserInfoEndpoint, hfoauthtest.Times(1, hfoauthtest.Answer(503, "")))
		}, nil, "You are signed in as ada"},
	} {
		t.Run(name, func(t *testing.T) {
			tl := newTool(t)
			tt.change(tl)
			_, err := tl.login(func() {
				browser := tl.hub.Browser(tt.person)
				defer browser.CloseIdleConnections()
				resp, err := browser.Get(tl.screen.find(loginAddress))
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				body, _ := io.ReadAll(resp.Body)
				if !strings.Contains(string(body), tt.page) {
					t.Errorf("the page is %s, want %s", body, tt.page)
				}
			})
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if err != nil {
				tl.openFails(hfoauth.ErrNotSignedIn)
			}
		})
	}
}

func TestBrowserProviderError(t *testing.T) {
	tl := newTool(t)
	tl.config.Scopes = hfoauth.Scopes{"no-such-scope"}
	_, err := tl.login(func() { tl.inBrowser(hfoauthtest.Person{Username: "ada"}) })
	if e, ok := errors.AsType[*hfoauth.ProviderError](err); !ok || e.Code != "invalid_scope" {
		t.Errorf("%v, want invalid_scope", err)
	}
}

// An error is printed in a terminal, which characters can control.
func TestBrowserProviderErrorIsPrintable(t *testing.T) {
	tl := newTool(t)
	tl.hub.Configure(func(s *hfoauthtest.Settings) {
		s.AuthorizationResponse = func(params url.Values) {
			params.Set("error", "clear\x1b[2J")
			params.Set("error_description", "the screen\x1b[2J")
		}
	})
	_, err := tl.login(func() { tl.inBrowser(hfoauthtest.Person{Deny: true}) })
	e, ok := errors.AsType[*hfoauth.ProviderError](err)
	if !ok {
		t.Fatalf("%v, want a ProviderError", err)
	}
	if want := "clear [2J"; e.Code != want {
		t.Errorf("the code is %q, want %q", e.Code, want)
	}
	if want := "the screen [2J"; e.Description != want {
		t.Errorf("the description is %q, want %q", e.Description, want)
	}
}

func TestBrowserIsCancelled(t *testing.T) {
	tl := newTool(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		tl.screen.find(loginAddress)
		cancel()
	}()
	if _, err := hfcli.Login(ctx, tl.config); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// oneConnection is a listener with a single connection.
type oneConnection struct {
	net.Listener
	connection chan net.Conn
}

func (l oneConnection) Accept() (net.Conn, error) {
	c, ok := <-l.connection
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l oneConnection) Close() error { return nil }

// Another user's program cannot hold connections to the port by saying nothing.
func TestSilentConnectionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := hfcli.NewServer(http.NotFoundHandler())
		client, connection := net.Pipe()
		defer client.Close()
		listener := oneConnection{connection: make(chan net.Conn, 1)}
		listener.connection <- connection
		go server.Serve(listener)
		defer close(listener.connection)
		began := time.Now()
		client.SetReadDeadline(began.Add(time.Hour))
		if _, err := io.WriteString(client, "GET / HTTP/1.1\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("reading from the server: %v, want EOF", err)
		}
		if waited := time.Since(began); waited != 10*time.Second {
			t.Errorf("the connection is closed after %v, want 10 s", waited)
		}
	})
}

// The command in BROWSER gets the URL as its last argument.
func TestBrowserCommand(t *testing.T) {
	tl := newTool(t)
	seen := make(chan []string, 1)
	report := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		seen <- r.PostForm["argument"]
	}))
	defer report.Close()
	t.Setenv("HFCLI_BROWSER", report.URL)
	t.Setenv("BROWSER", os.Args[0]+" -new")
	t.Setenv("SSH_CONNECTION", "192.0.2.1 22 192.0.2.2 22")
	_, err := tl.login(func() {
		want := []string{"-new", tl.screen.find(loginAddress)}
		if got := <-seen; !slices.Equal(got, want) {
			t.Errorf("the command gets %q, want %q", got, want)
		}
		tl.inBrowser(hfoauthtest.Person{Username: "ada"})
	})
	if err != nil {
		t.Error(err)
	}
}

// If there is no browser, the user gets a code.
func TestNoBrowser(t *testing.T) {
	for name, environment := range map[string]map[string]string{
		"no display": {"BROWSER": ""},
		"SSH": {"BROWSER": "", "DISPLAY": ":0",
			"SSH_CONNECTION": "192.0.2.1 22 192.0.2.2 22"},
		"BROWSER does not exist":              {"BROWSER": "/no/such/browser"},
		"BROWSER fails":                       {"BROWSER": "false"},
		"xdg-open is not installed":           {"BROWSER": "", "DISPLAY": ":0", "PATH": ""},
		"xdg-open is not installed (Wayland)": {"BROWSER": "", "WAYLAND_DISPLAY": "wayland-0", "PATH": ""},
	} {
		t.Run(name, func(t *testing.T) {
			tl := newTool(t)
			for variable, value := range environment {
				t.Setenv(variable, value)
			}
			session, err := tl.login(func() {
				if err := tl.hub.ApproveDevice(tl.screen.find(userCode), "ada"); err != nil {
					t.Error(err)
				}
			})
			if err != nil || session.User.Username != "ada" {
				t.Errorf("%v, %v", session, err)
			}
		})
	}
}

// Over SSH, the desktop is not where the user is.
func TestNoBrowserOverSSH(t *testing.T) {
	tl := newTool(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Setenv("BROWSER", "")
	t.Setenv("DISPLAY", ":0")
	t.Setenv("SSH_CONNECTION", "192.0.2.1 22 192.0.2.2 22")
	_, err := tl.login(func() {
		if err := tl.hub.ApproveDevice(tl.screen.find(userCode), "ada"); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Error(err)
	}
	if got, text := tl.screen.String(), "the browser window that opens"; strings.Contains(got, text) {
		t.Errorf("the tool prints %q, want nothing about a window", got)
	}
}
