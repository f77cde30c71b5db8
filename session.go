package hfoauth

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/hfoauth/hfoauth/internal/codec"
	"github.com/hfoauth/hfoauth/internal/sessions"
)

const (
	// defaultLifetime is the lifetime of an access token whose expiry the
	// provider does not report (https://huggingface.co/docs/hub/spaces-oauth).
	defaultLifetime = 8 * time.Hour
	// refreshableLifetime is how long a session with a refresh token may stay
	// unused.
	refreshableLifetime = 30 * 24 * time.Hour

	maxUserAgent = 256
)

// Session is a user's sign-in. It is an [oauth2.TokenSource] that never shows
// the refresh token, its methods are safe for concurrent use, and it has no
// secret that fmt, slog or json could show.
//
// A Session and its User are a copy, the caller's to change. The exported
// fields do not change when the token is renewed.
type Session struct {
	// ID identifies the session, for example in a list of the user's devices. It
	// is not a secret: it opens nothing. It is empty for a bearer token.
	ID string

	// User is who signed in.
	User *User

	// Scopes are those granted, which may be fewer or more than requested.
	Scopes Scopes

	// Started is when the user signed in or, for a bearer token, when the provider
	// was last asked about it.
	Started time.Time

	// Expiry is when the session ends unless it is renewed: with its access
	// token or, if there is a refresh token, 30 days after it was last renewed,
	// and in any case Config.MaxSessionAge after Started. For a bearer token it is
	// when the provider is asked about it again: after five minutes, or when the
	// token expires.
	Expiry time.Time

	// UserAgent is the browser's User-Agent at sign-in, up to 256 bytes of it. It
	// is empty without Config.Store.
	UserAgent string

	// Bearer reports that the request had a bearer token instead of a cookie.
	Bearer bool

	source *source
}

// entry is a session as the library keeps it: shared and never changed.
type entry = sessions.Entry[*record]

// record is what the library knows of a sign-in. It never changes.
type record struct {
	user      *User
	userUntil time.Time // when the token with which the user was read expires
	scopes    Scopes
	token     oauth2.Token // with the refresh token, if there is one
	renewed   time.Time    // when the token was issued
	requested Scopes       // requested at this sign-in, so that they are not requested again and again
	askedOrgs []string     // organizations whose resources were requested
	userAgent string
	bearer    bool // the token came with the request
	told      toldByToken
}

func newRecord(user *User, token *oauth2.Token, granted Scopes, now time.Time) *record {
	return (&record{scopes: granted}).with(token, now).withUser(user)
}

// withUser returns a copy with a user who was read with the record's token.
func (r *record) withUser(user *User) *record {
	next := *r
	next.user, next.userUntil = user, r.token.Expiry
	return &next
}

// with returns a copy with a token that was issued at now.
func (r *record) with(token *oauth2.Token, now time.Time) *record {
	next := *r
	next.renewed = now
	next.token = oauth2.Token{AccessToken: token.AccessToken, TokenType: token.TokenType,
		RefreshToken: token.RefreshToken, Expiry: token.Expiry}
	if token.Expiry.IsZero() {
		next.token.Expiry = now.Add(defaultLifetime)
	}
	return &next
}

// withoutRefreshToken returns a copy that ends with its access token.
func (r *record) withoutRefreshToken() *record {
	next := *r
	next.token.RefreshToken = ""
	return &next
}

// expiry is when a session with this record ends unless it is renewed.
func (r *record) expiry() time.Time {
	if idle := r.renewed.Add(refreshableLifetime); r.token.RefreshToken != "" || idle.Before(r.token.Expiry) {
		return idle
	}
	return r.token.Expiry
}

// recordFields codes a record.
func recordFields(c *codec.Coder, p **record) {
	if c.Reading() {
		*p = &record{user: &User{}}
	}
	r := *p
	c.String(&r.token.AccessToken)
	c.String(&r.token.TokenType)
	c.String(&r.token.RefreshToken)
	c.Time(&r.token.Expiry)
	codec.Texts(c, (*[]Scope)(&r.scopes))
	codec.Texts(c, (*[]Scope)(&r.requested))
	c.Time(&r.renewed)
	c.Time(&r.userUntil)
	codec.Texts(c, &r.askedOrgs)
	c.String(&r.userAgent)
	r.user.fields(c)
}

// memory estimates how many bytes of memory a session takes.
func memory(e *entry) int {
	if e == nil {
		return 0
	}
	return 1024 + 2*len(codec.Encode(1536, func(c *codec.Coder) { recordFields(c, &e.Data) })) + 256*len(e.Data.user.Orgs)
}

// newSession returns a session for the app.
func (c *Client) newSession(e *entry) *Session {
	s := &Session{
		User:      e.Data.user.clone(),
		Scopes:    slices.Clone(e.Data.scopes),
		Started:   e.Started,
		Expiry:    e.Expiry,
		UserAgent: e.Data.userAgent,
		Bearer:    e.Data.bearer,
		source:    &source{client: c, entry: e},
	}
	if !s.Bearer {
		s.ID = base64.RawURLEncoding.EncodeToString(e.ID[:])
	}
	return s
}

// UserFromRequest returns the user who sent the request. The error is
// [ErrNotSignedIn] if there is no session or it has expired, or wraps
// [ErrStoreUnavailable]; with a bearer token it may also wrap
// [ErrProviderUnavailable] or [ErrProviderInvalid], or be a [*ForbiddenError].
// The user is the caller's to change.
//
// It writes nothing and asks the provider only about bearer tokens:
// organizations and the like are as of the last sign-in or renewal, which
// [Client.RequireUser], its relatives and [Client.SessionFromRequest] make. In
// a Space the cookie also comes with requests of other sites: a handler that
// changes something belongs behind RequireUser or
// [http.CrossOriginProtection].
func (c *Client) UserFromRequest(r *http.Request) (*User, error) {
	e, err := c.finder.session(r)
	if err != nil {
		return nil, err
	}
	return e.Data.user.clone(), nil
}

// SessionFromRequest returns the request's session with an access token that
// is good for five minutes, or as long as it can be: a token about to expire is
// renewed if there is a refresh token. While it is good, a renewal that takes
// longer than a second or that another request began is not waited for. If the
// session lives in its cookie, the new cookie goes to w, so call this before
// anything is written there. The answer is then Cache-Control: private,
// no-store; a handler that overwrites that gives the user's session to everyone
// behind a shared cache. Behind Require handlers use [SessionFromContext].
//
// The error is [ErrNotSignedIn] if there is no session or its tokens have
// expired; it also wraps a [*ProviderError] if the provider refused to renew
// them for a reason of its own. It wraps [ErrProviderUnavailable],
// [ErrProviderInvalid] or [ErrStoreUnavailable] if that cannot be known.
func (c *Client) SessionFromRequest(w http.ResponseWriter, r *http.Request) (*Session, error) {
	e, err := c.finder.fresh(c.sessions.Limit(r.Context()), w, r)
	if err != nil {
		return nil, err
	}
	return c.newSession(e), nil
}

// Sessions returns the sessions a user has, the latest first, by the user's
// Sub: to show the user the devices that are signed in, or to act for the user
// outside a request. A user has at most a hundred: if another one starts, the
// oldest ends. It needs Config.Store; the error wraps [ErrStoreUnavailable] if
// that failed. If the store cannot compare and swap, one of two sessions that
// start in the same instant may be missing.
func (c *Client) Sessions(ctx context.Context, sub string) ([]*Session, error) {
	if c.config.Store == nil {
		return nil, errors.New("hfoauth: Sessions needs Config.Store: sessions that live in cookies cannot be found")
	}
	entries, err := c.sessions.List(ctx, sub)
	if err != nil {
		return nil, err
	}
	list := make([]*Session, 0, len(entries))
	for _, e := range entries {
		list = append(list, c.newSession(e))
	}
	return list, nil
}

// innermostKey is the key of the innermost Require handler's sessionContext.
type innermostKey struct{}

// sessionContext is the context of a handler behind a Require handler.
type sessionContext struct {
	context.Context
	client *Client
	found
}

func (s *sessionContext) Value(key any) any {
	switch key {
	case innermostKey{}:
		return s
	case foundKey{s.client.finder}:
		return &s.found
	}
	return s.Context.Value(key)
}

// SessionFromContext returns the session that the innermost Require handler
// found, with its access token renewed, or nil in a handler behind none. With
// several Clients, [Client.SessionFromRequest] asks one of them.
func SessionFromContext(ctx context.Context) *Session {
	if s, ok := ctx.Value(innermostKey{}).(*sessionContext); ok {
		return s.client.newSession(s.entry)
	}
	return nil
}

// UserFromContext returns the user of [SessionFromContext], or nil in a handler
// behind no Require handler. The user is the caller's to change.
func UserFromContext(ctx context.Context) *User {
	if s, ok := ctx.Value(innermostKey{}).(*sessionContext); ok {
		return s.entry.Data.user.clone()
	}
	return nil
}

// cookieLifetime is the Max-Age of a session's cookie: until the session in it
// expires or, if it has only an ID, as long as the session can be renewed.
func cookieLifetime(e *entry, now time.Time) time.Duration {
	if e.Stored() {
		return e.End.Sub(now)
	}
	return e.Expiry.Sub(now)
}

// start starts the session of a sign-in and ends the one that the browser had.
// If an iframe waits for the session, challenge is not empty.
func (c *Client) start(
	ctx context.Context, w http.ResponseWriter, r *http.Request, fresh *entry, challenge string,
) error {
	ctx = c.sessions.Limit(ctx)
	e, value, err := c.sessions.Start(ctx, fresh, challenge != "")
	if err != nil {
		return err
	}
	if challenge != "" {
		if err := c.sessions.Park(ctx, challenge, value); err != nil {
			return err
		}
		if !e.Stored() {
			// Only the iframe gets the refresh token, because it works once.
			rest := e.Data.withoutRefreshToken()
			if e, err = c.sessions.Copy(ctx, e, rest, rest.expiry()); err != nil {
				return err
			}
			value = e.Value
		}
	}
	c.endReplaced(ctx, w, r)
	c.cookies.set(w, c.cookies.session, value, cookieLifetime(e, c.now()))
	return nil
}
