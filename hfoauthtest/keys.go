package hfoauthtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/http"
	"sync"
)

// signingKey signs ID tokens with RS256 (RFC 7518 section 3.3).
type signingKey struct {
	id      string
	private *rsa.PrivateKey
}

func newKey() signingKey {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(fmt.Sprintf("hfoauthtest: generating an RSA key: %v", err))
	}
	return signingKey{random("key-", 6), private}
}

// firstKey is shared by the Servers of a process, since generating a key is slow.
var firstKey = sync.OnceValue(newKey)

// RotateKeys generates a new key, which signs ID tokens from now on. The earlier
// keys stay published unless drop is true.
func (s *Server) RotateKeys(drop bool) {
	key := newKey()
	s.mu.Lock()
	defer s.mu.Unlock()
	if drop {
		s.keys = nil
	}
	s.keys = append([]signingKey{key}, s.keys...)
}

// signingKey returns the current key.
func (s *Server) signingKey() signingKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[0]
}

func (s *Server) jwks(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	var keys []any
	for _, key := range s.keys {
		public := key.private.PublicKey
		keys = append(keys, map[string]any{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": key.id,
			"n": encode(public.N.Bytes()), "e": encode(big.NewInt(int64(public.E)).Bytes()),
		})
	}
	change := s.settings.JWKS
	s.mu.Unlock()
	document := map[string]any{"keys": keys}
	if change != nil {
		change(document)
	}
	writeJSON(w, http.StatusOK, document)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// alphanumeric returns n random letters and digits, like those of the Hub's tokens.
func alphanumeric(n int) string {
	const all = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	return randomOf(all, n)
}

// randomOf returns n random characters of an alphabet.
func randomOf(alphabet string, n int) string {
	text := make([]byte, n)
	rand.Read(text)
	for i := range text {
		text[i] = alphabet[int(text[i])%len(alphabet)]
	}
	return string(text)
}

// uuid returns a random UUID (RFC 9562 section 5.4).
func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// random returns prefix followed by n random bytes in base64url.
func random(prefix string, n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return prefix + encode(b)
}

// id returns sub, or if that is empty, an ID in the Hub's format that depends only
// on kind and name.
func id(sub, kind, name string) string {
	if sub != "" {
		return sub
	}
	hash := sha256.Sum256([]byte(kind + "/" + name))
	return hex.EncodeToString(hash[:12])
}
