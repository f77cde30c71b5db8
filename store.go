package hfoauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/hfoauth/hfoauth/internal/expiring"
)

// Store keeps sessions on the server. The methods are those of scs's CtxStore
// (https://pkg.go.dev/github.com/alexedwards/scs/v2#CtxStore), so that its
// store for Redis (goredisstore) and others serve as they are. [StoreOf] takes
// those that know no contexts, such as that for PostgreSQL (pgxstore).
//
// Sessions are stored sealed, under a key that is a hash: whoever reads the
// store learns no token and cannot sign in. Methods are called concurrently,
// and given up on after 800 ms.
type Store interface {
	// FindCtx returns the bytes under key, and false if there are none or
	// they have expired.
	FindCtx(ctx context.Context, key string) (b []byte, found bool, err error)

	// CommitCtx keeps b under key until expiry, in place of what was there.
	CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error

	// DeleteCtx removes key; one that is not there is no error.
	DeleteCtx(ctx context.Context, key string) error
}

// PlainStore has the methods of scs's Store, which take no context
// (https://pkg.go.dev/github.com/alexedwards/scs/v2#Store).
type PlainStore interface {
	Find(key string) (b []byte, found bool, err error)
	Commit(key string, b []byte, expiry time.Time) error
	Delete(key string) error
}

// StoreOf returns a Store of one whose methods take no context. A call that is
// given up on goes on until the store itself gives up.
func StoreOf(store PlainStore) Store { return plainStore{store} }

type plainStore struct{ store PlainStore }

func (p plainStore) FindCtx(_ context.Context, key string) ([]byte, bool, error) {
	return p.store.Find(key)
}

func (p plainStore) CommitCtx(_ context.Context, key string, b []byte, expiry time.Time) error {
	return p.store.Commit(key, b, expiry)
}

func (p plainStore) DeleteCtx(_ context.Context, key string) error { return p.store.Delete(key) }

const (
	// storeTimeout leaves a request that waits for the store, and answers 503,
	// within a second.
	storeTimeout       = 800 * time.Millisecond
	memoryStoreEntries = 100_000
	memoryStoreBytes   = 64 << 20
)

// storeKey is the name of something in the store: the hash of its ID, from
// which the ID, such as that in a session's cookie, cannot be told.
func storeKey(kind, id string) string {
	buffer := make([]byte, 0, 64)
	hash := sha256.Sum256(append(buffer, id...))
	buffer = append(append(append(buffer, "hfoauth-"...), kind...), '-')
	return string(base64.RawURLEncoding.AppendEncode(buffer, hash[:]))
}

// sessionStore is the configured Store with a time limit, or our own.
type sessionStore struct {
	Store
}

func newSessionStore(configured Store, now func() time.Time) sessionStore {
	if configured == nil {
		configured = &memoryStore{expiring.New[string, []byte](memoryStoreEntries, memoryStoreBytes), now}
	}
	return sessionStore{configured}
}

// find returns the bytes under key, or nil.
func (s sessionStore) find(ctx context.Context, key string) ([]byte, error) {
	return limited(ctx, s, func(ctx context.Context) ([]byte, error) {
		b, found, err := s.FindCtx(ctx, key)
		if !found {
			b = nil
		}
		return b, err
	})
}

func (s sessionStore) commit(ctx context.Context, key string, b []byte, expiry time.Time) error {
	_, err := limited(ctx, s, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.CommitCtx(ctx, key, b, expiry)
	})
	return err
}

func (s sessionStore) delete(ctx context.Context, key string) error {
	_, err := limited(ctx, s, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.DeleteCtx(ctx, key)
	})
	return err
}

// limited calls the store and waits no longer than storeTimeout, whether or
// not the store minds its context.
func limited[T any](ctx context.Context, s sessionStore, call func(context.Context) (T, error)) (T, error) {
	if _, ours := s.Store.(*memoryStore); ours {
		return call(ctx)
	}
	type result struct {
		value T
		err   error
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	results := make(chan result, 1)
	go func() {
		r := result{err: errors.New("the store panicked")}
		defer func() {
			recover() // net/http would, were this its goroutine
			results <- r
		}()
		r.value, r.err = call(ctx)
	}()
	select {
	case r := <-results:
		return r.value, storeError(r.err)
	case <-ctx.Done():
		var none T
		return none, storeError(ctx.Err())
	}
}

func storeError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrStoreUnavailable, err)
}

// memoryStore is the Store of a process by itself, bounded in entries and
// bytes: the sessions that end soonest give way.
type memoryStore struct {
	entries *expiring.Map[string, []byte]
	now     func() time.Time
}

func (m *memoryStore) FindCtx(_ context.Context, key string) ([]byte, bool, error) {
	b, ok := m.entries.Get(key, m.now())
	return b, ok, nil
}

func (m *memoryStore) CommitCtx(_ context.Context, key string, b []byte, expiry time.Time) error {
	m.entries.Put(key, b, len(b), m.now(), expiry)
	return nil
}

func (m *memoryStore) DeleteCtx(_ context.Context, key string) error {
	m.entries.Take(key, m.now())
	return nil
}
