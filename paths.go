package hfoauth

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/hfoauth/hfoauth/internal/provider"
)

const maxReturnPath = 1024

// returnPath returns next if it leads to a page of this site, else "/". It
// allows a path, query and fragment that every browser resolves to the same
// origin: no scheme, no authority, and no backslash or control character that
// the URL Standard would turn into one (CVE-2026-28415 is what happens
// otherwise).
func returnPath(next string) string {
	if !strings.HasPrefix(next, "/") || leavesSite(next) {
		return "/"
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "/"
	}
	escaped := u.String()
	if leavesSite(u.Path) || len(escaped) > maxReturnPath {
		return "/"
	}
	return escaped
}

// leavesSite reports whether a path, raw or decoded, could be read as
// something else than a path of this site.
func leavesSite(p string) bool {
	return strings.HasPrefix(p, "//") || strings.ContainsFunc(p, func(r rune) bool {
		return r == '\\' || r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029'
	})
}

// returnTo is returnPath without the pages of sign-in itself: returning to
// one of them would begin it again, without end.
func (c *Client) returnTo(next string) string {
	if next = returnPath(next); next == "/" {
		return next
	}
	u, err := url.Parse(next)
	if err != nil {
		return "/"
	}
	p := path.Clean(u.Path)
	if p == c.config.LoginPath || strings.HasPrefix(p+"/", c.framePath()) || p == c.callbackPath() || p == c.config.LogoutPath {
		return "/"
	}
	return next
}

// loginURL returns the address of the login page for links, such that the
// user returns to next, a path of this site; anything else counts as "/".
func (c *Client) loginURL(next string) string {
	next = c.returnTo(next)
	if next == "/" {
		return c.config.LoginPath
	}
	return c.config.LoginPath + "?next=" + url.QueryEscape(next)
}

func (c *Client) callbackPath() string {
	if c.redirectURL.Path == "" {
		return "/"
	}
	return c.redirectURL.Path
}

func (c *Client) framePath() string { return strings.TrimSuffix(c.config.LoginPath, "/") + "/frame/" }

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

func hostname(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// onOtherHost reports whether a browser is about to sign in on another name
// of this site than the one it will be sent back to, where the attempt's
// cookie would not follow: a Space's custom domain, or 127.0.0.1 for
// localhost.
func (c *Client) onOtherHost(r *http.Request) bool {
	if strings.EqualFold(r.Host, c.redirectURL.Host) || r.Header.Get("Sec-Fetch-Mode") != "navigate" {
		return false
	}
	if slices.Contains(c.config.spaceHosts(), r.Host) {
		return true
	}
	here := url.URL{Host: r.Host}
	return provider.Loopback(here.Hostname()) && provider.Loopback(c.redirectURL.Hostname()) && here.Port() == c.redirectURL.Port()
}
