package provider

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func authorizationURL(t *testing.T, p *Provider, request AuthorizationRequest) *url.URL {
	t.Helper()
	address, err := p.AuthorizationURL(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// An authorization request has these parameters and no others.
func TestAuthorizationURL(t *testing.T) {
	_, p := newHub()
	const verifier = "the-verifier-the-verifier-the-verifier-the-verifier"
	hash := sha256.Sum256([]byte(verifier))
	want := url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {redirectURL},
		"scope": {"openid profile"}, "state": {"the-state"}, "nonce": {"the-nonce"},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(hash[:])},
		"code_challenge_method": {"S256"},
	}
	for range 2 { // the second time from the cache
		u := authorizationURL(t, p, AuthorizationRequest{Scope: "openid profile", State: "the-state",
			Nonce: "the-nonce", Verifier: verifier})
		if got := u.Query(); !reflect.DeepEqual(got, want) {
			t.Errorf("parameters %v, want %v", got, want)
		}
		if strings.Contains(u.String(), verifier) {
			t.Errorf("%s shows the verifier", u)
		}
		if address := u.Scheme + "://" + u.Host + u.Path; address != issuer+"/a" {
			t.Errorf("sends the browser to %s", address)
		}
	}
}

// The parameters of one request do not appear in another.
func TestAuthorizationRequestsAreApart(t *testing.T) {
	_, p := newHub()
	plain := AuthorizationRequest{Scope: "openid", State: "s", Nonce: "n", Verifier: "v"}
	more := plain
	more.Scope = "openid email"
	org := plain
	org.Params = url.Values{"orgIds": {"6a"}}
	for name, tt := range map[string]struct {
		request       AuthorizationRequest
		scope, orgIDs string
	}{
		"first":        {plain, "openid", ""},
		"more scopes":  {more, "openid email", ""},
		"organization": {org, "openid", "6a"},
		"as the first": {plain, "openid", ""},
		"again":        {org, "openid", "6a"},
	} {
		for range 2 {
			query := authorizationURL(t, p, tt.request).Query()
			if got := query.Get("scope"); got != tt.scope {
				t.Errorf("%s: scope %q, want %q", name, got, tt.scope)
			}
			if got := query.Get("orgIds"); got != tt.orgIDs {
				t.Errorf("%s: orgIds %q, want %q", name, got, tt.orgIDs)
			}
		}
	}
}

func TestAuthorizationEndpointWithAQuery(t *testing.T) {
	h, p := newHub()
	h.metadata["authorization_endpoint"] = issuer + "/a?tenant=1"
	query := authorizationURL(t, p,
		AuthorizationRequest{Scope: "openid", State: "s", Nonce: "n", Verifier: "v"}).Query()
	if query.Get("tenant") != "1" || query.Get("client_id") != clientID {
		t.Errorf("parameters %v", query)
	}
}

// RFC 9207 section 2.4.
func TestCheckIssuer(t *testing.T) {
	for name, tt := range map[string]struct {
		promised bool
		iss      string
		present  bool
		ok       bool
	}{
		"not promised, missing": {false, "", false, true},
		"not promised, right":   {false, issuer, true, true},
		"not promised, wrong":   {false, "https://evil.example", true, false},
		"not promised, empty":   {false, "", true, false},
		"promised, missing":     {true, "", false, false},
		"promised, right":       {true, issuer, true, true},
		"promised, wrong":       {true, issuer + "/", true, false},
	} {
		h, p := newHub()
		if tt.promised {
			h.metadata["authorization_response_iss_parameter_supported"] = true
		}
		want := "RFC 9207"
		if tt.ok {
			want = ""
		}
		checkError(t, name, p.CheckIssuer(t.Context(), tt.iss, tt.present), Invalid, want)
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST": true, "localhost.": true, "x.localhost": true, "X.LocalHost.": true,
		"127.0.0.1": true, "127.0.0.2": true, "127.255.255.255": true, "::1": true,
		"::ffff:127.0.0.1": true, "0:0:0:0:0:0:0:1": true,
		"": false, "mylocalhost": false, "localhost.example": false, "localhost.evil.example": false,
		"127.0.0.1.evil.example": false,
		"128.0.0.1":              false, "10.0.0.1": false, "::2": false, "hub.example": false,
	} {
		if got := Loopback(host); got != want {
			t.Errorf("Loopback(%q) = %v, want %v", host, got, want)
		}
	}
}

// The cache of prefixes stays within its limit, however many scopes are
// requested.
func TestRequestPrefixesAreBounded(t *testing.T) {
	_, p := newHub()
	for i := range 1000 {
		scope := strings.Repeat("x", 10_000) + strconv.Itoa(i)
		if _, err := p.AuthorizationURL(t.Context(), AuthorizationRequest{Scope: scope}); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.meta.Load().prefixes.Len(); n > maxPrefixBytes/20_000 {
		t.Errorf("%d requests of 20 kB are kept", n)
	}
}
