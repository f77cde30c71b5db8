package provider

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// exchange signs in with a code.
func exchange(t *testing.T, p *Provider) (subject string, err error) {
	t.Helper()
	_, subject, err = p.Exchange(t.Context(), Code{Code: "code", Verifier: "verifier", Nonce: "nonce"})
	return subject, err
}

func ago(d time.Duration) int64 { return now.Add(-d).Unix() }

func in(d time.Duration) int64 { return now.Add(d).Unix() }

// OpenID Connect Core section 3.1.3.7, claim by claim, and its time limits to
// the second.
func TestIDTokenClaims(t *testing.T) {
	accessHash := sha256.Sum256([]byte("hf_oauth_access"))
	atHash := base64.RawURLEncoding.EncodeToString(accessHash[:16])
	for name, tt := range map[string]struct {
		claim string
		value any    // nil: the claim is missing
		want  string // part of the error; "" for none
	}{
		"all good":             {"other", "x", ""},
		"other issuer":         {"iss", "https://evil.example", "issued by a different provider"},
		"issuer with a slash":  {"iss", issuer + "/", "issued by a different provider"},
		"no issuer":            {"iss", nil, "issued by a different provider"},
		"other audience":       {"aud", "another", "expected audience"},
		"no audience":          {"aud", nil, "expected audience"},
		"audience in a list":   {"aud", []string{clientID}, ""},
		"no sub":               {"sub", nil, "sub is missing"},
		"empty sub":            {"sub", "", "sub is missing"},
		"sub of 255":           {"sub", strings.Repeat("a", 255), ""},
		"sub of 256":           {"sub", strings.Repeat("a", 256), "longer than 255"},
		"azp is the client":    {"azp", clientID, ""},
		"azp is another":       {"azp", "another", "azp is another client"},
		"azp is empty":         {"azp", "", "azp is another client"},
		"azp is a number":      {"azp", 5, "cannot unmarshal"},
		"expired for 59 s":     {"exp", ago(59 * time.Second), ""},
		"expired for 61 s":     {"exp", ago(61 * time.Second), "expired at 2026-03-01T11:58:59Z"},
		"no exp":               {"exp", nil, "expired"},
		"issued in 59 s":       {"iat", in(59 * time.Second), ""},
		"issued in 61 s":       {"iat", in(61 * time.Second), "was issued at 2026-03-01T12:01:01Z"},
		"issued 299 s ago":     {"iat", ago(299 * time.Second), ""},
		"issued 301 s ago":     {"iat", ago(301 * time.Second), "was issued at 2026-03-01T11:54:59Z"},
		"no iat":               {"iat", nil, "iat is missing"},
		"at_hash of the token": {"at_hash", atHash, ""},
		"at_hash of another":   {"at_hash", base64.RawURLEncoding.EncodeToString(make([]byte, 16)), "hash"},
		"other nonce":          {"nonce", "another", "nonce"},
		"part of the nonce":    {"nonce", "nonc", "nonce"},
		"empty nonce":          {"nonce", "", "nonce"},
		"no nonce":             {"nonce", nil, "nonce"},
	} {
		h, p := newHub()
		h.claims[tt.claim] = tt.value
		if tt.value == nil {
			delete(h.claims, tt.claim)
		}
		subject, err := exchange(t, p)
		checkError(t, name, err, Invalid, tt.want)
		if want, _ := h.claims["sub"].(string); err == nil && subject != want {
			t.Errorf("%s: subject %q, want %q", name, subject, want)
		}
		if err != nil && subject != "" {
			t.Errorf("%s: subject %q despite %v", name, subject, err)
		}
	}
}

func TestIDTokenForSeveralAudiences(t *testing.T) {
	for name, tt := range map[string]struct {
		azp  any
		want string
	}{
		"without azp":       {nil, "several audiences and no azp"},
		"azp is the client": {clientID, ""},
		"azp is the other":  {"another", "azp is another client"},
	} {
		h, p := newHub()
		h.claims["aud"] = []string{clientID, "another"}
		if tt.azp != nil {
			h.claims["azp"] = tt.azp
		}
		_, err := exchange(t, p)
		checkError(t, name, err, Invalid, tt.want)
	}
}

// Only RS256 with the published keys is accepted (RFC 8725 section 3.1).
func TestIDTokenSignatures(t *testing.T) {
	type signer = func(header, claims map[string]any) string
	with := func(name string, value any, sign signer) signer {
		return func(header, claims map[string]any) string {
			header[name] = value
			return sign(header, claims)
		}
	}
	good := func(header, claims map[string]any) string { return signRSA(signingKey(), header, claims) }
	foreign := func(header, claims map[string]any) string { return signRSA(otherKey(), header, claims) }
	for name, tt := range map[string]struct {
		sign signer
		ok   bool
	}{
		"by the key":         {good, true},
		"without a kid":      {func(h, c map[string]any) string { delete(h, "kid"); return good(h, c) }, true},
		"by another key":     {foreign, false},
		"another kid":        {with("kid", "2", good), false},
		"key in the token":   {with("jwk", publicJWK(otherKey()), foreign), false},
		"address of the key": {with("jku", "https://evil.example/keys", foreign), false},
		"none": {with("alg", "none",
			func(h, c map[string]any) string { return signingInput(h, c) + "." }), false},
		"None": {with("alg", "None",
			func(h, c map[string]any) string { return signingInput(h, c) + "." }), false},
		"no signature": {func(h, c map[string]any) string { return signingInput(h, c) + "." }, false},
		"HS256 by the public key": {with("alg", "HS256",
			func(h, c map[string]any) string { return signHMAC(publicDER(signingKey()), h, c) }), false},
		"HS256 by the secret": {with("alg", "HS256",
			func(h, c map[string]any) string { return signHMAC([]byte(clientSecret), h, c) }), false},
		"PS256 by the key": {with("alg", "PS256",
			func(h, c map[string]any) string { return signPSS(signingKey(), h, c) }), false},
		"RS384 by the key": {with("alg", "RS384",
			func(h, c map[string]any) string { return sign384(signingKey(), h, c) }), false},
		"no JWT": {func(_, _ map[string]any) string { return "token" }, false},
		"changed afterwards": {func(h, c map[string]any) string {
			signature := good(h, c)[strings.LastIndex(good(h, c), "."):]
			c["sub"] = "grace"
			return signingInput(h, c) + signature
		}, false},
	} {
		h, p := newHub()
		h.metadata["id_token_signing_alg_values_supported"] = []string{"none", "HS256", "PS256", "RS384", "RS256"}
		h.sign = tt.sign
		_, err := exchange(t, p)
		want := "ID token"
		if tt.ok {
			want = ""
		}
		checkError(t, name, err, Invalid, want)
	}
}

// Failing to fetch the keys is an outage, not a forged token.
func TestKeysUnavailable(t *testing.T) {
	for name, break_ := range map[string]func(*hub){
		"no connection": func(h *hub) { h.fails("/j") },
		"status 503":    func(h *hub) { h.answers("/j", 503, "") },
	} {
		h, p := newHub()
		break_(h)
		_, err := exchange(t, p)
		checkError(t, name, err, Unavailable, "jwks endpoint is unavailable")
	}
	h, p := newHub()
	h.answers("/j", 200, "<html>")
	_, err := exchange(t, p)
	checkError(t, "nonsense", err, Invalid, "ID token")
}

// The error for a token outside its time limits contains the times of both
// clocks.
func TestClockError(t *testing.T) {
	h, p := newHub()
	h.claims["iat"] = in(time.Hour)
	_, err := exchange(t, p)
	for _, want := range []string{"2026-03-01T13:00:00Z", "2026-03-01T12:00:00Z", "clock"} {
		checkError(t, "iat in an hour", err, Invalid, want)
	}
}
