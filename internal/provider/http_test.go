package provider

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnswersAreBounded(t *testing.T) {
	for size, want := range map[int]string{
		0:             "",
		maxAnswer / 2: "",
		1 << 20:       "",
		1<<20 + 1:     "larger than",
		1 << 22:       "larger than",
	} {
		for _, announced := range []int64{-1, int64(size)} {
			h, p := newHub()
			h.respond["/u"] = func(request) (*http.Response, error) {
				resp := answer(200, strings.Repeat("x", size))
				resp.ContentLength = announced
				return resp, nil
			}
			body, err := p.UserInfo(t.Context(), "token")
			checkError(t, strconv.Itoa(size), err, Invalid, want)
			if err == nil && len(body) != size {
				t.Errorf("got %d bytes, want %d", len(body), size)
			}
		}
	}
}

// closing reports whether a body was closed.
type closing struct {
	*strings.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

func TestBodiesAreClosed(t *testing.T) {
	for _, status := range []int{200, 404, 503} {
		body := &closing{Reader: strings.NewReader("{}")}
		h, p := newHub()
		h.respond["/u"] = func(request) (*http.Response, error) {
			resp := answer(status, "")
			resp.Body = body
			return resp, nil
		}
		p.UserInfo(t.Context(), "token")
		if !body.closed {
			t.Errorf("status %d: the body was not closed", status)
		}
	}
}

func TestAnswersAreLimitedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := newHub()
		h.respond["/u"] = func(r request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		began := time.Now()
		_, err := p.UserInfo(t.Context(), "token")
		checkError(t, "a provider that does not respond", err, Unavailable, "deadline")
		if got, want := time.Since(began), 10*time.Second; got != want {
			t.Errorf("waited %s, want %s", got, want)
		}
	})
}

func TestStatuses(t *testing.T) {
	for status, kind := range map[int]Kind{
		429: Unavailable, 500: Unavailable, 502: Unavailable, 599: Unavailable,
		400: Invalid, 499: Invalid, 304: Invalid,
	} {
		h, p := newHub()
		h.answers("/u", status, "{}")
		_, err := p.UserInfo(t.Context(), "token")
		checkError(t, strconv.Itoa(status), err, kind, "status "+strconv.Itoa(status))
	}
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"":                              0,
		"7":                             7 * time.Second,
		"-7":                            0,
		"soon":                          0,
		"3600":                          time.Hour,
		"3601":                          time.Hour,
		"9223372036854775":              time.Hour,
		"Wed, 21 Oct 2026 07:28:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}); got != want {
			t.Errorf("Retry-After %q: %s, want %s", value, got, want)
		}
	}
}

// A redirected token request would send the code and the secret to a host that
// was not configured (RFC 9700 section 4.11).
func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		h, p := newHub()
		for _, path := range []string{"/t", "/u", "/d"} {
			h.answers(path, status, "", "Location", issuer+"/elsewhere")
		}
		exchange(t, p)
		p.UserInfo(t.Context(), "token")
		p.StartDevice(t.Context(), "openid")
		for _, path := range []string{"/t", "/u", "/d"} {
			if n := len(h.received(path)); n != 1 {
				t.Errorf("status %d: %d requests to %s, want one", status, n, path)
			}
		}
		if n := len(h.received("/elsewhere")); n != 0 {
			t.Errorf("status %d was followed %d times", status, n)
		}
	}
}

// The error names the address without the parts that may repeat the request.
func TestRedirectErrors(t *testing.T) {
	for location, want := range map[string]string{
		"https://evil.example/x?code=secret-code#secret-code": "redirects to https://evil.example/x, which",
		"https://secret-code:pw@evil.example/x":               "redirects to https://evil.example/x, which",
		"/elsewhere?code=secret-code":                         "redirects to /elsewhere, which",
		"https://evil example/secret-code":                    "redirects to an address that cannot be parsed, which",
	} {
		h, p := newHub()
		h.answers("/t", 307, "", "Location", location)
		_, err := exchange(t, p)
		checkError(t, location, err, Invalid, want)
		if strings.Contains(err.Error(), "secret-code") {
			t.Errorf("%s: the error %q shows the code", location, err)
		}
	}
	h, p := newHub()
	h.answers("/j", 302, "", "Location", "/login")
	_, err := exchange(t, p)
	checkError(t, "keys", err, Invalid, "jwks endpoint")
}

// counting is an endless body that counts the bytes read.
type counting struct{ n int }

func (c *counting) Read(b []byte) (int, error) {
	c.n += len(b)
	if c.n > 64<<20 {
		return 0, io.EOF
	}
	return len(b), nil
}

func (c *counting) Close() error { return nil }

func TestEndlessAnswers(t *testing.T) {
	body := &counting{}
	h, p := newHub()
	h.respond["/u"] = func(request) (*http.Response, error) {
		resp := answer(200, "")
		resp.Body = body
		return resp, nil
	}
	_, err := p.UserInfo(t.Context(), "token")
	checkError(t, "endless", err, Invalid, "larger than")
	if body.n > 2*maxAnswer {
		t.Errorf("%d bytes of a response were read, the limit is %d", body.n, maxAnswer)
	}
}

// If the app configures no transport, the program's default one is used, with
// more idle connections per host.
func TestOwnTransport(t *testing.T) {
	checked, ok := newTransport(true).(*checkedTransport)
	if !ok {
		t.Fatal("the transport does not check addresses")
	}
	unchecked, ok := newTransport(false).(*http.Transport)
	if !ok {
		t.Fatal("the unchecked transport is not net/http's")
	}
	for name, base := range map[string]*http.Transport{
		"direct": checked.direct, "proxied": checked.proxied, "unchecked": unchecked,
	} {
		if base == http.DefaultTransport {
			t.Errorf("%s: the program's default transport was modified", name)
		}
		if base.MaxIdleConnsPerHost != 64 || base.DisableKeepAlives {
			t.Errorf("%s: %d idle connections, keep-alives off: %v", name, base.MaxIdleConnsPerHost,
				base.DisableKeepAlives)
		}
	}
	if checked.proxied.Proxy == nil || unchecked.Proxy == nil {
		t.Error("the proxy from the environment is ignored")
	}

	original := http.DefaultTransport
	defer func() { http.DefaultTransport = original }()
	dialed := 0
	own := original.(*http.Transport).Clone()
	own.DialContext = func(context.Context, string, string) (net.Conn, error) {
		dialed++
		return nil, errors.New("not today")
	}
	own.DialTLSContext = own.DialContext
	http.DefaultTransport = own
	for _, address := range []string{"http://hub.example", "https://hub.example"} {
		req, err := http.NewRequest(http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		before := dialed
		if _, err := newTransport(true).(*checkedTransport).direct.RoundTrip(req); err == nil || dialed != before+1 {
			t.Errorf("%s: the program's own dialer is not used (%v)", address, err)
		}
	}
	http.DefaultTransport = transport(func(*http.Request) (*http.Response, error) { return answer(200, ""), nil })
	if _, ok := newTransport(true).(transport); !ok {
		t.Error("the program's replacement for http.DefaultTransport is not used")
	}
}

// oauth2 would parse text/plain as a form.
func TestFormIsNoTokenResponse(t *testing.T) {
	h, p := newHub()
	for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", ""} {
		h.answers("/t", 200, "access_token=x&token_type=bearer", "Content-Type", contentType)
		_, err := p.MemberToken(t.Context(), "ada@example.com", "")
		checkError(t, contentType, err, Invalid, "token endpoint")
	}
}

// A truncated body is an error.
func TestBrokenBody(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.Write([]byte(`{"sub":"ada"}`))
	}))
	defer server.Close()
	p := New(Config{Issuer: server.URL, ClientID: "client", Now: time.Now})
	_, err := p.get(t.Context(), "userinfo", server.URL, "token")
	checkError(t, "broken", err, Unavailable, "EOF")
}

// A redirect may repeat a token in its path.
func TestRedirectErrorsShowNoToken(t *testing.T) {
	h, p := newHub()
	h.answers("/u", 302, "", "Location", "/elsewhere/hf_oauth_access")
	_, err := p.UserInfo(t.Context(), "hf_oauth_access")
	checkError(t, "userinfo", err, Invalid, "redirects to /elsewhere/[redacted], which")
}

// A response that announces more than it may have takes no memory for it.
func TestAnnouncedLengthIsNotBelieved(t *testing.T) {
	h, p := newHub()
	h.respond["/u"] = func(request) (*http.Response, error) {
		resp := answer(200, "{}")
		resp.ContentLength = 1 << 60
		return resp, nil
	}
	if body, err := p.UserInfo(t.Context(), "token"); err != nil || string(body) != "{}" {
		t.Errorf("%q, %v, want {}", body, err)
	}
}
