// Package flight makes one call at a time for each key, shared by all concurrent
// callers, and caches its result for as long as the call says.
package flight

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hfoauth/hfoauth/internal/expiring"
)

// Group shares calls and their results. It is safe for concurrent use.
type Group[K comparable, V any] struct {
	// OnPanic, if not nil, is called with the value of a panic and its stack. It
	// must be set before the first call.
	OnPanic func(value any, stack []byte)

	timeout time.Duration
	now     func() time.Time
	size    func(V) int
	results *expiring.Map[K, result[V]]

	mu      sync.Mutex
	running map[K]*call[V]
}

type result[V any] struct {
	value V
	err   error
}

type call[V any] struct {
	result[V]
	done chan struct{}
}

// Limits bounds the results that a Group caches.
type Limits[V any] struct {
	Results int         // number of results
	Size    func(V) int // of a value; must accept the zero value of a failed call; nil: 0
	Total   int         // sum of all sizes
}

// New returns a Group whose calls are canceled after timeout.
func New[K comparable, V any](timeout time.Duration, limits Limits[V], now func() time.Time) *Group[K, V] {
	if limits.Size == nil {
		limits.Size = func(V) int { return 0 }
	}
	return &Group[K, V]{
		timeout: timeout,
		now:     now,
		size:    limits.Size,
		results: expiring.New[K, result[V]](limits.Results, limits.Total),
		running: map[K]*call[V]{},
	}
}

// Remembered returns the cached value of key, if there is one and its call
// succeeded.
func (g *Group[K, V]) Remembered(key K) (V, bool) {
	r, ok := g.results.Get(key, g.now())
	return r.value, ok && r.err == nil
}

// Running reports whether a call for key is in progress.
func (g *Group[K, V]) Running(key K) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.running[key]
	return ok
}

// Do returns the cached result of key, or waits for the call in progress, or
// calls fn, which returns until when to cache its result. The call continues
// when ctx ends: others may wait for it, and its effects cannot be undone.
func (g *Group[K, V]) Do(ctx context.Context, key K,
	fn func(context.Context) (value V, until time.Time, err error)) (V, error) {
	g.mu.Lock()
	if r, ok := g.results.Get(key, g.now()); ok {
		g.mu.Unlock()
		return r.value, r.err
	}
	c, ok := g.running[key]
	if !ok {
		c = &call[V]{done: make(chan struct{})}
		g.running[key] = c
		go g.run(context.WithoutCancel(ctx), key, c, fn)
	}
	g.mu.Unlock()

	select {
	case <-c.done:
		return c.value, c.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}

func (g *Group[K, V]) run(ctx context.Context, key K, c *call[V], fn func(context.Context) (V, time.Time, error)) {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	var until time.Time
	c.err = errors.New("flight: the call panicked")
	defer func() {
		if value := recover(); value != nil && g.OnPanic != nil { // net/http would report it, but this is not its goroutine
			g.OnPanic(value, debug.Stack())
		}
		g.mu.Lock()
		g.results.Put(key, c.result, g.size(c.value), g.now(), until)
		delete(g.running, key)
		g.mu.Unlock()
		close(c.done)
	}()
	c.value, until, c.err = fn(ctx)
}
