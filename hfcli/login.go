package hfcli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/oauth2"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/internal/provider"
)

// userPatience is how long Login retries fetching the user, since the code has
// been used by then.
const userPatience = time.Minute

// login signs the user in with the browser, or with a code if there is none.
func (c *Config) login(ctx context.Context) (*signIn, error) {
	if !c.Device {
		signIn, err := c.loginByBrowser(ctx)
		if !errors.Is(err, errNoBrowser) {
			return signIn, err
		}
	}
	return c.loginByDevice(ctx)
}

// loginByDevice shows a code to enter on any other device (RFC 8628). It shows
// the code even with a URL that contains it, so that the user can compare them
// (section 3.3.1).
func (c *Config) loginByDevice(ctx context.Context) (*signIn, error) {
	p := c.newProvider("")
	device, err := p.StartDevice(ctx, scopeParam(c.scopes()))
	if err != nil {
		return nil, providerError(err)
	}
	fmt.Fprintf(c.Output, "To sign in, open\n\n  %s\n\nin a browser on any device and enter the "+
		"code\n\n  %s\n\n", device.VerificationURI, device.UserCode)
	if device.VerificationURIComplete != "" {
		fmt.Fprintf(c.Output, "or open this URL, which contains the code:\n\n  %s\n\n", device.VerificationURIComplete)
	}
	fmt.Fprintf(c.Output, "Do not share the code with anyone. It expires in %s.\n",
		device.Expiry.Sub(clock()).Round(time.Second))
	token, subject, err := p.AwaitDevice(ctx, device)
	if err != nil {
		return nil, providerError(err)
	}
	return c.newSignIn(ctx, p, token, subject)
}

// newSignIn returns a sign-in with the token and its user, fetched from the
// provider.
func (c *Config) newSignIn(ctx context.Context, p *provider.Provider, token *oauth2.Token,
	subject string) (*signIn, error) {
	now := clock()
	user, err := fetchUser(ctx, p, token.AccessToken, subject)
	for pause := time.Second; errors.Is(err, hfoauth.ErrProviderUnavailable) &&
		clock().Sub(now) < userPatience; pause *= 2 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
			user, err = fetchUser(ctx, p, token.AccessToken, subject)
		}
	}
	if err != nil {
		return nil, err
	}
	return signIn{Provider: c.ProviderURL, ClientID: c.ClientID, User: user, Scopes: c.scopes()}.with(token, now), nil
}

// scopeParam returns the scope parameter of a request.
func scopeParam(scopes hfoauth.Scopes) string {
	text := ""
	for i, scope := range scopes {
		if i > 0 {
			text += " "
		}
		text += string(scope)
	}
	return text
}
