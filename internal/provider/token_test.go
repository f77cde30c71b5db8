package provider

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// grants are the calls to the token endpoint, each with its exact parameters.
var grants = map[string]struct {
	call func(*testing.T, *Provider) (*oauth2.Token, error)
	form url.Values
}{
	"code": {
		func(t *testing.T, p *Provider) (*oauth2.Token, error) {
			token, _, err := p.Exchange(t.Context(), Code{Code: "the-code", Verifier: "the-verifier", Nonce: "nonce"})
			return token, err
		},
		url.Values{"grant_type": {"authorization_code"}, "code": {"the-code"},
			"redirect_uri": {redirectURL}, "code_verifier": {"the-verifier"}},
	},
	"refresh": {
		func(t *testing.T, p *Provider) (*oauth2.Token, error) {
			return p.Refresh(t.Context(), "the-refresh-token", "ada")
		},
		url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"the-refresh-token"}},
	},
	"member": {
		func(t *testing.T, p *Provider) (*oauth2.Token, error) {
			return p.MemberToken(t.Context(), "ada@example.com", "openid")
		},
		url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {"ada@example.com"},
			"subject_token_type": {"urn:huggingface:token-type:user-email"}, "scope": {"openid"},
		},
	},
	"member without a scope": {
		func(t *testing.T, p *Provider) (*oauth2.Token, error) {
			return p.MemberToken(t.Context(), "ada@example.com", "")
		},
		url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {"ada@example.com"},
			"subject_token_type": {"urn:huggingface:token-type:user-email"},
		},
	},
}

func TestTokenRequests(t *testing.T) {
	for name, tt := range grants {
		h, p := newHub()
		if _, err := tt.call(t, p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		checkTokenRequest(t, name, h, tt.form, url.Values{"client_id": {clientID}}, basic(clientID, clientSecret))

		h, p = newHub(func(c *Config) { c.ClientSecret = "" })
		if _, err := tt.call(t, p); err != nil {
			t.Errorf("%s, public: %v", name, err)
		}
		checkTokenRequest(t, name+", public", h, tt.form, url.Values{"client_id": {clientID}}, "")
	}
}

// basic is the Authorization header of RFC 6749 section 2.3.1.
func basic(id, secret string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	return r.Header.Get("Authorization")
}

func checkTokenRequest(t *testing.T, name string, h *hub, form, more url.Values, authorization string) {
	t.Helper()
	requests := h.received("/t")
	if len(requests) != 1 {
		t.Fatalf("%s: %d token requests, want 1", name, len(requests))
	}
	want := maps.Clone(form)
	maps.Copy(want, more)
	if got := requests[0].form; !reflect.DeepEqual(got, want) {
		t.Errorf("%s: form %v, want %v", name, got, want)
	}
	if got := requests[0].Header.Get("Authorization"); got != authorization {
		t.Errorf("%s: Authorization %q, want %q", name, got, authorization)
	}
	if got := requests[0].URL.String(); got != issuer+"/t" {
		t.Errorf("%s: sent to %s, want nothing in the URL", name, got)
	}
	if got := requests[0].Method; got != http.MethodPost {
		t.Errorf("%s: method %s", name, got)
	}
}

// RFC 6749 section 5.1.
func TestTokenResponses(t *testing.T) {
	for name, tt := range map[string]struct {
		member string
		value  any // nil: the member is missing
		want   string
	}{
		"good":                  {"other", 1, ""},
		"type Bearer":           {"token_type", "Bearer", ""},
		"type BEARER":           {"token_type", "BEARER", ""},
		"no type":               {"token_type", nil, ""},
		"type mac":              {"token_type", "mac", "token_type is not bearer"},
		"no access token":       {"access_token", nil, "missing access_token"},
		"space in the token":    {"access_token", "hf_oauth x", "characters"},
		"newline in the token":  {"access_token", "hf_oauth\nx", "characters"},
		"DEL in the token":      {"access_token", "hf_oauth\x7f", "characters"},
		"accent in the token":   {"access_token", "hf_oauth_é", "characters"},
		"tilde in the token":    {"access_token", "hf_oauth~!", ""},
		"negative lifetime":     {"expires_in", -5, "expires_in is negative"},
		"lifetime as text":      {"expires_in", "soon", "token endpoint"},
		"lifetime of a second":  {"expires_in", 1, ""},
		"no lifetime":           {"expires_in", nil, ""},
		"ID token as a number":  {"id_token", 5, "no id_token"},
		"ID token of no claims": {"id_token", "", "ID token"},
	} {
		h, p := newHub()
		response := h.tokenResponse()
		response[tt.member] = tt.value
		if tt.value == nil {
			delete(response, tt.member)
		}
		h.respond["/t"] = func(request) (*http.Response, error) { return jsonAnswer(response), nil }
		token, _, err := p.Exchange(t.Context(), Code{Code: "code", Verifier: "verifier", Nonce: "nonce"})
		checkError(t, name, err, Invalid, tt.want)
		if err == nil && token.TokenType != "Bearer" {
			t.Errorf("%s: type %q, want Bearer", name, token.TokenType)
		}
		if err != nil && token != nil {
			t.Errorf("%s: a token despite %v", name, err)
		}
	}
}

// The expiry is derived from the configured clock, not the machine's.
func TestTokenExpiry(t *testing.T) {
	h, p := newHub()
	token, err := p.Refresh(t.Context(), "refresh", "ada")
	if err != nil || !token.Expiry.Equal(now.Add(time.Hour)) {
		t.Errorf("expiry %s, want %s (%v)", token.Expiry, now.Add(time.Hour), err)
	}
	delete(h.tokens, "expires_in")
	if token, err = p.Refresh(t.Context(), "refresh", "ada"); err != nil || !token.Expiry.IsZero() {
		t.Errorf("expiry %s without a lifetime (%v)", token.Expiry, err)
	}
}

func TestScopeOfAToken(t *testing.T) {
	h, p := newHub()
	token, err := p.Refresh(t.Context(), "refresh", "ada")
	if err != nil {
		t.Fatal(err)
	}
	if scope, named := Scope(token); scope != "" || named {
		t.Errorf("scope %q, named %v, want none", scope, named)
	}
	h.tokens["scope"] = "openid profile"
	if token, err = p.Refresh(t.Context(), "refresh", "ada"); err != nil {
		t.Fatal(err)
	}
	if scope, named := Scope(token); scope != "openid profile" || !named {
		t.Errorf("scope %q, named %v", scope, named)
	}
}

// OpenID Connect Core section 12.2: the ID token of a refresh, if there is one,
// is checked like that of a sign-in, except for the nonce.
func TestIDTokenOfARenewal(t *testing.T) {
	forged := func(h *hub) {
		h.sign = func(header, claims map[string]any) string { return signRSA(otherKey(), header, claims) }
	}
	claim := func(name string, value any) func(*hub) { return func(h *hub) { h.claims[name] = value } }
	for name, tt := range map[string]struct {
		change func(*hub)
		want   string
	}{
		"the same user":           {func(*hub) {}, ""},
		"no ID token":             {func(h *hub) { h.claims = nil }, ""},
		"without a nonce":         {func(h *hub) { delete(h.claims, "nonce") }, ""},
		"another user":            {claim("sub", "grace"), "sub is another user"},
		"another app":             {claim("aud", "another"), "expected audience"},
		"another party":           {claim("azp", "another"), "azp is another client"},
		"another issuer":          {claim("iss", "https://evil.example"), "different provider"},
		"expired":                 {claim("exp", ago(time.Hour)), "expired"},
		"of another access token": {claim("at_hash", base64Zeros), "hash"},
		"forged":                  {forged, "signature"},
	} {
		h, p := newHub()
		tt.change(h)
		_, err := p.Refresh(t.Context(), "refresh", "ada")
		checkError(t, name, err, Invalid, tt.want)
	}
}

const base64Zeros = "AAAAAAAAAAAAAAAAAAAAAA"

// The refresh token has been used when the keys are needed: if they are
// unavailable, only the claims are checked.
func TestRenewalWithoutKeys(t *testing.T) {
	claim := func(name string, value any) func(*hub) { return func(h *hub) { h.claims[name] = value } }
	for name, tt := range map[string]struct {
		change func(*hub)
		want   string
	}{
		"the same user":  {func(*hub) {}, ""},
		"another user":   {claim("sub", "grace"), "sub is another user"},
		"another app":    {claim("aud", "another"), "expected audience"},
		"another issuer": {claim("iss", "https://evil.example"), "different provider"},
		"expired":        {claim("exp", ago(time.Hour)), "expired"},
		"no JWT":         {func(h *hub) { h.sign = func(_, _ map[string]any) string { return "x" } }, "token endpoint"},
	} {
		h, p := newHub()
		h.fails("/j")
		tt.change(h)
		_, err := p.Refresh(t.Context(), "refresh", "ada")
		checkError(t, name, err, Invalid, tt.want)
	}
}

// Secrets of a request that the provider repeats are redacted.
func TestRefusalsShowNoSecrets(t *testing.T) {
	for name, tt := range grants {
		h, p := newHub()
		h.respond["/t"] = func(r request) (*http.Response, error) {
			_, secret, _ := r.BasicAuth()
			said := []string{secret, clientSecret}
			for _, name := range []string{"code", "code_verifier", "refresh_token", "device_code"} {
				said = append(said, r.form.Get(name), "again "+r.form.Get(name))
			}
			resp := jsonAnswer(map[string]any{"error": "weird " + strings.Join(said, " "),
				"error_description": strings.Join(said, " ")})
			resp.StatusCode = 400
			return resp, nil
		}
		_, err := tt.call(t, p)
		checkError(t, name, err, Refused, "[redacted]")
		for _, secret := range []string{clientSecret, "the-code", "the-verifier", "the-refresh-token"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: error %q shows %q", name, err, secret)
			}
			var e *Error
			if errors.As(err, &e) && strings.Contains(e.Code+e.Description, secret) {
				t.Errorf("%s: code %q or description %q shows %q", name, e.Code, e.Description, secret)
			}
		}
	}
}

// A registered error code is not redacted even if it contains a secret, since
// callers act on it.
func TestErrorCodesAreNotRedacted(t *testing.T) {
	for _, code := range []string{
		"invalid_grant", "authorization_pending", "slow_down", "expired_token", "access_denied", "invalid_client",
	} {
		h, p := newHub()
		h.answers("/t", 400, `{"error":"`+code+`","error_description":"no x, no id, no d, no grant"}`)
		for _, secret := range []string{"x", "d", "grant", "down", "token", "i"} {
			_, err := p.Refresh(t.Context(), secret, "ada")
			var e *Error
			if !errors.As(err, &e) || e.Code != code {
				t.Errorf("refresh token %q: %v, want the code %q", secret, err, code)
			}
		}
	}
}

func TestUserInfoRequest(t *testing.T) {
	h, p := newHub()
	h.answers("/u", 200, `{"sub":"ada"}`)
	body, err := p.UserInfo(t.Context(), "hf_oauth_access")
	if err != nil || string(body) != `{"sub":"ada"}` {
		t.Errorf("%s, %v", body, err)
	}
	r := h.received("/u")[0]
	if got := r.Header.Get("Authorization"); got != "Bearer hf_oauth_access" {
		t.Errorf("Authorization %q", got)
	}
	if got := r.Header.Get("Accept"); got != "application/json" {
		t.Errorf("Accept %q", got)
	}
	if got := r.URL.String(); got != issuer+"/u" {
		t.Errorf("sent to %s, want nothing in the URL", got)
	}
	discovery := h.received("/.well-known/openid-configuration")[0]
	if discovery.Header.Get("Authorization") != "" {
		t.Errorf("discovery sends Authorization %q", discovery.Header.Get("Authorization"))
	}
	for _, status := range []int{201, 204, 302, 401, 403, 404} {
		h.answers("/u", status, `{"sub":"ada"}`)
		_, err := p.UserInfo(t.Context(), "hf_oauth_access")
		checkError(t, http.StatusText(status), err, Invalid, "status")
	}
}

// A sign-in that fails does not leave its request for the userinfo behind.
func TestUserInfoEndsWithTheSignIn(t *testing.T) {
	h, p := newHub()
	h.answers("/t", 200, `{"access_token":"access","token_type":"bearer"}`) // no ID token
	canceled := make(chan struct{})
	next := p.client.Transport
	p.client.Transport = transport(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != "/u" {
			return next.RoundTrip(r)
		}
		<-r.Context().Done()
		close(canceled)
		return nil, r.Context().Err()
	})
	_, _, _, err := p.SignIn(t.Context(), Code{Code: "the-code", Verifier: "the-verifier", Nonce: "the-nonce"})
	checkError(t, "sign-in", err, Invalid, "id_token")
	select {
	case <-canceled:
	case <-time.After(20 * time.Second): // real time, with room
		t.Error("the request to userinfo continues")
	}
}
