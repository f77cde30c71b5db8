package hfoauth

import (
	"net/http"
	"strings"
)

// uncached is the Cache-Control of an answer for one user (RFC 9111 sections
// 5.2.2.5 and 5.2.2.7). no-store alone is ignored by caches that are told to,
// such as Apache's with CacheStoreNoStore.
const uncached = "private, no-store"

// allowCaching says to caches that an answer is the same for all. It is not if
// the app's middleware has put a session's cookie on it.
func allowCaching(header http.Header, value string) {
	if len(header["Set-Cookie"]) > 0 {
		forbidCaching(header)
		return
	}
	header.Set("Cache-Control", value)
}

// forbidCaching keeps an answer out of caches, also those that obey another
// field than Cache-Control (RFC 9213; Surrogate-Control of the Edge
// Architecture, X-Accel-Expires of nginx, X-LiteSpeed-Cache-Control,
// Edge-Control of Akamai).
func forbidCaching(header http.Header) {
	for name := range header {
		switch canonical := http.CanonicalHeaderKey(name); {
		case canonical == "Expires", canonical == "Surrogate-Control", canonical == "X-Accel-Expires", canonical == "Edge-Control",
			strings.HasSuffix(canonical, "-Cache-Control"), canonical == "Cache-Control" && name != canonical:
			delete(header, name)
		}
	}
	if values := header["Cache-Control"]; len(values) != 1 || values[0] != uncached {
		header.Set("Cache-Control", uncached)
	}
}

// withoutCaching returns a ResponseWriter for an answer that carries a cookie
// of ours: whatever the handler says to caches, what goes out is private. A
// cache that kept it would give one user's session to all
// (https://github.com/auth0/nextjs-auth0/issues/2112). It offers http.Flusher
// and http.Hijacker if w does, and http.ResponseController what else w can do.
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

// FlushError is what http.ResponseController calls, which would otherwise
// flush what we wrap.
func (w *privateWriter) FlushError() error {
	forbidCaching(w.Header())
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *privateWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type privateFlusher struct{ *privateWriter }

func (w privateFlusher) Flush() { w.FlushError() }
