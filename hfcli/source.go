package hfcli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/internal/provider"
)

const (
	// renewalTimeout bounds a renewal with the wait for other processes.
	renewalTimeout = 45 * time.Second
	// retryRenewal is how long a provider that could not renew a token that is
	// still good is left alone.
	retryRenewal = 30 * time.Second
)

// clock is replaced in tests.
var clock = time.Now

// errRefused ends a sign-in whose refresh token is dead: used, expired or
// revoked.
var errRefused = notSignedIn("the provider does not renew the sign-in that was kept")

// source has the tokens of a Session.
type source struct {
	config   Config
	provider *provider.Provider
	hubToken string // where the token came from, if not from Config.Keep

	mu      sync.Mutex
	signIn  *signIn   // the latest that is known; nil if signed out
	unsaved string    // refresh token that is kept in place of signIn's, while that cannot be saved
	retryAt time.Time // after a failed renewal
}

func newSource(config Config, s *signIn) *source {
	return &source{config: config, provider: config.newProvider(""), signIn: s}
}

func (c *Config) newProvider(redirectURL string) *provider.Provider {
	return provider.New(provider.Config{Issuer: c.ProviderURL, ClientID: c.ClientID, RedirectURL: redirectURL, Now: func() time.Time { return clock() }})
}

// hosts are those that the token is sent to.
func (s *source) hosts() []string {
	hosts := []string{"*.huggingface.co", "*.hf.co"}
	if u, err := url.Parse(s.config.ProviderURL); err == nil {
		hosts = append(hosts, u.Hostname())
	}
	return hosts
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

// open reads the sign-in that is kept. One that it must renew gets the user as
// the provider has them now.
func (s *source) open(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	renewed, err := s.renew(ctx)
	if renewed {
		err = s.updateUser(ctx)
	}
	return err
}

// renew takes over what other processes made of the sign-in, and renews it if
// it is still due. A provider that cannot be asked is an error only once the
// token has expired.
func (s *source) renew(ctx context.Context) (renewed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, renewalTimeout)
	defer cancel()
	var problem error // of change, as opposed to one of keeping its result
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
		fmt.Fprintf(s.config.Output, "%s: the renewed sign-in cannot be kept: %v\n", s.config.Name, err)
	case s.signIn != nil && clock().Before(s.signIn.Expiry):
		s.retryAt = clock().Add(retryRenewal)
	case problem == nil:
		return false, fmt.Errorf("hfcli: the sign-in that is kept cannot be read: %w", err)
	default:
		return false, problem
	}
	return renewed, nil
}

// next returns what is to be kept in place of kept. Nothing happens between
// the provider's answer and the return: the old refresh token is dead by then.
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
	// Once the request is sent, its answer must not get lost.
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

// current returns the sign-in to go on with.
func (s *source) current(kept []byte) (*signIn, error) {
	if kept == nil {
		return nil, notSignedIn("no sign-in is kept")
	}
	current, err := decode(kept)
	switch {
	case err != nil:
		return nil, notSignedIn("what is kept cannot be used: " + err.Error())
	case current.Provider != s.config.ProviderURL || current.ClientID != s.config.ClientID:
		return nil, notSignedIn("the sign-in that is kept is of another provider or app")
	case s.signIn != nil && current.User.Sub != s.signIn.User.Sub:
		return nil, notSignedIn("another user signed in")
	case s.unsaved != "" && current.RefreshToken == s.unsaved:
		return s.signIn, nil
	case current.RefreshToken == "" && !clock().Before(current.Expiry):
		return nil, notSignedIn("the sign-in that was kept has expired")
	}
	return current, nil
}

// updateUser keeps the user as the provider describes them now, unless it
// cannot be asked.
func (s *source) updateUser(ctx context.Context) error {
	user, err := fetchUser(ctx, s.provider, s.signIn.AccessToken, s.signIn.User.Sub)
	if errors.Is(err, errOtherUser) {
		return errors.Join(notSignedIn("the renewed token is another user's"), s.forget(ctx))
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
	}) // if that fails, the next renewal brings the user again
	return nil
}

// logout forgets the sign-in.
func (s *source) logout(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hubToken != "" {
		return fmt.Errorf("hfcli: the token in %s is not this tool's to forget: unset the variable, or run `hf auth logout`", s.hubToken)
	}
	if s.signIn == nil {
		return nil
	}
	return s.forget(ctx)
}

// forget removes what is kept, unless it is of another user by now.
func (s *source) forget(ctx context.Context) error {
	user := s.signIn.User
	err := s.config.Keep.Update(ctx, func(kept []byte) ([]byte, error) {
		if current, err := decode(kept); err == nil && current.User.Sub != user.Sub {
			return kept, nil
		}
		return nil, nil
	})
	if err != nil {
		return fmt.Errorf("hfcli: the sign-in cannot be forgotten: %w", err)
	}
	s.signIn = nil
	return nil
}

// errOtherUser is for userinfo of another user than the ID token's (OpenID
// Connect Core section 5.3.2).
var errOtherUser = errors.New("sub of the userinfo is not the sub of the sign-in")

// fetchUser asks the provider for the user with an access token. The subject
// may be empty if it is not known.
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
		err = errors.New("there is no sub")
	case err == nil && subject != "" && user.Sub != subject:
		err = errOtherUser
	}
	if err != nil {
		return nil, fmt.Errorf("%w: userinfo: %w", hfoauth.ErrProviderInvalid, err)
	}
	return user, nil
}
