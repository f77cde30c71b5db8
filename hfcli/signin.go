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
	// defaultLifetime is that of a token whose expiry the provider does not
	// state (https://huggingface.co/docs/hub/spaces-oauth).
	defaultLifetime = 8 * time.Hour
	// maxKept bounds what is read as a sign-in: a user may have hundreds of
	// organizations.
	maxKept = 1 << 20
)

// signIn is what is kept. It is not changed once made.
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

// formatVersion is that of signIn as it is kept. A sign-in in any other format
// counts as none.
const formatVersion = 1

// with returns the sign-in with the tokens that the provider issued now.
func (s signIn) with(token *oauth2.Token, now time.Time) *signIn {
	s.AccessToken, s.RefreshToken = token.AccessToken, token.RefreshToken
	s.Issued, s.Expiry = now, token.Expiry
	if s.Expiry.IsZero() {
		s.Expiry = now.Add(defaultLifetime)
	}
	// Scopes that are not named are as before (RFC 6749 section 5.1).
	if scope, named := provider.Scope(token); named {
		s.Scopes = nil
		for _, name := range strings.Fields(scope) {
			s.Scopes = append(s.Scopes, hfoauth.Scope(name))
		}
	}
	return &s
}

// due reports whether the access token is to be renewed.
func (s *signIn) due(now time.Time) bool {
	return !now.Before(s.Expiry.Add(-min(renewBefore, s.Expiry.Sub(s.Issued)/4)))
}

func (s *signIn) encode() ([]byte, error) {
	s.Version = formatVersion
	return json.MarshalIndent(s, "", "  ")
}

// decode reads what was kept. It never fails in a way that a new sign-in
// would not mend.
func decode(kept []byte) (*signIn, error) {
	s := &signIn{}
	if len(kept) > maxKept {
		return nil, errors.New("it is too large")
	}
	if err := json.Unmarshal(kept, s); err != nil {
		return nil, errors.New("it is not a sign-in that this version of the tool wrote")
	}
	if s.Version != formatVersion || s.User == nil || s.User.Sub == "" || !sendable(s.AccessToken) || s.Expiry.Before(s.Issued) {
		return nil, errors.New("it is not a sign-in that this version of the tool wrote")
	}
	return s, nil
}

// sendable reports whether a token has only the characters that RFC 6750
// section 2.1 allows, and a few more, so that it fits into a header.
func sendable(token string) bool {
	return token != "" && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}
