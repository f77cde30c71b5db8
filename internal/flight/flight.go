// Package flight makes one call at a time for a key, however many ask, and
// remembers the result for as long as the call says.
package flight

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hfoauth/hfoauth/internal/expiring"
)

// Group shares the results of calls. It is safe for concurrent use.
type Group[K comparable, V any] struct {
	// OnPanic, if set before the first call, gets what a call panicked with, and
	// its stack.
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

// Limits are how many results a Group remembers, and of what size together,
// where there is a Size; the zero value of a failed call has one, too.
type Limits[V any] struct {
	Results int
	Size    func(V) int
	Total   int
}

// New returns a Group whose calls may take timeout.
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

// Remembered returns the value that is remembered for key, if there is one and
// its call succeeded.
func (g *Group[K, V]) Remembered(key K) (V, bool) {
	r, ok := g.results.Get(key, g.now())
	return r.value, ok && r.err == nil
}

// Do returns the remembered result for key, or that of the call under way, or
// starts fn, which says until when its result is to be remembered. The call
// goes on when ctx ends: others may wait for it, and what it did is done.
func (g *Group[K, V]) Do(ctx context.Context, key K, fn func(context.Context) (value V, until time.Time, err error)) (V, error) {
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
		if value := recover(); value != nil && g.OnPanic != nil { // net/http would, were this its goroutine
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
