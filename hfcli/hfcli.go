// Package hfcli signs in users of command-line tools with Hugging Face, in the
// browser on the same machine or with a code on another device, and stores the
// sign-in in the user's configuration directory.
//
//	tool := hfcli.Config{Name: "mytool", ClientID: "…"}
//	session, err := hfcli.Open(ctx, tool)
//	if errors.Is(err, hfoauth.ErrNotSignedIn) {
//		session, err = hfcli.Login(ctx, tool)
//	}
//
// Register the tool at https://huggingface.co/settings/connected-applications
// as an app without a secret (a secret inside a program that others run is not
// secret), with the redirect URL http://127.0.0.1/login/callback: the provider
// accepts it on any port (RFC 8252 section 7.3).
//
// # Other users of the machine
//
// Other users of the machine can connect to the loopback port that the browser
// is redirected to (RFC 8252 section 8.3). An authorization response is accepted
// only with the state and the cookie that the browser received at the URL that
// was opened, which contains a secret. That URL is an argument of the command
// that opens the browser, and on most systems other users can read arguments.
// On Linux, requests from other users' programs are therefore refused. On other
// systems, someone who is faster than the browser could sign the tool in to
// their own account: print Session.User after Login, so that the user notices.
//
// For Config.Scopes, the stored sign-in is as powerful as the user's password.
// It is protected by the permissions of its file, or by a [Keeper].
package hfcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/internal/tokenhosts"
)

const defaultProviderURL = "https://huggingface.co"

// Config describes a tool. Name and ClientID are required. Configs with the same
// Name share the stored sign-in.
type Config struct {
	// Name is the name of the tool, and of the directory in
	// os.UserConfigDir in which the sign-in is stored.
	Name string

	// ClientID is the client ID of the tool's OAuth app, which has no secret.
	// If empty, OAUTH_CLIENT_ID is used.
	ClientID string

	// ProviderURL is the issuer of the OpenID provider. If empty,
	// OPENID_PROVIDER_URL is used, or else https://huggingface.co. It must use
	// https, except on loopback.
	ProviderURL string

	// Scopes are requested in addition to openid and profile.
	Scopes hfoauth.Scopes

	// Device makes Login always show a code for another device (RFC 8628). If
	// false, it does so only if there is no browser: without a display, over
	// SSH, or if the command that opens the browser fails. A command in BROWSER
	// is tried even without a display and over SSH.
	Device bool

	// HubToken lets Open fall back to the token of the Hub's own tools if no
	// sign-in is stored: the token in HF_TOKEN, or else the one that
	// `hf auth login` stored. Such a token has whatever permissions the user
	// gave it, and Session.Scopes does not show them.
	HubToken bool

	// TokenHosts are hosts that Session.HTTPClient sends the user's token to, in
	// addition to the provider's, *.huggingface.co and *.hf.co, such as the host
	// of the tool's own API: names, or patterns such as "*.example.com". Anyone
	// who runs them can act as the user. With HubToken, they also get the user's token
	// of the Hub's own tools.
	TokenHosts []string

	// Keep stores the sign-in. If nil, a file that only the user can read is
	// used.
	Keep Keeper

	// Output receives Login's instructions for the user. If nil, os.Stderr is
	// used.
	Output io.Writer
}

// validScope matches a scope-token (RFC 6749 section 3.3).
var validScope = regexp.MustCompile(`^[!#-\[\]-~]+$`)

// Login signs the user in and replaces the stored sign-in. It waits until the
// user has finished or ctx ends.
//
// The error is [hfoauth.ErrDenied], [ErrCodeExpired] or that of ctx, or it wraps
// a [*hfoauth.ProviderError], [hfoauth.ErrProviderUnavailable],
// [hfoauth.ErrProviderInvalid] or an error of Config.Keep.
func Login(ctx context.Context, config Config) (*Session, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	// Check that the sign-in can be stored before the user signs in.
	if err := config.Keep.Update(ctx, func(kept []byte) ([]byte, error) { return kept, nil }); err != nil {
		return nil, fmt.Errorf("hfcli: cannot store a sign-in: %w", err)
	}
	signIn, err := config.login(ctx)
	if err != nil {
		return nil, err
	}
	if err := config.keep(ctx, signIn); err != nil {
		return nil, fmt.Errorf("hfcli: cannot store the sign-in: %w", err)
	}
	return newSession(newSource(config, signIn)), nil
}

// Open returns the stored sign-in, and renews it if needed.
//
// The error wraps [hfoauth.ErrNotSignedIn] if no sign-in is stored, or it has
// ended or belongs to another ProviderURL or ClientID. It wraps
// [hfoauth.ErrProviderUnavailable] if the sign-in must be renewed while the
// provider is down.
func Open(ctx context.Context, config Config) (*Session, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	source := newSource(config, nil)
	err = source.open(ctx)
	if errors.Is(err, hfoauth.ErrNotSignedIn) && config.HubToken {
		source, err = openHubToken(ctx, config)
	}
	if err != nil {
		return nil, err
	}
	return newSession(source), nil
}

// Logout removes the stored sign-in, even if it belongs to another ClientID or
// can no longer be used. It makes no request, so it works while the provider is
// down, and it does not need ClientID. It does not revoke the token: only the user
// can do that, at https://huggingface.co/settings/connected-applications. Without
// a stored sign-in it does nothing. The error is that of Config.Keep.
func Logout(ctx context.Context, config Config) error {
	if err := config.completeKeep(); err != nil {
		return err
	}
	if err := config.Keep.Update(ctx, func([]byte) ([]byte, error) { return nil, nil }); err != nil {
		return fmt.Errorf("hfcli: cannot remove the stored sign-in: %w", err)
	}
	return nil
}

// complete fills in empty fields. Its error says what the developer must fix.
func (c Config) complete() (Config, error) {
	if c.ClientID == "" {
		c.ClientID = os.Getenv("OAUTH_CLIENT_ID")
	}
	if c.ProviderURL == "" {
		c.ProviderURL = os.Getenv("OPENID_PROVIDER_URL")
	}
	if c.ProviderURL == "" {
		c.ProviderURL = defaultProviderURL
	}
	c.ProviderURL = strings.TrimRight(c.ProviderURL, "/")
	if c.Output == nil {
		c.Output = os.Stderr
	}
	if err := c.completeKeep(); err != nil {
		return c, err
	}
	if c.ClientID == "" {
		return c, errors.New("hfcli: Config.ClientID is empty, and OAUTH_CLIENT_ID is not set: " +
			"register an app without a secret at https://huggingface.co/settings/connected-applications")
	}
	if err := checkProviderURL(c.ProviderURL); err != nil {
		return c, err
	}
	for _, scope := range c.Scopes {
		if !validScope.MatchString(string(scope)) {
			return c, fmt.Errorf("hfcli: Config.Scopes: %q is not a scope (RFC 6749 section 3.3): "+
				"give each scope by itself", scope)
		}
	}
	if err := tokenhosts.Check(c.TokenHosts); err != nil {
		return c, fmt.Errorf("hfcli: Config.TokenHosts: %w", err)
	}
	return c, nil
}

// completeKeep fills in what stores the sign-in.
func (c *Config) completeKeep() error {
	if c.Name == "" || c.Name == "." || strings.ContainsAny(c.Name, `/\`) || !filepath.IsLocal(c.Name) {
		return fmt.Errorf("hfcli: Config.Name: %q is not the name of a directory: use the name of the tool", c.Name)
	}
	if c.Keep == nil {
		files, err := newFileKeeper(c.Name)
		if err != nil {
			return err
		}
		c.Keep = files
	}
	return nil
}

// scopes returns all scopes that Login requests.
func (c *Config) scopes() hfoauth.Scopes {
	scopes := hfoauth.Scopes{hfoauth.ScopeOpenID, hfoauth.ScopeProfile}
	for _, scope := range c.Scopes {
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

// keep replaces the stored sign-in.
func (c *Config) keep(ctx context.Context, s *signIn) error {
	kept, err := s.encode()
	if err != nil {
		return err
	}
	return c.Keep.Update(ctx, func([]byte) ([]byte, error) { return kept, nil })
}

// Session is the sign-in of a tool's user. It is an [oauth2.TokenSource] that
// renews itself and shares the stored sign-in with other processes of the tool.
// Its methods are safe for concurrent use; the caller may modify its fields. It
// prints without secrets.
type Session struct {
	User   *hfoauth.User  // as of Login or the last renewal by Open
	Scopes hfoauth.Scopes // granted scopes; nil if unknown

	source *source
}

func newSession(s *source) *Session {
	user := *s.signIn.User
	return &Session{User: &user, Scopes: slices.Clone(s.signIn.Scopes), source: s}
}

// Token returns an access token that is valid for at least five minutes, or a
// quarter of its lifetime if that is less. Without a refresh token, or while the
// provider is down, it may expire sooner. The refresh token is never included.
//
// The error wraps [hfoauth.ErrNotSignedIn] if the sign-in has ended, was
// removed or was replaced by another user's, and
// [hfoauth.ErrProviderUnavailable] or [hfoauth.ErrProviderInvalid] if the
// token has expired and cannot be renewed.
func (s *Session) Token() (*oauth2.Token, error) { return s.source.Token() }

// HTTPClient returns an http.Client that adds Token to requests to the
// provider's host, *.huggingface.co, *.hf.co and Config.TokenHosts, over https or
// to loopback. On loopback, only the provider's own port counts. Requests to
// other hosts fail; a redirect to another host is followed without the token.
func (s *Session) HTTPClient() *http.Client {
	return &http.Client{Transport: &tokenhosts.Transport{
		Source:   s.source,
		Provider: s.source.config.ProviderURL,
		Hosts:    s.source.config.TokenHosts,
		Base:     http.DefaultTransport,
		Package:  "hfcli",
	}}
}

// Logout removes the stored sign-in. It does not revoke the token: only the user
// can do that, at https://huggingface.co/settings/connected-applications. For a
// token of the Hub's own tools (Config.HubToken) it returns an error that says
// how to remove it. If there is no Session because Open fails, use the function
// [Logout].
func (s *Session) Logout(ctx context.Context) error { return s.source.logout(ctx) }
