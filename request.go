package hfoauth

import (
	"net/http"
	"net/url"
	"strings"
)

// pathOf returns path and query as the browser requested them, even behind
// http.StripPrefix, without __sign.
func pathOf(r *http.Request) string {
	address := r.URL.RequestURI()
	if strings.HasPrefix(r.RequestURI, "/") {
		address = r.RequestURI
	}
	path, query, _ := strings.Cut(address, "?")
	if query = withoutSign(query); query == "" {
		return path
	}
	return path + "?" + query
}

// isNavigation reports whether the request opens a page: the browser says so
// (https://www.w3.org/TR/fetch-metadata/) or, if it says nothing, Accept names
// HTML.
func isNavigation(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		return false
	}
	return acceptsHTML(r) && !byHTMX(r)
}

// byHTMX reports whether htmx requests a part of a page, for which a redirect to
// sign-in would be of no use (https://htmx.org/reference/#request_headers).
func byHTMX(r *http.Request) bool { return r.Header.Get("HX-Request") == "true" }

// pageOfHTMX returns the path of the page that the part belongs to.
func pageOfHTMX(r *http.Request) string {
	u, err := url.Parse(r.Header.Get("HX-Current-URL"))
	if err != nil {
		return ""
	}
	return u.RequestURI()
}

func acceptsHTML(r *http.Request) bool {
	return strings.Contains(strings.Join(r.Header["Accept"], ","), "text/html")
}

// framed reports whether the response will be shown in a frame, where the
// provider's pages refuse to be shown (https://www.w3.org/TR/fetch-metadata/).
func framed(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "iframe", "frame", "embed", "object":
		return true
	}
	return false
}

// trustedOrigins are those whose pages may send requests that change something.
type trustedOrigins struct{ protection *http.CrossOriginProtection }

// newTrustedOrigins trusts this site's own origin, because a proxy may change
// Host, and Config.TrustedOrigins.
func newTrustedOrigins(config *Config) (trustedOrigins, error) {
	t := trustedOrigins{http.NewCrossOriginProtection()}
	for _, text := range append([]string{config.RedirectURL}, config.TrustedOrigins...) {
		u, err := url.Parse(text)
		if err != nil {
			return t, err // not reached: validate parsed it
		}
		if err := t.protection.AddTrustedOrigin(origin(u)); err != nil {
			return t, err
		}
	}
	return t, nil
}

// exclude reports whether a request that may change something was made by another
// origin's page. A WebSocket handshake counts as such a request: it is a GET
// request that any page can send with the user's cookie (RFC 6455 section 10.2).
func (t trustedOrigins) exclude(r *http.Request) bool {
	if r.Header.Get("Upgrade") != "" || r.Header.Get("Sec-Fetch-Mode") == "websocket" {
		changing := *r
		changing.Method = http.MethodPost
		r = &changing
	}
	return t.protection.Check(r) != nil
}
