package hfoauth_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// The provider's redirects are not followed. The log says where one led, so that
// the developer can configure that address or fix the provider.
func TestProviderRedirects(t *testing.T) {
	for _, endpoint := range []hfoauthtest.Endpoint{
		hfoauthtest.MetadataEndpoint, hfoauthtest.TokenEndpoint, hfoauthtest.JWKSEndpoint,
		hfoauthtest.UserInfoEndpoint,
	} {
		t.Run(string(endpoint), func(t *testing.T) {
			s := newSite(t, nil)
			s.hub.SetFault(endpoint, hfoauthtest.Answer(http.StatusMovedPermanently, "", "Location", "/elsewhere/"))
			browser := s.hub.Browser(ada)
			s.checkFailure(get(t, browser, s.URL+"/login?next=/private"), http.StatusBadGateway, "unexpected response")
			if log := s.log.String(); !strings.Contains(log, "301") || !strings.Contains(log, "/elsewhere/") {
				t.Errorf("log = %q, want the status and the Location", log)
			}
			want := 1
			if endpoint == hfoauthtest.JWKSEndpoint {
				want = 2 // ahead of the sign-in, and at it
			}
			if n := s.hub.Calls(endpoint); n < 1 || n > want {
				t.Errorf("%d calls, want %d", n, want)
			}
		})
	}
}

// A Location may repeat what we sent, and is logged without its query.
func TestProviderRedirectsWithSecrets(t *testing.T) {
	s := newSite(t, nil)
	s.hub.SetFault(hfoauthtest.TokenEndpoint, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/elsewhere/"+r.PostFormValue("code")+"?"+r.PostForm.Encode())
			w.WriteHeader(http.StatusTemporaryRedirect)
		})
	})
	s.signIn(s.browser(), ada, "/private")
	log := s.log.String()
	if !strings.Contains(log, "/elsewhere/[redacted]") || strings.Contains(log, "code_verifier") {
		t.Errorf("log = %q, want the Location without code and query", log)
	}
}
