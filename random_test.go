package hfoauth_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// Every value that an attacker must not guess has 256 random bits: over many
// sign-ins no value occurs twice, and each bit is both 0 and 1. A fair bit fails
// this in one run of 2^63.
func TestRandomValues(t *testing.T) {
	const signIns = 64
	s := newSite(t, withStore(newMapStore()))
	values := map[string][]string{}
	for range signIns {
		browser := s.browser()
		authorize, err := url.Parse(s.begin(browser, "/"))
		if err != nil {
			t.Fatal(err)
		}
		resp := get(t, browser, s.decide(authorize.String(), ada))
		cookies := resp.setCookies(s.client.SessionCookie())
		if len(cookies) != 1 {
			t.Fatalf("%s with %d session cookies", resp.Status, len(cookies))
		}
		requests := s.hub.Requests(hfoauthtest.TokenEndpoint)
		for name, value := range map[string]string{
			"state":      authorize.Query().Get("state"),
			"nonce":      authorize.Query().Get("nonce"),
			"challenge":  authorize.Query().Get("code_challenge"),
			"verifier":   requests[len(requests)-1].Form.Get("code_verifier"),
			"session ID": cookies[0].Value,
		} {
			values[name] = append(values[name], value)
		}
	}
	for name, list := range values {
		checkRandom(t, name, list, 32)
	}
	seen := map[string]string{}
	for name, list := range values {
		for _, value := range list {
			if other := seen[value]; other != "" {
				t.Errorf("%s %q is also a %s", name, value, other)
			}
			seen[value] = name
		}
	}
}

// checkRandom decodes values of size bytes and checks each bit.
func checkRandom(t *testing.T, name string, values []string, size int) {
	t.Helper()
	always := make([]byte, size) // bits that are 1 in all
	never := make([]byte, size)  // bits that are 0 in all
	for i := range always {
		always[i], never[i] = 0xff, 0xff
	}
	for _, value := range values {
		b, err := base64.RawURLEncoding.DecodeString(value)
		if err != nil || len(b) != size {
			t.Fatalf("%s %q has %d bytes, want %d (%v)", name, value, len(b), size, err)
		}
		for i := range b {
			always[i] &= b[i]
			never[i] &= ^b[i]
		}
	}
	for i := range always {
		if stuck := always[i] | never[i]; stuck != 0 {
			t.Errorf("byte %d of %s has bits that never change: %08b", i, name, stuck)
		}
	}
}

// The verifier is sent only to the token endpoint (RFC 7636 section 4.5): it is in
// no URL, page or log.
func TestVerifierStaysHere(t *testing.T) {
	s := newSite(t, nil)
	browser := s.browser()
	authorize := s.begin(browser, "/")
	callback := s.decide(authorize, ada)
	resp := get(t, browser, callback)
	requests := s.hub.Requests(hfoauthtest.TokenEndpoint)
	if len(requests) != 1 {
		t.Fatalf("%d token requests, want 1", len(requests))
	}
	verifier := requests[0].Form.Get("code_verifier")
	if len(verifier) != 43 {
		t.Fatalf("verifier %q, want 43 characters", verifier)
	}
	for place, text := range map[string]string{
		"authorization request": authorize,
		"callback":              callback,
		"page":                  resp.body + resp.Header.Get("Location"),
		"log":                   s.log.String(),
	} {
		if strings.Contains(text, verifier) {
			t.Errorf("the %s shows the verifier: %s", place, text)
		}
	}
}

// An authorization request has these parameters and no others.
func TestAuthorizationRequest(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) { c.Scopes = hfoauth.Scopes{"email"} })
	authorize, err := url.Parse(s.begin(s.browser(), "/private"))
	if err != nil {
		t.Fatal(err)
	}
	got := authorize.Query()
	for name, want := range map[string]string{
		"response_type": "code", "client_id": s.app.ClientID, "redirect_uri": s.URL + "/login/callback",
		"scope": "openid profile email", "code_challenge_method": "S256",
	} {
		if got.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Get(name), want)
		}
		got.Del(name)
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(got[name]) != 1 {
			t.Errorf("%s is there %d times, want once", name, len(got[name]))
		}
		got.Del(name)
	}
	if len(got) > 0 {
		t.Errorf("further parameters: %v", got)
	}
}
