package provider

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Code is an authorization code with what its exchange must prove and find.
type Code struct {
	Code     string
	Verifier string // code_verifier of RFC 7636
	Nonce    string // that the ID token must carry
}

// Exchange turns an authorization code into tokens (RFC 6749 section 4.1.3)
// and returns them with the subject of the verified ID token. A client with a
// secret authenticates by HTTP Basic, and client_id stands in the form too.
func (p *Provider) Exchange(ctx context.Context, code Code) (token *oauth2.Token, subject string, err error) {
	meta, err := p.discover(ctx)
	if err != nil {
		return nil, "", err
	}
	token, err = p.oauth2Config(meta).Exchange(oidc.ClientContext(ctx, p.client), code.Code,
		oauth2.VerifierOption(code.Verifier),
		oauth2.SetAuthURLParam("client_id", p.config.ClientID))
	if err != nil {
		return nil, "", classify("token", err, code.Code, code.Verifier, p.config.ClientSecret)
	}
	if err := p.checkToken(token); err != nil {
		return nil, "", invalid("token", err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, "", invalid("token", errors.New("there is no id_token in the answer"))
	}
	idToken, err := p.verifyIDToken(ctx, meta, raw, token.AccessToken)
	if err != nil {
		return nil, "", err
	}
	if err := checkNonce(idToken, code.Nonce); err != nil {
		return nil, "", invalid("token", err)
	}
	return token, idToken.Subject, nil
}

// Scope returns the scopes that came with a token, and whether the answer
// named any: if not, the requested ones were granted (RFC 6749 section 5.1).
func Scope(token *oauth2.Token) (scope string, named bool) {
	scope, named = token.Extra("scope").(string)
	return scope, named
}

// UserInfo returns the claims of the userinfo endpoint as JSON (OpenID
// Connect Core section 5.3). Its sub is still to be compared.
func (p *Provider) UserInfo(ctx context.Context, accessToken string) ([]byte, error) {
	meta, err := p.discover(ctx)
	if err != nil {
		return nil, err
	}
	return p.get(ctx, "userinfo", meta.oidc.UserInfoEndpoint(), accessToken)
}

// checkToken holds a token response to RFC 6749 section 5.1, and counts its
// expiry by our clock.
func (p *Provider) checkToken(token *oauth2.Token) error {
	// Section 7.1: a token of a type that is not understood must not be used.
	if token.TokenType != "" && !strings.EqualFold(token.TokenType, "bearer") {
		return errors.New("token_type is not bearer")
	}
	if token.ExpiresIn < 0 {
		return errors.New("expires_in is negative")
	}
	if strings.ContainsFunc(token.AccessToken, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("access_token has characters that RFC 6750 does not allow")
	}
	token.TokenType = "Bearer"
	token.Expiry = time.Time{}
	if token.ExpiresIn > 0 {
		token.Expiry = p.config.Now().Add(time.Duration(token.ExpiresIn) * time.Second)
	}
	return nil
}
