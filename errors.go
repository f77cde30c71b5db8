package hfoauth

import (
	"errors"
	"fmt"
	"time"

	"github.com/hfoauth/hfoauth/internal/provider"
	"github.com/hfoauth/hfoauth/internal/sessions"
)

// The failures of signing in and of using a session, to be told apart with
// errors.Is. Each comes with the HTTP status that [HTTPStatus] names.
var (
	// ErrNotSignedIn: the request has no session, or one that is over. 401.
	ErrNotSignedIn = errors.New("hfoauth: not signed in")

	// ErrCrossSite: the request may change something, or opens a WebSocket, and
	// comes from a page of another site. 403.
	ErrCrossSite = errors.New("hfoauth: request from another site")

	// ErrState: the answer of the provider does not belong to a sign-in that
	// this browser has under way (RFC 6749 section 10.12). 400.
	ErrState = errors.New("hfoauth: sign-in cannot be matched to this browser")

	// ErrDenied: the user said no on the provider's page. 403.
	ErrDenied = errors.New("hfoauth: the user denied access")

	// ErrProviderUnavailable: the provider cannot be reached, is too slow, or
	// answers with a status of 5xx or 429. 503.
	ErrProviderUnavailable = errors.New("hfoauth: provider is unavailable")

	// ErrProviderInvalid: the provider answered something that the
	// specifications do not allow, such as an ID token with a bad signature. 502.
	ErrProviderInvalid = errors.New("hfoauth: provider answered something invalid")

	// ErrStoreUnavailable: Config.Store failed or took more than 800 ms. 503.
	ErrStoreUnavailable = sessions.ErrUnavailable
)

// ProviderError is an OAuth error answer of the provider other than
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

// invalidAnswer says what was wrong with an answer of the provider.
func invalidAnswer(endpoint string, err error) error {
	return fmt.Errorf("%w: %s endpoint: %w", ErrProviderInvalid, endpoint, err)
}

// issuerError is for an authorization response of another provider (RFC 9207
// section 2.4): a mix-up, so no part of this browser's sign-in.
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

// unexpectedStatus reports whether the provider answered with an HTTP status
// that has no meaning here, such as a redirect: no sign of an attack.
func unexpectedStatus(err error) bool {
	e, ok := errors.AsType[*provider.Error](err)
	return ok && e.Kind == provider.Invalid && e.Status != 0
}

// retryAfter returns after how long the request may succeed, at least a second.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*provider.Error](err); ok {
		return max(e.RetryAfter, time.Second)
	}
	return time.Second
}
