package hfoauth

import (
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/hfoauth/hfoauth/internal/provider"
)

const maxReturnPath = 1024

// returnPath returns next if it leads to a page of this site; if not, it returns
// the argument otherwise. It allows a path, query and fragment that every browser
// resolves to the same origin: no scheme, no authority, and no backslash or
// control character that the URL Standard would turn into one (CVE-2026-28415).
func returnPath(next, otherwise string) string {
	if !strings.HasPrefix(next, "/") || leavesSite(next) {
		return otherwise
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return otherwise
	}
	u.RawQuery = withoutSign(u.RawQuery)
	escaped := u.String()
	if leavesSite(u.Path) || len(escaped) > maxReturnPath {
		return otherwise
	}
	return escaped
}

// withoutSign returns a query without __sign, with which the Hub names the
// visitor of a private Space in the address of its iframe
// (https://huggingface.co/docs/hub/spaces-overview). No address that we write may
// contain it.
func withoutSign(query string) string {
	if !hasSign(query) {
		return query
	}
	pairs := slices.DeleteFunc(strings.Split(query, "&"), isSign)
	return strings.Join(pairs, "&")
}

func hasSign(query string) bool { return slices.ContainsFunc(strings.Split(query, "&"), isSign) }

func isSign(pair string) bool {
	name, _, _ := strings.Cut(pair, "=")
	name, err := url.QueryUnescape(name)
	return err == nil && name == "__sign"
}

// leavesSite reports whether a path, raw or decoded, could be read as something
// other than a path of this site.
func leavesSite(p string) bool {
	return strings.HasPrefix(p, "//") || strings.ContainsFunc(p, func(r rune) bool {
		return r == '\\' || r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029'
	})
}

// paths are the addresses of the app.
type paths struct {
	redirect            *url.URL // Config.RedirectURL
	home, login, logout string
	spaceHosts          []string
}

func newPaths(config *Config) (*paths, error) {
	redirect, err := url.Parse(config.RedirectURL)
	if err != nil {
		return nil, err // not reached: validate parsed it
	}
	redirect.Host = normalHost(redirect.Scheme, redirect.Host)
	return &paths{redirect, config.HomePath, config.LoginPath, config.LogoutPath, config.spaceHosts()}, nil
}

// returnTo returns next if it leads to a page of this site, or else the start
// page. The pages of sign-in itself do not count, because returning to one of
// them would start the sign-in again, endlessly.
func (p *paths) returnTo(next string) string {
	home := p.home
	if next = returnPath(next, home); next == home {
		return home
	}
	u, err := url.Parse(next)
	if err != nil {
		return home
	}
	clean := path.Clean(u.Path)
	if clean == p.login || strings.HasPrefix(clean+"/", p.frame()) || clean == p.callback() || clean == p.logout {
		return home
	}
	return next
}

// loginURL returns the address of the login page for links. After sign-in the
// user returns to next, a path of this site; any other next means the start page.
func (p *paths) loginURL(next string) string {
	next = p.returnTo(next)
	if next == p.home {
		return p.login
	}
	return p.login + "?next=" + url.QueryEscape(next)
}

func (p *paths) callback() string { return p.redirect.Path }

// pageOf returns the path of the page to return to after a request. The path of
// one that may change something may have no page, so it is that of the page
// which sent it, if the browser says so and the page is of this site. Like any
// return path, it has yet to pass returnTo.
func (p *paths) pageOf(r *http.Request) string {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return pathOf(r)
	}
	page, err := url.Parse(r.Referer())
	if err != nil || normalHost(page.Scheme, page.Host) != normalHost(page.Scheme, r.Host) &&
		origin(page) != origin(p.redirect) {
		return p.home
	}
	return page.RequestURI()
}

// basePath returns the path below which the app is served, given the path of its
// callback: "/tools/" for /tools/login/callback, and "/" for a path that does not
// end in /login/callback.
func basePath(callback string) string {
	if base, ok := strings.CutSuffix(callback, defaultCallbackPath); ok {
		return base + "/"
	}
	return "/"
}

// asSeen returns next as the browser sees it. A proxy may strip the base path:
// then requests for our own paths, and the paths that the app knows, lack it.
func (p *paths) asSeen(r *http.Request, next string) string {
	base := basePath(p.callback())
	if base == "/" || strings.HasPrefix(pathOf(r), base) || strings.HasPrefix(next, base) {
		return next
	}
	return strings.TrimSuffix(base, "/") + next
}

// backTo returns a return path as the browser sees it. With the prefix that a
// proxy strips it may be one of the pages of sign-in, which do not count.
func (p *paths) backTo(r *http.Request, next string) string {
	seen := p.asSeen(r, next)
	if seen == next {
		return next
	}
	return p.returnTo(seen)
}

func (p *paths) frame() string { return strings.TrimSuffix(p.login, "/") + "/frame/" }

// origin returns the origin of a URL as browsers write it, however the URL is
// written (RFC 6454 section 4).
func origin(u *url.URL) string { return u.Scheme + "://" + normalHost(u.Scheme, u.Host) }

// normalHost returns a host in lower case and without its scheme's own port.
func normalHost(scheme, host string) string {
	port := ":443"
	if scheme == "http" {
		port = ":80"
	}
	return strings.ToLower(strings.TrimSuffix(host, port))
}

// ofOtherSites reports whether two URLs are certain to be of different sites,
// from which browsers send no cookies with SameSite=Lax to one another
// (https://html.spec.whatwg.org/multipage/browsers.html#same-site). Hosts of one
// site share a registrable domain, which has two labels or more; how many, only
// the public suffix list says. An address is a site by itself.
func ofOtherSites(a, b string) bool {
	u, err1 := url.Parse(a)
	v, err2 := url.Parse(b)
	if err1 != nil || err2 != nil {
		return false // not reached: validate parsed them
	}
	host, other := strings.ToLower(u.Hostname()), strings.ToLower(v.Hostname())
	if u.Scheme != v.Scheme {
		return true
	}
	if host == other {
		return false
	}
	_, err := netip.ParseAddr(host)
	return err == nil || lastLabels(host) != lastLabels(other)
}

// lastLabels returns the last two labels of a name.
func lastLabels(name string) string {
	labels := strings.Split(name, ".")
	return strings.Join(labels[max(0, len(labels)-2):], ".")
}

func hostname(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// onOtherHost reports whether a browser is about to sign in under a name of this
// site other than the one it will return to, where it would not send the
// attempt's cookie: a Space's custom domain, or 127.0.0.1 instead of localhost.
func (p *paths) onOtherHost(r *http.Request) bool {
	here := url.URL{Host: normalHost(p.redirect.Scheme, r.Host)}
	if here.Host == p.redirect.Host || r.Header.Get("Sec-Fetch-Mode") != "navigate" {
		return false
	}
	if slices.Contains(p.spaceHosts, here.Host) {
		// If the redirect URL is elsewhere, a proxy sends the Space's name as Host.
		return slices.Contains(p.spaceHosts, p.redirect.Host)
	}
	return provider.Loopback(here.Hostname()) && provider.Loopback(p.redirect.Hostname()) &&
		here.Port() == p.redirect.Port()
}
