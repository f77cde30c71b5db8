// Package jwt makes valid and invalid JSON Web Tokens for the stand-in provider
// and for tests.
package jwt

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// RS256 returns a JWT of header and claims with an RS256 signature, regardless
// of the alg in header.
func RS256(key *rsa.PrivateKey, header, claims map[string]any) string {
	payload := Encode(header) + "." + Encode(claims)
	hash := sha256.Sum256([]byte(payload))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, hash[:])
	if err != nil {
		panic(fmt.Sprintf("jwt: signing: %v", err))
	}
	return payload + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// HS256 returns a JWT of header and claims with an HS256 signature, regardless
// of the alg in header.
func HS256(secret []byte, header, claims map[string]any) string {
	payload := Encode(header) + "." + Encode(claims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(payload))
	return payload + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Unsigned returns a JWT of header and claims without a signature, regardless
// of the alg in header.
func Unsigned(header, claims map[string]any) string {
	return Encode(header) + "." + Encode(claims) + "."
}

// Encode returns part as JSON in base64url, as in a JWT.
func Encode(part map[string]any) string {
	b, err := json.Marshal(part)
	if err != nil {
		panic(fmt.Sprintf("jwt: encoding: %v", err))
	}
	return base64.RawURLEncoding.EncodeToString(b)
}
