package hfoauth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxCookie is the size up to which browsers keep a cookie, with its name, value
// and attributes (RFC 6265 section 6.1).
const maxCookie = 4096

// All our cookies together take less than maxHeader bytes of a request: nginx and
// other servers refuse a header line longer than 8 KiB. Login attempts may use
// maxAttemptBytes of them. If pages may be shown in iframes, a request may have
// both the iframe's session and the one shared by all windows; each may use half
// of the rest.
const (
	maxHeader             = 8000
	maxAttemptBytes       = 3700
	maxAttemptBytesFramed = 2100
)

// maxSameName is how many cookies of one name are examined, each of which may
// cost a decryption or a call to the store. A browser sends at most two, or a few
// more over plain http, where a page on this host can set one for each path.
const maxSameName = 8

// cookieRules are the names and attributes of this app's cookies.
type cookieRules struct {
	session string // name of the session cookie
	frame   string // name of the session cookie in an iframe's partition
	attempt string // prefix of the names of login attempt cookies
	denial  string // name of the cookie that records what the session's user denied
	pause   string // name of the cookie that stops pages from redirecting to sign-in

	attributes      string // of all cookies but frame
	frameAttributes string

	framed bool // pages may be shown in iframes
}

// newCookieRules derives the rules from the app's address. Over https, names
// have the prefix __Host-, so that no sibling domain and no plain http page can
// set them (RFC 6265bis section 4.1.3.2). Cookies are shared by all ports, so a
// tag keeps the apps of one host apart.
func newCookieRules(config *Config, redirectURL *url.URL) cookieRules {
	tag := sha256.Sum256([]byte(config.ProviderURL + "\x00" + config.ClientID + "\x00" + config.RedirectURL))
	rules := cookieRules{session: "hfoauth-" + hex.EncodeToString(tag[:4]), attributes: "; Path=/; HttpOnly"}
	rules.framed = len(config.FrameAncestors) > 0
	sameSite := "; SameSite=Lax"
	rules.frameAttributes = rules.attributes + sameSite
	if redirectURL.Scheme == "https" {
		rules.session = "__Host-" + rules.session
		rules.attributes += "; Secure"
		// CHIPS, https://www.ietf.org/archive/id/draft-cutler-httpbis-partitioned-cookies-01.html
		rules.frameAttributes = rules.attributes + "; SameSite=None; Partitioned"
		if rules.framed {
			sameSite = "; SameSite=None"
		}
	}
	rules.attributes += sameSite
	rules.frame = rules.session + "-frame"
	rules.pause = strings.Replace(rules.session, "hfoauth-", "hfoauth-pause-", 1)
	rules.denial = rules.session + "-denial"
	rules.attempt = rules.session + "-login-"
	return rules
}

// line returns the Set-Cookie line of a cookie; a lifetime of zero removes the
// cookie. Name and value are ours and need no escaping.
func (c *cookieRules) line(name, value string, lifetime time.Duration) string {
	attributes := c.attributes
	if name == c.frame {
		attributes = c.frameAttributes
	}
	return name + "=" + value + "; Max-Age=" + strconv.Itoa(int(lifetime/time.Second)) + attributes
}

// maxSession is how long the value of a session's cookie may be; maxShared is
// the same for a session that an iframe has as well.
func (c *cookieRules) maxSession() int {
	if c.framed {
		return c.maxShared()
	}
	return maxCookie - len(c.line(c.session, "", 400*24*time.Hour))
}

func (c *cookieRules) maxShared() int {
	left := maxHeader - maxAttemptBytesFramed - cookieSize(c.pause, "1") - len("Cookie: ")
	return left/2 - cookieSize(c.frame, "")
}

// attemptBytes is how much of a request's header login attempts may take.
func (c *cookieRules) attemptBytes() int {
	if c.framed {
		return maxAttemptBytesFramed
	}
	return maxAttemptBytes
}

// cookieSize is how much of a request's header a cookie takes.
func cookieSize(name, value string) int { return len(name) + len("=") + len(value) + len("; ") }

// set adds a Set-Cookie line and keeps the response out of caches. It replaces
// an earlier line for the same name: RFC 6265 section 4.1.1 allows one in a
// response.
func (c *cookieRules) set(w http.ResponseWriter, name, value string, lifetime time.Duration) {
	header := w.Header()
	lines := slices.DeleteFunc(header["Set-Cookie"], func(line string) bool { return strings.HasPrefix(line, name+"=") })
	header["Set-Cookie"] = append(lines, c.line(name, value, lifetime))
	forbidCaching(header)
}

// on reports whether a response sets one of our cookies. The names of all but
// the pause begin with the session's.
func (c *cookieRules) on(header http.Header) bool {
	return slices.ContainsFunc(header["Set-Cookie"], func(line string) bool {
		return strings.HasPrefix(line, c.session) || strings.HasPrefix(line, c.pause)
	})
}

// pauseLifetime is how long private pages do not redirect a browser to sign-in
// after a sign-in, a sign-out or a failure. Whatever the reason that no session
// is found, the user sees a page instead of a redirect loop, and a user who
// signed out is not signed in again by a provider that remembers the consent.
const pauseLifetime = 30 * time.Second

func (c *cookieRules) setPause(w http.ResponseWriter) { c.set(w, c.pause, "1", pauseLifetime) }

// remove makes the browser delete a cookie.
func (c *cookieRules) remove(w http.ResponseWriter, name string) { c.set(w, name, "", 0) }

// sessionCookies yields the cookies of a request that may hold its session:
// first that of the iframe's partition, then the one that all windows share.
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

// requestCookies yields the cookies of a request. It is the only parser: if two
// disagreed about a name, a cookie that __Host- does not protect could pass for
// ours. It trims only space and tab around a pair, because browsers let a sibling
// domain set a cookie whose name is some other white space followed by our name.
// net/http's parser is not used because it allocates for every cookie, and this
// runs on each authenticated request.
func requestCookies(r *http.Request) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, line := range r.Header["Cookie"] {
			for pair := range strings.SplitSeq(line, ";") {
				name, value, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
				if ok && !yield(name, value) {
					return
				}
			}
		}
	}
}

func hasCookie(r *http.Request, wanted string) bool {
	for name := range requestCookies(r) {
		if name == wanted {
			return true
		}
	}
	return false
}

func encodeCookie(sealed []byte) string {
	buffer := make([]byte, 0, 512) // on the stack, for attempts
	return string(base64.RawURLEncoding.AppendEncode(buffer, sealed))
}

func decodeCookie(value string) ([]byte, error) {
	return base64.RawURLEncoding.Strict().DecodeString(value)
}
