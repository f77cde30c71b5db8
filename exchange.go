package hfoauth

import (
	"context"

	"golang.org/x/oauth2"
)

// MemberToken returns an access token for the member of the app's
// organization who has an e-mail address (RFC 8693,
// https://huggingface.co/docs/hub/oauth). It is for apps of Enterprise
// organizations with a client secret. Without scopes, the provider chooses them.
// There is never a refresh token.
//
// The error is a [*ProviderError] with the Code invalid_grant if there is no such
// member, invalid_client if the secret is wrong or the app belongs to no
// organization, or invalid_scope if the app is not registered for a scope.
// Otherwise it wraps [ErrProviderUnavailable] or [ErrProviderInvalid].
func (c *Client) MemberToken(ctx context.Context, email string, scopes ...Scope) (*oauth2.Token, error) {
	token, err := c.provider.MemberToken(ctx, email, Scopes(scopes).param())
	return token, providerError(err)
}
