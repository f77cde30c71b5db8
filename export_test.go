package hfoauth

import "time"

// What the tests of this package, which live outside of it, need from inside.

var (
	ReturnPath = returnPath
	ConfigFrom = configFrom
)

// SetClock makes the client read the time from now.
func (c *Client) SetClock(now func() time.Time) { c.now = now }

// SessionCookie and AttemptCookie are the names of the client's cookies.
func (c *Client) SessionCookie() string { return c.cookies.session }
func (c *Client) AttemptCookie() string { return c.cookies.attempt }

// NewMemoryStore returns the Store of a client that is given none.
func NewMemoryStore() Store { return newSessionStore(nil, time.Now) }

// StoreKey is the name of a session in a store.
func StoreKey(id string) string { return storeKey("session", id) }
