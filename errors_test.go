package hfoauth_test

import (
	"testing"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// An answer of 503 says when to try again: when the provider says so, or after
// a second.
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
