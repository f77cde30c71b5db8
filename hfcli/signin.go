package hfcli

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/internal/provider"
)

const (
	// renewBefore is how long before its expiry a token is renewed.
	renewBefore = 5 * time.Minute
	// defaultLifetime is the lifetime of a token whose response has no expires_in
	// (https://huggingface.co/docs/hub/spaces-oauth).
	defaultLifetime = 8 * time.Hour
	// maxKept limits the size of a stored sign-in, in bytes; a user may have
	// hundreds of organizations.
	maxKept = 1 << 20
)

// signIn is the stored sign-in. It is immutable.
type signIn struct {
	Version      int            `json:"version"`
	Provider     string         `json:"provider"`
	ClientID     string         `json:"client_id"`
	User         *hfoauth.User  `json:"user"`
	Scopes       hfoauth.Scopes `json:"scopes"`
	AccessToken  string         `json:"access_token"`
	RefreshToken string         `json:"refresh_token,omitempty"`
	Issued       time.Time      `json:"issued"`
	Expiry       time.Time      `json:"expiry"`
}

// formatVersion is the version of the stored format. A stored sign-in of any
// other version is ignored.
const formatVersion = 1

// with returns the sign-in with tokens that were issued at now.
func (s signIn) with(token *oauth2.Token, now time.Time) *signIn {
	s.AccessToken, s.RefreshToken = token.AccessToken, token.RefreshToken
	s.Issued, s.Expiry = now, token.Expiry
	if s.Expiry.IsZero() {
		s.Expiry = now.Add(defaultLifetime)
	}
	// Without a scope in the response, the scopes are unchanged (RFC 6749 section
	// 5.1).
	if scope, named := provider.Scope(token); named {
		s.Scopes = nil
		for _, name := range strings.Fields(scope) {
			s.Scopes = append(s.Scopes, hfoauth.Scope(name))
		}
	}
	return &s
}

// due reports whether the access token should be renewed.
func (s *signIn) due(now time.Time) bool {
	return !now.Before(s.Expiry.Add(-min(renewBefore, s.Expiry.Sub(s.Issued)/4)))
}

func (s *signIn) encode() ([]byte, error) {
	s.Version = formatVersion
	return json.MarshalIndent(s, "", "  ")
}

// decode decodes a stored sign-in. After any of its errors, a new sign-in helps.
func decode(kept []byte) (*signIn, error) {
	s := &signIn{}
	if len(kept) > maxKept {
		return nil, errors.New("it is too large")
	}
	if err := json.Unmarshal(kept, s); err != nil {
		return nil, errors.New("this version of the tool did not write it")
	}
	if s.Version != formatVersion || s.User == nil || s.User.Sub == "" || !sendable(s.AccessToken) ||
		s.Expiry.Before(s.Issued) {
		return nil, errors.New("this version of the tool did not write it")
	}
	return s, nil
}

// sendable reports whether a token can be sent in a header. It allows a few more
// characters than RFC 6750 section 2.1.
func sendable(token string) bool {
	return token != "" && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}
