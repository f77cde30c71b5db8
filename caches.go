package hfoauth

import (
	"net/http"
	"strings"
)

// uncached is the Cache-Control of a response for one user (RFC 9111 sections
// 5.2.2.5 and 5.2.2.7). Some caches can be configured to ignore no-store, such as
// Apache's with CacheStoreNoStore.
const uncached = "private, no-store"

// allowCaching sets the Cache-Control of a response that is the same for all
// users, unless the app's middleware has put a session's cookie on it.
func allowCaching(header http.Header, value string) {
	if len(header["Set-Cookie"]) > 0 {
		forbidCaching(header)
		return
	}
	header.Set("Cache-Control", value)
}

// forbidCaching keeps a response out of caches, including those that obey a field
// other than Cache-Control (RFC 9213; Surrogate-Control of the Edge
// Architecture, X-Accel-Expires of nginx, X-LiteSpeed-Cache-Control,
// Edge-Control of Akamai).
func forbidCaching(header http.Header) {
	for name := range header {
		switch canonical := http.CanonicalHeaderKey(name); {
		case canonical == "Expires", canonical == "Surrogate-Control", canonical == "X-Accel-Expires",
			canonical == "Edge-Control", strings.HasSuffix(canonical, "-Cache-Control"),
			canonical == "Cache-Control" && name != canonical:
			delete(header, name)
		}
	}
	if values := header["Cache-Control"]; len(values) != 1 || values[0] != uncached {
		header.Set("Cache-Control", uncached)
	}
}

// withoutCaching returns a ResponseWriter for a response with one of our cookies:
// it is sent as private whatever the handler sets. A cache that stored it would
// give one user's session to others
// (https://github.com/auth0/nextjs-auth0/issues/2112). It implements http.Flusher
// and http.Hijacker if w does; http.ResponseController finds the rest.
func withoutCaching(w http.ResponseWriter) http.ResponseWriter {
	private := &privateWriter{ResponseWriter: w}
	_, flushes := w.(http.Flusher)
	hijacker, hijacks := w.(http.Hijacker)
	switch {
	case flushes && hijacks:
		return struct {
			privateFlusher
			http.Hijacker
		}{privateFlusher{private}, hijacker}
	case flushes:
		return privateFlusher{private}
	case hijacks:
		return struct {
			*privateWriter
			http.Hijacker
		}{private, hijacker}
	}
	return private
}

// privateWriter forbids caching when the header is sent.
type privateWriter struct{ http.ResponseWriter }

func (w *privateWriter) WriteHeader(status int) {
	forbidCaching(w.Header())
	w.ResponseWriter.WriteHeader(status)
}

func (w *privateWriter) Write(b []byte) (int, error) {
	forbidCaching(w.Header())
	return w.ResponseWriter.Write(b)
}

// FlushError is for http.ResponseController, which would otherwise flush the
// wrapped writer directly.
func (w *privateWriter) FlushError() error {
	forbidCaching(w.Header())
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *privateWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type privateFlusher struct{ *privateWriter }

func (w privateFlusher) Flush() { w.FlushError() }
