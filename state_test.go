package hfoauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

func FuzzAttemptCookie(f *testing.F) {
	s := newSite(f, nil)
	browser := s.browser()
	home, _ := url.Parse(s.URL)
	authorize, _ := url.Parse(s.begin(browser, "/"))
	state := authorize.Query().Get("state")
	attempt := browser.Jar.Cookies(home)[0]
	f.Add(attempt.Value, state)
	f.Add("", "")
	f.Fuzz(func(t *testing.T, value, query string) {
		if value == attempt.Value && query == state {
			return
		}
		r := httptest.NewRequest("GET", "/login/callback", nil)
		r.URL.RawQuery = url.Values{"state": {query}, "code": {"x"}}.Encode()
		r.Header.Set("Cookie", attempt.Name+"="+value)
		recorder := httptest.NewRecorder()
		s.client.CallbackHandler().ServeHTTP(recorder, r)
		if recorder.Code != 400 {
			t.Errorf("cookie %q with state %q: %d", value, query, recorder.Code)
		}
	})
}

func TestStateFailures(t *testing.T) {
	s := newSite(t, nil)
	says := "cannot be finished"
	browser := s.browser()
	for _, query := range []string{"", "?code=x", "?state=", "?code=x&state=invented", "?error=access_denied&error_description=%3Cscript%3E", "?state=a&state=b"} {
		s.checkFailure(get(t, browser, s.URL+"/login/callback"+query), 400, says)
	}

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
		s.checkFailure(get(t, thief, first), 400, "")
	})
}

func TestTwoTabs(t *testing.T) {
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		s := newSite(t, nil)
		browser := s.browser()
		callbacks := []string{s.decide(s.begin(browser, "/one"), ada), s.decide(s.begin(browser, "/two"), ada)}
		wants := []string{"/one", "/two"}
		for _, tab := range order {
			if resp := get(t, browser, callbacks[tab]); resp.StatusCode != 303 || resp.Header.Get("Location") != wants[tab] {
				t.Errorf("tab %d: %s to %s", tab, resp.Status, resp.Header.Get("Location"))
			}
		}
		if s.username(browser) != "ada" {
			t.Error("not signed in after both tabs")
		}
	}
}

// What no person asked for begins no sign-in: an image on a page of any site
// would otherwise push the attempts out that the browser has under way.
func TestOnlyNavigationsBegin(t *testing.T) {
	s := newSite(t, nil)
	for name, header := range map[string][]string{
		"image of another site": {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image", "Accept", "image/avif,*/*"},
		"image of a sibling":    {"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"},
		"image of this site":    {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"},
		"fetch":                 {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"},
		"script":                {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"},
		"WebSocket":             {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "websocket"},
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
				t.Errorf("the attempt under way ends with %s", resp.Status)
			}
		})
	}
}
