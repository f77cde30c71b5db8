package hfoauth

import (
	"context"
	"time"

	"golang.org/x/oauth2"

	"github.com/hfoauth/hfoauth/internal/codec"
	"github.com/hfoauth/hfoauth/internal/seal"
	"github.com/hfoauth/hfoauth/internal/sessions"
)

// Internals for the tests of this package, which are in another package.

var (
	ConfigFrom  = configFrom
	ParseScopes = parseScopes
)

// ReturnPath returns the return path for next.
func ReturnPath(next string) string { return returnPath(next, "/") }

// LoginURL returns the address of the login page that returns to next.
func (c *Client) LoginURL(next string) string { return c.paths.loginURL(next) }

// SetClock makes the client read the time from now.
func (c *Client) SetClock(now func() time.Time) { c.now = now }

// SessionCookie and AttemptCookie are the names of the client's cookies.
func (c *Client) SessionCookie() string { return c.cookies.session }
func (c *Client) AttemptCookie() string { return c.cookies.attempt }

// UnsealedOptions returns a page's options unsealed, as anyone can write them.
func UnsealedOptions(options LoginOptions) string {
	return encodeCookie(codec.Encode(256, options.fields))
}

// Sealers returns the sealers of attempts and of sessions in cookies and stores.
func (c *Client) Sealers() map[string]*seal.Sealer {
	config := c.mustSessionsConfig()
	return map[string]*seal.Sealer{"attempt": c.attempts.sealer, "session": config.InCookie,
		"stored": config.Stored}
}

// SealAttempt seals bytes as the attempt of a state, and OpenAttempt opens them.
func (c *Client) SealAttempt(state string, plain []byte) string {
	return encodeCookie(c.attempts.sealer.Seal(plain, c.attempts.name(state)))
}

func (c *Client) OpenAttempt(state, value string) []byte {
	sealed, err := decodeCookie(value)
	if err != nil {
		return nil
	}
	plain, _ := c.attempts.sealer.Open(sealed, c.attempts.name(state))
	return plain
}

// SealSession seals bytes as a session in a cookie, and OpenSession opens them.
func (c *Client) SealSession(plain []byte) string {
	config := c.mustSessionsConfig()
	return encodeCookie(config.InCookie.Seal(plain, config.Context))
}

func (c *Client) OpenSession(value string) []byte {
	sealed, err := decodeCookie(value)
	if err != nil {
		return nil
	}
	config := c.mustSessionsConfig()
	plain, _ := config.InCookie.Open(sealed, config.Context)
	return plain
}

func (c *Client) mustSessionsConfig() sessions.Config[*record] {
	config, err := sessionsConfig(c.config, &c.cookies, func() time.Time { return c.now() })
	if err != nil {
		panic(err)
	}
	return config
}

// ForgetSpent lets used attempts be used once more.
func (c *Client) ForgetSpent() {
	c.attempts.spent.DeleteFunc(func([32]byte, struct{}) bool { return true })
}

// NewMemoryStore returns the store of a client without a Config.Store.
func NewMemoryStore() Store { return sessions.NewMemory(time.Now) }

// StoreKey returns the key of a session in a store.
func StoreKey(id string) string { return sessions.StoreKey(id) }

// RefreshToken returns a session's refresh token, which is not exported.
func RefreshToken(s *Session) string { return s.source.current().Data.token.RefreshToken }

// Tighten makes the client remember only one session of each kind. It must be
// called before the first use.
func (c *Client) Tighten() {
	config := c.mustSessionsConfig()
	config.MaxEntries = 1
	c.sessions = sessions.New(config)
	c.renewals.sessions = c.sessions
}

// SessionCookieOf returns the value of the cookie of a new session, as after a
// sign-in.
func (c *Client) SessionCookieOf(user *User, accessToken string) (string, error) {
	token := &oauth2.Token{AccessToken: accessToken, Expiry: c.now().Add(time.Hour)}
	r := newRecord(user, token, nil, c.now())
	_, value, err := c.sessions.Start(context.Background(), c.sessions.New(r, r.expiry()), false)
	return value, err
}

// Param returns scopes as they are sent.
func (s Scopes) Param() string { return s.param() }
