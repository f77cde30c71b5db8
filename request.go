package hfoauth

import (
	"net/http"
	"strings"
)

// pathOf returns path and query as the browser asked for them, also behind
// http.StripPrefix.
func pathOf(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	return r.URL.RequestURI()
}

// isNavigation reports whether a person opens a page: the browser says so
// (https://www.w3.org/TR/fetch-metadata/), or, where it says nothing, HTML is
// asked for by name.
func isNavigation(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		return false
	}
	return acceptsHTML(r)
}

func acceptsHTML(r *http.Request) bool {
	return strings.Contains(strings.Join(r.Header["Accept"], ","), "text/html")
}

// framed reports whether the answer to a request is to be shown in a frame,
// where the provider's pages refuse to be (https://www.w3.org/TR/fetch-metadata/).
func framed(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "iframe", "frame", "embed", "object":
		return true
	}
	return false
}
