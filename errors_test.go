package hfoauth_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestHTTPStatus(t *testing.T) {
	for status, errs := range map[int][]error{
		401: {hfoauth.ErrNotSignedIn, fmt.Errorf("%w: %w", hfoauth.ErrNotSignedIn,
			&hfoauth.ProviderError{Code: "invalid_client"})},
		400: {hfoauth.ErrState, &hfoauth.ProviderError{Code: "invalid_scope"}, &hfoauth.ProviderError{Code: "x"}},
		403: {hfoauth.ErrDenied, hfoauth.ErrCrossSite, &hfoauth.ForbiddenError{},
			fmt.Errorf("no: %w", &hfoauth.ForbiddenError{})},
		502: {hfoauth.ErrProviderInvalid}, 503: {hfoauth.ErrProviderUnavailable, hfoauth.ErrStoreUnavailable},
		500: {errors.New("x")},
	} {
		for _, err := range errs {
			if got := hfoauth.HTTPStatus(err); got != status {
				t.Errorf("HTTPStatus(%v) = %d, want %d", err, got, status)
			}
		}
	}
}

// A 503 response says when to retry: when the provider says, or after a second.
func TestRetryAfter(t *testing.T) {
	for name, tt := range map[string]struct {
		fault hfoauthtest.Fault
		want  string
	}{
		"the provider says when": {hfoauthtest.Answer(429, "{}", "Retry-After", "7"), "7"},
		"it does not":            {hfoauthtest.Answer(503, ""), "1"},
		"it says at once":        {hfoauthtest.Answer(503, "", "Retry-After", "0"), "1"},
	} {
		s := newSite(t, nil)
		s.hub.SetFault(hfoauthtest.TokenEndpoint, tt.fault)
		if got := s.signIn(s.browser(), ada, "/").Header.Get("Retry-After"); got != tt.want {
			t.Errorf("%s: Retry-After %q, want %q", name, got, tt.want)
		}
	}
}

// During a long pause the remaining time is named, rounded up to whole seconds.
func TestRetryAfterIsRoundedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualSite(t, nil)
		s.hub.SetFault(hfoauthtest.MetadataEndpoint, hfoauthtest.Answer(503, ""))
		retryAfter := func() string { return get(t, s.browser(), s.URL+"/login").Header.Get("Retry-After") }
		for _, seconds := range []int{1, 2, 4, 8} {
			if got, want := retryAfter(), strconv.Itoa(seconds); got != want {
				t.Errorf("Retry-After %q, want %q", got, want)
			}
			time.Sleep(time.Duration(seconds) * time.Second)
		}
		retryAfter() // begins a pause of 16 seconds
		time.Sleep(9500 * time.Millisecond)
		if got := retryAfter(); got != "7" {
			t.Errorf("Retry-After %q with 6.5 seconds to go, want 7", got)
		}
	})
}
