package sessions

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hfoauth/hfoauth/internal/codec"
	"github.com/hfoauth/hfoauth/internal/seal"
)

// data is the data of the sessions in these tests.
type data struct{ User, Token string }

func dataFields(c *codec.Coder, d *data) {
	c.String(&d.User)
	c.String(&d.Token)
}

// fakeStore is a store that forgets expired entries and fails on request.
type fakeStore struct {
	mu      sync.Mutex
	entries map[string]fakeEntry
	calls   []string // "find session", "commit ended", …

	// before and after are called before and after each call has its effect. If
	// either returns an error, the call does.
	before, after func(call string) error
}

type fakeEntry struct {
	b      []byte
	expiry time.Time
}

func newFakeStore() *fakeStore { return &fakeStore{entries: map[string]fakeEntry{}} }

// call makes a call of a kind about a key.
func (f *fakeStore) call(ctx context.Context, kind, key string, do func()) error {
	name := kind + " " + strings.Split(key, "-")[1]
	f.mu.Lock()
	f.calls = append(f.calls, name)
	before, after := f.before, f.after
	f.mu.Unlock()
	if before != nil {
		if err := before(name); err != nil {
			return err
		}
	}
	f.mu.Lock()
	do()
	f.mu.Unlock()
	if after != nil {
		return after(name)
	}
	return nil
}

func (f *fakeStore) get(key string) ([]byte, bool) {
	e, ok := f.entries[key]
	if !ok || !time.Now().Before(e.expiry) {
		return nil, false
	}
	return e.b, true
}

func (f *fakeStore) FindCtx(ctx context.Context, key string) (b []byte, found bool, err error) {
	err = f.call(ctx, "find", key, func() { b, found = f.get(key) })
	return b, found, err
}

func (f *fakeStore) CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error {
	return f.call(ctx, "commit", key, func() { f.entries[key] = fakeEntry{b, expiry} })
}

func (f *fakeStore) DeleteCtx(ctx context.Context, key string) error {
	return f.call(ctx, "delete", key, func() { delete(f.entries, key) })
}

func (f *fakeStore) Find(key string) ([]byte, bool, error) {
	return f.FindCtx(context.Background(), key)
}
func (f *fakeStore) Commit(key string, b []byte, expiry time.Time) error {
	return f.CommitCtx(context.Background(), key, b, expiry)
}
func (f *fakeStore) Delete(key string) error { return f.DeleteCtx(context.Background(), key) }

// swapping is a fakeStore that can compare and swap.
type swapping struct{ *fakeStore }

func (f swapping) SwapCtx(ctx context.Context, key string, old, next []byte,
	expiry time.Time) (swapped bool, err error) {
	err = f.call(ctx, "swap", key, func() {
		current, _ := f.get(key)
		if swapped = same(current, old); !swapped {
			return
		}
		if next == nil {
			delete(f.entries, key)
		} else {
			f.entries[key] = fakeEntry{next, expiry}
		}
	})
	return swapped, err
}

// fail makes the calls with one of these names fail, all if none is given.
func (f *fakeStore) fail(names ...string) {
	f.setBefore(func(call string) error {
		if len(names) == 0 {
			return errFake
		}
		for _, name := range names {
			if call == name {
				return errFake
			}
		}
		return nil
	})
}

func (f *fakeStore) setBefore(before func(string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = before
}

func (f *fakeStore) mend() { f.setBefore(nil) }

// take returns the calls since it was called last.
func (f *fakeStore) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { f.calls = nil }()
	return f.calls
}

// forget removes the entries of a kind.
func (f *fakeStore) forget(kind string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range f.entries {
		if strings.HasPrefix(key, "hfoauth-"+kind+"-") {
			delete(f.entries, key)
		}
	}
}

// count returns the number of entries of a kind.
func (f *fakeStore) count(kind string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range f.entries {
		if _, ok := f.get(key); ok && strings.HasPrefix(key, "hfoauth-"+kind+"-") {
			n++
		}
	}
	return n
}

var errFake = fmt.Errorf("the store is down")

// world is an app with several replicas and a store, in a synctest bubble.
type world struct {
	*testing.T
	*fakeStore
	store  Store
	maxAge time.Duration
}

const maxAge = 30 * 24 * time.Hour

// replica starts a process of the app.
func (w *world) replica() *Keeper[data] { return w.replicaWith(time.Now) }

func (w *world) replicaWith(now func() time.Time) *Keeper[data] {
	w.Helper()
	inCookie, err := seal.New("cookie", []byte("secret"))
	if err != nil {
		w.Fatal(err)
	}
	stored, err := seal.New("stored", []byte("secret"))
	if err != nil {
		w.Fatal(err)
	}
	return New(Config[data]{
		Store: w.store, MaxAge: w.maxAge, MaxValue: 1000, MaxShared: 500,
		InCookie: inCookie, Stored: stored, Context: "cookie",
		Fields: dataFields, User: func(d data) string { return d.User },
		Now: now, Logger: slog.New(slog.DiscardHandler),
	})
}

// turn waits for a replica's turn to renew a session and returns its lease.
func (w *world) turn(k *Keeper[data], e *Entry[data]) *Lease[data] {
	w.Helper()
	_, lease, err := k.Turn(w.Context(), e, true)
	if err != nil {
		w.Fatal(err)
	}
	if lease == nil {
		w.Fatal("another replica renews the session")
	}
	return lease
}

// withStores runs a test with a store that can compare and swap, and with one
// that cannot.
func withStores(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	for _, kind := range []string{"swap", "plain"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
				w.store = w.fakeStore
				if kind == "swap" {
					w.store = swapping{w.fakeStore}
				}
				test(t, w)
			})
		})
	}
}

// withAll also runs a test without a store.
func withAll(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	withStores(t, test)
	t.Run("none", func(t *testing.T) {
		inWorld(t, test)
	})
}

// inWorld runs a test without a store.
func inWorld(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}) })
}

// start starts a session for ada, with the first token.
func (w *world) start(k *Keeper[data]) (*Entry[data], string) {
	w.Helper()
	return w.startWith(k, data{"ada", "token 1"}, time.Now().Add(maxAge))
}

func (w *world) startWith(k *Keeper[data], d data, expiry time.Time) (*Entry[data], string) {
	w.Helper()
	e, value, err := k.Start(w.Context(), k.New(d, expiry), false)
	if err != nil {
		w.Fatal(err)
	}
	return e, value
}

func (w *world) open(k *Keeper[data], value string) *Entry[data] {
	w.Helper()
	e, err := k.Open(w.Context(), value)
	if err != nil {
		w.Errorf("Open: %v", err)
	}
	return e
}

// expect checks the token of a cookie's session; none means that there is no valid
// session.
func (w *world) expect(k *Keeper[data], value, want string) {
	w.Helper()
	got := none
	if e := w.open(k, value); e != nil {
		got = e.Data.Token
	}
	if got != want {
		w.Errorf("the session has %s, want %s", got, want)
	}
}

const none = "nothing"

// renew replaces the token of a session.
func (w *world) renew(k *Keeper[data], e *Entry[data], token string) *Entry[data] {
	w.Helper()
	next, err := k.Renew(w.Context(), e, data{"ada", token}, time.Now().Add(maxAge))
	if err != nil {
		w.Fatalf("Renew: %v", err)
	}
	return next
}
