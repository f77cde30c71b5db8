package hfoauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestOpenRedirect(t *testing.T) {
	s := newSite(t, nil)
	browser := s.browser()
	for _, next := range []string{
		"//evil.example", "////evil.example", "/\\evil.example", "https://evil.example", "/%5cevil.example",
		"/login", "/login/callback",
	} {
		checkRedirect(t, "next="+next, s.signIn(browser, ada, next), "/")
	}
}

func TestReturnPath(t *testing.T) {
	stays := []string{
		"/", "/private", "/a/b?c=d&e=%2F#f", "/search?q=https://example.com", "/caf%C3%A9",
		"/a//b", "/user@host", "/a:b", "/?next=//evil.example", "/x#//evil.example", "/%2e%2e/x",
		"/" + strings.Repeat("a", 1023),
	}
	for _, next := range stays {
		if got := hfoauth.ReturnPath(next); got != next {
			t.Errorf("ReturnPath(%q) = %q, want it unchanged", next, got)
		}
	}
	leaves := []string{
		"", "private", "?a=b", "#a", "https://evil.example", "https:/evil.example", "https:evil.example",
		"//evil.example", "///evil.example", "////evil.example", "/\\evil.example", "\\/evil.example",
		"\\\\evil.example",
		"/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "\t//evil.example", " //evil.example",
		"/\x00/evil.example", "/\x7f/evil.example",
		"/%2Fevil.example", "/%2f%2fevil.example", "/%5Cevil.example", "/%5c%5cevil.example",
		"/%09/evil.example", "/%0a/evil.example", "/%00",
		"javascript:alert(1)", "data:text/html,x", "mailto:a@evil.example", "//evil.example:443/x",
		"//user@evil.example",
		"/a\\b", "/%zz", "/\u2028/evil.example", "/\u2029/evil.example", "/%7f/evil.example",
		"/x?a=\\evil.example", "/x#\\evil.example", "/" + strings.Repeat("é", 300), "/" + strings.Repeat("a", 1024),
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

// browserURL resolves a Location as the URL Standard requires of browsers, which
// is laxer than RFC 3986: tabs and newlines are dropped, as are spaces and controls
// around it, and a backslash is a slash.
func browserURL(location string) (*url.URL, error) {
	location = strings.Trim(location,
		"\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\v\f\r\x0e\x0f"+
			"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f ")
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
	for _, seed := range []string{
		"/", "/private?x=1#y", "//evil.example", "/\\evil.example", "////evil", "/%2F/evil", "/\t/evil",
		"https://evil.example", "/a/../..//evil", "/%zz", "/" + strings.Repeat("é", 400),
		"/x?a=b&__sign=c&d", "/x?%5f_sign",
	} {
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
			u.Path, u.RawPath, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = "", "", "", false, "", ""
			if origin := u.String(); origin != "https://app.example" {
				t.Errorf("ReturnPath(%q) = %q leads a browser to %s, want https://app.example", next, got, origin)
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
	for _, next := range []string{
		"/x/../login", "/%6Cogin", "/login/", "/login/frame", "/login/frame/popup", "/./logout", "/login//callback",
	} {
		if got := client.LoginURL(next); got != "/login" {
			t.Errorf("LoginURL(%q) = %q, which begins again", next, got)
		}
	}
}

// A redirect URL with a default port or upper case names the same origin as
// browsers send without them.
func TestOriginsAreNormalized(t *testing.T) {
	for redirectURL, here := range map[string]string{
		"https://user-app.hf.space:443/login/callback": "https://user-app.hf.space",
		"https://User-App.HF.space/login/callback":     "https://user-app.hf.space",
		"HTTPS://user-app.hf.space/login/callback":     "https://user-app.hf.space",
		"http://localhost:80/login/callback":           "http://localhost",
		"http://LOCALHOST:7860/login/callback":         "http://localhost:7860",
		"http://[::1]:80/login/callback":               "http://[::1]",
	} {
		s := newSite(t, func(c *hfoauth.Config) {
			c.RedirectURL = redirectURL
			if strings.Contains(here, "hf.space") {
				c.SpaceHost = "user-app.hf.space"
			}
		})
		_, host, _ := strings.Cut(here, "://")
		ask := func(method, path string, header ...string) answer {
			req, err := http.NewRequest(method, s.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			for i := 0; i+1 < len(header); i += 2 {
				req.Header.Set(header[i], header[i+1])
			}
			return do(t, s.browser(), req)
		}
		login := ask("GET", "/login", "Sec-Fetch-Mode", "navigate")
		if !strings.HasPrefix(login.Header.Get("Location"), s.hub.URL) {
			t.Errorf("%s: /login of %s leads to %q", redirectURL, here, login.Header.Get("Location"))
		}
		if got := login.location().Query().Get("redirect_uri"); got != redirectURL {
			t.Errorf("%s: asks to return to %q, want it as registered", redirectURL, got)
		}
		safari := []string{"Sec-Fetch-Site", "cross-site", "Origin", here}
		if resp := ask("POST", "/login/frame/check", safari...); resp.StatusCode != 200 {
			t.Errorf("%s: a form of %s: %s", redirectURL, here, resp.Status)
		}
		if resp := ask("POST", "/logout", safari...); resp.StatusCode != 303 {
			t.Errorf("%s: signing out at %s: %s", redirectURL, here, resp.Status)
		}
	}
}

// __sign authenticates a private Space's visitor to the platform: it must not be
// in any address that we make.
func TestSignIsStripped(t *testing.T) {
	s := newSite(t, nil)
	const token = "__sign=secret-of-the-visitor"
	next := url.QueryEscape("/private?" + token)
	open := func(path string, header ...string) answer { return get(t, s.browser(), s.URL+path, header...) }
	send := func(path, next string, header ...string) answer {
		return post(t, s.browser(), s.URL+path, url.Values{"next": {next}}, header...)
	}
	for name, tt := range map[string]struct {
		resp   answer
		status int
	}{
		"redirect to sign in": {open("/private?a=%20b&" + token + "&c=d"), 303},
		"query parameter":     {open("/login?next=" + next), 303},
		"login page":          {open("/login?" + token), 303},
		"encoded name":        {open("/private?%5F_si%67n=secret-of-the-visitor"), 303},
		"page in a frame":     {open("/login?"+token+"&next="+next, "Sec-Fetch-Dest", "iframe"), 200},
		"failure":             {open("/login/callback?" + token), 400},
		"program":             {open("/private?"+token, "Accept", "application/json"), 401},
		"tab of an iframe":    {send("/login/frame/popup?"+token, "/private?"+token, "Sec-Fetch-Site", "same-origin"), 200},
		"sign-out":            {send("/logout?"+token, "/?"+token), 303},
		"callback":            {s.signIn(s.browser(), ada, "/private?"+token), 303},
	} {
		if got := tt.resp.StatusCode; got != tt.status {
			t.Errorf("%s: status %d, want %d", name, got, tt.status)
		}
		if shown := fmt.Sprint(tt.resp.Header, tt.resp.body); strings.Contains(shown, "secret-of-the-visitor") {
			t.Errorf("%s: %s", name, shown)
		}
	}
	resp := open("/private?a=%20b&" + token + "&c=d")
	if got, want := resp.Header.Get("Location"), "/login?next=%2Fprivate%3Fa%3D%2520b%26c%3Dd"; got != want {
		t.Errorf("leads to %s, want the rest of the query in %s", got, want)
	}
	for name, cookie := range map[string]*http.Cookie{"Sign in with": {Name: "x"}, "ada": s.newSession(ada)} {
		r := httptest.NewRequest("GET", "/page?"+token, nil)
		r.AddCookie(cookie)
		button := string(s.client.Button(r, hfoauth.ButtonOptions{}))
		if !strings.Contains(button, name) {
			t.Errorf("the button does not say %q: %s", name, button)
		}
		if strings.Contains(button, "secret-of-the-visitor") {
			t.Errorf("button %q: %s", name, button)
		}
	}
	if log := s.log.String(); log == "" || strings.Contains(log, "secret-of-the-visitor") {
		t.Errorf("log: %q", log)
	}
}

// A site's other name sends browsers to the registered one, without the visitor's
// __sign.
func TestSignIsStrippedOnAnotherHost(t *testing.T) {
	client := newClient(t, hfoauth.Config{SpaceHost: "user-app.hf.space,www.example.com"})
	got := leadsTo(client.LoginHandler(), "https://www.example.com/login?__sign=x&next=/a")
	if want := "https://user-app.hf.space/login?next=/a"; got != want {
		t.Errorf("leads to %q, want %s", got, want)
	}
}

// The page after a form links back to the page with the form: the address to which
// the form was posted may not be a page.
func TestPagesAfterAForm(t *testing.T) {
	s := newSite(t, nil)
	mux := http.NewServeMux()
	s.client.Mount(mux)
	mux.Handle("POST /orgs/engines/notes", s.client.RequireUser(http.HandlerFunc(noContent)))
	app := httptest.NewServer(mux)
	defer app.Close()
	for name, tt := range map[string]struct {
		header []string
		status int
		want   string
	}{
		"from a page of this site": {[]string{"Referer", app.URL + "/orgs/engines?tab=notes"},
			401, "/login?next=%2Forgs%2Fengines%3Ftab%3Dnotes"},
		"at the address users return to": {[]string{"Referer", s.URL + "/orgs"}, 401, "/login?next=%2Forgs"},
		"from a page that says nothing":  {nil, 401, "/login"},
		"from another port":              {[]string{"Referer", "http://127.0.0.1:1/orgs"}, 401, "/login"},
		"from another site":              {[]string{"Referer", "https://evil.example/orgs"}, 401, "/login"},
		"with a host in the path":        {[]string{"Referer", app.URL + "//evil.example/orgs"}, 401, "/login"},
		"with a visitor's signature": {[]string{"Referer", app.URL + "/orgs?__sign=secret"}, 401,
			"/login?next=%2Forgs"},
		"from the page of sign-in":          {[]string{"Referer", app.URL + "/login?next=/x"}, 401, "/login"},
		"with a Referer that is no address": {[]string{"Referer", "http://%zz/"}, 401, "/login"},
		"refused, of another site": {[]string{"Referer", "https://evil.example/orgs",
			"Sec-Fetch-Site", "cross-site"}, 403, "/"},
		"refused, of this site": {[]string{"Referer", app.URL + "/orgs", "Sec-Fetch-Site",
			"cross-site"}, 403, "/orgs"},
	} {
		browser := s.browser()
		if tt.status == http.StatusForbidden {
			s.signIn(browser, ada, "/")
		}
		resp := post(t, browser, app.URL+"/orgs/engines/notes", nil, append(tt.header, "Accept", "text/html")...)
		want := `<a class="hfoauth-primary" href="` + tt.want + `">`
		if resp.StatusCode != tt.status || !strings.Contains(resp.body, want) {
			t.Errorf("%s: %s, want %d with %s: %s", name, resp.Status, tt.status, want, resp.body)
		}
	}
	r := httptest.NewRequest("POST", "/orgs/engines/notes", nil)
	r.Header.Set("Referer", s.URL+"/orgs?__sign=secret")
	button := string(s.client.Button(r, hfoauth.ButtonOptions{}))
	for _, want := range []string{`href="/login?next=%2Forgs"`, `data-hfoauth-next="/orgs"`} {
		if !strings.Contains(button, want) {
			t.Errorf("the button on the page after a form lacks %s: %s", want, button)
		}
	}
}

// A browser that opens the login page under another name of the site is sent to
// the callback's; under any other name, sign-in begins there.
func TestOtherNamesOfTheSite(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	const local, elsewhere = "http://127.0.0.1:7860", "https://app.example"
	for name, tt := range map[string]struct{ site, host, want string }{
		"localhost":             {local, "localhost:7860", local + "/login"},
		"another port":          {local, "localhost:7861", hub.URL},
		"a name of the network": {local, "app.test:7860", hub.URL},
		"a site elsewhere":      {elsewhere, "127.0.0.1", hub.URL},
		"its own name":          {elsewhere, "app.example", hub.URL},
	} {
		client := newClient(t, hfoauth.Config{RedirectURL: tt.site + "/login/callback", ProviderURL: hub.URL})
		r := httptest.NewRequest("GET", "/login", nil)
		r.Host = tt.host
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		w := httptest.NewRecorder()
		client.LoginHandler().ServeHTTP(w, r)
		if got := w.Header().Get("Location"); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %s leads to %q, want %s", name, tt.host, got, tt.want)
		}
	}
}
