package provider

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	// clockTolerance is how far our clock and the provider's may differ.
	clockTolerance = time.Minute
	// maxIDTokenAge limits how long ago an ID token from the token endpoint may
	// have been issued (OpenID Connect Core section 3.1.3.7 step 10).
	maxIDTokenAge = 5 * time.Minute
)

// verifyIDToken verifies an ID token (OpenID Connect Core section 3.1.3.7): the
// signature by the provider's keys, only with RS256 (RFC 8725 section 3.1), iss,
// aud, azp, exp, iat, sub, and at_hash if present (section 3.1.3.8).
func (p *Provider) verifyIDToken(ctx context.Context, meta *metadata, raw, accessToken string) (*oidc.IDToken, error) {
	keys := &observedKeys{keys: meta.keys}
	verifier := oidc.NewVerifier(p.config.Issuer, keys, &oidc.Config{
		ClientID:             p.config.ClientID,
		SupportedSigningAlgs: []string{oidc.RS256},
		Now:                  func() time.Time { return p.config.Now().Add(-clockTolerance) },
	})
	token, err := verifier.Verify(ctx, raw)
	var failed *Error
	if errors.As(keys.err, &failed) && (failed.Kind == Unavailable || failed.Status != 0) {
		return nil, keys.err // the keys could not be fetched
	}
	if err == nil {
		err = p.checkIDToken(token)
	}
	if expired := (*oidc.TokenExpiredError)(nil); errors.As(err, &expired) {
		err = p.clockError("expired", expired.Expiry)
	}
	if err == nil && token.AccessTokenHash != "" {
		err = token.VerifyAccessToken(accessToken)
	}
	if err != nil {
		return nil, invalid("token", fmt.Errorf("ID token: %w", err))
	}
	return token, nil
}

// checkIDToken performs the checks that go-oidc leaves to its caller.
func (p *Provider) checkIDToken(token *oidc.IDToken) error {
	var claims struct {
		AuthorizedParty *string `json:"azp"`
	}
	if err := token.Claims(&claims); err != nil {
		return err
	}
	switch {
	case token.Subject == "" || len(token.Subject) > 255:
		return errors.New("sub is missing or longer than 255 characters")
	case claims.AuthorizedParty != nil && *claims.AuthorizedParty != p.config.ClientID:
		return errors.New("azp is another client")
	case claims.AuthorizedParty == nil && len(token.Audience) > 1:
		return errors.New("it has several audiences and no azp")
	case token.IssuedAt.Unix() <= 0:
		return errors.New("iat is missing")
	case token.IssuedAt.After(p.config.Now().Add(clockTolerance)),
		token.IssuedAt.Before(p.config.Now().Add(-maxIDTokenAge)):
		return p.clockError("was issued", token.IssuedAt)
	}
	return nil
}

func (p *Provider) clockError(what string, when time.Time) error {
	now := p.config.Now()
	return fmt.Errorf("it %s at %s, but this machine's clock shows %s: "+
		"compare it with the provider's clock (is NTP running?)",
		what, when.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
}

func checkNonce(token *oidc.IDToken, nonce string) error {
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1 {
		return errors.New("ID token: nonce is missing or belongs to another sign-in")
	}
	return nil
}

// observedKeys keeps the error of a key set, which the verifier does not wrap:
// failing to fetch the keys is not a bad signature.
type observedKeys struct {
	keys oidc.KeySet
	err  error
}

func (o *observedKeys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := o.keys.VerifySignature(ctx, jwt)
	if err != nil {
		o.err = classify("jwks", err)
	}
	return payload, err
}
