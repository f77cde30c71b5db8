package sessions

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hfoauth/hfoauth/internal/expiring"
)

// Store is where sessions are kept. Its methods are those of scs's Store.
type Store interface {
	Find(key string) (b []byte, found bool, err error)
	Commit(key string, b []byte, expiry time.Time) error
	Delete(key string) error
}

// ContextStore is a Store whose methods take a context: scs's CtxStore.
type ContextStore interface {
	FindCtx(ctx context.Context, key string) (b []byte, found bool, err error)
	CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error
	DeleteCtx(ctx context.Context, key string) error
}

// SwapStore is a Store that can compare and swap.
type SwapStore interface {
	SwapCtx(ctx context.Context, key string, old, new []byte, expiry time.Time) (swapped bool, err error)
}

// StoreTime is how long the store calls of one request may take together. It
// leaves time to respond with 503 within a second.
const StoreTime = 800 * time.Millisecond

// backend calls a Store. Its methods take no longer than the request's remaining
// store time and return errors that wrap ErrUnavailable.
type backend struct {
	Store
	contexts ContextStore // nil if the Store has no contexts
	swapper  SwapStore    // nil if the Store cannot compare and swap
	local    bool         // the Store is the memory of this process
	logger   *slog.Logger

	abandoned atomic.Int64 // calls that were abandoned and have not returned
}

// maxAbandoned bounds the goroutines held by a store that never returns.
const maxAbandoned = 256

func newBackend(store Store, logger *slog.Logger) *backend {
	b := &backend{Store: store, logger: logger}
	b.contexts, _ = store.(ContextStore)
	b.swapper, _ = store.(SwapStore)
	_, b.local = store.(*memory)
	return b
}

// find returns the bytes under key, or nil.
func (b *backend) find(ctx context.Context, key string) ([]byte, error) {
	return limited(ctx, b, func(ctx context.Context) ([]byte, error) { return b.findNow(ctx, key) })
}

func (b *backend) findNow(ctx context.Context, key string) (value []byte, err error) {
	var found bool
	if b.contexts != nil {
		value, found, err = b.contexts.FindCtx(ctx, key)
	} else {
		value, found, err = b.Find(key)
	}
	if !found {
		value = nil
	}
	return value, err
}

func (b *backend) commit(ctx context.Context, key string, value []byte, expiry time.Time) error {
	_, err := limited(ctx, b, func(ctx context.Context) (struct{}, error) {
		if b.contexts != nil {
			return struct{}{}, b.contexts.CommitCtx(ctx, key, value, expiry)
		}
		return struct{}{}, b.Commit(key, value, expiry)
	})
	return err
}

func (b *backend) delete(ctx context.Context, key string) error {
	_, err := limited(ctx, b, func(ctx context.Context) (struct{}, error) {
		if b.contexts != nil {
			return struct{}{}, b.contexts.DeleteCtx(ctx, key)
		}
		return struct{}{}, b.Delete(key)
	})
	return err
}

// swap stores next under key if the value there is old, and reports whether it
// did. A nil old means that the key must be absent; a nil next deletes it.
//
// If the store cannot compare and swap, it reads, writes and reads again: if
// several processes write at the same moment, usually one of them learns that
// it was last, and the others that they were not.
func (b *backend) swap(ctx context.Context, key string, old, next []byte, expiry time.Time) (bool, error) {
	if b.swapper != nil {
		return limited(ctx, b, func(ctx context.Context) (bool, error) {
			return b.swapper.SwapCtx(ctx, key, old, next, expiry)
		})
	}
	current, err := b.find(ctx, key)
	if err != nil || !same(current, old) {
		return false, err
	}
	if next == nil {
		return true, b.delete(ctx, key)
	}
	if err := b.commit(ctx, key, next, expiry); err != nil {
		return false, err
	}
	current, err = b.find(ctx, key)
	return same(current, next), err
}

func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// limited waits for a call to the store no longer than the remaining store time,
// whether or not the store respects its context.
func limited[T any](ctx context.Context, b *backend, do func(context.Context) (T, error)) (T, error) {
	if b.local {
		return do(ctx)
	}
	var none T
	allowance, _ := ctx.Value(allowanceKey{}).(*allowance)
	left := allowance.left()
	switch {
	case left <= 0:
		return none, unavailable(context.DeadlineExceeded)
	case b.abandoned.Load() >= maxAbandoned:
		return none, unavailable(errors.New("too many abandoned store calls have not returned"))
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	began := time.Now()
	c := &call[T]{done: make(chan struct{})}
	go c.run(ctx, b, do)
	defer func() { allowance.spend(time.Since(began)) }()
	select {
	case <-c.done:
		return c.value, unavailable(c.err)
	case <-ctx.Done():
		if c.settled.CompareAndSwap(false, true) {
			b.abandoned.Add(1)
		}
		return none, unavailable(ctx.Err())
	}
}

// call is a call to the store that may still be running.
type call[T any] struct {
	value   T
	err     error
	done    chan struct{}
	settled atomic.Bool // it returned or was abandoned
}

func (c *call[T]) run(ctx context.Context, b *backend, do func(context.Context) (T, error)) {
	defer func() {
		if problem := recover(); problem != nil { // net/http recovers only its own goroutines
			c.err = errors.New("the store panicked")
			b.logger.ErrorContext(ctx, "hfoauth: Config.Store panicked", "panic", problem, "stack", string(debug.Stack()))
		}
		if !c.settled.CompareAndSwap(false, true) {
			b.abandoned.Add(-1)
		}
		close(c.done)
	}()
	c.value, c.err = do(ctx)
}

func unavailable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// allowance is the store time that a request has left. A nil allowance gives
// each call StoreTime.
type allowance struct{ nanoseconds atomic.Int64 }

type allowanceKey struct{}

// Limit returns a context whose store calls together take no longer than
// StoreTime. Methods limit a context that is not limited yet.
func (k *Keeper[S]) Limit(ctx context.Context) context.Context {
	if k.store.local {
		return ctx
	}
	if _, ok := ctx.Value(allowanceKey{}).(*allowance); ok {
		return ctx
	}
	return newLimit(ctx)
}

// Left returns how much store time a request has left.
func (k *Keeper[S]) Left(ctx context.Context) time.Duration {
	a, _ := ctx.Value(allowanceKey{}).(*allowance)
	return a.left()
}

func newLimit(ctx context.Context) context.Context {
	a := &allowance{}
	a.nanoseconds.Store(int64(StoreTime))
	return context.WithValue(ctx, allowanceKey{}, a)
}

// unlimited returns a context each of whose store calls has StoreTime.
func unlimited(ctx context.Context) context.Context {
	return context.WithValue(ctx, allowanceKey{}, (*allowance)(nil))
}

func (a *allowance) left() time.Duration {
	if a == nil {
		return StoreTime
	}
	return time.Duration(a.nanoseconds.Load())
}

func (a *allowance) spend(d time.Duration) {
	if a != nil {
		a.nanoseconds.Add(-int64(d))
	}
}

// keyOf returns the key of an entry in the store. It contains only the hash of
// id, so that anyone who can read the store learns neither IDs nor users.
func keyOf(kind, id string) string {
	var buffer [64]byte
	hash := sha256.Sum256(append(buffer[:0], id...))
	return keyOfHash(kind, hash)
}

func keyOfHash(kind string, hash [sha256.Size]byte) string {
	var buffer [80]byte
	key := append(append(append(buffer[:0], "hfoauth-"...), kind...), '-')
	return string(base64.RawURLEncoding.AppendEncode(key, hash[:]))
}

// memory is a Store in the memory of this process, bounded in entries and bytes:
// the entries that expire soonest are evicted.
type memory struct {
	now func() time.Time

	swapping sync.Mutex // held while the entries change
	entries  *expiring.Map[string, []byte]
}

const (
	memoryEntries = 100_000
	memoryBytes   = 64 << 20
)

// NewMemory returns a SwapStore in the memory of this process.
func NewMemory(now func() time.Time) Store {
	return &memory{now: now, entries: expiring.New[string, []byte](memoryEntries, memoryBytes)}
}

func (m *memory) Find(key string) ([]byte, bool, error) {
	b, ok := m.entries.Get(key, m.now())
	return b, ok, nil
}

func (m *memory) Commit(key string, b []byte, expiry time.Time) error {
	m.swapping.Lock()
	defer m.swapping.Unlock()
	m.entries.Put(key, b, len(b), m.now(), expiry)
	return nil
}

func (m *memory) Delete(key string) error {
	m.swapping.Lock()
	defer m.swapping.Unlock()
	m.entries.Take(key, m.now())
	return nil
}

func (m *memory) SwapCtx(_ context.Context, key string, old, next []byte, expiry time.Time) (bool, error) {
	m.swapping.Lock()
	defer m.swapping.Unlock()
	now := m.now()
	current, _ := m.entries.Get(key, now)
	if !same(current, old) {
		return false, nil
	}
	if next == nil {
		m.entries.Take(key, now)
	} else {
		m.entries.Put(key, next, len(next), now, expiry)
	}
	return true, nil
}
