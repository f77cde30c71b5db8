package hfoauth

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/hfoauth/hfoauth/internal/provider"
)

var (
	// hostPattern matches host names and addresses, with or without a port, as
	// browsers send them (https://url.spec.whatwg.org/#host-parsing).
	hostPattern = regexp.MustCompile(`^([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\])(:([0-9]{1,5}))?$`)

	// pathPattern matches paths with only one spelling (RFC 3986 section 3.3),
	// except for dots, that do not end in a slash.
	pathPattern = regexp.MustCompile(`^(/[A-Za-z0-9._~!$&()*+,;=:@-]+)+$`)
)

// isHost reports whether text is a host that a URL can have.
func isHost(text string) bool {
	match := hostPattern.FindStringSubmatch(text)
	if match == nil {
		return false
	}
	port, _ := strconv.Atoi(match[4])
	return port <= 65535
}

// isPath reports whether text is a path of a handler, other than the root,
// that http.ServeMux can match.
func isPath(text string) bool {
	return pathPattern.MatchString(text) && path.Clean(text) == text
}

// checkSpaceHost accepts what SPACE_HOST is in a Space.
func (c *Config) checkSpaceHost() error {
	if c.SpaceHost == "" {
		return nil
	}
	return field("SpaceHost", "SPACE_HOST", checkSpaceHosts(c.spaceHosts()))
}

func checkSpaceHosts(hosts []string) error {
	if len(hosts) == 0 {
		return errors.New("names no host: leave it out, or write it as user-app.hf.space")
	}
	for _, host := range hosts {
		if !isHost(host) {
			return fmt.Errorf("%q is not the name of a host: write it as user-app.hf.space, without https:// and path", host)
		}
	}
	return nil
}

func (c *Config) checkRedirectURL() error {
	if c.RedirectURL == "" {
		if c.ClientID == "" || c.SpaceHost != "" {
			return nil // which is reported, with all that goes with it
		}
		return errors.New("hfoauth: Config.RedirectURL: there is no URL to return to after sign-in: " +
			"set OAUTH_REDIRECT_URL to the full URL of the callback handler (such as " +
			"https://example.com/login/callback), or run in a Space, which sets SPACE_HOST")
	}
	if err := checkURL(c.RedirectURL); err != nil {
		return field("RedirectURL", "OAUTH_REDIRECT_URL, SPACE_HOST", err)
	}
	u, err := url.Parse(c.RedirectURL)
	if err != nil {
		return err // not reached: checkURL parsed it
	}
	return field("RedirectURL", "OAUTH_REDIRECT_URL", checkRedirectPath(u))
}

// checkRedirectPath accepts a path other than the root that http.ServeMux can
// match.
func checkRedirectPath(u *url.URL) error {
	switch {
	case u.Path == "" || u.Path == "/":
		return fmt.Errorf("%q has no path of its own for the callback: write it as https://host/login/callback", u)
	case !isPath(strings.TrimSuffix(u.EscapedPath(), "/")):
		return fmt.Errorf("its path %q cannot be served: write it as /login/callback or "+
			"/tools/login/callback, with letters, digits and hyphens", u.EscapedPath())
	}
	return nil
}

// checkProviderURL accepts an issuer, but not the address of its metadata.
func checkProviderURL(text string) error {
	if strings.Contains(text, "/.well-known") {
		return errors.New("this is where the provider's metadata is: leave out /.well-known and what follows it")
	}
	return checkURL(text)
}

// checkURL accepts absolute https URLs, and http ones on loopback (RFC 8252
// section 8.3), without user, query and fragment (RFC 6749 section 3.1.2).
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case quoted(text):
		return errQuoted
	case err != nil || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%q is not an absolute URL: write it as https://host/path", text)
	case u.User != nil || strings.ContainsAny(text, "?#"):
		return errors.New("the URL must have no user, query or fragment: leave them out")
	case !isHost(u.Host):
		return fmt.Errorf("%q is not the name of a host: write the URL as https://host/path, "+
			"with a name of ASCII characters", u.Host)
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == '"' }):
		return fmt.Errorf("%q has a space or a quote in it: leave it out", text)
	case u.Scheme == "http" && !provider.Loopback(u.Hostname()):
		return fmt.Errorf("%q uses http, which anyone on the network can read: use https (http is fine on localhost)", text)
	}
	return nil
}

func checkOrigins(origins []string) error {
	for _, text := range origins {
		u, err := url.Parse(text)
		if err != nil || checkURL(text) != nil || u.Path != "" {
			return fmt.Errorf("%q is not an origin: write it as https://app.example.com (http is fine on "+
				"localhost), without a path", text)
		}
	}
	return nil
}

// checkFrameAncestors accepts what a Content-Security-Policy calls a
// host-source (CSP 3 section 2.3.1), with a scheme and without a path.
func checkFrameAncestors(ancestors []string) error {
	for _, text := range ancestors {
		u, err := url.Parse(strings.Replace(text, "://*.", "://", 1))
		if err != nil || checkURL(u.String()) != nil || u.Path != "" {
			return fmt.Errorf("%q is not a site: write it as https://huggingface.co or https://*.example.com", text)
		}
	}
	return nil
}

// checkPaths accepts paths that http.ServeMux can match and that do not overlap.
func (c *Config) checkPaths() error {
	err := errors.Join(
		field("LoginPath", "", checkPath(c.LoginPath)),
		field("LogoutPath", "", checkPath(c.LogoutPath)),
		field("HomePath", "", checkHomePath(c.HomePath)),
	)
	if err != nil {
		return err
	}
	return c.checkPathsApart()
}

func checkPath(path string) error {
	if !isPath(path) {
		return fmt.Errorf("%q is not a path of a handler of this site: write it as /path", path)
	}
	return nil
}

// checkHomePath accepts paths that end with a slash as well.
func checkHomePath(path string) error {
	if path == "/" {
		return nil
	}
	return checkPath(strings.TrimSuffix(path, "/"))
}

// checkPathsApart makes sure that no two handlers share a path, which would make
// Mount panic.
func (c *Config) checkPathsApart() error {
	callback := ""
	if u, err := url.Parse(c.RedirectURL); err == nil {
		callback = strings.TrimSuffix(u.Path, "/")
	}
	home := strings.TrimSuffix(c.HomePath, "/")
	switch {
	case callback == c.LoginPath || callback == c.LogoutPath:
		return field("RedirectURL", "OAUTH_REDIRECT_URL", fmt.Errorf("its path %q is that of sign-in or "+
			"sign-out: give the callback another, such as /login/callback", callback))
	case c.LoginPath == c.LogoutPath:
		return field("LogoutPath", "", fmt.Errorf("%q is also the path of sign-in: choose another", c.LogoutPath))
	case home == c.LoginPath || home == c.LogoutPath || home != "" && home == callback:
		return field("HomePath", "",
			fmt.Errorf("%q is a path of sign-in or sign-out: name the page where users start", c.HomePath))
	}
	for _, own := range []struct{ name, variable, path string }{
		{"RedirectURL", "OAUTH_REDIRECT_URL", callback}, {"LoginPath", "", c.LoginPath}, {"LogoutPath", "", c.LogoutPath},
	} {
		for _, taken := range []string{c.LoginPath + "/frame", "/.well-known"} {
			if strings.HasPrefix(own.path+"/", taken+"/") {
				return field(own.name, own.variable,
					fmt.Errorf("%q is at or below %s, which has another use: choose another path", own.path, taken))
			}
		}
	}
	return nil
}
