// Package sessions decides whether the session behind a cookie's value is valid.
// It is the only code that accesses a Store, the cache of opened sessions, and
// the marks of ended ones. It knows nothing of HTTP and tokens, and of a session
// only the fields of Entry.
//
// Compare-and-swap is the one primitive. A session in a store is one entry
// under the hash of its ID. A renewal swaps one version of it for the next. A
// sign-out replaces it with a tombstone, and any later swap fails: no order of
// calls brings the session back. The lease of a renewal and the claim of a
// parked session are swaps as well. For a store that cannot compare and swap,
// it is emulated by reading before and after writing. A late write could then
// replace a tombstone, so such a store keeps tombstones under separate keys,
// which are read whenever a session is opened.
//
// What the store fails to save is not lost while the process lives: a newer
// version is used instead of the stored one until it is saved, a session whose
// end could not be stored is refused, and both are retried until they succeed.
//
// Without a Store, a session is sealed in its cookie, and only this process
// knows its versions and its end. A session that does not fit in a cookie is
// kept in the memory of the process, by the same code as in a store.
package sessions

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/hfoauth/hfoauth/internal/codec"
	"github.com/hfoauth/hfoauth/internal/expiring"
	"github.com/hfoauth/hfoauth/internal/seal"
)

var (
	// ErrUnavailable means that the store failed or took too long.
	ErrUnavailable = errors.New("hfoauth: session store is unavailable")

	// ErrEnded means that a session ended while it was being renewed.
	ErrEnded = errors.New("sessions: the session has ended")
)

const (
	// afterEnd is how much longer the mark of an ended session is kept than the
	// session would have lasted, so that a differing clock does not bring it back.
	afterEnd = time.Hour

	maxOpened      = 4096 // sessions kept decoded
	maxOpenedBytes = 16 << 20
	maxEnded       = 100_000 // sessions remembered as ended, at some 200 bytes each
	maxLatest      = 10_000  // sessions of which a newer version is remembered
	maxLatestBytes = 64 << 20
	maxPending     = 10_000 // changes that are not stored yet
	maxClaimed     = 10_000 // recent claims at this process

	// confirmedLifetime is how long a version is remembered after the store or
	// the browser has it: late writes and late requests may present older ones.
	confirmedLifetime = 10 * time.Minute
)

// Config says how sessions are kept.
type Config[S any] struct {
	// Store keeps sessions. If nil, they are kept in their cookies.
	Store Store

	// MaxAge is how long after its start a session ends, even if it is renewed.
	MaxAge time.Duration

	// MaxValue is the maximum length of a cookie's value, and MaxShared that of a
	// session shared with an iframe.
	MaxValue, MaxShared int

	// InCookie and Stored seal sessions; those in cookies are bound to Context.
	InCookie, Stored *seal.Sealer
	Context          string

	// App distinguishes this app's users from those of others in the same store.
	App string

	// Fields encodes and decodes a session's data, and User returns whose it is.
	Fields func(*codec.Coder, *S)
	User   func(S) string

	// MaxEntries bounds what is remembered of each kind, for tests. If zero, each
	// kind has its own bound.
	MaxEntries int

	Now    func() time.Time
	Logger *slog.Logger
}

// Keeper keeps the sessions of one app. It is safe for concurrent use.
type Keeper[S any] struct {
	config Config[S]
	store  *backend
	remote bool     // the store is the app's, not the memory of this process
	owner  [16]byte // names this process in leases and claims

	opened  *expiring.Map[openedKey, *Entry[S]]
	noting  sync.Mutex // held while latest changes
	latest  *expiring.Map[ID, version[S]]
	ended   *expiring.Map[ID, struct{}]
	pending *expiring.Map[string, struct{}] // keys of sessions whose end is not stored yet
	claimed *expiring.Map[string, struct{}]
	backlog *backlog
	madeUp  *backlog // ends of sessions that may never have existed

	watching sync.Mutex
	watchers map[ID]map[chan struct{}]struct{}
}

// New returns a Keeper.
func New[S any](config Config[S]) *Keeper[S] {
	k := &Keeper[S]{
		config:   config,
		remote:   config.Store != nil,
		opened:   expiring.New[openedKey, *Entry[S]](config.atMost(maxOpened), maxOpenedBytes),
		latest:   expiring.New[ID, version[S]](config.atMost(maxLatest), maxLatestBytes),
		ended:    expiring.New[ID, struct{}](config.atMost(maxEnded), maxEnded),
		pending:  expiring.New[string, struct{}](config.atMost(maxPending), maxPending),
		claimed:  expiring.New[string, struct{}](config.atMost(maxClaimed), maxClaimed),
		backlog:  &backlog{now: config.Now, logger: config.Logger, maxJobs: config.atMost(maxPending)},
		madeUp:   &backlog{now: config.Now, logger: config.Logger, maxJobs: config.atMost(maxPending)},
		watchers: map[ID]map[chan struct{}]struct{}{},
	}
	rand.Read(k.owner[:])
	if config.Store == nil {
		config.Store = NewMemory(config.Now)
	}
	k.store = newBackend(config.Store, config.Logger)
	return k
}

func (c *Config[S]) atMost(usual int) int {
	if c.MaxEntries > 0 {
		return c.MaxEntries
	}
	return usual
}

// Uses reports which optional methods of the Store are used.
func (k *Keeper[S]) Uses() (contexts, swap bool) {
	return k.store.contexts != nil, k.store.swapper != nil
}

// ID identifies a session through all its versions. It is not a secret: it does
// not open the session.
type ID [16]byte

// Entry is a version of a session. It is shared and never changes.
type Entry[S any] struct {
	ID      ID
	User    string
	Started time.Time
	Expiry  time.Time // when it ends unless it is renewed
	End     time.Time // when it ends whatever happens
	Shared  bool      // an iframe and the tab that signed in for it have it
	Version uint64    // grows with each change: see Generation
	Data    S

	// Value is the cookie's new value, or empty if the cookie need not change.
	Value string

	copied bool // a second copy that is never renewed
	epoch  epoch
	key    string // in the store; empty if the cookie holds the session
	sealed []byte // what is stored
}

// Stored reports whether the session can be renewed and ended without its cookie.
func (e *Entry[S]) Stored() bool { return e.key != "" }

func (e *Entry[S]) fields(c *codec.Coder, data func(*codec.Coder, *S)) {
	c.Version(5)
	c.Array(e.ID[:])
	c.Time(&e.Started)
	c.Time(&e.Expiry)
	c.Time(&e.End)
	c.Uint(&e.Version)
	hasEpoch := e.epoch != epoch{}
	c.Bools(&e.Shared, &e.copied, &hasEpoch)
	if hasEpoch {
		e.epoch.fields(c)
	}
	data(c, &e.Data)
}

// openedKey keeps the two kinds of names apart: a cookie must not be able to
// name a key of the store.
type openedKey struct {
	stored bool
	name   string // the cookie's value, or the key in the store
}

type version[S any] struct {
	entry     *Entry[S]
	confirmed bool // the store or the browser has it
}

// An ID in a cookie is 256 random bits. Its length sets it apart from a sealed
// session, which is always longer.
var valueLength = base64.RawURLEncoding.EncodedLen(32)

func isStoredValue(value string) bool { return len(value) == valueLength }

// StoreKey is the key under which a store keeps the session of a cookie's
// value.
func StoreKey(value string) string { return keyOf("session", value) }

func newStoredValue() string {
	var id [32]byte
	rand.Read(id[:])
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// Open returns the session behind the value of a cookie, or nil if there is no
// valid one. The error is not nil only if that cannot be determined.
func (k *Keeper[S]) Open(ctx context.Context, value string) (*Entry[S], error) {
	if isStoredValue(value) {
		return k.openStored(k.Limit(ctx), StoreKey(value))
	}
	if k.remote { // it could not be ended on all replicas
		return nil, nil
	}
	e := k.openCookie(value)
	if e == nil {
		return nil, nil
	}
	return k.current(ctx, e, true)
}

// Opened returns the session behind the value of a cookie if this process has opened
// it, without asking the store whether it is still valid.
func (k *Keeper[S]) Opened(value string) *Entry[S] {
	if isStoredValue(value) {
		e, _ := k.opened.Get(openedKey{true, StoreKey(value)}, k.config.Now())
		return e
	}
	return k.openCookie(value)
}

// openCookie returns the session sealed in a cookie, whether or not it is valid.
func (k *Keeper[S]) openCookie(value string) *Entry[S] {
	now := k.config.Now()
	if e, ok := k.opened.Get(openedKey{name: value}, now); ok {
		return e
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil {
		return nil
	}
	plain, err := k.config.InCookie.Open(sealed, k.config.Context)
	if err != nil {
		return nil
	}
	e := k.decode(plain)
	if e == nil {
		return nil
	}
	e.Value = strings.Clone(value) // the original would pin the request's header
	k.remember(e)
	return e
}

// openStored returns the session under a key.
func (k *Keeper[S]) openStored(ctx context.Context, key string) (*Entry[S], error) {
	if _, ending := k.pending.Get(key, k.config.Now()); ending {
		return nil, nil
	}
	stored, err := k.load(ctx, key)
	if err != nil || stored == nil {
		return nil, err
	}
	e := k.unseal(key, stored)
	if e == nil {
		return nil, nil
	}
	return k.current(ctx, e, true)
}

// tombstone is what the store keeps of a session that was ended. It is not
// sealed: anyone able to write it could just as well delete the session.
const tombstone = "ended"

// load returns the sealed session under a key, or nil if none exists or it has
// ended.
func (k *Keeper[S]) load(ctx context.Context, key string) ([]byte, error) {
	return limited(ctx, k.store, func(ctx context.Context) ([]byte, error) {
		if k.store.swapper == nil {
			mark, err := k.store.findNow(ctx, markOf(key))
			if err != nil || mark != nil {
				return nil, err
			}
		}
		stored, err := k.store.findNow(ctx, key)
		if string(stored) == tombstone {
			stored = nil
		}
		return stored, err
	})
}

// markOf returns the key under which a store that cannot compare and swap keeps
// the tombstone of a session.
func markOf(key string) string { return "hfoauth-ended-" + strings.TrimPrefix(key, "hfoauth-session-") }

// unseal decodes a stored session. It returns nil if that fails.
func (k *Keeper[S]) unseal(key string, stored []byte) *Entry[S] {
	if e, ok := k.opened.Get(openedKey{true, key}, k.config.Now()); ok && bytes.Equal(e.sealed, stored) {
		return e
	}
	plain, err := k.config.Stored.Open(stored, key)
	if err != nil {
		return nil
	}
	e := k.decode(plain)
	if e == nil {
		return nil
	}
	e.key, e.sealed = key, stored
	k.remember(e)
	return e
}

func (k *Keeper[S]) decode(plain []byte) *Entry[S] {
	e := &Entry[S]{}
	if codec.Decode(plain, func(c *codec.Coder) { e.fields(c, k.config.Fields) }) != nil {
		return nil
	}
	e.User = k.config.User(e.Data)
	if end := e.Started.Add(k.config.MaxAge); end.Before(e.End) {
		e.End = end
	}
	e.Expiry = earlier(e.Expiry, e.End)
	return e
}

func (k *Keeper[S]) encode(e *Entry[S]) []byte {
	return codec.Encode(entrySize, func(c *codec.Coder) { e.fields(c, k.config.Fields) })
}

// entrySize is the usual length of a session before it is sealed.
const entrySize = 1536

func (k *Keeper[S]) remember(e *Entry[S]) {
	key := openedKey{true, e.key}
	if !e.Stored() {
		key = openedKey{name: e.Value}
	}
	k.opened.Put(key, e, size(e), k.config.Now(), e.Expiry)
}

func size[S any](e *Entry[S]) int { return 2*len(e.Value) + 2*len(e.sealed) }

// current returns the newest version of a session that this process knows, or
// nil if the session is not valid. kept reports whether e comes from the store
// or the browser, rather than from this process.
func (k *Keeper[S]) current(ctx context.Context, e *Entry[S], kept bool) (*Entry[S], error) {
	now := k.config.Now()
	if _, ended := k.ended.Get(e.ID, now); ended {
		return nil, nil
	}
	e = k.newest(e, kept, now)
	if !now.Before(e.Expiry) {
		return nil, nil
	}
	if k.remote {
		if counts, err := k.inEpoch(ctx, e); err != nil || !counts {
			return nil, err
		}
	}
	return e, nil
}

// newest returns the version that replaced e in this process, or e.
func (k *Keeper[S]) newest(e *Entry[S], kept bool, now time.Time) *Entry[S] {
	if e.copied {
		return e
	}
	v, ok := k.latest.Get(e.ID, now)
	switch {
	case !ok || v.entry.Version < e.Version:
		return e
	case v.entry.Version > e.Version:
		if k.remote { // the store lost it, or does not have it yet
			k.saveLater(v.entry)
		}
		return v.entry
	case kept && !v.confirmed:
		k.confirm(e)
	}
	return e
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// New returns a session that has not started yet.
func (k *Keeper[S]) New(data S, expiry time.Time) *Entry[S] {
	now := k.config.Now()
	e := &Entry[S]{User: k.config.User(data), Started: now, End: now.Add(k.config.MaxAge), Data: data}
	e.Expiry = earlier(expiry, e.End)
	rand.Read(e.ID[:])
	return e
}

// Start starts a session and returns it with the value of its cookie: the
// session itself if it fits and no store is configured, otherwise its ID.
func (k *Keeper[S]) Start(ctx context.Context, fresh *Entry[S], shared bool) (*Entry[S], string, error) {
	started := *fresh
	e := &started
	e.Shared = shared
	if !k.remote {
		err := k.place(ctx, e)
		return e, e.Value, err
	}
	ctx = k.Limit(ctx)
	value := newStoredValue()
	e.key = StoreKey(value)
	var err error
	if e.epoch, err = k.epochOf(ctx, e.User); err != nil {
		return nil, "", err
	}
	if err := k.list(ctx, e); err != nil {
		return nil, "", err
	}
	e.sealed = k.config.Stored.Seal(k.encode(e), e.key)
	return e, value, k.store.commit(ctx, e.key, e.sealed, k.keptUntil(e))
}

// Copy returns a copy of a session that is kept in its cookie, for a second
// cookie. The copy ends when the session does and is never renewed.
func (k *Keeper[S]) Copy(ctx context.Context, e *Entry[S], data S, expiry time.Time) (*Entry[S], error) {
	copied := *e
	copied.Data, copied.copied, copied.Expiry = data, true, earlier(expiry, e.End)
	return &copied, k.place(ctx, &copied)
}

// place seals a session into the value of its cookie, or puts it into the
// memory of this process if it does not fit.
func (k *Keeper[S]) place(ctx context.Context, e *Entry[S]) error {
	plain := k.encode(e)
	value := base64.RawURLEncoding.EncodeToString(k.config.InCookie.Seal(plain, k.config.Context))
	if len(value) <= k.maxValue(e) {
		e.Value, e.key, e.sealed = value, "", nil
		k.remember(e)
		return nil
	}
	k.config.Logger.WarnContext(ctx, "hfoauth: session does not fit in a cookie and is kept in the "+
		"memory of this process: with several replicas, set Config.Store",
		"sub", e.User, "bytes", len(plain))
	e.Value = newStoredValue()
	e.key = keyOf("session", e.Value)
	e.sealed = k.config.Stored.Seal(plain, e.key)
	return k.store.commit(ctx, e.key, e.sealed, k.keptUntil(e))
}

func (k *Keeper[S]) maxValue(e *Entry[S]) int {
	if e.Shared {
		return k.config.MaxShared
	}
	return k.config.MaxValue
}

// keptUntil returns until when the store keeps a session: a little longer than
// it lasts, so that a version that replaces it still finds it.
func (k *Keeper[S]) keptUntil(e *Entry[S]) time.Time {
	return later(e.Expiry, k.config.Now().Add(afterEnd))
}
