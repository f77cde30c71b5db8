package hfoauth

import (
	"context"
	"time"
)

// What the tests of this package, which live outside of it, need from inside.

var (
	ReturnPath  = returnPath
	ConfigFrom  = configFrom
	ParseScopes = parseScopes
)

// LoginURL is the address of the login page that returns to next.
func (c *Client) LoginURL(next string) string { return c.loginURL(next) }

// SetClock makes the client read the time from now.
func (c *Client) SetClock(now func() time.Time) { c.now = now }

// SessionCookie and AttemptCookie are the names of the client's cookies.
func (c *Client) SessionCookie() string { return c.cookies.session }
func (c *Client) AttemptCookie() string { return c.cookies.attempt }

// SealAttempt seals bytes as the attempt of a state, and OpenAttempt opens them.
func (c *Client) SealAttempt(state string, plain []byte) string {
	return encodeCookie(c.sealer.attempt.Seal(plain, c.attemptCookie(state)))
}

func (c *Client) OpenAttempt(state, value string) []byte {
	sealed, err := decodeCookie(value)
	if err != nil {
		return nil
	}
	plain, _ := c.sealer.attempt.Open(sealed, c.attemptCookie(state))
	return plain
}

// NewMemoryStore returns the Store of a client that is given none.
func NewMemoryStore() Store { return newSessionStore(nil, time.Now) }

// StoreKey is the name of a session in a store.
func StoreKey(id string) string { return storeKey("session", id) }

// MaxParked is how many sessions wait for their iframes, of how many bytes
// together; Park parks one.
const (
	MaxParked      = maxParked
	MaxParkedBytes = maxParkedBytes
)

func (c *Client) Park(challenge, value string) error {
	return c.park(context.Background(), challenge, value)
}
