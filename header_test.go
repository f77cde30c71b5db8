package hfoauth_test

import (
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// All cookies together stay below the header size that servers and proxies accept
// (nginx: 8 KiB a line), however many organizations the user is in, with all login
// attempts that a browser can have, and with what the user denied.
func TestHeaderFitsWithAnyNumberOfOrganizations(t *testing.T) {
	for _, inSpace := range []bool{true, false} {
		t.Run(fmt.Sprint("Space: ", inSpace), func(t *testing.T) {
			s := newDemanding(t, func(c *hfoauth.Config) {
				if inSpace {
					c.SpaceHost = "user-app.hf.space"
				}
			})
			largest := 0
			for orgs := range 40 {
				person := member(orgs)
				person.Username = fmt.Sprint("member-", orgs)
				s.hub.AddUser(person)
				browser := s.browser() // its tabs and iframes share their cookies
				if inSpace {
					verifier := fmt.Sprint(frameVerifier, orgs)
					popup := s.popup(browser, url.Values{"challenge": {challengeOf(verifier)}})
					get(t, browser, s.decide(onward(popup), hfoauthtest.Person{Username: person.Username}))
					if _, cookie := s.claim(browser, verifier); cookie == nil {
						t.Fatalf("with %d organizations the iframe is not signed in", orgs)
					}
					// A tab that signs in by itself may share its cookies with the
					// iframe as well.
					plain := s.newSession(hfoauthtest.Person{Username: person.Username})
					if size := len(plain.Name) + len(plain.Value); size > 2950 {
						t.Errorf("with %d organizations the tab's cookie has %d bytes, want at most 2950", orgs, size)
					}
				} else {
					s.signIn(browser, hfoauthtest.Person{Username: person.Username}, "/")
				}
				s.answers(browser, s.asks(browser, "/everything"),
					hfoauthtest.Person{Username: person.Username, Deny: true})
				for i := range 9 {
					s.begin(browser, "/"+strings.Repeat("x", 110*i))
					size := cookieHeaderSize(t, browser, s.URL)
					if size >= 8000 {
						t.Fatalf("with %d organizations and %d attempts the cookies have %d bytes, want less than 8000",
							orgs, i+1, size)
					}
					largest = max(largest, size)
					if size := attemptSize(t, browser, s.URL); inSpace && size > 2100 {
						t.Errorf("with %d attempts, they and what was denied have %d bytes, want at most 2100", i+1, size)
					}
				}
				if got := s.username(browser); got != person.Username {
					t.Errorf("with %d organizations the browser is signed in as %q", orgs, got)
				}
			}
			t.Logf("the largest header of cookies has %d bytes", largest)
		})
	}
}

// So do the largest sessions of tab and iframe with the longest return paths and all
// scopes.
func TestHeaderFitsAtItsLargest(t *testing.T) {
	s := newDemanding(t, func(c *hfoauth.Config) { c.SpaceHost = "user-app.hf.space" })
	largest := hfoauthtest.User{Username: "largest", Orgs: member(4).Orgs}
	signIn := func(name int) int {
		largest.Name = strings.Repeat("n", name)
		s.hub.AddUser(largest)
		cookie := s.newSession(hfoauthtest.Person{Username: "largest"})
		return len(cookie.Name) + len(cookie.Value)
	}
	length := sort.Search(4000, func(n int) bool { return signIn(n) < 500 }) // it no longer fits
	if size := signIn(length - 1); size < 2900 {
		t.Fatalf("the largest session has %d bytes", size)
	}
	browser := s.browser()
	popup := s.popup(browser, url.Values{"challenge": {challengeOf(frameVerifier)}})
	get(t, browser, s.decide(onward(popup), hfoauthtest.Person{Username: "largest"}))
	if _, cookie := s.claim(browser, frameVerifier); cookie == nil {
		t.Fatal("the iframe is not signed in")
	}
	for length := range 12 {
		s.asks(browser, "/everything?"+strings.Repeat("q", 90*length))
		if size := cookieHeaderSize(t, browser, s.URL); size >= 8000 {
			t.Errorf("with a return path of %d bytes: %d, want less than 8000", 90*length, size)
		}
	}
}

// The longest session that stays in its cookie makes a Set-Cookie line, attributes
// included, that every browser accepts (RFC 6265 section 6.1).
func TestSetCookieAtItsLongest(t *testing.T) {
	s := newSite(t, nil)
	user := hfoauthtest.User{Username: "long"}
	longest := 0
	for name := 1500; ; name++ {
		user.Name = strings.Repeat("n", name)
		s.hub.AddUser(user)
		cookie := s.newSession(hfoauthtest.Person{Username: "long"})
		if len(cookie.Raw) < longest {
			break // it no longer fits
		}
		longest = len(cookie.Raw)
	}
	if longest > 4096 || longest < 4090 {
		t.Errorf("the longest line has %d bytes, want at most 4096, and nearly as many", longest)
	}
}

// A session that an iframe has as well leaves room for the other one, even if the app
// names no sites that may frame it.
func TestHeaderFitsWithAnIframe(t *testing.T) {
	s := newSite(t, nil)
	for _, orgs := range []int{10, 14, 18, 22, 26, 30, 34, 38} {
		user := member(orgs)
		user.Username = fmt.Sprint("member-", orgs)
		s.hub.AddUser(user)
		tab, verifier := s.browser(), fmt.Sprint(frameVerifier, orgs)
		popup := s.popup(tab, url.Values{"challenge": {challengeOf(verifier)}})
		done := get(t, tab, s.decide(onward(popup), hfoauthtest.Person{Username: user.Username}))
		_, claimed := s.claim(s.browser(), verifier)
		if claimed == nil {
			t.Fatalf("with %d organizations the iframe is not signed in", orgs)
		}
		for _, cookie := range append(done.setCookies(s.client.SessionCookie()), claimed) {
			if size := len(cookie.Name) + len(cookie.Value); size > 2950 {
				t.Errorf("with %d organizations, %s has %d bytes, want at most 2950", orgs, cookie.Name, size)
			}
		}
	}
}

// attemptSize returns how much of the Cookie header attempts and denials take.
func attemptSize(t *testing.T, browser *http.Client, address string) (size int) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range browser.Jar.Cookies(u) {
		if strings.Contains(cookie.Name, "-login-") || strings.HasSuffix(cookie.Name, "-denial") {
			size += len(cookie.Name) + len("=") + len(cookie.Value) + len("; ")
		}
	}
	return size
}

// cookieHeaderSize returns the length of a browser's Cookie header.
func cookieHeaderSize(t *testing.T, browser *http.Client, address string) int {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	size := len("Cookie: ")
	for _, cookie := range browser.Jar.Cookies(u) {
		size += len(cookie.Name) + len("=") + len(cookie.Value) + len("; ")
	}
	return size
}
