package hfoauth

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/hfoauth/hfoauth/internal/provider"
)

// failure is how an error is answered and logged.
type failure struct {
	kind   string // for metrics
	status int
	level  slog.Level
}

// failureOf classifies an error of this package. Debug is for what happens to
// every visitor, Info for what a user decided or lacks, Warn for what may be an
// attack or is temporary, and Error for what the app's owner must fix.
func failureOf(err error) failure {
	switch {
	case errors.Is(err, ErrNotSignedIn) && isMisconfigured(err):
		return failure{"not signed in", http.StatusUnauthorized, slog.LevelError}
	case errors.Is(err, ErrNotSignedIn):
		return failure{"not signed in", http.StatusUnauthorized, slog.LevelDebug}
	case errors.Is(err, ErrState):
		return failure{"state", http.StatusBadRequest, slog.LevelWarn}
	case isMisconfigured(err):
		return failure{"provider error", http.StatusBadRequest, slog.LevelError}
	case isA[*ProviderError](err):
		return failure{"provider error", http.StatusBadRequest, slog.LevelWarn}
	case errors.Is(err, ErrDenied):
		return failure{"denied", http.StatusForbidden, slog.LevelInfo}
	case isA[*ForbiddenError](err):
		return failure{"forbidden", http.StatusForbidden, slog.LevelInfo}
	case errors.Is(err, ErrCrossSite):
		return failure{"cross site", http.StatusForbidden, slog.LevelWarn}
	case errors.Is(err, ErrProviderInvalid):
		return failure{"provider invalid", http.StatusBadGateway, slog.LevelError}
	case errors.Is(err, ErrProviderUnavailable):
		return failure{"provider unavailable", http.StatusServiceUnavailable, slog.LevelWarn}
	case errors.Is(err, ErrStoreUnavailable):
		return failure{"store unavailable", http.StatusServiceUnavailable, slog.LevelError}
	}
	return failure{"internal", http.StatusInternalServerError, slog.LevelError}
}

// HTTPStatus returns the HTTP status for an error of this package, and 500 for
// any other error.
func HTTPStatus(err error) int { return failureOf(err).status }

// isMisconfigured reports whether the provider refused the app rather than the
// user (RFC 6749 sections 4.1.2.1 and 5.2).
func isMisconfigured(err error) bool {
	answer, ok := errors.AsType[*ProviderError](err)
	return ok && slices.Contains([]string{"invalid_client", "unauthorized_client",
		"unsupported_grant_type", "unsupported_response_type", "invalid_scope"}, answer.Code)
}

// fail answers a request that failed: with the app's ErrorHandler or else a
// page, or JSON for programs. From the page the user can continue to next.
func (c *Client) fail(w http.ResponseWriter, r *http.Request, err error, next string) {
	c.log(r, err)
	if HTTPStatus(err) == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(int((retryAfter(err)+time.Second-1)/time.Second)))
	}
	if challenge := c.bearers.challenge(r, err); challenge != "" {
		w.Header().Set("WWW-Authenticate", challenge)
		w.Header().Add("Access-Control-Expose-Headers", "WWW-Authenticate") // to scripts of the sites that the app allows
	}
	if errors.Is(err, ErrNotSignedIn) && byHTMX(r) {
		w.Header().Set("HX-Redirect", c.paths.loginURL(pageOfHTMX(r)))
	}
	if c.config.ErrorHandler != nil && c.config.ErrorHandler(w, r, err) {
		return
	}
	c.pages.fail(w, r, err, next, c.finder.known(r) != nil)
}

// log writes the record of a request that failed, as documented at
// Config.Logger. It leaves out the query, which may contain codes and __sign.
func (c *Client) log(r *http.Request, err error) {
	f := failureOf(err)
	attrs := []slog.Attr{
		slog.String("kind", f.kind), slog.Int("status", f.status), slog.String("method", r.Method),
		slog.String("path", r.URL.Path),
	}
	if sub := c.finder.knownSub(r, f.status); sub != "" {
		attrs = append(attrs, slog.String("sub", sub))
	}
	if errors.Is(err, ErrCrossSite) {
		attrs = append(attrs, slog.String("origin", provider.Redact(r.Header.Get("Origin"))),
			slog.String("host", provider.Redact(r.Host)))
	}
	attrs = append(attrs, slog.Any("error", err))
	if here := normalHost(c.paths.redirect.Scheme, r.Host); errors.Is(err, ErrState) && here != c.paths.redirect.Host {
		attrs = append(attrs, slog.String("host", provider.Redact(here)),
			slog.String("redirect_host", c.paths.redirect.Host))
	}
	c.config.Logger.LogAttrs(r.Context(), f.level, "hfoauth: request failed", attrs...)
}

// logDone writes the record of a sign-in or sign-out that succeeded.
func (c *Client) logDone(r *http.Request, kind, sub string) {
	c.config.Logger.LogAttrs(r.Context(), slog.LevelDebug, "hfoauth: "+kind,
		slog.String("kind", kind), slog.String("method", r.Method),
		slog.String("path", r.URL.EscapedPath()), slog.String("sub", sub))
}

// knownSub returns the signed-in user, unless the failure itself says that there
// is none or that the session cannot be checked.
func (f *finder) knownSub(r *http.Request, status int) string {
	if status == http.StatusUnauthorized || status >= http.StatusBadGateway {
		return ""
	}
	e, err := f.session(r)
	if err != nil {
		return ""
	}
	return e.User
}
