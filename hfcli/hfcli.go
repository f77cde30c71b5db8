// Package hfcli signs users of command-line tools in with Hugging Face, in the
// browser of the machine or by a code on another device, and keeps the sign-in
// in the user's configuration directory.
//
//	tool := hfcli.Config{Name: "mytool", ClientID: "…"}
//	session, err := hfcli.Open(ctx, tool)
//	if errors.Is(err, hfoauth.ErrNotSignedIn) {
//		session, err = hfcli.Login(ctx, tool)
//	}
//
// Register the tool at https://huggingface.co/settings/connected-applications
// as an app without a secret (a secret inside a program that others run is
// none), with the redirect URL http://127.0.0.1/login/callback: the provider
// accepts it on any port (RFC 8252 section 7.3).
//
// # Who else uses the machine
//
// Another user of the machine can connect to the loopback port that a browser
// is sent back to (RFC 8252 section 8.3). An answer counts only if it comes with
// the state and the cookie that the browser got at the address that was opened,
// which has a secret in it. That address is an argument of the command that
// opens the browser, and other users can read arguments on most systems. On
// Linux, requests of other users' programs are therefore refused; elsewhere
// someone who is faster than the browser could sign the tool in to their own
// account. Print Session.User after Login, so that the user notices.
//
// The kept sign-in is as good as the user's password for Config.Scopes. It is
// protected by the permissions of its file, or by a [Keeper].
package hfcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/internal/tokenhosts"
)

const defaultProviderURL = "https://huggingface.co"

// Config describes a tool. Name and ClientID are required. Several Configs of
// one Name share what is kept.
type Config struct {
	// Name is the name of the tool, and of the directory in
	// [os.UserConfigDir] that the sign-in is kept in.
	Name string

	// ClientID is the ID of the tool's OAuth app, which has no secret. If
	// empty, that in OAUTH_CLIENT_ID.
	ClientID string

	// ProviderURL is the issuer of the OpenID provider. If empty, that in
	// OPENID_PROVIDER_URL, or else https://huggingface.co. It must use https,
	// except on loopback.
	ProviderURL string

	// Scopes are requested in addition to openid and profile.
	Scopes hfoauth.Scopes

	// Device makes Login always show a code for another device (RFC 8628). If
	// false, it does so only if there is no browser: without a display, over
	// SSH, or if the browser's command fails. BROWSER names the command, which
	// is used in any case.
	Device bool

	// HubToken lets Open fall back to the token of the Hub's own tools if the
	// tool keeps no sign-in: that in HF_TOKEN, or else the one that
	// `hf auth login` stored. Such a token has whatever permissions the user
	// gave it, and Session.Scopes does not show them.
	HubToken bool

	// Keep keeps the sign-in. If nil, a file that only the user can read.
	Keep Keeper

	// Output is where Login says what to do. If nil, os.Stderr.
	Output io.Writer
}

// Login signs the user in, in place of any sign-in that was kept, and keeps
// the new one. It waits until the user has finished or ctx ends.
//
// The error is [hfoauth.ErrDenied] or [ErrCodeExpired], that of ctx, a
// [*hfoauth.ProviderError], or wraps [hfoauth.ErrProviderUnavailable],
// [hfoauth.ErrProviderInvalid] or an error of Config.Keep.
func Login(ctx context.Context, config Config) (*Session, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	signIn, err := config.login(ctx)
	if err != nil {
		return nil, err
	}
	if err := config.keep(ctx, signIn); err != nil {
		return nil, fmt.Errorf("hfcli: the sign-in cannot be kept: %w", err)
	}
	return newSession(newSource(config, signIn)), nil
}

// Open returns the sign-in that was kept, renewed if need be.
//
// The error is [hfoauth.ErrNotSignedIn] if there is none, it has ended, or it
// is of another ProviderURL or ClientID. It wraps
// [hfoauth.ErrProviderUnavailable] if the sign-in must be renewed and cannot be
// right now.
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

// complete fills in the fields left empty, and returns an error that says what
// a developer must fix.
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
	if c.Name == "" || c.Name == "." || strings.ContainsAny(c.Name, `/\`) || !filepath.IsLocal(c.Name) {
		return c, fmt.Errorf("hfcli: Config.Name: %q is not the name of a directory: use the name of the tool", c.Name)
	}
	if c.ClientID == "" {
		return c, errors.New("hfcli: Config.ClientID is empty: register an app without a secret at https://huggingface.co/settings/connected-applications")
	}
	if err := checkProviderURL(c.ProviderURL); err != nil {
		return c, err
	}
	if c.Keep == nil {
		files, err := newFileKeeper(c.Name)
		if err != nil {
			return c, err
		}
		c.Keep = files
	}
	return c, nil
}

// scopes are all that Login requests.
func (c *Config) scopes() hfoauth.Scopes {
	scopes := hfoauth.Scopes{hfoauth.ScopeOpenID, hfoauth.ScopeProfile}
	for _, scope := range c.Scopes {
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

// keep replaces what is kept.
func (c *Config) keep(ctx context.Context, s *signIn) error {
	kept, err := s.encode()
	if err != nil {
		return err
	}
	return c.Keep.Update(ctx, func([]byte) ([]byte, error) { return kept, nil })
}

// Session is the sign-in of a tool's user. It is an [oauth2.TokenSource], renews
// itself, and shares what is kept with other processes of the tool. Its
// methods are safe for concurrent use; its fields are the caller's to change.
// It shows no secret when printed.
type Session struct {
	User   *hfoauth.User  // as of Login, or the last renewal by Open
	Scopes hfoauth.Scopes // those granted; nil if they are not known

	source *source
}

func newSession(s *source) *Session {
	user := *s.signIn.User
	return &Session{User: &user, Scopes: slices.Clone(s.signIn.Scopes), source: s}
}

// Token returns an access token that is good for five minutes or more, or a
// quarter of its lifetime if that is less; without a refresh token, or while
// the provider is down, for as long as it lasts. It never comes with the
// refresh token.
//
// The error wraps [hfoauth.ErrNotSignedIn] if the sign-in has ended, was
// forgotten, or was replaced by that of another user; and
// [hfoauth.ErrProviderUnavailable] or [hfoauth.ErrProviderInvalid] if the
// token has expired and cannot be renewed.
func (s *Session) Token() (*oauth2.Token, error) { return s.source.Token() }

// HTTPClient returns an http.Client that adds Token to requests for the
// provider's host, *.huggingface.co and *.hf.co, by https or to this machine.
// Requests to other hosts fail; a redirect to another host is followed without
// the token.
func (s *Session) HTTPClient() *http.Client {
	return &http.Client{Transport: &tokenhosts.Transport{
		Source: s.source,
		Hosts:  s.source.hosts(),
		Base:   http.DefaultTransport,
		Refuse: func(host string) error {
			return fmt.Errorf("hfcli: the user's token is not sent to %s: use another http.Client", host)
		},
	}}
}

// Logout forgets the sign-in. The provider is not asked: Hugging Face has no
// way to revoke a token but the user's, at
// https://huggingface.co/settings/connected-applications. A token of the Hub's
// own tools (Config.HubToken) is theirs to forget: the error says how.
func (s *Session) Logout(ctx context.Context) error { return s.source.logout(ctx) }
