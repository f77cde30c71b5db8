package hfoauthtest_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth/hfoauthtest"
	"github.com/hfoauth/hfoauth/internal/jwt"
)

func decode(t *testing.T, part string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// parse returns the header and the claims of a JWT.
func parse(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("a JWT of %d parts", len(parts))
	}
	for i, target := range []*map[string]any{&header, &claims} {
		if err := json.Unmarshal(decode(t, parts[i]), target); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

// verifies reports whether a published key signed an ID token.
func verifies(t *testing.T, hub *hfoauthtest.Server, token string) bool {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, hub.URL+"/oauth/jwks", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, document := answer(t, req)
	header, _ := parse(t, token)
	end := strings.LastIndex(token, ".")
	hash := sha256.Sum256([]byte(token[:end]))
	for _, published := range document["keys"].([]any) {
		key := published.(map[string]any)
		if key["kid"] != header["kid"] {
			continue
		}
		public := &rsa.PublicKey{
			N: new(big.Int).SetBytes(decode(t, key["n"].(string))),
			E: int(new(big.Int).SetBytes(decode(t, key["e"].(string))).Int64()),
		}
		if rsa.VerifyPKCS1v15(public, crypto.SHA256, hash[:], decode(t, token[end+1:])) == nil {
			return true
		}
	}
	return false
}

func TestIDToken(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirect}})
	_, tokens := redeem(t, hub, app, approved(t, hub, app))
	token := tokens["id_token"].(string)
	if !verifies(t, hub, token) {
		t.Error("the signature was not made with a published key")
	}
	header, claims := parse(t, token)
	hash := sha256.Sum256([]byte(tokens["access_token"].(string)))
	for name, want := range map[string]any{"iss": hub.URL, "aud": app.ClientID, "azp": app.ClientID,
		"nonce": "n", "preferred_username": "ada",
		"at_hash": base64.RawURLEncoding.EncodeToString(hash[:16])} {
		if claims[name] != want {
			t.Errorf("%s: %v, want %v", name, claims[name], want)
		}
	}
	equal(t, "alg", header["alg"], "RS256")
	equal(t, "exp-iat", claims["exp"].(float64)-claims["iat"].(float64), 3600)
	equal(t, "orgs", claims["orgs"], nil)
	if claims["sub"] != userInfo(t, hub, tokens)["sub"] {
		t.Error("sub differs from that of the userinfo")
	}
	_, renewed := call(t, hub.URL+"/oauth/token", app.ClientID, app.ClientSecret,
		url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}})
	if _, claims := parse(t, renewed["id_token"].(string)); claims["nonce"] != nil {
		t.Errorf("the ID token of a refresh has the nonce %v", claims["nonce"])
	}
	if tokens := signedIn(t, hub, "profile", url.Values{"user": {"ada"}}); tokens["id_token"] != nil {
		t.Error("an ID token without the scope openid")
	}
}

func TestRotateKeys(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	sign := func() string { return signedIn(t, hub, "openid", url.Values{"user": {"ada"}})["id_token"].(string) }
	first := sign()
	hub.RotateKeys(false)
	second := sign()
	equal(t, "the first key verifies", verifies(t, hub, first), true)
	equal(t, "the second key verifies", verifies(t, hub, second), true)
	before, _ := parse(t, first)
	if after, _ := parse(t, second); before["kid"] == after["kid"] {
		t.Error("the new key does not sign")
	}
	hub.RotateKeys(true)
	equal(t, "the first key is published", verifies(t, hub, first), false)
	equal(t, "the second key is published", verifies(t, hub, second), false)
	equal(t, "the new key is published", verifies(t, hub, sign()), true)
}

func TestSigningOtherwise(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	otherKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		sign func(key *rsa.PrivateKey, header, claims map[string]any) string
		want bool
	}{
		"as the provider does": {jwt.RS256, true},
		"not at all":           {func(_ *rsa.PrivateKey, h, c map[string]any) string { return jwt.Unsigned(h, c) }, false},
		"HS256": {func(_ *rsa.PrivateKey,
			h, c map[string]any) string {
			return jwt.HS256([]byte("secret"), h, c)
		}, false},
		"another key, same kid": {func(_ *rsa.PrivateKey,
			h, c map[string]any) string {
			return jwt.RS256(otherKey, h, c)
		}, false},
		"an unknown kid": {func(key *rsa.PrivateKey,
			h, c map[string]any) string {
			h["kid"] = "x"
			return jwt.RS256(key, h, c)
		}, false},
	} {
		hub.Configure(func(s *hfoauthtest.Settings) { s.Sign = tt.sign })
		token := signedIn(t, hub, "openid", url.Values{"user": {"ada"}})["id_token"].(string)
		if verifies(t, hub, token) != tt.want {
			t.Errorf("%s: verifies is %v, want %v", name, !tt.want, tt.want)
		}
	}
	hub.Configure(func(s *hfoauthtest.Settings) {
		s.Sign = nil
		s.IDToken = func(_, claims map[string]any) { claims["iss"] = "https://evil.example"; delete(claims, "sub") }
	})
	token := signedIn(t, hub, "openid", url.Values{"user": {"ada"}})["id_token"].(string)
	_, claims := parse(t, token)
	equal(t, "the signature verifies", verifies(t, hub, token), true)
	equal(t, "iss", claims["iss"], "https://evil.example")
	equal(t, "sub", claims["sub"], nil)
}
