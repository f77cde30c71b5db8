package bench

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	clientID     = "0c2a4e68-bench"
	clientSecret = "a-secret-for-the-benchmark-only!"
	appURL       = "https://app.example"
	loginPath    = "/login"
	callbackPath = "/login/callback"
)

var scopes = []string{"openid", "profile", "email"}

// provider is a minimal OpenID provider on loopback. Its only slow part, signing the
// ID token, is in authorize, which is not measured; its endpoints send prepared
// bytes.
type provider struct {
	*httptest.Server
	client   *http.Client // keeps connections; all contenders use it
	signer   jose.Signer
	jwks     []byte
	session  *session
	userinfo []byte
	delay    time.Duration // of every response, as by a network
	calls    atomic.Int64
	grants   sync.Map // code to grant
}

// grant is what the token endpoint knows of a code.
type grant struct {
	challenge string
	answer    []byte
}

// idToken are the claims of an ID token.
type idToken struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	IssuedAt int64  `json:"iat"`
	Expiry   int64  `json:"exp"`
	Nonce    string `json:"nonce,omitempty"`
	Sub      string `json:"sub"`
	Name     string `json:"name"`
	Username string `json:"preferred_username"`
	Profile  string `json:"profile"`
	Picture  string `json:"picture"`
	Email    string `json:"email"`
}

// newProvider starts a provider at which everyone is the user of s.
func newProvider(tb testing.TB, s *session) *provider {
	p := &provider{
		client:   &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}},
		session:  s,
		userinfo: mustJSON(tb, s.User),
	}
	var keys jose.JSONWebKeySet
	p.signer, keys = newSigner(tb)
	p.jwks = mustJSON(tb, keys)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.serveMetadata)
	mux.HandleFunc("GET /oauth/jwks", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, p.jwks) })
	mux.HandleFunc("POST /oauth/token", p.serveToken)
	mux.HandleFunc("GET /oauth/userinfo", p.serveUserinfo)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.calls.Add(1)
		time.Sleep(p.delay)
		mux.ServeHTTP(w, r)
	}))
	tb.Cleanup(p.Close)
	tb.Cleanup(p.client.CloseIdleConnections)
	return p
}

func newSigner(tb testing.TB) (jose.Signer, jose.JSONWebKeySet) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	jwk := jose.JSONWebKey{Key: key, KeyID: "bench", Algorithm: string(jose.RS256), Use: "sig"}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jwk}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return signer, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk.Public()}}
}

// authorize does what the provider and its user do when the browser arrives
// at location, and returns the path of the app to which it is sent back.
func (p *provider) authorize(tb testing.TB, location string) string {
	address, err := url.Parse(location)
	if err != nil {
		tb.Fatal(err)
	}
	query := address.Query()
	if address.Path != "/oauth/authorize" {
		tb.Fatalf("the path is %q, want /oauth/authorize: %s", address.Path, location)
	}
	for name, want := range map[string]string{
		"client_id": clientID, "response_type": "code", "redirect_uri": appURL + callbackPath,
	} {
		if got := query.Get(name); got != want {
			tb.Fatalf("%s is %q, want %q: %s", name, got, want, location)
		}
	}
	if challenge := query.Get("code_challenge"); challenge != "" && query.Get("code_challenge_method") != "S256" {
		tb.Fatalf("challenge is not S256: %s", location)
	}
	code := rand.Text()
	p.grants.Store(code, grant{query.Get("code_challenge"), p.tokenAnswer(tb, query.Get("nonce"))})
	return callbackPath + "?" + url.Values{"code": {code}, "state": {query.Get("state")}}.Encode()
}

func (p *provider) tokenAnswer(tb testing.TB, nonce string) []byte {
	now := time.Now()
	user := &p.session.User
	signature, err := p.signer.Sign(mustJSON(tb, idToken{
		Issuer: p.URL, Audience: clientID, IssuedAt: now.Unix(), Expiry: now.Add(time.Hour).Unix(), Nonce: nonce,
		Sub: user.Sub, Name: user.Name, Username: user.Username, Profile: user.Profile,
		Picture: user.Picture, Email: user.Email,
	}))
	if err != nil {
		tb.Fatal(err)
	}
	token, err := signature.CompactSerialize()
	if err != nil {
		tb.Fatal(err)
	}
	return mustJSON(tb, map[string]any{
		"access_token": p.session.AccessToken, "refresh_token": p.session.RefreshToken, "token_type": "bearer",
		"expires_in": int(tokenLifetime / time.Second), "id_token": token, "scope": "openid profile email",
	})
}

func (p *provider) serveMetadata(w http.ResponseWriter, r *http.Request) {
	metadata, _ := json.Marshal(map[string]any{
		"issuer":                                p.URL,
		"authorization_endpoint":                p.URL + "/oauth/authorize",
		"token_endpoint":                        p.URL + "/oauth/token",
		"userinfo_endpoint":                     p.URL + "/oauth/userinfo",
		"jwks_uri":                              p.URL + "/oauth/jwks",
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"code_challenge_methods_supported":      []string{"S256"},
	})
	writeJSON(w, metadata)
}

func (p *provider) serveToken(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if id != clientID || secret != url.QueryEscape(clientSecret) {
		http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
		return
	}
	kept, ok := p.grants.LoadAndDelete(r.PostFormValue("code"))
	asked := r.PostFormValue("redirect_uri") == appURL+callbackPath &&
		r.PostFormValue("grant_type") == "authorization_code"
	if !ok || !asked {
		http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
		return
	}
	g := kept.(grant)
	hash := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if g.challenge != "" && g.challenge != base64.RawURLEncoding.EncodeToString(hash[:]) {
		http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
		return
	}
	writeJSON(w, g.answer)
}

func (p *provider) serveUserinfo(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+p.session.AccessToken {
		http.Error(w, `{"error":"invalid_token"}`, http.StatusUnauthorized)
		return
	}
	writeJSON(w, p.userinfo)
}

func writeJSON(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}

func mustJSON(tb testing.TB, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}
