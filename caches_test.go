package hfoauth_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
)

// renewing returns a site and a session's cookie. By the site's clock, the next
// use of the session renews it.
func renewing(t *testing.T) (*site, *http.Cookie) {
	t.Helper()
	s := newSite(t, nil)
	clock := s.newClock()
	cookie := s.newSession(ada)
	clock.advance(9 * time.Hour)
	return s, cookie
}

// cacheable has response headers for caches; each is obeyed by some cache
// (RFC 9111, RFC 9213, Edge Architecture, nginx, LiteSpeed, Akamai).
var cacheable = map[string]string{
	"Cache-Control":                "public, max-age=600",
	"CDN-Cache-Control":            "max-age=600",
	"Cloudflare-CDN-Cache-Control": "max-age=600",
	"Surrogate-Control":            "max-age=600",
	"X-Accel-Expires":              "600",
	"X-LiteSpeed-Cache-Control":    "public, max-age=600",
	"Edge-Control":                 "cache-maxage=600s",
	"Expires":                      "Thu, 01 Jan 2099 00:00:00 GMT",
}

func sayCacheable(w http.ResponseWriter) {
	for name, value := range cacheable {
		w.Header().Set(name, value)
	}
}

// No response that a shared cache keeps sets a session's cookie, whatever headers
// the handler sets and however it writes.
func TestRenewedSessionIsNotCached(t *testing.T) {
	for name, write := range map[string]http.HandlerFunc{
		"Write":       func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page") },
		"WriteHeader": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(200) },
		"nothing":     func(http.ResponseWriter, *http.Request) {},
		"Flusher": func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			sayCacheable(w)
		},
		"ResponseController": func(w http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
		},
		"not canonical": func(w http.ResponseWriter, r *http.Request) {
			for name, value := range cacheable {
				w.Header()[strings.ToLower(name)] = []string{value}
			}
		},
		"two fields": func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Cache-Control"] = []string{"private, no-store", "public, max-age=600"}
		},
		"io.Copy": func(w http.ResponseWriter, r *http.Request) { io.Copy(w, strings.NewReader("page")) },
		"early hints": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(103)
			sayCacheable(w)
			w.WriteHeader(200)
		},
		"not modified": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotModified)
		},
		"http.ServeContent": func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "page.txt", time.Time{}, strings.NewReader("page"))
		},
		"panic that is recovered": func(w http.ResponseWriter, r *http.Request) { panic(errors.New("recovered")) },
	} {
		t.Run(name, func(t *testing.T) {
			s, cookie := renewing(t)
			page := s.client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				sayCacheable(w)
				write(w, r)
			}))
			app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() { recover() }()
				page.ServeHTTP(w, r)
			}))
			defer app.Close()
			s.checkUncached(get(t, s.browser(), app.URL, "Cookie", cookie.Name+"="+cookie.Value))
		})
	}
}

// checkUncached checks a response with a renewed session.
func (s *site) checkUncached(resp answer) {
	s.t.Helper()
	if len(resp.setCookies(s.client.SessionCookie())) != 1 {
		s.t.Fatalf("%s without the renewed session: %v", resp.Status, resp.Header)
	}
	s.checkPrivate(resp)
}

// checkPrivate checks that no cache keeps a response.
func (s *site) checkPrivate(resp answer) {
	s.t.Helper()
	if got := resp.Header.Values("Cache-Control"); fmt.Sprint(got) != "[private, no-store]" {
		s.t.Errorf("Cache-Control %q, want private, no-store", got)
	}
	for name := range cacheable {
		if got := resp.Header.Get(name); got != "" && name != "Cache-Control" {
			s.t.Errorf("%s is %q, want none", name, got)
		}
	}
}

// A response of the app's ErrorHandler may set the cookie as well.
func TestErrorsWithARenewedSessionAreNotCached(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) {
		c.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) bool {
			sayCacheable(w)
			w.WriteHeader(hfoauth.HTTPStatus(err))
			return true
		}
	})
	clock := s.newClock()
	cookie := s.newSession(ada)
	clock.advance(9 * time.Hour)
	app := httptest.NewServer(s.client.RequireScope(hfoauth.ScopeJobs)(http.NotFoundHandler()))
	defer app.Close()
	s.checkUncached(get(t, s.browser(), app.URL, "Accept", "*/*", "Cookie", cookie.Name+"="+cookie.Value))
}

// Our public files are not public if a middleware around them renewed a session:
// a shared cache would give its cookie to everyone, with the script for a year.
func TestPublicFilesWithARenewedSessionAreNotCached(t *testing.T) {
	appWithoutRegistration := func(c *hfoauth.Config) {
		c.ClientID, c.ClientSecret = strings.TrimSuffix(c.RedirectURL, "/login/callback")+
			"/.well-known/oauth-cimd", ""
		c.SessionKeys = [][]byte{testKey("key")}
	}
	for name, file := range map[string]struct {
		change func(*hfoauth.Config)
		path   func(*hfoauth.Client) string
	}{
		"script": {nil,
			func(c *hfoauth.Client) string { return between(string(c.ButtonAssets()), `src="`, `"`) }},
		"script, revalidated": {nil, func(*hfoauth.Client) string { return "/login/frame/hfoauth.js" }},
		"style": {nil,
			func(c *hfoauth.Client) string { return between(string(c.ButtonAssets()), `href="`, `"`) }},
		"resource metadata": {nil, func(*hfoauth.Client) string { return "/.well-known/oauth-protected-resource" }},
		"client metadata":   {appWithoutRegistration, func(*hfoauth.Client) string { return "/.well-known/oauth-cimd" }},
	} {
		t.Run(name, func(t *testing.T) {
			s, cookie := renewing(t)
			public := s.newReplica(file.change)
			public.AcceptBearer(hfoauth.BearerOptions{})
			files := public.Handler(http.NotFoundHandler())
			app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s.client.SessionFromRequest(w, r)
				files.ServeHTTP(w, r)
			}))
			defer app.Close()
			resp := get(t, s.browser(), app.URL+file.path(public), "Cookie", cookie.Name+"="+cookie.Value)
			if resp.StatusCode != 200 {
				t.Error(resp.Status)
			}
			s.checkUncached(resp)
		})
	}
}

// A call that gets the ResponseWriter has made the response private when it
// returns.
func TestHTTPClientKeepsTheAnswerPrivate(t *testing.T) {
	s, cookie := renewing(t)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sayCacheable(w)
		if _, err := s.client.SessionFromRequest(w, r); err != nil {
			t.Error(err)
		}
	}))
	defer app.Close()
	s.checkUncached(get(t, s.browser(), app.URL, "Cookie", cookie.Name+"="+cookie.Value))
}

// So have calls that set or remove our other cookies.
func TestCallsKeepTheAnswerPrivate(t *testing.T) {
	s := newSite(t, nil)
	for name, call := range map[string]func(w http.ResponseWriter, r *http.Request){
		"Login": func(w http.ResponseWriter, r *http.Request) { s.client.Login(w, r, hfoauth.LoginOptions{}) },
		"Logout": func(w http.ResponseWriter, r *http.Request) {
			if err := s.client.Logout(w, r); err != nil {
				t.Error(err)
			}
		},
		"Error": func(w http.ResponseWriter, r *http.Request) {
			s.client.Error(w, r, &hfoauth.ForbiddenError{Scopes: hfoauth.Scopes{hfoauth.ScopeJobs}})
		},
	} {
		app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sayCacheable(w)
			call(w, r)
		}))
		defer app.Close()
		cookie := s.newSession(ada)
		resp := get(t, s.browser(), app.URL, "Cookie", cookie.Name+"="+cookie.Value)
		if len(resp.Header["Set-Cookie"]) == 0 {
			t.Errorf("%s: no cookie is set", name)
		}
		s.checkPrivate(resp)
	}
}

// Pages behind Require* are private unless the handler says otherwise, which it
// may if they set none of our cookies.
func TestPagesBehindRequireArePrivate(t *testing.T) {
	s := newSite(t, nil)
	cookie := s.newSession(ada)
	for says, want := range map[string]string{
		"":                   "private, no-store",
		"public, max-age=60": "public, max-age=60",
		"no-cache":           "no-cache",
	} {
		app := httptest.NewServer(s.client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if says != "" {
				w.Header().Set("Cache-Control", says)
			}
			io.WriteString(w, "page")
		})))
		defer app.Close()
		resp := get(t, s.browser(), app.URL, "Cookie", cookie.Name+"="+cookie.Value)
		if got := resp.Header.Get("Cache-Control"); got != want {
			t.Errorf("handler says %q: Cache-Control %q, want %q", says, got, want)
		}
	}
}

// bareWriter has only the methods of http.ResponseWriter.
type bareWriter struct{ http.ResponseWriter }

type flushingWriter struct {
	bareWriter
	http.Flusher
}

type hijackingWriter struct{ bareWriter }

func (hijackingWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.New("hijacked")
}

// A handler's ResponseWriter has exactly the optional methods of the server's.
func TestInterfacesOfTheResponseWriter(t *testing.T) {
	recorder := httptest.NewRecorder()
	for name, w := range map[string]http.ResponseWriter{
		"none":     bareWriter{recorder},
		"Flusher":  flushingWriter{bareWriter{recorder}, recorder},
		"Hijacker": hijackingWriter{bareWriter{recorder}},
	} {
		s, cookie := renewing(t)
		reached := false
		s.client.RequireUser(http.HandlerFunc(func(wrapped http.ResponseWriter, r *http.Request) {
			reached = true
			_, want := w.(http.Flusher)
			if _, got := wrapped.(http.Flusher); got != want {
				t.Errorf("%s: Flusher %t, want %t", name, got, want)
			}
			if err := http.NewResponseController(wrapped).Flush(); (err == nil) != want {
				t.Errorf("%s: Flush by the controller: %v", name, err)
			}
			_, want = w.(http.Hijacker)
			if _, got := wrapped.(http.Hijacker); got != want {
				t.Errorf("%s: Hijacker %t, want %t", name, got, want)
			}
			if _, _, err := http.NewResponseController(wrapped).Hijack(); (err.Error() == "hijacked") != want {
				t.Errorf("%s: Hijack by the controller: %v", name, err)
			}
		})).ServeHTTP(w, requestWith(cookie))
		if !reached {
			t.Errorf("%s: the handler is not reached", name)
		}
	}
}

// If the response sets no cookie, the handler has the original ResponseWriter.
func TestAnswerWithoutACookieIsNotWrapped(t *testing.T) {
	s := newSite(t, nil)
	recorder := httptest.NewRecorder()
	var got http.ResponseWriter
	s.client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = w
	})).ServeHTTP(recorder, requestWith(s.newSession(ada)))
	if got != http.ResponseWriter(recorder) {
		t.Errorf("the handler has %T, want the ResponseWriter as it came", got)
	}
}

// Deadlines reach the connection through the wrapper.
func TestDeadlinesBehindRequire(t *testing.T) {
	s, cookie := renewing(t)
	app := httptest.NewServer(s.client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Error(err)
		}
	})))
	defer app.Close()
	s.checkUncached(get(t, s.browser(), app.URL, "Cookie", cookie.Name+"="+cookie.Value))
}

func requestWith(cookie *http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(cookie)
	return r
}

// A response that ends the pause changes the browser's cookies, so it is private.
func TestEndOfThePauseIsNotCached(t *testing.T) {
	s := newSite(t, nil)
	cookie := s.newSession(ada)
	pause := strings.Replace(cookie.Name, "hfoauth-", "hfoauth-pause-", 1)
	handler := s.client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		io.WriteString(w, "page")
	}))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", cookie.Name+"="+cookie.Value+"; "+pause+"=1")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if got := w.Header().Get("Set-Cookie"); !strings.HasPrefix(got, pause+"=;") {
		t.Fatalf("Set-Cookie %q, want the end of %s", got, pause)
	}
	if got := w.Header().Get("Cache-Control"); got != "private, no-store" {
		t.Errorf("Cache-Control %q, want private, no-store", got)
	}
}
