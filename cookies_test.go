package hfoauth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// member returns a user in n organizations.
func member(n int) hfoauthtest.User {
	user := hfoauthtest.User{
		Username: "member", Name: "Member of many", Picture: "https://cdn.example/" + strings.Repeat("p", 60),
	}
	for i := range n {
		user.Orgs = append(user.Orgs, hfoauthtest.Org{
			Username: fmt.Sprintf("organization-%d", i), Picture: fmt.Sprintf("https://cdn.example/org-%d.png", i),
		})
	}
	return user
}

func TestSessionsOfAnySize(t *testing.T) {
	for _, orgs := range []int{0, 3, 10, 20, 30, 40, 100, 500} {
		t.Run(fmt.Sprint(orgs), func(t *testing.T) {
			s := newSite(t, nil)
			s.hub.AddUser(member(orgs))
			browser := s.browser()
			resp := s.signIn(browser, hfoauthtest.Person{Username: "member"}, "/")
			if resp.StatusCode != http.StatusSeeOther {
				t.Fatalf("%s: %s", resp.Status, resp.body)
			}
			cookies := resp.setCookies(s.client.SessionCookie())
			if len(cookies) != 1 || len(cookies[0].Raw) > 4096 {
				t.Fatalf("%d cookies, want one of at most 4096 bytes", len(cookies))
			}
			var user hfoauth.User
			if err := json.Unmarshal([]byte(get(t, browser, s.URL+"/me").body), &user); err != nil {
				t.Fatal(err)
			}
			if len(user.Orgs) != orgs {
				t.Errorf("%d organizations arrived, want %d", len(user.Orgs), orgs)
			}
			for i, org := range user.Orgs {
				if want := fmt.Sprintf("organization-%d", i); org.Username != want {
					t.Fatalf("organization %d is %q, want %q", i, org.Username, want)
				}
			}
			checkRedirect(t, "signing out", post(t, browser, s.URL+"/logout", nil), "/")
			if got := s.username(browser); got != "" {
				t.Errorf("signed in as %q after signing out", got)
			}
		})
	}
}

// Browsers drop a cookie that has more than 4096 bytes with its attributes: a
// session that would have goes into memory, any other stays in its cookie.
func TestCookieSize(t *testing.T) {
	s := newSite(t, nil)
	longest := 0
	for n := 0; n < 4000; n += 60 {
		username := fmt.Sprint("ada", n)
		s.hub.AddUser(hfoauthtest.User{Username: username, Picture: "https://cdn.example/" + strings.Repeat("p", n)})
		length := len(s.newSession(hfoauthtest.Person{Username: username}).Raw)
		if length > 4096 {
			t.Errorf("a picture of %d bytes: a cookie of %d bytes, want no more than 4096", n, length)
		}
		longest = max(longest, length)
	}
	if longest < 4000 {
		t.Errorf("the longest cookie has %d bytes, want about 4096", longest)
	}
}

func TestCookieAttributes(t *testing.T) {
	for name, tt := range map[string]struct {
		config hfoauth.Config
		prefix string
		secure bool
		site   http.SameSite
	}{
		"https": {hfoauth.Config{RedirectURL: "https://app.example/cb"}, "__Host-hfoauth-", true, http.SameSiteLaxMode},
		"Space": {hfoauth.Config{SpaceHost: "user-app.hf.space"}, "__Host-hfoauth-", true, http.SameSiteNoneMode},
		"loopback": {hfoauth.Config{RedirectURL: "http://localhost:7860/login/callback"}, "hfoauth-",
			false, http.SameSiteLaxMode},
	} {
		t.Run(name, func(t *testing.T) {
			hub := hfoauthtest.NewServer(t)
			tt.config.ProviderURL = hub.URL
			client := newClient(t, tt.config)
			recorder := httptest.NewRecorder()
			client.LoginHandler().ServeHTTP(recorder, httptest.NewRequest("GET", "/login", nil))
			cookies := recorder.Result().Cookies()
			if len(cookies) != 1 {
				t.Fatalf("%d cookies", len(cookies))
			}
			got := *cookies[0]
			if !strings.HasPrefix(got.Name, tt.prefix) {
				t.Errorf("name %q, want it to begin with %q", got.Name, tt.prefix)
			}
			want := http.Cookie{Path: "/", MaxAge: 600, HttpOnly: true, Secure: tt.secure, SameSite: tt.site}
			got.Name, got.Value, got.Raw = "", "", ""
			if !reflect.DeepEqual(got, want) {
				t.Errorf("attributes %+v, want %+v", got, want)
			}
		})
	}
}

// A thousand altered copies of a cookie sign no user in.
func TestMutatedCookies(t *testing.T) {
	s := newSite(t, nil)
	session := s.newSession(ada)
	attempts := s.browser()
	callback := s.decide(s.begin(attempts, "/"), ada)
	home, _ := url.Parse(s.URL)
	attempt := attempts.Jar.Cookies(home)[0]
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		copied := mutate(random, session.Value)
		if user := userOf(s.client, &http.Cookie{Name: session.Name, Value: copied}); user != nil {
			t.Fatalf("session copy %d is %s", i, user.Username)
		}
		browser := s.browser()
		browser.Jar.SetCookies(home, []*http.Cookie{{Name: attempt.Name, Value: mutate(random, attempt.Value)}})
		if resp := get(t, browser, callback); resp.StatusCode != 400 {
			t.Fatalf("attempt copy %d: %s", i, resp.Status)
		}
	}
	if !signedIn(s.client, session) {
		t.Error("the session itself no longer opens")
	}
	if resp := get(t, attempts, callback); resp.StatusCode != 303 {
		t.Errorf("the attempt itself no longer opens: %s", resp.Status)
	}
}

// mutate changes, drops or doubles a character.
func mutate(random *rand.Rand, value string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	i := random.IntN(len(value))
	switch random.IntN(4) {
	case 0:
		return value[:i] + value[i+1:]
	case 1:
		return value[:i] + value[i:i+1] + value[i:]
	case 2:
		return value[:i]
	}
	c := alphabet[random.IntN(len(alphabet))]
	if c == value[i] {
		c = alphabet[(strings.IndexByte(alphabet, c)+1)%len(alphabet)]
	}
	return value[:i] + string(c) + value[i+1:]
}

// Whatever comes as the session's cookie is our session or none, and does not hide
// a session behind it. Anything that this app sealed is decoded as well, whatever
// it is.
func FuzzSessionCookie(f *testing.F) {
	s := newVirtualSite(f, nil)
	valid := s.newSession(ada).Value
	plain := s.client.OpenSession(valid)
	if len(plain) == 0 {
		f.Fatal("the session does not open")
	}
	for _, value := range []string{valid, valid[1:], "", strings.Repeat("A", 43), "=;\"\\"} {
		f.Add(value, plain)
	}
	f.Add("", plain[:len(plain)-1])
	f.Add("", append(slices.Clone(plain), 0))
	f.Add("", slices.Concat([]byte{plain[0] + 1}, plain[1:])) // of another version
	name := s.client.SessionCookie()
	f.Fuzz(func(t *testing.T, value string, sealed []byte) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", name+"="+value)
		user, err := s.client.UserFromRequest(r)
		if err == nil && user.Username != "ada" {
			t.Errorf("%q opens as %v", value, user)
		}
		if err != nil && err != hfoauth.ErrNotSignedIn {
			t.Errorf("%q: %v", value, err)
		}
		r.Header.Set("Cookie", name+"="+value+"; "+name+"="+valid)
		if user, err := s.client.UserFromRequest(r); err != nil || user.Username != "ada" {
			t.Errorf("%q in front hides the session: %v", value, err)
		}
		r.Header.Set("Cookie", name+"="+s.client.SealSession(sealed))
		user, err = s.client.UserFromRequest(r)
		if err != nil && err != hfoauth.ErrNotSignedIn {
			t.Errorf("sealed %x: %v", sealed, err)
		}
		if !bytes.Equal(sealed, plain) {
			return
		}
		if err != nil {
			t.Fatalf("the session, sealed again, does not open: %v", err)
		}
		if user.Username != "ada" {
			t.Fatalf("the session, sealed again, is of %q, want ada", user.Username)
		}
	})
}

func TestAbandonedAttempts(t *testing.T) {
	s := newSite(t, nil)
	browser := s.browser()
	home, _ := url.Parse(s.URL)
	var callbacks []string
	clock := time.Now()
	s.client.SetClock(func() time.Time { return clock })
	for i := range 40 {
		clock = clock.Add(time.Second)
		next := fmt.Sprintf("/page/%d/%s", i, strings.Repeat("x", i*10))
		callbacks = append(callbacks, s.decide(s.begin(browser, next), ada))
		cookies := browser.Jar.Cookies(home)
		size := 0
		for _, cookie := range cookies {
			size += len(cookie.String())
		}
		if len(cookies) > 8 || size > 4500 {
			t.Fatalf("after %d attempts: %d cookies of %d bytes", i+1, len(cookies), size)
		}
	}
	s.checkFailure(get(t, browser, callbacks[0]), 400, "expired or was already used")
	if resp := get(t, browser, callbacks[38]); resp.StatusCode != 303 {
		t.Errorf("the attempt before the last: %s", resp.Status)
	}
	if resp := get(t, browser, callbacks[39]); resp.StatusCode != 303 {
		t.Errorf("the last attempt: %s", resp.Status)
	}
	if cookies := browser.Jar.Cookies(home); s.username(browser) != "ada" {
		t.Errorf("not signed in; cookies %v", cookies)
	}
}

func TestGarbageCookies(t *testing.T) {
	s := newSite(t, nil)
	browser := s.browser()
	home, _ := url.Parse(s.URL)
	garbage := []*http.Cookie{
		{Name: s.client.SessionCookie(), Value: "garbage", Path: "/"},
		{Name: s.client.AttemptCookie() + "0123456789abcdef", Value: "garbage", Path: "/"},
		{Name: s.client.AttemptCookie() + "fedcba9876543210", Value: strings.Repeat("A", 300), Path: "/"},
	}
	browser.Jar.SetCookies(home, garbage)
	if got := s.username(browser); got != "" {
		t.Errorf("signed in as %q", got)
	}
	if resp := s.signIn(browser, ada, "/"); resp.StatusCode != 303 {
		t.Fatalf("sign-in with garbage: %s", resp.Status)
	}
	if got := s.username(browser); got != "ada" {
		t.Errorf("signed in as %q", got)
	}
	for _, cookie := range browser.Jar.Cookies(home) {
		if strings.HasPrefix(cookie.Name, s.client.AttemptCookie()) {
			t.Errorf("unreadable attempt %s was not expired", cookie.Name)
		}
	}
}

// A header full of cookies costs little.
func TestManyCookies(t *testing.T) {
	store := newMapStore()
	s := newSite(t, withStore(store))
	var attempts, sessions strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&attempts, "%s%016x=x; ", s.client.AttemptCookie(), i)
		fmt.Fprintf(&sessions, "%s=%043d; ", s.client.SessionCookie(), i)
	}
	r := httptest.NewRequest("GET", "/login", nil)
	r.Header.Set("Cookie", attempts.String())
	w := httptest.NewRecorder()
	s.client.LoginHandler().ServeHTTP(w, r)
	if n := len(w.Header()["Set-Cookie"]); w.Code != 303 || n > 20 {
		t.Errorf("%d with %d cookies", w.Code, n)
	}
	browser := s.browser()
	callback := s.decide(s.begin(browser, "/"), ada)
	home, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	attempt := browser.Jar.Cookies(home)[0]
	ninth := strings.Repeat(attempt.Name+"=x; ", 8) + attempt.Name + "=" + attempt.Value
	checkStatus(t, "the attempt in its ninth cookie", get(t, s.browser(), callback, "Cookie", ninth), 400)
	r = httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", sessions.String())
	if _, err := s.client.UserFromRequest(r); !errors.Is(err, hfoauth.ErrNotSignedIn) || store.calls > 2*8 {
		t.Errorf("%v after %d calls to the store", err, store.calls)
	}
}

// White space that a header may contain, besides space and tab. Browsers let a
// sibling domain set a cookie whose name begins with it, and __Host- does not
// protect against that.
var whiteSpace = []rune{0x85, 0xa0, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006,
	0x2007, 0x2008, 0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000}

func TestWhiteSpaceInCookieNames(t *testing.T) {
	for r := range rune(unicode.MaxRune) {
		isSpace := unicode.IsSpace(r) && r > unicode.MaxASCII
		if isSpace && !slices.Contains(whiteSpace, r) {
			t.Errorf("%U is missing from the test", r)
		}
	}
	s := newSite(t, nil)
	attacker := s.newSession(grace)
	victim := s.newSession(ada)
	for _, r := range whiteSpace {
		for _, suffix := range []string{"", "-frame"} {
			tossed := fmt.Sprintf("%c%s%s=%s", r, attacker.Name, suffix, attacker.Value)
			resp := get(t, s.browser(), s.URL+"/me", "Cookie", tossed+"; "+victim.Name+"="+victim.Value)
			if !strings.Contains(resp.body, `"preferred_username":"ada"`) {
				t.Errorf("%U in front of the name%s: %s", r, suffix, resp.body)
			}
			if resp := get(t, s.browser(), s.URL+"/me", "Cookie", tossed); resp.StatusCode != 401 {
				t.Errorf("%U in front of the name%s alone: %s", r, suffix, resp.Status)
			}
		}
	}
}

// A name that only begins like ours is a different cookie.
func TestCookieNamesAreWhole(t *testing.T) {
	s := newSite(t, nil)
	session := s.newSession(ada)
	for _, name := range []string{session.Name + "x", session.Name + "-frames", session.Name[1:]} {
		if signedIn(s.client, &http.Cookie{Name: name, Value: session.Value}) {
			t.Errorf("the session counts under the name %s, want only %s", name, session.Name)
		}
	}
}

// A response sets a cookie of one name once (RFC 6265 section 4.1.1).
func TestOneCookieOfAName(t *testing.T) {
	s, cookie := renewing(t)
	w := httptest.NewRecorder()
	for range 2 {
		if _, err := s.client.SessionFromRequest(w, requestWith(cookie)); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(w.Result().Cookies()); got != 1 {
		t.Errorf("%d cookies after two calls that renew the session, want one", got)
	}
}

// An attempt that a sibling domain set completes no sign-in.
func TestWhiteSpaceInAttemptNames(t *testing.T) {
	s := newSite(t, nil)
	home, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range whiteSpace {
		attacker := s.browser()
		callback := s.decide(s.begin(attacker, "/"), ada)
		attempt := attacker.Jar.Cookies(home)[0]
		resp := get(t, s.browser(), callback, "Cookie", fmt.Sprintf("%c%s=%s", r, attempt.Name, attempt.Value))
		if resp.StatusCode != 400 {
			t.Errorf("%U in front of the name: %s", r, resp.Status)
		}
	}
}

// Space and tab around a pair are not part of it.
func TestSpaceAroundCookies(t *testing.T) {
	s := newSite(t, nil)
	session := s.newSession(ada)
	header := "a=b;\t" + session.Name + "=" + session.Value + " ;c=d"
	if resp := get(t, s.browser(), s.URL+"/me", "Cookie", header); resp.StatusCode != 200 {
		t.Errorf("Cookie: %q: %s", header, resp.Status)
	}
}

// HTTP/2 may send each cookie in its own header (RFC 9113 section 8.2.3).
func TestCookieHeaders(t *testing.T) {
	s := newSite(t, nil)
	session := s.newSession(ada)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["Cookie"] = []string{"a=b", session.Name + "=" + session.Value}
	if user, err := s.client.UserFromRequest(r); err != nil || user.Username != "ada" {
		t.Errorf("the session in the second Cookie header: %v, %v, want ada", user, err)
	}
}

// Each value has one spelling: the padding bits of base64 must be zero (RFC 4648
// section 3.5).
func TestCookieHasOneSpelling(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	s := newSite(t, nil)
	spellings := 0
	for n := range 3 { // two of three lengths have padding bits
		username := "ada" + strings.Repeat("x", n)
		s.hub.AddUser(hfoauthtest.User{Username: username})
		session := s.newSession(hfoauthtest.Person{Username: username})
		last := len(session.Value) - 1
		for _, c := range alphabet {
			spelled := &http.Cookie{Name: session.Name, Value: session.Value[:last] + string(c)}
			if signedIn(s.client, spelled) {
				spellings++
			}
		}
	}
	if spellings != 3 {
		t.Errorf("%d last characters open three sessions, want one each", spellings)
	}
	spellings = 0
	for n := range 3 {
		browser := s.browser()
		authorize, err := url.Parse(s.begin(browser, "/"+strings.Repeat("x", n)))
		if err != nil {
			t.Fatal(err)
		}
		home, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		value := browser.Jar.Cookies(home)[0].Value
		last := len(value) - 1
		for _, c := range alphabet {
			if s.client.OpenAttempt(authorize.Query().Get("state"), value[:last]+string(c)) != nil {
				spellings++
			}
		}
	}
	if spellings != 3 {
		t.Errorf("%d last characters open three attempts, want one each", spellings)
	}
}

// permutations returns all orders of values.
func permutations(values []string) [][]string {
	if len(values) == 0 {
		return [][]string{nil}
	}
	var all [][]string
	for i, first := range values {
		rest := slices.Concat(values[:i], values[i+1:])
		for _, order := range permutations(rest) {
			all = append(all, append([]string{first}, order...))
		}
	}
	return all
}

// Browsers may send cookies in any order (RFC 6265 section 5.4): the order neither
// hides a session behind an ended one nor decides between tab and iframe.
func TestCookiesInAnyOrder(t *testing.T) {
	const live, ended, frame, endedFrame = "live", "ended", "frame", "ended frame"
	for name, change := range keptIn() {
		s := newSite(t, change)
		logout := func(cookie *http.Cookie) {
			post(t, s.browser(), s.URL+"/logout", nil, "Cookie", cookie.Name+"="+cookie.Value)
		}
		sessions := map[string]*http.Cookie{
			live: s.newSession(ada), ended: s.newSession(ada),
			frame: s.newSession(grace), endedFrame: s.newSession(grace),
		}
		logout(sessions[ended])
		logout(sessions[endedFrame])
		sessions[frame].Name += "-frame"
		sessions[endedFrame].Name += "-frame"
		for _, tt := range []struct {
			sent []string
			want string // the username
		}{
			{[]string{live, ended, frame}, "grace"},
			{[]string{live, ended, endedFrame}, "ada"},
			{[]string{live, endedFrame, frame}, "grace"},
			{[]string{ended, endedFrame, frame}, "grace"},
			{[]string{ended, endedFrame}, ""},
		} {
			for _, order := range permutations(tt.sent) {
				var header []string
				for _, cookie := range order {
					header = append(header, sessions[cookie].Name+"="+sessions[cookie].Value)
				}
				browser := s.browser()
				resp := get(t, browser, s.URL+"/me", "Cookie", strings.Join(header, "; "))
				var user hfoauth.User
				json.Unmarshal([]byte(resp.body), &user)
				if user.Username != tt.want {
					t.Errorf("%s: %q: signed in as %q, want %q", name, order, user.Username, tt.want)
				}
			}
		}
	}
}

// A callback finds its attempt in any order of cookies, and the session that it
// replaces ends.
func TestCallbackWithCookiesInAnyOrder(t *testing.T) {
	const attempt, other, session = "attempt", "other attempt", "session"
	for name, change := range keptIn() {
		for _, order := range permutations([]string{attempt, other, session}) {
			s := newSite(t, change)
			home, err := url.Parse(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			begin := func() (callback string, cookie *http.Cookie) {
				browser := s.browser()
				callback = s.decide(s.begin(browser, "/private"), grace)
				return callback, browser.Jar.Cookies(home)[0]
			}
			callback, begun := begin()
			_, another := begin()
			before := s.newSession(ada)
			sent := map[string]*http.Cookie{attempt: begun, other: another, session: before}
			var header []string
			for _, cookie := range order {
				header = append(header, sent[cookie].Name+"="+sent[cookie].Value)
			}
			browser := s.browser()
			resp := get(t, browser, callback, "Cookie", strings.Join(header, "; "))
			checkRedirect(t, fmt.Sprintf("%s: %q", name, order), resp, "/private")
			if got := s.username(browser); got != "grace" {
				t.Errorf("%s: %q: signed in as %q, want grace", name, order, got)
			}
			if name == "store" && signedIn(s.client, before) {
				t.Errorf("%s: %q: the session before is still signed in", name, order)
			}
		}
	}
}

// A few cookies of the same name, such as those of another path, do not hide the
// one behind them.
func TestJunkCookiesInFront(t *testing.T) {
	for name, change := range keptIn() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			browser := s.browser()
			callback := s.decide(s.begin(browser, "/"), ada)
			session := s.newSession(ada)
			for _, junk := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("A", 300)} {
				header := strings.Repeat(session.Name+"="+junk+"; ", 5) + session.Name + "=" + session.Value
				if resp := get(t, s.browser(), s.URL+"/me", "Cookie", header); resp.StatusCode != 200 {
					t.Errorf("five of %d bytes: %s", len(junk), resp.Status)
				}
				resp := post(t, s.browser(), s.URL+"/logout", nil, "Cookie", header)
				if resp.StatusCode != 303 || signedIn(s.client, session) {
					t.Errorf("five of %d bytes: sign-out: %s, signed in %t", len(junk), resp.Status,
						signedIn(s.client, session))
				}
				session = s.newSession(ada)
			}
			home, err := url.Parse(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			attempt := browser.Jar.Cookies(home)[0]
			header := strings.Repeat(attempt.Name+"=AAAA; ", 5) + attempt.Name + "=" + attempt.Value
			if resp := get(t, s.browser(), callback, "Cookie", header); resp.StatusCode != 303 {
				t.Errorf("callback: %s", resp.Status)
			}
		})
	}
}
