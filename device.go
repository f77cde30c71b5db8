package hfoauth

import (
	"context"
	"errors"
	"time"

	"golang.org/x/oauth2"

	"github.com/hfoauth/hfoauth/internal/provider"
)

// ErrCodeExpired is returned by [Client.DeviceLogin] when the user did not
// enter the code in time.
var ErrCodeExpired = errors.New("hfoauth: the code expired before it was confirmed")

// DeviceCode is what a person needs to sign in on another device.
type DeviceCode struct {
	UserCode        string    // to be typed in
	VerificationURL string    // at this page
	Expiry          time.Time // before this time
}

// DeviceLogin signs a user in to a program without a browser, such as a
// command-line tool (RFC 8628): it calls show with a code, and waits until the
// user has entered that on any device. The session is the caller's to keep;
// Config.OnLogin is not called, and Config.RedirectURL and SessionKeys, which
// [New] wants, are not used.
//
// A provider that is away meanwhile is asked again. The error is [ErrDenied],
// [ErrCodeExpired], that of ctx, a [*ProviderError], or wraps
// [ErrProviderUnavailable] or [ErrProviderInvalid].
func (c *Client) DeviceLogin(ctx context.Context, show func(DeviceCode)) (*Session, error) {
	device, err := c.provider.StartDevice(ctx, c.config.Scopes.String())
	if err != nil {
		return nil, providerError(err)
	}
	show(DeviceCode{device.UserCode, device.VerificationURI, device.Expiry})
	token, subject, err := c.provider.AwaitDevice(ctx, device)
	if err != nil {
		return nil, deviceError(err)
	}
	user, err := c.fetchUser(ctx, token.AccessToken, subject)
	for pause := time.Second; errors.Is(err, ErrProviderUnavailable) && c.now().Before(device.Expiry); pause *= 2 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
			user, err = c.fetchUser(ctx, token.AccessToken, subject)
		}
	}
	if err != nil {
		return nil, err
	}
	signIn := newRecord(user, token, granted(token, c.config.Scopes), c.now())
	return c.newSession(c.sessions.New(signIn, signIn.expiry())), nil
}

// deviceError translates the error codes of RFC 8628 section 3.5.
func deviceError(err error) error {
	if e, ok := errors.AsType[*provider.Error](err); ok && e.Kind == provider.Refused {
		switch e.Code {
		case "access_denied":
			return ErrDenied
		case "expired_token":
			return ErrCodeExpired
		}
	}
	return providerError(err)
}

// granted returns the scopes of a token: those named in the answer, else all
// that were requested (RFC 6749 section 5.1).
func granted(token *oauth2.Token, requested Scopes) Scopes {
	if scope, named := provider.Scope(token); named {
		return parseScopes(scope)
	}
	return requested
}

// MemberToken returns an access token for the member of the app's
// organization who has an e-mail address (RFC 8693,
// https://huggingface.co/docs/hub/oauth): for the apps of Enterprise
// organizations, which must have a client secret. Without scopes the provider
// decides. There is never a refresh token. The error is a [*ProviderError]
// ("invalid_grant": there is no such member), or wraps
// [ErrProviderUnavailable] or [ErrProviderInvalid].
func (c *Client) MemberToken(ctx context.Context, email string, scopes ...Scope) (*oauth2.Token, error) {
	token, err := c.provider.MemberToken(ctx, email, Scopes(scopes).String())
	return token, providerError(err)
}
