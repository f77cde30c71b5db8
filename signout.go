package hfoauth

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// maxEnded bounds how many sessions that were signed out are remembered: 100,000
// at some 200 bytes each, 20 MB.
const maxEnded = 100_000

// cutoffMargin is how much longer the cutoff of LogoutUser lasts than the
// sessions it ends: one that was being renewed meanwhile ends a little later.
const cutoffMargin = time.Hour

// LogoutUser ends all sessions that a user has now, on all devices, by the
// user's Sub. It needs Config.Store, which every replica asks for it; without
// one it is an error, because sessions that live in cookies cannot be found.
// The error wraps [ErrStoreUnavailable] where the store failed.
func (c *Client) LogoutUser(ctx context.Context, sub string) error {
	if c.config.Store == nil {
		return errors.New("hfoauth: LogoutUser needs Config.Store: sessions that live in cookies cannot be found")
	}
	now := c.now()
	cutoff := encode(16, func(coder *coder) { coder.time(&now) })
	return c.store.commit(ctx, userKeyOf(sub), cutoff, now.Add(refreshableLifetime+cutoffMargin))
}

func userKeyOf(sub string) string { return storeKey("user", sub) }

// isOver reports whether a session that has not expired was ended: signed out
// at this process, by LogoutUser, or by a refresh token that is dead.
func (c *Client) isOver(ctx context.Context, o opened) (bool, error) {
	s, now := o.session, c.now()
	if _, over := c.ended.Get(s.endKey(), now); over {
		return true, nil
	}
	if s.Token.RefreshToken != "" {
		if _, over := c.ended.Get(o.renewalKey, now); over {
			return true, nil
		}
	}
	if c.config.Store == nil {
		return false, nil
	}
	return c.userSignedOut(ctx, s)
}

// userSignedOut reports whether LogoutUser was called since s started. The
// cutoff is not sealed, because it must outlive a change of keys; who could
// change it in the store could as well remove it.
func (c *Client) userSignedOut(ctx context.Context, s *Session) (bool, error) {
	stored, err := c.store.find(ctx, userKeyOf(s.User.Sub))
	if err != nil || stored == nil {
		return false, err
	}
	var cutoff time.Time
	if decode(stored, func(coder *coder) { coder.time(&cutoff) }) != nil {
		return true, nil // when in doubt, out
	}
	return !s.started.After(cutoff), nil
}

// endKey names a session for as long as it may be presented.
func (s *Session) endKey() (key [32]byte) {
	copy(key[:], s.id[:])
	return key
}

// ending is why a session ends.
type ending int

const (
	signedOut ending = iota
	replaced         // by a new sign-in in the same tab
)

// endRequestSession ends the session of a request's cookie: in the store, and
// for copies of the cookie that are shown to this process. A session that is
// replaced goes on for the iframe it is shared with.
func (c *Client) endRequestSession(ctx context.Context, r *http.Request, why ending) error {
	for _, value := range c.cookies.sessionCookies(r) {
		s, err := c.openSession(ctx, value)
		if s != nil && s.shared && why == replaced {
			continue
		}
		if s != nil {
			c.ended.Put(s.endKey(), struct{}{}, 1, c.now(), c.lastExpiry())
		}
		if err == nil && isStoredID(value) {
			err = c.deleteStored(ctx, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lastExpiry is when the last copy of a session of today ends: renewed copies
// outlive the one that is shown.
func (c *Client) lastExpiry() time.Time { return c.now().Add(refreshableLifetime) }

// deleteStored removes a session from the store and leaves a mark, in case a
// replica is about to put a renewed one back. An ID that somebody made up
// leaves none.
func (c *Client) deleteStored(ctx context.Context, id string) error {
	stored, err := c.store.find(ctx, storeKey("session", id))
	if err != nil || stored == nil {
		return err
	}
	if c.config.Store != nil {
		if err := c.store.commit(ctx, storeKey("ended", id), []byte{1}, c.lastExpiry()); err != nil {
			return err
		}
	}
	return c.store.delete(ctx, storeKey("session", id))
}
