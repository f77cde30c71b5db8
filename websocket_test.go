package hfoauth_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
)

// origins returns which origins may send a request that changes anything to a site
// that trusts app.example.com, and which may not.
func origins(s *site) map[string]struct {
	header []string
	may    bool
} {
	return map[string]struct {
		header []string
		may    bool
	}{
		"this site":                {[]string{"Origin", s.URL, "Sec-Fetch-Site", "same-origin"}, true},
		"this site, older browser": {[]string{"Origin", s.URL}, true},
		"trusted":                  {[]string{"Origin", "https://app.example.com", "Sec-Fetch-Site", "same-site"}, true},
		"trusted, older browser":   {[]string{"Origin", "https://app.example.com"}, true},
		"program":                  {nil, true},
		"another site":             {[]string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, false},
		"another, older browser":   {[]string{"Origin", "https://evil.example"}, false},
		"sibling":                  {[]string{"Origin", "https://evil.example.com", "Sec-Fetch-Site", "same-site"}, false},
		"sandboxed frame":          {[]string{"Origin", "null", "Sec-Fetch-Site", "cross-site"}, false},
		"trusted name on http":     {[]string{"Origin", "http://app.example.com", "Sec-Fetch-Site", "cross-site"}, false},
	}
}

func trustingSite(t *testing.T) *site {
	return newSite(t, func(c *hfoauth.Config) { c.TrustedOrigins = []string{"https://App.example.com:443"} })
}

// A WebSocket handshake is a GET request, which carries the user's cookie from a
// page of any site (RFC 6455 section 10.2).
func TestWebSocketsOfOtherSites(t *testing.T) {
	s := trustingSite(t)
	handler := s.client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "let in")
	}))
	app := httptest.NewServer(handler)
	defer app.Close()
	browser := s.browser()
	s.signIn(browser, ada, "/")
	for name, tt := range origins(s) {
		for kind, handshake := range map[string][]string{
			"HTTP/1.1":           {"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13"},
			"by its metadata":    {"Sec-Fetch-Mode", "websocket"},
			"in another writing": {"Connection", "keep-alive, upgrade", "Upgrade", "WebSocket"},
		} {
			resp := get(t, browser, app.URL, append(handshake, tt.header...)...)
			if got := resp.StatusCode == 200; got != tt.may {
				t.Errorf("%s, %s: %s", name, kind, resp.Status)
			}
		}
	}
	link := get(t, browser, app.URL, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate")
	checkStatus(t, "a link of another site", link, 200)
}

func TestTrustedOrigins(t *testing.T) {
	s := trustingSite(t)
	app := httptest.NewServer(s.client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "changed")
	})))
	defer app.Close()
	for name, tt := range origins(s) {
		browser := s.browser()
		s.signIn(browser, ada, "/")
		if resp := post(t, browser, app.URL, nil, tt.header...); (resp.StatusCode == 200) != tt.may {
			t.Errorf("%s: %s", name, resp.Status)
		}
		if resp := post(t, browser, s.URL+"/logout", nil, tt.header...); (resp.StatusCode == 303) != tt.may {
			t.Errorf("%s signs out: %s", name, resp.Status)
		}
	}
	// A trusted origin's challenge would give it the user's session.
	for _, path := range []string{"popup", "claim", "check"} {
		form := url.Values{"challenge": {challengeOf(frameVerifier)}}
		resp := post(t, s.browser(), s.URL+"/login/frame/"+path, form,
			"Origin", "https://app.example.com", "Sec-Fetch-Site", "same-site")
		checkStatus(t, "a trusted origin posts to "+path, resp, 403)
	}
}

func TestTrustedOriginsAreOrigins(t *testing.T) {
	clearEnv(t)
	for _, wrong := range []string{
		"app.example.com", "https://app.example.com/", "https://app.example.com/path", "https://*.example.com",
		"https://", "null", "http://app.example.com", "https://app.example.com?x", "",
	} {
		_, err := hfoauth.New(hfoauth.Config{
			ClientID: "id", ClientSecret: strings.Repeat("secret", 5),
			RedirectURL:    "https://api.example.com/login/callback",
			TrustedOrigins: []string{wrong},
		})
		if err == nil {
			t.Errorf("%q is accepted as an origin", wrong)
			continue
		}
		checkHas(t, "the error for "+wrong, err.Error(), "Config.TrustedOrigins", "https://app.example.com")
	}
}
