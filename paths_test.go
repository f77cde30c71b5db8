package hfoauth_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
)

func TestOpenRedirect(t *testing.T) {
	s := newSite(t, nil)
	browser := s.browser()
	for _, next := range []string{"//evil.example", "////evil.example", "/\\evil.example", "https://evil.example", "/%5cevil.example", "/login", "/login/callback"} {
		if resp := s.signIn(browser, ada, next); resp.Header.Get("Location") != "/" {
			t.Errorf("next=%q leads to %q", next, resp.Header.Get("Location"))
		}
	}
}

func TestReturnPath(t *testing.T) {
	stays := []string{
		"/", "/private", "/a/b?c=d&e=%2F#f", "/search?q=https://example.com", "/caf%C3%A9",
		"/a//b", "/user@host", "/a:b", "/?next=//evil.example", "/x#//evil.example", "/%2e%2e/x",
	}
	for _, next := range stays {
		if got := hfoauth.ReturnPath(next); got != next {
			t.Errorf("ReturnPath(%q) = %q, want it unchanged", next, got)
		}
	}
	leaves := []string{
		"", "private", "?a=b", "#a", "https://evil.example", "https:/evil.example", "https:evil.example",
		"//evil.example", "///evil.example", "////evil.example", "/\\evil.example", "\\/evil.example", "\\\\evil.example",
		"/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "\t//evil.example", " //evil.example", "/\x00/evil.example", "/\x7f/evil.example",
		"/%2Fevil.example", "/%2f%2fevil.example", "/%5Cevil.example", "/%5c%5cevil.example", "/%09/evil.example", "/%0a/evil.example", "/%00",
		"javascript:alert(1)", "data:text/html,x", "mailto:a@evil.example", "//evil.example:443/x", "//user@evil.example",
		"/a\\b", "/%zz", "/\u2028/evil.example", "/" + strings.Repeat("a", 1024),
	}
	for _, next := range leaves {
		if got := hfoauth.ReturnPath(next); got != "/" {
			t.Errorf("ReturnPath(%q) = %q, want /", next, got)
		}
	}
	if got := hfoauth.ReturnPath("/café"); got != "/caf%C3%A9" {
		t.Errorf("ReturnPath(/café) = %q, want it escaped", got)
	}
}

// browserURL resolves a Location the way the URL Standard has browsers do it
// where that is laxer than RFC 3986: tabs and newlines are dropped, spaces and
// controls around it too, and a backslash is a slash.
func browserURL(location string) (*url.URL, error) {
	location = strings.Trim(location, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\v\f\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f ")
	location = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(location)
	head, tail, _ := strings.Cut(location, "?")
	head = strings.ReplaceAll(head, "\\", "/")
	if tail != "" {
		head += "?" + tail
	}
	base := &url.URL{Scheme: "https", Host: "app.example", Path: "/"}
	for strings.HasPrefix(head, "///") {
		head = head[1:] // the URL Standard skips extra slashes before a host
	}
	return base.Parse(head)
}

func FuzzReturnPath(f *testing.F) {
	for _, seed := range []string{"/", "/private?x=1#y", "//evil.example", "/\\evil.example", "////evil", "/%2F/evil", "/\t/evil", "https://evil.example", "/a/../..//evil"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, next string) {
		got := hfoauth.ReturnPath(next)
		if hfoauth.ReturnPath(got) != got {
			t.Errorf("ReturnPath(%q) = %q is not stable", next, got)
		}
		decoded, err := url.PathUnescape(got)
		if err != nil {
			decoded = got
		}
		for _, location := range []string{got, decoded} {
			u, err := browserURL(location)
			if err != nil {
				continue
			}
			if u.Scheme != "https" || u.Host != "app.example" || u.User != nil {
				t.Errorf("ReturnPath(%q) = %q leads a browser to %s", next, got, u)
			}
		}
	})
}

func TestLoginURL(t *testing.T) {
	client := newClient(t, hfoauth.Config{})
	for next, want := range map[string]string{
		"/":                    "/login",
		"":                     "/login",
		"/private":             "/login?next=%2Fprivate",
		"/a?b=c&d":             "/login?next=%2Fa%3Fb%3Dc%26d",
		"//evil.example":       "/login",
		"/login":               "/login",
		"/login?next=/private": "/login",
		"/login/callback?code": "/login",
		"/logout#x":            "/login",
	} {
		if got := client.LoginURL(next); got != want {
			t.Errorf("LoginURL(%q) = %q, want %q", next, got, want)
		}
	}
}

func TestReturnPathAroundCorners(t *testing.T) {
	client := newClient(t, hfoauth.Config{})
	for _, next := range []string{"/x/../login", "/%6Cogin", "/login/", "/login/frame/popup", "/./logout", "/login//callback"} {
		if got := client.LoginURL(next); got != "/login" {
			t.Errorf("LoginURL(%q) = %q, which begins again", next, got)
		}
	}
}
