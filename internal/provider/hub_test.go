package provider

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// hub is a provider that responds without a network.
type hub struct {
	mu       sync.Mutex
	requests []request
	respond  map[string]responder // by path; overrides the fields below

	metadata map[string]any
	tokens   map[string]any                             // the token response, without the ID token
	claims   map[string]any                             // of the ID token; nil: no ID token
	sign     func(header, claims map[string]any) string // nil: sign with signingKey
}

type responder func(r request) (*http.Response, error)

// request is a request that the hub received.
type request struct {
	*http.Request
	form url.Values
}

const (
	clientID     = "client & more"
	clientSecret = "s%ecret:+"
	redirectURL  = "https://app.example/login/callback"
)

var (
	// now is the time for both the Provider under test and the hub.
	now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

	signingKey = sync.OnceValue(func() *rsa.PrivateKey { return generateKey() })
	otherKey   = sync.OnceValue(func() *rsa.PrivateKey { return generateKey() })
)

func generateKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

// newHub returns a hub without faults and a Provider that uses it.
func newHub(change ...func(*Config)) (*hub, *Provider) {
	h := &hub{
		respond: map[string]responder{},
		metadata: map[string]any{
			"issuer":                        issuer,
			"authorization_endpoint":        issuer + "/a",
			"token_endpoint":                issuer + "/t",
			"userinfo_endpoint":             issuer + "/u",
			"jwks_uri":                      issuer + "/j",
			"device_authorization_endpoint": issuer + "/d",
		},
		tokens: map[string]any{"access_token": "hf_oauth_access", "token_type": "bearer", "expires_in": 3600},
		claims: goodClaims(),
	}
	config := Config{
		Issuer: issuer, ClientID: clientID, ClientSecret: clientSecret, RedirectURL: redirectURL,
		Transport: transport(h.roundTrip),
		Now:       func() time.Time { return now },
	}
	for _, f := range change {
		f(&config)
	}
	return h, New(config)
}

func goodClaims() map[string]any {
	return map[string]any{
		"iss": issuer, "aud": clientID, "sub": "ada", "nonce": "nonce",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

func (h *hub) roundTrip(r *http.Request) (*http.Response, error) {
	received := request{Request: r}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if received.form, err = url.ParseQuery(string(body)); err != nil {
			return nil, err
		}
	}
	h.mu.Lock()
	h.requests = append(h.requests, received)
	respond := h.respond[r.URL.Path]
	h.mu.Unlock()
	if respond != nil {
		return respond(received)
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		return jsonAnswer(h.metadata), nil
	case "/j":
		return jsonAnswer(map[string]any{"keys": []any{publicJWK(signingKey())}}), nil
	case "/t":
		return jsonAnswer(h.tokenResponse()), nil
	}
	return answer(404, ""), nil
}

// tokenResponse returns the token response with a signed ID token.
func (h *hub) tokenResponse() map[string]any {
	response := maps.Clone(h.tokens)
	if h.claims != nil {
		sign := h.sign
		if sign == nil {
			sign = func(header, claims map[string]any) string { return signRSA(signingKey(), header, claims) }
		}
		response["id_token"] = sign(map[string]any{"alg": "RS256", "kid": "1"}, maps.Clone(h.claims))
	}
	return response
}

// received returns the requests for a path.
func (h *hub) received(path string) []request {
	h.mu.Lock()
	defer h.mu.Unlock()
	var requests []request
	for _, r := range h.requests {
		if r.URL.Path == path {
			requests = append(requests, r)
		}
	}
	return requests
}

// answers makes a path always return the same response.
func (h *hub) answers(path string, status int, body string, header ...string) {
	h.respond[path] = func(request) (*http.Response, error) {
		resp := answer(status, body)
		for i := 0; i+1 < len(header); i += 2 {
			resp.Header.Set(header[i], header[i+1])
		}
		return resp, nil
	}
}

func (h *hub) fails(path string) {
	h.respond[path] = func(request) (*http.Response, error) { return nil, errors.New("connection refused") }
}

func jsonAnswer(v any) *http.Response {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return answer(200, string(body))
}

func publicJWK(key *rsa.PrivateKey) map[string]any {
	return map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1",
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}
}

func signingInput(header, claims map[string]any) string {
	part := func(v map[string]any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(header) + "." + part(claims)
}

func signRSA(key *rsa.PrivateKey, header, claims map[string]any) string {
	input := signingInput(header, claims)
	hash := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, hash[:])
	if err != nil {
		panic(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func sign384(key *rsa.PrivateKey, header, claims map[string]any) string {
	input := signingInput(header, claims)
	hash := sha512.Sum384([]byte(input))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA384, hash[:])
	if err != nil {
		panic(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func signPSS(key *rsa.PrivateKey, header, claims map[string]any) string {
	input := signingInput(header, claims)
	hash := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, hash[:], nil)
	if err != nil {
		panic(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func signHMAC(key []byte, header, claims map[string]any) string {
	input := signingInput(header, claims)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func publicDER(key *rsa.PrivateKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	return der
}

// checkError checks the kind of an error and that it contains text; an empty
// text means that there must be no error.
func checkError(t *testing.T, name string, err error, kind Kind, text string) {
	t.Helper()
	if text == "" {
		if err != nil {
			t.Errorf("%s: %v, want no error", name, err)
		}
		return
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Errorf("%s: error %v, want an *Error that contains %q", name, err, text)
		return
	}
	if e.Kind != kind {
		t.Errorf("%s: kind %d, want %d: %v", name, e.Kind, kind, err)
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("%s: error %q, want it to contain %q", name, err, text)
	}
}

// equal fails the test unless a value is the one that is wanted.
func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}
