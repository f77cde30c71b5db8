package hfoauth

import (
	"errors"
	"fmt"
	"time"

	"github.com/hfoauth/hfoauth/internal/provider"
	"github.com/hfoauth/hfoauth/internal/sessions"
)

// The failures of signing in and of using a session, for errors.Is. The number is
// the HTTP status that [HTTPStatus] returns.
var (
	// ErrNotSignedIn: the request has no session, or it has expired. 401.
	ErrNotSignedIn = errors.New("hfoauth: not signed in")

	// ErrCrossSite: the request may change something, or opens a WebSocket, and
	// comes from another site's page. 403.
	ErrCrossSite = errors.New("hfoauth: request from another site")

	// ErrState: the authorization response does not belong to a sign-in that this
	// browser started (RFC 6749 section 10.12). 400.
	ErrState = errors.New("hfoauth: sign-in cannot be matched to this browser")

	// ErrDenied: the user denied access on the provider's page. 403.
	ErrDenied = errors.New("hfoauth: the user denied access")

	// ErrProviderUnavailable: the provider cannot be reached, is too slow, or
	// returned a status of 5xx or 429. 503.
	ErrProviderUnavailable = errors.New("hfoauth: provider is unavailable")

	// ErrProviderInvalid: the provider returned something that the specifications
	// do not allow, such as an ID token with a bad signature. 502.
	ErrProviderInvalid = errors.New("hfoauth: provider answered something invalid")

	// ErrStoreUnavailable: Config.Store failed or took more than 800 ms. 503.
	ErrStoreUnavailable = sessions.ErrUnavailable
)

// ProviderError is an OAuth error response of the provider other than
// access_denied (RFC 6749 sections 4.1.2.1 and 5.2). 400.
type ProviderError struct {
	Code        string // such as "invalid_scope"
	Description string // for developers; up to 200 bytes
}

func (e *ProviderError) Error() string {
	if e.Description == "" {
		return fmt.Sprintf("hfoauth: provider answered error %q", e.Code)
	}
	return fmt.Sprintf("hfoauth: provider answered error %q: %s", e.Code, e.Description)
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func stateError(reason string) error {
	return fmt.Errorf("%w: %s", ErrState, reason)
}

// invalidAnswer is ErrProviderInvalid with what is wrong with the response.
func invalidAnswer(endpoint string, err error) error {
	return fmt.Errorf("%w: %s endpoint: %w", ErrProviderInvalid, endpoint, err)
}

// issuerError is for an authorization response from another provider (RFC 9207
// section 2.4): a mix-up, so not part of this browser's sign-in.
func issuerError(err error) error {
	if e, ok := errors.AsType[*provider.Error](err); ok && e.Kind == provider.Invalid && e.Endpoint == "authorization" {
		return stateError(e.Err.Error())
	}
	return providerError(err)
}

// providerError translates an error of the provider package into those above.
func providerError(err error) error {
	e, ok := errors.AsType[*provider.Error](err)
	switch {
	case !ok:
		return err
	case e.Kind == provider.Refused:
		return &ProviderError{Code: e.Code, Description: e.Description}
	case e.Kind == provider.Unavailable:
		return fmt.Errorf("%w: %w", ErrProviderUnavailable, err)
	}
	return fmt.Errorf("%w: %w", ErrProviderInvalid, err)
}

// unexpectedStatus reports whether the provider returned an HTTP status that has
// no meaning here, such as a redirect, which is no sign of an attack.
func unexpectedStatus(err error) bool {
	e, ok := errors.AsType[*provider.Error](err)
	return ok && e.Kind == provider.Invalid && e.Status != 0
}

// retryAfter returns when to try again, at least a second from now.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*provider.Error](err); ok {
		return max(e.RetryAfter, time.Second)
	}
	return time.Second
}
