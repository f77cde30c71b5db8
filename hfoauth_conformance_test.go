package hfoauth_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
	"github.com/hfoauth/hfoauth/internal/jwt"
)

// conformanceTest is a test of the OpenID Foundation's relying-party plans
// that applies to a code-flow client with HTTP Basic.
type conformanceTest struct {
	name    string // in the suite; ours if it has no such test
	section string // of the specification behind it
	does    string // what the provider does
	setup   func(*site)
	status  int    // what the user sees; 303 is signed in
	says    string // what the log says is wrong
	check   func(*testing.T, *site)
}

const (
	core      = "OpenID Connect Core "
	discovery = "OpenID Connect Discovery "
)

// adjust changes the provider's settings.
func adjust(change func(*hfoauthtest.Settings)) func(*site) {
	return func(s *site) { s.hub.Configure(change) }
}

// idToken changes the claims of the ID token.
func idToken(change func(claims map[string]any)) func(*site) {
	return adjust(func(c *hfoauthtest.Settings) { c.IDToken = func(_, claims map[string]any) { change(claims) } })
}

func setClaim(name string, value any) func(*site) {
	return idToken(func(claims map[string]any) { claims[name] = value })
}

// setTime sets a claim to a time relative to the making of the ID token.
func setTime(name string, from time.Duration) func(*site) {
	return idToken(func(claims map[string]any) { claims[name] = time.Now().Add(from).Unix() })
}

func dropClaim(name string) func(*site) {
	return idToken(func(claims map[string]any) { delete(claims, name) })
}

// signed replaces the signing of the ID token.
func signed(sign func(s *site, key *rsa.PrivateKey, header, claims map[string]any) string) func(*site) {
	return func(s *site) {
		s.hub.Configure(func(c *hfoauthtest.Settings) {
			c.Sign = func(key *rsa.PrivateKey,
				header, claims map[string]any) string {
				return sign(s, key, header, claims)
			}
		})
	}
}

func tokenResponse(change func(map[string]any)) func(*site) {
	return adjust(func(c *hfoauthtest.Settings) { c.TokenResponse = change })
}

func authorizationResponse(change func(url.Values)) func(*site) {
	return adjust(func(c *hfoauthtest.Settings) { c.AuthorizationResponse = change })
}

// hmacJWT signs with HS256 under a key.
func hmacJWT(key []byte, header, claims map[string]any) string {
	header["alg"] = "HS256"
	return jwt.HS256(key, header, claims)
}

func publicPEM(key *rsa.PrivateKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// signInTwice signs in, changes the provider, and leaves the next sign-in to
// the test.
func signInTwice(change func(*site)) func(*site) {
	return func(s *site) {
		if resp := s.signIn(s.browser(), ada, "/"); resp.StatusCode != http.StatusSeeOther {
			s.t.Fatalf("first sign-in: %s", resp.Status)
		}
		change(s)
	}
}

var conformanceTests = []conformanceTest{
	{"oidcc-client-test", core + "3.1", "nothing wrong", func(*site) {}, 303, "", nil},
	{"oidcc-client-test-client-secret-basic", core + "9", "expects HTTP Basic",
		func(*site) {}, 303, "", func(t *testing.T, s *site) {
			r := http.Request{Header: s.hub.Requests(hfoauthtest.TokenEndpoint)[0].Header}
			id, secret, ok := r.BasicAuth()
			if !ok {
				t.Errorf("Authorization is %q, want HTTP Basic", r.Header.Get("Authorization"))
			}
			if id != s.app.ClientID {
				t.Errorf("the client authenticated as %q, want %q", id, s.app.ClientID)
			}
			if secret != s.app.ClientSecret {
				t.Errorf("the client authenticated with %q, want %q", secret, s.app.ClientSecret)
			}
		}},
	{"oidcc-client-test-scope-userinfo-claims", core + "5.4", "returns the claims of the scopes",
		func(*site) {}, 303, "", func(t *testing.T, s *site) {
			browser := s.browser()
			s.signIn(browser, ada, "/")
			if body := get(t, browser, s.URL+"/me").body; !strings.Contains(body, `"email":"ada@example.com"`) {
				t.Errorf("user %s", body)
			}
		}},
	{"oidcc-client-test-userinfo-bearer-header", core + "5.3.1", "expects the token in the header",
		func(*site) {}, 303, "", func(t *testing.T, s *site) {
			request := s.hub.Requests(hfoauthtest.UserInfoEndpoint)[0]
			if got := request.Header.Get("Authorization"); !strings.HasPrefix(got, "Bearer hf_oauth_") {
				t.Errorf("Authorization %q, want the access token", got)
			}
			if request.Form.Has("access_token") {
				t.Error("the access token was sent in the form")
			}
		}},
	{"oidcc-client-test-discovery-openid-config", discovery + "4", "publishes its metadata",
		func(*site) {}, 303, "", func(t *testing.T, s *site) {
			if s.hub.Calls(hfoauthtest.MetadataEndpoint) != 1 {
				t.Error("metadata was not fetched once")
			}
		}},
	{"oidcc-client-test-discovery-issuer-mismatch", discovery + "4.3", "metadata names another issuer",
		adjust(func(c *hfoauthtest.Settings) {
			c.Metadata = func(document map[string]any) { document["issuer"] = "https://evil.example" }
		}), 502, "metadata", nil},
	{"oidcc-client-test-discovery-jwks-uri-keys", discovery + "3", "publishes its keys at jwks_uri",
		func(*site) {}, 303, "", func(t *testing.T, s *site) {
			if s.hub.Calls(hfoauthtest.JWKSEndpoint) == 0 { // or two, if the first is ending as they are needed
				t.Error("the keys were not fetched")
			}
		}},
	{"oidcc-client-test-signing-key-rotation", core + "10.1.1", "rotates its key, the old one is gone",
		signInTwice(func(s *site) { s.hub.RotateKeys(true) }), 303, "", nil},
	{"oidcc-client-test-signing-key-rotation-just-before-signing", core + "10.1.1",
		"rotates its key during the sign-in, the old one stays",
		signInTwice(func(s *site) { s.hub.RotateKeys(false) }), 303, "", func(t *testing.T, s *site) {
			if calls := s.hub.Calls(hfoauthtest.JWKSEndpoint); calls != 2 {
				t.Errorf("%d JWKS calls, want one refetch", calls)
			}
		}},
	{"oidcc-client-test-idtoken-sig-rs256", core + "2", "signs with RS256", func(*site) {}, 303, "", nil},
	{"oidcc-client-test-idtoken-sig-none", core + "3.1.3.7 step 7, RFC 8725 3.2", "does not sign",
		signed(func(s *site, key *rsa.PrivateKey, header, claims map[string]any) string {
			header["alg"] = "none"
			return jwt.Unsigned(header, claims)
		}), 502, "signature algorithm", nil},
	{"idtoken-sig-none-with-signature", "RFC 8725 3.2", "says none and signs",
		signed(func(s *site, key *rsa.PrivateKey, header, claims map[string]any) string {
			header["alg"] = "none"
			return jwt.RS256(key, header, claims)
		}), 502, "signature algorithm", nil},
	{"oidcc-client-test-invalid-sig-rs256", core + "3.1.3.7 step 6",
		"signs with an unpublished key of the published ID",
		signed(func(s *site, key *rsa.PrivateKey, header, claims map[string]any) string {
			other, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				panic(err)
			}
			return jwt.RS256(other, header, claims)
		}), 502, "verify signature", nil},
	{"oidcc-client-test-invalid-sig-hs256", core + "3.1.3.7 step 8", "signs with HS256 and the client secret",
		signed(func(s *site, key *rsa.PrivateKey, header, claims map[string]any) string {
			return hmacJWT([]byte(s.app.ClientSecret), header, claims)
		}), 502, "signature algorithm", nil},
	{"invalid-sig-hs256-public-key", "RFC 8725 2.1", "signs with HS256 and its public key",
		signed(func(s *site, key *rsa.PrivateKey, header, claims map[string]any) string {
			return hmacJWT(publicPEM(key), header, claims)
		}), 502, "signature algorithm", nil},
	{"idtoken-sig-tampered", core + "3.1.3.7 step 6", "changes a claim after signing",
		signed(func(s *site, key *rsa.PrivateKey, header, claims map[string]any) string {
			parts := strings.Split(jwt.RS256(key, header, claims), ".")
			claims["sub"] = "somebody else"
			return parts[0] + "." + jwt.Encode(claims) + "." + parts[2]
		}), 502, "verify signature", nil},
	{"idtoken-embedded-key", "RFC 8725 3.5", "signs with a key in the header",
		signed(func(s *site, key *rsa.PrivateKey, header, claims map[string]any) string {
			other, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				panic(err)
			}
			header["jwk"] = map[string]any{"kty": "RSA",
				"n": base64.RawURLEncoding.EncodeToString(other.N.Bytes()), "e": "AQAB"}
			return jwt.RS256(other, header, claims)
		}), 502, "verify signature", nil},
	{"idtoken-not-a-jwt", core + "2", "sends something else",
		signed(func(*site, *rsa.PrivateKey, map[string]any, map[string]any) string { return "not.a.jwt" }), 502,
		"malformed jwt", nil},
	{"oidcc-client-test-kid-absent-single-jwks", core + "10.1", "names no key and publishes one",
		adjust(func(c *hfoauthtest.Settings) {
			c.IDToken = func(header, _ map[string]any) { delete(header, "kid") }
		}), 303, "", nil},
	{"oidcc-client-test-kid-absent-multiple-jwks", core + "10.1", "names no key and publishes two",
		func(s *site) {
			s.hub.RotateKeys(false)
			s.hub.Configure(func(c *hfoauthtest.Settings) {
				c.IDToken = func(header, _ map[string]any) { delete(header, "kid") }
			})
		}, 303, "", nil},
	{"kid-unknown", core + "10.1.1", "names a key it does not publish", adjust(func(c *hfoauthtest.Settings) {
		c.IDToken = func(header, _ map[string]any) { header["kid"] = "unknown" }
	}), 502, "verify signature", func(t *testing.T, s *site) {
		if calls := s.hub.Calls(hfoauthtest.JWKSEndpoint); calls > 2 {
			t.Errorf("%d JWKS calls for one token", calls)
		}
	}},
	{"jwks-odd-keys", "RFC 7517 5", "publishes keys of unknown types among its own",
		adjust(func(c *hfoauthtest.Settings) {
			c.JWKS = func(document map[string]any) {
				document["keys"] = append([]any{
					map[string]any{"kty": "XYZ", "kid": "x"},
					map[string]any{"kty": "OKP", "crv": "Ed448", "x": "AA", "kid": "y"},
				}, document["keys"].([]any)...)
			}
		}), 303, "", nil},
	{"jwks-empty", "RFC 7517 5", "publishes no key", adjust(func(c *hfoauthtest.Settings) {
		c.JWKS = func(document map[string]any) { document["keys"] = []any{} }
	}), 502, "verify signature", nil},

	{"oidcc-client-test-invalid-iss", core + "3.1.3.7 step 2", "iss is another provider",
		setClaim("iss", "https://evil.example"), 502, "issued by a different provider", nil},
	{"oidcc-client-test-missing-iss", core + "2", "iss is missing",
		dropClaim("iss"), 502, "issued by a different provider", nil},
	{"oidcc-client-test-invalid-aud", core + "3.1.3.7 step 3", "aud is another client",
		setClaim("aud", "another client"), 502, "expected audience", nil},
	{"oidcc-client-test-missing-aud", core + "2", "aud is missing", dropClaim("aud"), 502, "expected audience", nil},
	{"aud-several", core + "3.1.3.7 steps 3 and 4", "aud names us among others, azp is us",
		idToken(func(claims map[string]any) {
			claims["aud"] = []any{"another client", claims["aud"]}
		}), 303, "", nil},
	{"aud-several-no-azp", core + "3.1.3.7 step 4", "aud names us among others, azp is missing",
		idToken(func(claims map[string]any) {
			claims["aud"] = []any{"another client", claims["aud"]}
			delete(claims, "azp")
		}), 502, "several audiences and no azp", nil},
	{"oidcc-client-test-invalid-azp", core + "3.1.3.7 step 5", "azp is another client",
		setClaim("azp", "another client"), 502, "azp is another client", nil},
	{"azp-missing", core + "2", "azp is missing, aud is us", dropClaim("azp"), 303, "", nil},
	{"oidcc-client-test-missing-sub", core + "2", "sub is missing", dropClaim("sub"), 502, "sub is missing", nil},
	{"sub-too-long", core + "2", "sub has 256 characters",
		setClaim("sub", strings.Repeat("s", 256)), 502, "longer than 255", nil},
	{"oidcc-client-test-missing-iat", core + "2", "iat is missing", dropClaim("iat"), 502, "iat is missing", nil},
	{"iat-long-ago", core + "3.1.3.7 step 10", "iat is ten minutes ago",
		setTime("iat", -10*time.Minute), 502, "issued at", nil},
	{"iat-in-the-future", core + "3.1.3.7 step 10", "iat is in ten minutes",
		setTime("iat", 10*time.Minute), 502, "issued at", nil},
	{"exp-expired", core + "3.1.3.7 step 9", "exp is two minutes ago",
		setTime("exp", -2*time.Minute), 502, "expired at", nil},
	{"exp-missing", core + "2", "exp is missing", dropClaim("exp"), 502, "expired at", nil},
	{"exp-short", core + "3.1.3.7 step 9", "exp is 30 seconds ago, within the tolerance",
		setTime("exp", -30*time.Second), 303, "", nil},
	{"oidcc-client-test-nonce-invalid", core + "3.1.3.7 step 11", "nonce is another",
		setClaim("nonce", "another"), 502, "nonce", nil},
	{"nonce-missing", core + "3.1.3.7 step 11", "nonce is missing",
		dropClaim("nonce"), 502, "nonce", nil},
	{"nonce-empty", core + "3.1.3.7 step 11", "nonce is empty",
		setClaim("nonce", ""), 502, "nonce", nil},
	{"oidcc-client-test-invalid-at_hash", core + "3.1.3.8", "at_hash is of another token",
		setClaim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), 502, "token hash", nil},
	{"at_hash-missing", core + "3.1.3.6", "at_hash is missing", dropClaim("at_hash"), 303, "", nil},
	{"claims-of-odd-types", core + "2", "exp is text", setClaim("exp", "tomorrow"), 502, "unmarshal claims", nil},

	{"oidcc-client-test-userinfo-invalid-sub", core + "5.3.2", "userinfo is of another user",
		adjust(func(c *hfoauthtest.Settings) {
			c.UserInfo = func(claims map[string]any) { claims["sub"] = "somebody else" }
		}), 502, "userinfo", nil},
	{"userinfo-missing-sub", core + "5.3.2", "userinfo has no sub", adjust(func(c *hfoauthtest.Settings) {
		c.UserInfo = func(claims map[string]any) { delete(claims, "sub") }
	}), 502, "sub is missing", nil},
	{"oidcc-client-test-refresh-token", core + "12", "gives a refresh token",
		func(*site) {}, 303, "", func(t *testing.T, s *site) {
			clock := s.newClock()
			cookie := s.newSession(ada)
			clock.advance(9 * time.Hour)
			if token, _, err := act(t, s.client, cookie); err != nil || !s.works(token) {
				t.Errorf("refresh: %v", err)
			}
		}},
	{"refresh-token-other-sub", core + "12.2", "answers a refresh with an ID token of another user",
		func(*site) {}, 303, "", func(t *testing.T, s *site) {
			clock := s.newClock()
			cookie := s.newSession(ada)
			clock.advance(9 * time.Hour)
			setClaim("sub", "somebody else")(s)
			if _, _, err := act(t, s.client, cookie); !errors.Is(err, hfoauth.ErrProviderInvalid) {
				t.Errorf("refresh: %v, want %v", err, hfoauth.ErrProviderInvalid)
			}
		}},
	{"token-type-case", "RFC 6749 5.1", "token_type is BEARER",
		tokenResponse(func(r map[string]any) { r["token_type"] = "BEARER" }), 303, "", nil},
	{"token-type-other", "RFC 6749 7.1", "token_type is DPoP",
		tokenResponse(func(r map[string]any) { r["token_type"] = "DPoP" }), 502, "token_type is not bearer", nil},
	{"token-response-no-expires-in", "RFC 6749 5.1", "expires_in is missing",
		tokenResponse(func(r map[string]any) { delete(r, "expires_in") }), 303, "", nil},
	{"token-response-no-scope", "RFC 6749 5.1", "scope is missing: all requested ones are granted",
		tokenResponse(func(r map[string]any) { delete(r, "scope") }), 303, "", func(t *testing.T, s *site) {
			scopes := sessionOf(t, s.client, s.newSession(ada)).Scopes
			if want := "openid profile email"; scopes.Param() != want {
				t.Errorf("granted %q, want %q", scopes, want)
			}
		}},
	{"token-response-no-id-token", core + "3.1.3.3", "id_token is missing",
		tokenResponse(func(r map[string]any) { delete(r, "id_token") }), 502, "no id_token", nil},
	{"token-response-odd-token", "RFC 6750 2.1", "access_token has a line break",
		tokenResponse(func(r map[string]any) { r["access_token"] = "a\r\nb" }), 502, "characters", nil},

	{"fapi-state-missing", "RFC 6749 10.12", "returns no state",
		authorizationResponse(func(p url.Values) { p.Del("state") }), 400, "the request has no state", nil},
	{"fapi-state-wrong", "RFC 6749 10.12", "returns another state",
		authorizationResponse(func(p url.Values) { p.Set("state", "another") }), 400, "this browser", nil},
	{"fapi-iss-right", "RFC 9207 2.4", "promises iss and sends it",
		adjust(func(c *hfoauthtest.Settings) { c.IssuerParameter = true }), 303, "", nil},
	{"fapi-iss-wrong", "RFC 9207 2.4", "sends the iss of another provider",
		authorizationResponse(func(p url.Values) { p.Set("iss", "https://evil.example") }), 400, "RFC 9207", nil},
	{"fapi-iss-missing", "RFC 9207 2.4", "promises iss and sends none", adjust(func(c *hfoauthtest.Settings) {
		c.IssuerParameter = true
		c.AuthorizationResponse = func(p url.Values) { p.Del("iss") }
	}), 400, "RFC 9207", nil},
	{"fapi-iss-missing-with-error", "RFC 9207 2.4", "promises iss and sends an error without",
		adjust(func(c *hfoauthtest.Settings) {
			c.IssuerParameter = true
			c.AuthorizationResponse = func(p url.Values) { p.Del("iss"); p.Del("code"); p.Set("error", "server_error") }
		}), 400, "server_error", nil},
	{"fapi-iss-twice", "RFC 6749 3.1", "sends iss twice",
		authorizationResponse(func(p url.Values) { p["iss"] = []string{"https://evil.example", p.Get("iss")} }),
		400, "RFC 9207", nil},
}

func TestConformance(t *testing.T) {
	names := map[string]bool{}
	for _, tt := range conformanceTests {
		if names[tt.name] {
			t.Fatalf("%s is in the table twice", tt.name)
		}
		names[tt.name] = true
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, func(c *hfoauth.Config) { c.Scopes = hfoauth.Scopes{hfoauth.ScopeEmail} })
			tt.setup(s)
			browser := s.browser()
			resp := get(t, browser, s.URL+"/login")
			if resp.StatusCode == http.StatusSeeOther {
				resp = get(t, browser, s.decide(resp.Header.Get("Location"), ada))
			}
			if resp.StatusCode != tt.status {
				t.Fatalf("%s: provider %s: status %d, want %d\n%s", tt.section, tt.does, resp.StatusCode, tt.status, s.log)
			}
			if in := s.username(browser) == "ada"; in != (tt.status == http.StatusSeeOther) {
				t.Errorf("signed in: %v", in)
			}
			if log := s.log.String(); !strings.Contains(log, tt.says) {
				t.Errorf("the log does not say %q: %s", tt.says, log)
			}
			if tt.status != http.StatusSeeOther && !strings.Contains(resp.body, `href="/login`) {
				t.Errorf("no way to try again: %s", resp.body)
			}
			if tt.check != nil {
				tt.check(t, s)
			}
		})
	}
	t.Logf("%d conformance rows", len(conformanceTests))
}
