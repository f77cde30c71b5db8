package provider

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Code is an authorization code with the values that its exchange needs.
type Code struct {
	Code     string
	Verifier string // code_verifier of RFC 7636
	Nonce    string // must equal the nonce of the ID token
}

// Exchange exchanges an authorization code for tokens (RFC 6749 section 4.1.3)
// and returns them with the subject of the verified ID token.
func (p *Provider) Exchange(ctx context.Context, code Code) (token *oauth2.Token, subject string, err error) {
	meta, token, err := p.redeem(ctx, code)
	if err != nil {
		return nil, "", err
	}
	if subject, err = p.checkExchange(ctx, meta, token, code); err != nil {
		return nil, "", err
	}
	return token, subject, nil
}

// SignIn is like Exchange, and fetches the userinfo with the new access token
// while the ID token is verified. The caller must compare its sub with subject.
func (p *Provider) SignIn(ctx context.Context, code Code) (token *oauth2.Token, subject string,
	userInfo []byte, err error) {
	meta, token, err := p.redeem(ctx, code)
	if err != nil {
		return nil, "", nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		body []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func(accessToken string) {
		body, err := p.UserInfo(ctx, accessToken)
		answers <- answer{body, err}
	}(token.AccessToken)
	if subject, err = p.checkExchange(ctx, meta, token, code); err != nil {
		return nil, "", nil, err
	}
	a := <-answers
	if a.err != nil {
		return nil, "", nil, a.err
	}
	return token, subject, a.body, nil
}

// redeem exchanges an authorization code for tokens.
func (p *Provider) redeem(ctx context.Context, code Code) (*metadata, *oauth2.Token, error) {
	meta, err := p.discover(ctx)
	if err != nil {
		return nil, nil, err
	}
	token, err := p.request(ctx, meta, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code.Code},
		"redirect_uri":  {p.config.RedirectURL},
		"code_verifier": {code.Verifier},
	})
	return meta, token, err
}

// checkExchange verifies the ID token returned for a code and returns its
// subject.
func (p *Provider) checkExchange(ctx context.Context, meta *metadata, token *oauth2.Token,
	code Code) (subject string, err error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return "", invalid("token", errors.New("the response has no id_token"))
	}
	idToken, err := p.verifyIDToken(ctx, meta, raw, token.AccessToken)
	if err != nil {
		return "", err
	}
	if err := checkNonce(idToken, code.Nonce); err != nil {
		return "", invalid("token", err)
	}
	return idToken.Subject, nil
}

// Refresh exchanges a refresh token for new tokens (RFC 6749 section 6). An ID
// token among them must have the same subject (OpenID Connect Core section
// 12.2).
func (p *Provider) Refresh(ctx context.Context, refreshToken, subject string) (*oauth2.Token, error) {
	meta, err := p.discover(ctx)
	if err != nil {
		return nil, err
	}
	token, err := p.request(ctx, meta, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}})
	if err != nil {
		return nil, err
	}
	got, err := p.subject(ctx, meta, token)
	if err == nil && got != "" && got != subject {
		err = invalid("token", errors.New("ID token: sub is another user"))
	}
	return token, err
}

// subject returns the subject of the ID token of a token response, or "" if
// there is none. The refresh token or device code has been used by now, so the
// new tokens must not be lost if the keys cannot be fetched: TLS then replaces
// the signature, which OpenID Connect Core section 3.1.3.7 step 6 allows for
// the token endpoint.
func (p *Provider) subject(ctx context.Context, meta *metadata, token *oauth2.Token) (string, error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return "", nil
	}
	idToken, err := p.verifyIDToken(ctx, meta, raw, token.AccessToken)
	if err == nil {
		return idToken.Subject, nil
	}
	var e *Error
	if !errors.As(err, &e) || e.Kind != Unavailable {
		return "", err
	}
	unsigned := oidc.NewVerifier(p.config.Issuer, nil, &oidc.Config{
		ClientID: p.config.ClientID, InsecureSkipSignatureCheck: true,
		SupportedSigningAlgs: []string{oidc.RS256}, Now: p.config.Now})
	if idToken, err = unsigned.Verify(ctx, raw); err != nil {
		return "", invalid("token", err)
	}
	return idToken.Subject, nil
}

// MemberToken returns a token for the organization member with the given e-mail
// address (RFC 8693, https://huggingface.co/docs/hub/oauth).
func (p *Provider) MemberToken(ctx context.Context, email, scope string) (*oauth2.Token, error) {
	meta, err := p.discover(ctx)
	if err != nil {
		return nil, err
	}
	params := url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token":      {email},
		"subject_token_type": {"urn:huggingface:token-type:user-email"},
	}
	if scope != "" {
		params.Set("scope", scope)
	}
	return p.request(ctx, meta, params)
}

// request sends a token request. A client with a secret authenticates with HTTP
// Basic (RFC 6749 section 2.3.1); the form always contains client_id.
func (p *Provider) request(ctx context.Context, meta *metadata, params url.Values) (*oauth2.Token, error) {
	config := clientcredentials.Config{
		ClientID:       p.config.ClientID,
		ClientSecret:   p.config.ClientSecret,
		TokenURL:       meta.oidc.Endpoint().TokenURL,
		AuthStyle:      oauth2.AuthStyleInHeader,
		EndpointParams: params,
	}
	if p.config.ClientSecret == "" {
		config.AuthStyle = oauth2.AuthStyleInParams
	} else {
		params.Set("client_id", p.config.ClientID)
	}
	token, err := config.Token(oidc.ClientContext(ctx, p.client))
	if err != nil {
		return nil, classify("token", err, p.config.ClientSecret,
			params.Get("code"), params.Get("code_verifier"), params.Get("refresh_token"), params.Get("device_code"))
	}
	if err := p.checkToken(token); err != nil {
		return nil, invalid("token", err)
	}
	return token, nil
}

// Scope returns the scope of a token response, and whether it had one: if not,
// the requested scope was granted (RFC 6749 section 5.1).
func Scope(token *oauth2.Token) (scope string, named bool) {
	scope, named = token.Extra("scope").(string)
	return scope, named
}

// UserInfo returns the claims of the userinfo endpoint as JSON (OpenID
// Connect Core section 5.3). The caller must check sub.
func (p *Provider) UserInfo(ctx context.Context, accessToken string) ([]byte, error) {
	meta, err := p.discover(ctx)
	if err != nil {
		return nil, err
	}
	return p.get(ctx, "userinfo", meta.oidc.UserInfoEndpoint(), accessToken)
}

// checkToken checks a token response (RFC 6749 section 5.1) and derives its
// expiry from our clock.
func (p *Provider) checkToken(token *oauth2.Token) error {
	// Section 7.1: a token of an unknown type must not be used.
	if token.TokenType != "" && !strings.EqualFold(token.TokenType, "bearer") {
		return errors.New("token_type is not bearer")
	}
	lifetime := time.Until(token.Expiry).Round(time.Second)
	if !token.Expiry.IsZero() && lifetime <= 0 {
		return errors.New("expires_in is negative")
	}
	if strings.ContainsFunc(token.AccessToken, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("access_token has characters that RFC 6750 does not allow")
	}
	token.TokenType = "Bearer"
	if !token.Expiry.IsZero() {
		token.Expiry = p.config.Now().Add(lifetime)
	}
	return nil
}
