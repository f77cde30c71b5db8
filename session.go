package hfoauth

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"golang.org/x/oauth2"
)

const (
	// defaultLifetime is that of an access token whose expiry the provider
	// does not tell (https://huggingface.co/docs/hub/spaces-oauth).
	defaultLifetime = 8 * time.Hour
	// refreshableLifetime is how long a session with a refresh token waits to
	// be used again.
	refreshableLifetime = 30 * 24 * time.Hour

	// sessionSize is the usual length of a session before it is sealed.
	sessionSize = 1536

	// Sessions that were opened lately are kept decoded.
	openedSessions = 4096
	openedBytes    = 16 << 20
)

// Session is a user's sign-in. It never prints what is secret in it: with
// fmt, log and slog it shows as the user's ID and the expiry.
type Session struct {
	// User is who signed in.
	User *User

	// Token is the user's access token, with a refresh token where the
	// provider gave one. Keep it on the server.
	Token *oauth2.Token

	// Scopes are those granted, which may be fewer or more than requested.
	Scopes Scopes

	// Expiry is when the session ends: with its access token, or, where there
	// is a refresh token, 30 days after it was last renewed.
	Expiry time.Time

	id        [16]byte
	started   time.Time
	renewed   time.Time // when the token was got
	requested Scopes    // asked for at this sign-in, so that they are not asked for again without end
	askedOrgs []string  // organizations whose resources were asked for, likewise
	shared    bool      // with an iframe that signed in by a pop-up
	cookie    string    // value of the cookie it came from, if it did
}

// newSession returns a session of a fresh identity (session fixation: OWASP
// ASVS 7.2.4).
func newSession(user *User, token *oauth2.Token, granted Scopes, now time.Time) *Session {
	s := &Session{User: user, Token: token, Scopes: granted, started: now}
	rand.Read(s.id[:])
	s.lasts(now)
	return s
}

// lasts sets the expiry from the token that was got now.
func (s *Session) lasts(now time.Time) {
	s.renewed = now
	if s.Token.Expiry.IsZero() {
		s.Token.Expiry = now.Add(defaultLifetime)
	}
	s.Expiry = now.Add(refreshableLifetime)
	if s.Token.RefreshToken == "" && s.Token.Expiry.Before(s.Expiry) {
		s.Expiry = s.Token.Expiry
	}
}

// String returns the user's ID and the expiry, no secrets.
func (s Session) String() string {
	if s.User == nil {
		return "hfoauth.Session{}"
	}
	return fmt.Sprintf("hfoauth.Session{sub: %s, expiry: %s}", s.User.Sub, s.Expiry.UTC().Format(time.RFC3339))
}

// Format writes String for every verb, %+v and %#v among them.
func (s Session) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// LogValue is String for slog.
func (s Session) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON refuses: a session holds tokens, which belong in no answer.
// Marshal its User.
func (s Session) MarshalJSON() ([]byte, error) {
	return nil, errors.New("hfoauth: a Session holds tokens and does not marshal: marshal Session.User")
}

// memory is about how many bytes of memory a session takes.
func (s *Session) memory() int {
	if s == nil {
		return 0
	}
	return 1024 + 2*len(encode(sessionSize, s.code)) + 256*len(s.User.Orgs)
}

func (s *Session) clone() *Session {
	clone := *s
	clone.cookie = ""
	token := *s.Token
	clone.Token = &token
	clone.User = s.User.clone()
	clone.Scopes = slices.Clone(s.Scopes)
	return &clone
}

func (s *Session) code(c *coder) {
	c.version(2)
	if c.reading {
		s.User, s.Token = &User{}, &oauth2.Token{}
	}
	c.bytes(s.id[:])
	c.time(&s.started)
	c.time(&s.Expiry)
	c.string(&s.Token.AccessToken)
	c.string(&s.Token.TokenType)
	c.string(&s.Token.RefreshToken)
	c.time(&s.Token.Expiry)
	stringsOf(c, (*[]Scope)(&s.Scopes))
	stringsOf(c, (*[]Scope)(&s.requested))
	c.time(&s.renewed)
	stringsOf(c, &s.askedOrgs)
	c.bools(&s.shared)
	s.User.code(c)
}

// UserFromRequest returns the user who sent the request. The error is
// [ErrNotSignedIn] where there is no session or it is over, or wraps
// [ErrStoreUnavailable], or with a bearer token [ErrProviderUnavailable],
// [ErrProviderInvalid] or a [*ForbiddenError]. The user is the caller's to
// change.
//
// It never asks the provider about a session: organizations and the like are
// as of the last sign-in or renewal, which [Client.RequireUser] and its
// relatives, [Client.HTTPClient] and [Client.TokenSource] make. In a Space the
// cookie comes with requests of other sites, too: what changes something
// belongs behind RequireUser or [http.CrossOriginProtection].
func (c *Client) UserFromRequest(r *http.Request) (*User, error) {
	s, err := c.session(r)
	if err != nil {
		return nil, err
	}
	return s.User.clone(), nil
}

// SessionFromRequest returns the session of the request: the user with token
// and granted scopes. Errors are those of [Client.UserFromRequest].
func (c *Client) SessionFromRequest(r *http.Request) (*Session, error) {
	s, err := c.session(r)
	if err != nil {
		return nil, err
	}
	return s.clone(), nil
}

type sessionKey struct{ client *Client }

// session returns the request's session, which is shared and not to be
// changed. A cookie that cannot be read counts as absent.
func (c *Client) session(r *http.Request) (*Session, error) {
	if s, ok := r.Context().Value(sessionKey{c}).(*Session); ok {
		return s, nil
	}
	if token, _ := bearerToken(r); c.hasBearer(r) {
		return c.bearerSession(r.Context(), c.bearerRoute(r), token)
	}
	ctx := r.Context()
	if c.config.Store != nil { // all that is asked of it for a request
		limited, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		ctx = limited
	}
	for _, value := range c.cookies.sessionCookies(r) {
		s, err := c.openSession(ctx, value)
		if s != nil || err != nil {
			return s, err
		}
	}
	return nil, ErrNotSignedIn
}

// opened is a session that was opened lately, with the stored bytes it came
// from if it was not in the cookie itself.
type opened struct {
	session    *Session
	stored     []byte
	renewalKey [32]byte
}

// openSession returns the session behind the value of a session cookie, nil
// if there is none, and an error only if that cannot be told.
func (c *Client) openSession(ctx context.Context, value string) (*Session, error) {
	var stored []byte
	if isStoredID(value) {
		var err error
		if stored, err = c.store.find(ctx, storeKey("session", value)); err != nil || stored == nil {
			return nil, err
		}
	}
	now := c.now()
	o, ok := c.opened.Get(value, now)
	if !ok || !bytes.Equal(o.stored, stored) {
		s := c.unsealSession(value, stored)
		if s == nil || !now.Before(s.Expiry) {
			return nil, nil
		}
		o = opened{s, stored, s.renewalKey()}
		c.opened.Put(value, o, 2*len(value)+2*len(stored), now, s.Expiry)
	}
	if over, err := c.isOver(ctx, o); over || err != nil {
		return nil, err
	}
	return o.session, nil
}

// unsealSession decodes a session, or returns nil.
func (c *Client) unsealSession(value string, stored []byte) *Session {
	var plain []byte
	if stored != nil {
		plain, _ = c.sealer.stored.Open(stored, storeKey("session", value))
	} else if sealed, err := decodeCookie(value); err == nil {
		plain, _ = c.sealer.session.Open(sealed, c.cookies.session)
	}
	s := &Session{cookie: value}
	if plain == nil || decode(plain, s.code) != nil {
		return nil
	}
	return s
}

// sealSession returns the value of a session's cookie: the session itself
// while that fits there and no store is configured, else its ID in the store.
func (c *Client) sealSession(ctx context.Context, s *Session) (string, error) {
	plain := encode(sessionSize, s.code)
	if c.config.Store == nil {
		value := encodeCookie(c.sealer.session.Seal(plain, c.cookies.session))
		if len(c.cookies.line(c.cookies.frame, value, s.Expiry.Sub(c.now()))) <= maxCookie {
			return value, nil
		}
		c.config.Logger.WarnContext(ctx, "hfoauth: session does not fit in a cookie and is kept in the memory of this process: with several replicas, set Config.Store",
			"sub", s.User.Sub, "bytes", len(value))
	}
	id := newStoredID()
	key := storeKey("session", id)
	return id, c.store.commit(ctx, key, c.sealer.stored.Seal(plain, key), s.Expiry)
}

// replaceSession starts s in place of the session the browser had, if any.
func (c *Client) replaceSession(ctx context.Context, w http.ResponseWriter, r *http.Request, s *Session) error {
	value, err := c.sealSession(ctx, s)
	if err != nil {
		return err
	}
	return c.replaceCookie(ctx, w, r, value, s)
}

// replaceCookie is replaceSession with s sealed already. The cookie is set
// when nothing can fail any more.
func (c *Client) replaceCookie(ctx context.Context, w http.ResponseWriter, r *http.Request, value string, s *Session) error {
	if err := c.endRequestSession(ctx, r, replaced); err != nil {
		return err
	}
	c.cookies.set(w, c.cookies.session, value, s.Expiry.Sub(c.now()))
	return nil
}

// A stored ID is 256 random bits in the cookie, told by its length from a
// sealed session, which is always longer.
var storedIDLength = base64.RawURLEncoding.EncodedLen(32)

func newStoredID() string {
	var id [32]byte
	rand.Read(id[:])
	return text(id[:])
}

func isStoredID(value string) bool { return len(value) == storedIDLength }
