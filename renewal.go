package hfoauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hfoauth/hfoauth/internal/flight"
	"github.com/hfoauth/hfoauth/internal/provider"
	"github.com/hfoauth/hfoauth/internal/sessions"
)

const (
	// renewBefore is how long before its expiry an access token is renewed.
	renewBefore = 5 * time.Minute
	// retryRenewal is the pause after the provider failed to renew a token, and
	// retryTurn the pause while another replica renews it.
	retryRenewal = 30 * time.Second
	retryTurn    = time.Second
	// renewalTimeout bounds a renewal, including the wait for another replica that
	// died while renewing. Requests do not wait as long.
	renewalTimeout = 2*callbackTimeout + 5*time.Second
	maxRenewals    = 10_000
	// maxRenewalBytes bounds the sessions of remembered renewals together.
	maxRenewalBytes = 16 << 20
)

// generation identifies the tokens of a session. They are renewed once, and their
// user is read once.
type generation struct {
	id     sessions.ID
	number uint64
	user   bool
}

// renewals renews the tokens of sessions.
type renewals struct {
	provider *provider.Provider
	sessions *sessions.Keeper[*record]
	flights  *flight.Group[generation, *entry]
	now      func() time.Time
	logger   *slog.Logger
}

func newRenewals(p *provider.Provider, keeper *sessions.Keeper[*record], now func() time.Time,
	logger *slog.Logger) *renewals {
	limits := flight.Limits[*entry]{Results: maxRenewals, Size: memory, Total: maxRenewalBytes}
	flights := flight.New[generation](renewalTimeout, limits, now)
	flights.OnPanic = logPanic(logger)
	return &renewals{p, keeper, flights, now, logger}
}

// renewAt is when the access token is due to be renewed: in its last five
// minutes, or last quarter if it lives for less than twenty.
func (r *record) renewAt() time.Time {
	return r.token.Expiry.Add(-min(renewBefore, r.token.Expiry.Sub(r.renewed)/4))
}

// fresh returns a session with an access token that lasts, as far as possible.
// All who ask for the same session wait for one renewal, up to twelve seconds.
// While the access token is good, only the first of them waits, and that for
// the rest of a second.
func (r *renewals) fresh(ctx context.Context, e *entry) (*entry, error) {
	if e.Data.token.RefreshToken == "" || r.now().Before(e.Data.renewAt()) {
		return e, nil
	}
	key, patience := generation{e.ID, e.Generation(), false}, callbackTimeout
	if r.now().Before(e.Data.token.Expiry) {
		if r.flights.Running(key) {
			return e, nil
		}
		patience = r.sessions.Left(ctx)
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	renewed, err := r.flights.Do(waiting, key, func(ctx context.Context) (*entry, time.Time, error) {
		next, until, err := r.renew(ctx, e)
		if err != nil {
			r.log(ctx, e, unavailable(err))
		}
		return next, until, err
	})
	if err == nil {
		return renewed, nil
	}
	if !errors.Is(err, ErrNotSignedIn) && r.now().Before(e.Data.token.Expiry) && !r.sessions.Ended(e.ID) {
		return e, nil
	}
	return nil, notRenewed(err)
}

// notRenewed returns the error for a session whose token has expired: if the
// provider refuses to renew it, the user has to sign in again.
func notRenewed(err error) error {
	if isA[*ProviderError](err) {
		return fmt.Errorf("%w: %w", ErrNotSignedIn, err)
	}
	return unavailable(err)
}

// unavailable turns an error of waiting too long into [ErrProviderUnavailable].
func unavailable(err error) error {
	if !errors.Is(err, ErrStoreUnavailable) &&
		(errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return fmt.Errorf("%w: %w", ErrProviderUnavailable, err)
	}
	return err
}

// renew asks for new tokens when it is this process's turn, and keeps them
// before anyone uses them: the old refresh token is used up by then (RFC 9700
// section 4.14.2).
func (r *renewals) renew(ctx context.Context, e *entry) (*entry, time.Time, error) {
	never := time.Time{} // the result need not be remembered: the session has it
	wait := !r.now().Before(e.Data.token.Expiry)
	current, lease, err := r.sessions.Turn(ctx, e, wait)
	switch {
	case err != nil: // remembered, so that a request that asks twice does not wait twice
		return nil, r.now().Add(retryTurn), ended(err)
	case lease == nil && current.Generation() == e.Generation():
		return current, r.now().Add(retryTurn), nil // another replica is renewing it
	case lease == nil:
		return current, never, nil
	}
	defer lease.Release(ctx)
	ctx, cancel := context.WithTimeout(ctx, callbackTimeout)
	defer cancel()
	token, err := r.provider.Refresh(ctx, current.Data.token.RefreshToken, current.User)
	if refusal, ok := errors.AsType[*provider.Error](err); ok && refusal.Code == "invalid_grant" {
		if wait {
			newest, err := lease.Await(ctx)
			if errors.Is(err, sessions.ErrEnded) || err == nil && newest.Generation() != current.Generation() {
				return newest, never, ended(err)
			} // even if the store failed, the dead token must not be sent again
		}
		left, err := r.refused(ctx, current)
		return left, never, err
	}
	if err != nil {
		return nil, r.now().Add(retryRenewal), providerError(err)
	}
	renewed := current.Data.with(token, r.now())
	if scope, named := provider.Scope(token); named {
		renewed.scopes = parseScopes(scope)
	}
	next, err := r.sessions.Renew(ctx, current, renewed, renewed.expiry())
	if err != nil || next.Data != renewed { // another replica was faster
		return next, never, ended(err)
	}
	user, err := fetchUser(ctx, r.provider, token.AccessToken, current.User)
	if errors.Is(err, errOtherUser) {
		return nil, never, r.renewedAnother(ctx, next, err)
	}
	if err != nil { // the user is as before
		return next, never, nil
	}
	next, err = r.sessions.Update(ctx, next, renewed.withUser(user))
	return next, never, ended(err)
}

// withCurrentUser returns the session with a user who was read with a token that
// has not expired, for decisions about organizations. If userinfo failed when the
// token was renewed, it is requested again.
func (r *renewals) withCurrentUser(ctx context.Context, e *entry) (*entry, error) {
	if e.Data.bearer || r.now().Before(e.Data.userUntil) {
		return e, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callbackTimeout)
	defer cancel()
	current, err := r.flights.Do(ctx, generation{e.ID, e.Generation(), true},
		func(ctx context.Context) (*entry, time.Time, error) {
			user, err := fetchUser(ctx, r.provider, e.Data.token.AccessToken, e.User)
			switch {
			case errors.Is(err, errOtherUser):
				return nil, time.Time{}, r.renewedAnother(ctx, e, err)
			case err != nil:
				return nil, r.now().Add(retryRenewal), err
			}
			next, err := r.sessions.Update(ctx, e, e.Data.withUser(user))
			if err == nil && !r.now().Before(next.Data.userUntil) { // renewed, with the old user
				next, err = r.sessions.Update(ctx, next, next.Data.withUser(user))
			}
			return next, time.Time{}, ended(err)
		})
	return current, unavailable(err)
}

func ended(err error) error {
	if errors.Is(err, sessions.ErrEnded) {
		return ErrNotSignedIn
	}
	return err
}

// renewedAnother ends a session whose renewed token is another user's (OpenID
// Connect Core section 5.3.2).
func (r *renewals) renewedAnother(ctx context.Context, e *entry, err error) error {
	r.logger.ErrorContext(ctx, "hfoauth: renewed tokens are another user's, so the session is ended",
		"error", err, "sub", e.User)
	if err := r.sessions.EndEntry(ctx, e); err != nil {
		return err
	}
	return ErrNotSignedIn
}

// refused keeps the rest of a session whose refresh token was refused: it ends
// with its access token, on all replicas.
func (r *renewals) refused(ctx context.Context, e *entry) (*entry, error) {
	r.logger.InfoContext(ctx, "hfoauth: the provider does not renew a session any more", "sub", e.User)
	left := e.Data.withoutRefreshToken()
	next, err := r.sessions.Refuse(ctx, e, left, left.token.Expiry)
	if err == nil && !r.now().Before(next.Expiry) {
		err = ErrNotSignedIn
	}
	return next, ended(err)
}

// log writes the record of tokens that were not renewed.
func (r *renewals) log(ctx context.Context, e *entry, err error) {
	f := failureOf(err)
	r.logger.LogAttrs(ctx, f.level, "hfoauth: the access token was not renewed",
		slog.String("kind", f.kind), slog.String("sub", e.User), slog.Time("expiry", e.Data.token.Expiry),
		slog.Any("error", err))
}

// fetchUser returns the user of an access token, which must be the subject.
func fetchUser(ctx context.Context, p *provider.Provider, accessToken, subject string) (*User, error) {
	body, err := p.UserInfo(ctx, accessToken)
	if err != nil {
		return nil, providerError(err)
	}
	user, err := parseUser(body, subject)
	if err != nil {
		return nil, invalidAnswer("userinfo", err)
	}
	return user, nil
}
