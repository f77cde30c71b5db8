package hfoauth_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// A cookie that this app sealed can be opened whatever it contains, so that its
// decoding is reached: it counts only with its own state. A cookie that the app
// did not seal never counts.
func FuzzAttemptCookie(f *testing.F) {
	s := newVirtualSite(f, nil)
	browser := s.browser()
	home, err := url.Parse(s.URL)
	if err != nil {
		f.Fatal(err)
	}
	authorize, err := url.Parse(s.begin(browser, "/"))
	if err != nil {
		f.Fatal(err)
	}
	state := authorize.Query().Get("state")
	attempt := browser.Jar.Cookies(home)[0]
	plain := s.client.OpenAttempt(state, attempt.Value)
	if len(plain) == 0 {
		f.Fatal("the attempt does not open")
	}
	f.Add(plain)
	f.Add([]byte(nil))
	f.Add(plain[:len(plain)-1])
	f.Add(append(slices.Clone(plain), 0))
	f.Add(slices.Concat([]byte{1}, make([]byte, 96), plain[97:])) // a state of zero bits
	f.Add(slices.Concat([]byte{2}, plain[1:]))                    // of another version
	f.Add(slices.Concat(plain[:97], []byte{0}, plain[98:]))
	f.Fuzz(func(t *testing.T, changed []byte) {
		for i, value := range []string{
			s.client.SealAttempt(state, changed),
			base64.RawURLEncoding.EncodeToString(changed),
		} {
			cookie := &http.Cookie{Name: attempt.Name, Value: value}
			r := httptest.NewRequest("GET", "/login/callback?code=x&state="+state, nil)
			r.AddCookie(cookie)
			recorder := httptest.NewRecorder()
			s.client.ForgetSpent()
			s.client.CallbackHandler().ServeHTTP(recorder, r)
			if recorder.Code != 400 {
				t.Errorf("cookie %d of %x: status %d, want 400", i, changed, recorder.Code)
			}
			reached := strings.Contains(recorder.Body.String(), "invalid_grant") // the code is redeemed
			sameState := len(changed) >= 97 && bytes.Equal(changed[1:33], plain[1:33])
			if reached && !sameState {
				t.Errorf("cookie %d of %x: another state was taken", i, changed)
			}
			unchanged := i == 0 && bytes.Equal(changed, plain)
			if unchanged && !reached {
				t.Fatal("the attempt as it is does not get as far as its code")
			}
		}
	})
}

func TestStateFailures(t *testing.T) {
	s := newSite(t, nil)
	says := "expired or was already used"
	browser := s.browser()
	authorize, err := url.Parse(s.begin(browser, "/")) // so that there is an attempt to be found
	if err != nil {
		t.Fatal(err)
	}
	state := "state=" + authorize.Query().Get("state")
	for _, query := range []string{
		"", "?code=x", "?state=", "?code=x&state=invented", "?state=a&state=b", "?code=x&" + state + "&" + state,
		"?code=x&" + state[:len(state)-1], "?code=x&" + strings.ToLower(state),
		"?error=access_denied&error_description=%3Cscript%3E",
	} {
		s.checkFailure(get(t, browser, s.URL+"/login/callback"+query), 400, says)
	}
	// the code is redeemed
	s.checkFailure(get(t, browser, s.URL+"/login/callback?code=x&"+state), 400, "invalid_grant")

	t.Run("another browser", func(t *testing.T) {
		callback := s.decide(s.begin(browser, "/"), ada)
		s.checkFailure(get(t, s.browser(), callback), 400, says)
		if resp := get(t, browser, callback); resp.StatusCode != http.StatusSeeOther {
			t.Errorf("its own browser, afterwards: %s", resp.Status)
		}
	})
	t.Run("replay", func(t *testing.T) {
		browser := s.browser()
		callback := s.decide(s.begin(browser, "/"), ada)
		if resp := get(t, browser, callback); resp.StatusCode != http.StatusSeeOther {
			t.Fatalf("first use: %s", resp.Status)
		}
		s.checkFailure(get(t, browser, callback), 400, says)
		if s.username(browser) != "ada" {
			t.Error("a replayed callback ended the session")
		}
	})

	t.Run("expired", func(t *testing.T) {
		callback := s.decide(s.begin(browser, "/"), ada)
		s.client.SetClock(func() time.Time { return time.Now().Add(10*time.Minute + time.Second) })
		defer s.client.SetClock(time.Now)
		s.checkFailure(get(t, browser, callback), 400, says)
	})

	t.Run("copied attempt cookie", func(t *testing.T) {
		browser := s.browser()
		first := s.decide(s.begin(browser, "/"), ada)
		home, _ := url.Parse(s.URL)
		cookies := browser.Jar.Cookies(home)
		if resp := get(t, browser, first); resp.StatusCode != http.StatusSeeOther {
			t.Fatal(resp.Status)
		}
		thief := s.browser()
		thief.Jar.SetCookies(home, cookies)
		s.checkFailure(get(t, thief, first), 400, says)
	})
}

func TestTwoTabs(t *testing.T) {
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		s := newSite(t, nil)
		browser := s.browser()
		callbacks := []string{s.decide(s.begin(browser, "/one"), ada), s.decide(s.begin(browser, "/two"), ada)}
		wants := []string{"/one", "/two"}
		for _, tab := range order {
			resp := get(t, browser, callbacks[tab])
			if resp.StatusCode != 303 || resp.Header.Get("Location") != wants[tab] {
				t.Errorf("tab %d: %s to %s", tab, resp.Status, resp.Header.Get("Location"))
			}
		}
		if s.username(browser) != "ada" {
			t.Error("not signed in after both tabs")
		}
	}
}

// A request that no person made begins no sign-in: otherwise an image on any
// site's page would push out the attempts that the browser has begun.
func TestOnlyNavigationsBegin(t *testing.T) {
	s := newSite(t, nil)
	for name, header := range map[string][]string{
		"image of another site": {
			"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image", "Accept",
			"image/avif,*/*",
		},
		"image of a sibling": {"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"},
		"image of this site": {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"},
		"fetch":              {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"},
		"script":             {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"},
		"WebSocket":          {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "websocket"},
	} {
		t.Run(name, func(t *testing.T) {
			browser := s.browser()
			callback := s.decide(s.begin(browser, "/private"), ada)
			for range 8 {
				resp := get(t, browser, s.URL+"/login", header...)
				if resp.StatusCode != 403 || len(resp.Header["Set-Cookie"]) > 0 {
					t.Errorf("%s with cookies %v, want 403 and none", resp.Status, resp.Header["Set-Cookie"])
				}
			}
			if resp := get(t, browser, callback); resp.Header.Get("Location") != "/private" {
				t.Errorf("the attempt that had begun ends with %s", resp.Status)
			}
		})
	}
}

// A request of the site's own script learns what is wrong, and begins no attempt.
func TestScriptedLogin(t *testing.T) {
	s := newSite(t, nil)
	for site, want := range map[string]string{
		"same-origin": "Sign-in must be opened as a page, not requested by a script.",
		"cross-site":  "This request came from another site",
	} {
		resp := get(t, s.browser(), s.URL+"/login", "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "cors",
			"Sec-Fetch-Dest", "empty", "HX-Request", "true", "HX-Boosted", "true")
		checkStatus(t, site, resp, 403)
		checkHas(t, site, resp.body, want)
		if cookies := resp.Header["Set-Cookie"]; len(cookies) > 0 {
			t.Errorf("%s: sets the cookies %v, want none", site, cookies)
		}
	}
}

// An attempt can be used once, whatever its outcome: a copy of its cookie cannot
// make the provider check one invented code after another.
func TestAttemptIsSpent(t *testing.T) {
	s := newSite(t, nil)
	browser := s.browser()
	home, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	authorize, err := url.Parse(s.begin(browser, "/"))
	if err != nil {
		t.Fatal(err)
	}
	clock := s.newClock()
	attempt := browser.Jar.Cookies(home)[0]
	for i := range 10 {
		query := url.Values{"code": {"invented" + strconv.Itoa(i)}, "state": authorize.Query()["state"]}
		req, err := http.NewRequest(http.MethodGet, s.URL+"/login/callback?"+query.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.AddCookie(attempt)
		if resp := do(t, s.browser(), req); resp.StatusCode != 400 {
			t.Errorf("callback %d: %s", i, resp.Status)
		}
		clock.advance(time.Minute) // it is remembered for the ten minutes in which it counts
	}
	if calls := s.hub.Calls(hfoauthtest.TokenEndpoint); calls != 1 {
		t.Errorf("one attempt costs %d calls, want one", calls)
	}
}

// An attempt that another version of this library sealed, or that is incomplete, is
// not valid.
func TestSealedAttemptsOfAnotherShape(t *testing.T) {
	s := newVirtualSite(t, nil)
	browser := s.browser()
	authorize, err := url.Parse(s.begin(browser, "/"))
	if err != nil {
		t.Fatal(err)
	}
	home, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	state, attempt := authorize.Query().Get("state"), browser.Jar.Cookies(home)[0]
	plain := s.client.OpenAttempt(state, attempt.Value)
	for name, tt := range map[string]struct {
		plain []byte
		says  string
	}{
		"as it is":           {plain, "invalid_grant"}, // the code is redeemed
		"of another version": {slices.Concat([]byte{2}, plain[1:]), "expired or was already used"},
		"longer":             {append(slices.Clone(plain), 0), "expired or was already used"},
		"shorter":            {plain[:len(plain)-1], "expired or was already used"},
	} {
		s.client.ForgetSpent()
		cookie := attempt.Name + "=" + s.client.SealAttempt(state, tt.plain)
		resp := get(t, s.browser(), s.URL+"/login/callback?code=x&state="+state, "Cookie", cookie)
		if !strings.Contains(resp.body, tt.says) {
			t.Errorf("an attempt %s: %s without %q: %s", name, resp.Status, tt.says, resp.body)
		}
	}
}

// A sign-in removes the cookies of up to sixteen leftover attempts, and leaves
// cookies alone that only begin like one.
func TestLeftoverAttempts(t *testing.T) {
	s := newSite(t, nil)
	r := httptest.NewRequest("GET", "/login", nil)
	foreign := []string{s.client.AttemptCookie() + "0123456789abcdeX",
		s.client.AttemptCookie() + "0123456789abcdef0"}
	for _, name := range foreign {
		r.AddCookie(&http.Cookie{Name: name, Value: "x"})
	}
	for i := range 20 {
		r.AddCookie(&http.Cookie{Name: fmt.Sprintf("%s%016x", s.client.AttemptCookie(), i), Value: "x"})
	}
	w := httptest.NewRecorder()
	s.client.LoginHandler().ServeHTTP(w, r)
	removed := 0
	for _, cookie := range w.Result().Cookies() {
		if slices.Contains(foreign, cookie.Name) {
			t.Errorf("the response removes %s, want it left alone", cookie.Name)
		}
		if cookie.MaxAge < 0 {
			removed++
		}
	}
	if removed != 16 {
		t.Errorf("%d of 20 unreadable attempts are removed, want 16", removed)
	}
}

// The log distinguishes a request without a state from one that another browser
// began.
func TestStateIsNamedInTheLog(t *testing.T) {
	for query, want := range map[string]string{
		"?code=x": "no state, or several", "?code=x&state=a&state=b": "no state, or several",
		"?code=x&state=invented": "did not start this sign-in",
	} {
		s := newSite(t, nil)
		get(t, s.browser(), s.URL+"/login/callback"+query)
		if log := s.log.String(); !strings.Contains(log, want) {
			t.Errorf("%s: the log does not say %q: %s", query, want, log)
		}
	}
}

// Back, or a second tab, leads a user who is signed in to a callback that is
// spent. Its page leads on.
func TestSpentCallbackOfASignedInUser(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			browser := s.browser()
			callback := s.decide(s.begin(browser, "/private"), ada)
			get(t, browser, callback)
			again := get(t, browser, callback)
			checkStatus(t, "the same callback again", again, http.StatusBadRequest)
			checkHas(t, "its page", again.body, "You are already signed in", ">Continue<", ">Sign in again<")
			checkLacks(t, "the page of another browser", get(t, s.browser(), callback).body, "You are already signed in")
		})
	}
}
