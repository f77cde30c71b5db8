package hfcli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/internal/provider"
)

const (
	// renewalTimeout limits a renewal, including the wait for other processes.
	renewalTimeout = 45 * time.Second
	// retryRenewal is the pause after a failed renewal of a token that is still
	// valid.
	retryRenewal = 30 * time.Second
)

// clock is replaced in tests.
var clock = time.Now

// errRefused ends a sign-in whose refresh token was used, has expired or was
// revoked.
var errRefused = notSignedIn("the provider refused to renew the stored sign-in")

// source supplies the tokens of a Session.
type source struct {
	config   Config
	provider *provider.Provider
	hubToken string // origin of the token, if not Config.Keep

	mu      sync.Mutex
	signIn  *signIn   // the latest known; nil if signed out
	unsaved string    // the stored refresh token, as long as storing signIn fails
	retryAt time.Time // set by a failed renewal
}

func newSource(config Config, s *signIn) *source {
	return &source{config: config, provider: config.newProvider(""), signIn: s}
}

func (c *Config) newProvider(redirectURL string) *provider.Provider {
	return provider.New(provider.Config{Issuer: c.ProviderURL, ClientID: c.ClientID,
		RedirectURL: redirectURL, Now: func() time.Time { return clock() }})
}

// Token implements oauth2.TokenSource.
func (s *source) Token() (*oauth2.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signIn == nil {
		return nil, notSignedIn("signed out")
	}
	if s.hubToken == "" && (s.signIn.due(clock()) || s.unsaved != "") {
		if _, err := s.renew(context.Background()); err != nil {
			return nil, err
		}
	}
	return &oauth2.Token{AccessToken: s.signIn.AccessToken, TokenType: "Bearer", Expiry: s.signIn.Expiry}, nil
}

// open reads the stored sign-in. If it renews the sign-in, it also updates the
// user.
func (s *source) open(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	renewed, err := s.renew(ctx)
	if renewed {
		err = s.updateUser(ctx)
	}
	return err
}

// renew reads the stored sign-in, which another process may have renewed, and
// renews it if it is still due. A failed renewal is an error only if the token
// has expired.
func (s *source) renew(ctx context.Context) (renewed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, renewalTimeout)
	defer cancel()
	var problem error // of change; err may also be an error of Config.Keep
	err = s.config.Keep.Update(ctx, func(kept []byte) (next []byte, _ error) {
		next, renewed, problem = s.next(ctx, kept)
		if problem == errRefused {
			return nil, nil
		}
		return next, problem
	})
	switch {
	case errors.Is(problem, hfoauth.ErrNotSignedIn):
		s.signIn = nil
		return false, problem
	case err == nil:
		s.unsaved = ""
	case problem == nil && s.unsaved != "":
		fmt.Fprintf(s.config.Output, "%s: cannot store the renewed sign-in: %v\n", s.config.Name, err)
	case s.signIn != nil && clock().Before(s.signIn.Expiry):
		s.retryAt = clock().Add(retryRenewal)
	case problem == nil:
		return false, fmt.Errorf("hfcli: cannot read the stored sign-in: %w", err)
	default:
		return false, problem
	}
	return renewed, nil
}

// next returns the replacement for kept. It does no other work after the
// provider's response: the old refresh token has been used by then.
func (s *source) next(ctx context.Context, kept []byte) (next []byte, renewed bool, err error) {
	current, err := s.current(kept)
	if err != nil {
		return nil, false, err
	}
	ours := current == s.signIn
	s.signIn = current
	now := clock()
	if !current.due(now) || current.RefreshToken == "" || now.Before(s.retryAt) && now.Before(current.Expiry) {
		if ours {
			kept, err = current.encode()
		}
		return kept, false, err
	}
	reached("request")
	// Once the request is sent, the response must not be lost.
	token, err := s.provider.Refresh(context.WithoutCancel(ctx), current.RefreshToken, current.User.Sub)
	reached("rotated")
	if e, ok := errors.AsType[*provider.Error](err); ok && e.Kind == provider.Refused && e.Code == "invalid_grant" {
		return nil, false, errRefused
	}
	if err != nil {
		return nil, false, providerError(err)
	}
	s.unsaved, s.signIn = current.RefreshToken, current.with(token, now)
	next, err = s.signIn.encode()
	return next, true, err
}

// current returns the sign-in to continue with: the stored one, or ours if that
// could not be stored.
func (s *source) current(kept []byte) (*signIn, error) {
	if kept == nil {
		return nil, notSignedIn("no sign-in is stored")
	}
	current, err := decode(kept)
	switch {
	case err != nil:
		return nil, notSignedIn("the stored sign-in cannot be used: " + err.Error())
	case current.Provider != s.config.ProviderURL || current.ClientID != s.config.ClientID:
		return nil, notSignedIn("the stored sign-in belongs to another provider or app")
	case s.signIn != nil && current.User.Sub != s.signIn.User.Sub:
		return nil, notSignedIn("another user has signed in")
	case s.unsaved != "" && current.RefreshToken == s.unsaved:
		return s.signIn, nil
	case current.RefreshToken == "" && !clock().Before(current.Expiry):
		return nil, notSignedIn("the stored sign-in has expired")
	}
	return current, nil
}

// updateUser fetches the user and stores them. If the provider is unavailable,
// it does nothing.
func (s *source) updateUser(ctx context.Context) error {
	user, err := fetchUser(ctx, s.provider, s.signIn.AccessToken, s.signIn.User.Sub)
	if errors.Is(err, errOtherUser) {
		return errors.Join(notSignedIn("the renewed token belongs to another user"), s.forget(ctx))
	}
	if err != nil {
		return nil
	}
	before, updated := s.signIn, *s.signIn
	updated.User = user
	s.signIn = &updated
	s.config.Keep.Update(ctx, func(kept []byte) ([]byte, error) {
		if current, err := decode(kept); err != nil || current.AccessToken != before.AccessToken {
			return kept, nil
		}
		return updated.encode()
	}) // if this fails, the next renewal updates the user
	return nil
}

// logout removes the sign-in.
func (s *source) logout(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hubToken != "" {
		return fmt.Errorf("hfcli: the token in %s belongs to another tool: "+
			"unset the variable or run `hf auth logout`", s.hubToken)
	}
	if s.signIn == nil {
		return nil
	}
	return s.forget(ctx)
}

// forget removes the stored sign-in, unless it belongs to another user by now.
func (s *source) forget(ctx context.Context) error {
	user := s.signIn.User
	err := s.config.Keep.Update(ctx, func(kept []byte) ([]byte, error) {
		if current, err := decode(kept); err == nil && current.User.Sub != user.Sub {
			return kept, nil
		}
		return nil, nil
	})
	if err != nil {
		return fmt.Errorf("hfcli: cannot remove the stored sign-in: %w", err)
	}
	s.signIn = nil
	return nil
}

// errOtherUser is returned if the userinfo has another sub than the ID token
// (OpenID Connect Core section 5.3.2).
var errOtherUser = errors.New("sub is not the sub of the sign-in")

// fetchUser fetches the user of an access token and compares their sub with
// subject, unless that is empty.
func fetchUser(ctx context.Context, p *provider.Provider, accessToken, subject string) (*hfoauth.User, error) {
	body, err := p.UserInfo(ctx, accessToken)
	if err != nil {
		return nil, providerError(err)
	}
	return parseUser(body, subject)
}

func parseUser(claims []byte, subject string) (*hfoauth.User, error) {
	user := &hfoauth.User{}
	err := json.Unmarshal(claims, user)
	switch {
	case err == nil && user.Sub == "":
		err = errors.New("sub is missing")
	case err == nil && subject != "" && user.Sub != subject:
		err = errOtherUser
	}
	if err != nil {
		return nil, fmt.Errorf("%w: userinfo: %w", hfoauth.ErrProviderInvalid, err)
	}
	return user, nil
}
