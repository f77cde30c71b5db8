package hfoauth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxCookie is what browsers keep of one cookie (RFC 6265 section 6.1), name,
// value and attributes together.
const maxCookie = 4096

// maxSameName is how many cookies of one name are looked at: a browser sends
// two at most, and each may cost a call to the store.
const maxSameName = 3

// cookieRules say how this app's cookies are named and where they go.
type cookieRules struct {
	secure   bool
	sameSite http.SameSite
	session  string // name of the session cookie
	frame    string // name of the session cookie in an iframe's partition
	attempt  string // prefix of the names of login attempt cookies
}

// newCookieRules derives the rules from where the app is reached. Over https
// names carry the prefix __Host-, so that no sibling domain and no plain http
// page can set them (RFC 6265bis section 4.1.3.2). Cookies do not tell ports
// apart, so a tag keeps the apps of one host from reading each other's.
func newCookieRules(config *Config, redirectURL *url.URL) cookieRules {
	rules := cookieRules{secure: redirectURL.Scheme == "https", sameSite: http.SameSiteLaxMode}
	if rules.secure && config.SpaceHost != "" {
		rules.sameSite = http.SameSiteNoneMode
	}
	tag := sha256.Sum256([]byte(config.ProviderURL + "\x00" + config.ClientID + "\x00" + config.RedirectURL))
	rules.session = "hfoauth-" + hex.EncodeToString(tag[:4])
	if rules.secure {
		rules.session = "__Host-" + rules.session
	}
	rules.frame = rules.session + "-frame"
	rules.attempt = rules.session + "-login-"
	return rules
}

// cookie returns a cookie that lives until end; one in the past removes it.
func (c *cookieRules) cookie(name, value string, now, end time.Time) *http.Cookie {
	cookie := &http.Cookie{
		Name:     name,
		Value:    value,
		Path:     "/",
		Secure:   c.secure,
		HttpOnly: true,
		SameSite: c.sameSite,
		Expires:  end.UTC(),
		MaxAge:   int(end.Sub(now) / time.Second),
	}
	if name == c.frame && c.secure {
		// CHIPS, https://www.ietf.org/archive/id/draft-cutler-httpbis-partitioned-cookies-01.html
		cookie.SameSite, cookie.Partitioned = http.SameSiteNoneMode, true
	}
	if cookie.MaxAge <= 0 {
		cookie.MaxAge = -1
	}
	return cookie
}

// expired returns a cookie that makes the browser drop the one it has.
func (c *cookieRules) expired(name string) *http.Cookie {
	return c.cookie(name, "", time.Unix(1, 0), time.Unix(1, 0))
}

// setCookie adds a Set-Cookie header in place of an earlier one for the same
// name: RFC 6265 section 4.1.1 wants one a response.
func setCookie(w http.ResponseWriter, cookie *http.Cookie) {
	header := w.Header()
	lines := header["Set-Cookie"]
	kept := lines[:0]
	for _, line := range lines {
		if !strings.HasPrefix(line, cookie.Name+"=") {
			kept = append(kept, line)
		}
	}
	header["Set-Cookie"] = append(kept, cookie.String())
}

// sessionCookies yields the cookies of a request that may hold its session:
// that of the iframe's partition first, then the one that all windows share.
func (c *cookieRules) sessionCookies(r *http.Request) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, wanted := range [...]string{c.frame, c.session} {
			left := maxSameName
			for name, value := range requestCookies(r) {
				if name != wanted {
					continue
				}
				if left--; left < 0 {
					break
				}
				if !yield(name, value) {
					return
				}
			}
		}
	}
}

// requestCookies yields the cookies of a request. net/http's own parser
// allocates for every cookie there is; this runs on each authenticated
// request.
func requestCookies(r *http.Request) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, line := range r.Header["Cookie"] {
			for pair := range strings.SplitSeq(line, ";") {
				name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
				if ok && !yield(name, value) {
					return
				}
			}
		}
	}
}

func encodeCookie(sealed []byte) string {
	return base64.RawURLEncoding.EncodeToString(sealed)
}

func decodeCookie(value string) ([]byte, error) {
	return base64.RawURLEncoding.Strict().DecodeString(value)
}
