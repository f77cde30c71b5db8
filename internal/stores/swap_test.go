package stores

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/stores/pgstore"
	"github.com/hfoauth/hfoauth/stores/redisstore"
)

// testSwap checks what a SwapStore promises.
func testSwap(t *testing.T, address string) {
	opened, err := openStore(address)
	if err != nil {
		t.Fatal(err)
	}
	store := opened.(hfoauth.SwapStore)
	const key = "hfoauth-test-swap"
	a, b := []byte("a"), []byte{0, 255, 'b'}
	later := time.Now().Add(time.Hour)
	expect := func(want []byte) {
		t.Helper()
		got, found, err := store.Find(key)
		if err != nil {
			t.Errorf("Find: %v", err)
		}
		if there := want != nil; found != there {
			t.Errorf("found is %v, want %v", found, there)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("the value is %q, want %q", got, want)
		}
	}
	swap := func(old, new []byte, expiry time.Time, want bool) {
		t.Helper()
		if swapped, err := store.SwapCtx(t.Context(), key, old, new, expiry); swapped != want || err != nil {
			t.Errorf("%q for %q: %v, %v, want %v", new, old, swapped, err, want)
		}
	}
	swap(nil, nil, later, true)
	swap(a, b, later, false)
	swap(a, nil, later, false)
	expect(nil)
	swap(nil, a, later, true)
	expect(a)
	swap(nil, b, later, false)
	swap(nil, nil, later, false)
	swap(b, a, later, false)
	swap(a, b, later, true)
	expect(b)
	swap(a, nil, later, false)
	swap(b, nil, later, true)
	expect(nil)
	swap(nil, a, time.Now().Add(100*time.Millisecond), true)
	eventually(t, "it expires", func() bool {
		_, found, _ := store.Find(key)
		return !found
	})
	swap(a, b, later, false) // what has expired counts as missing
	swap(a, nil, later, false)
	swap(nil, nil, later, true)
	swap(nil, b, later, true)
	expect(b)
	swap(b, a, time.Now().Add(-time.Second), true) // a value that has expired already
	expect(nil)
	swap(nil, []byte{}, later, true) // an empty value is one
	swap(nil, a, later, false)
	swap([]byte{}, b, later, true)
	swap(b, a, time.Now().Add(100*time.Millisecond), true)
	eventually(t, "a value that replaced another expires", func() bool {
		_, found, _ := store.Find(key)
		return !found
	})
	swap(nil, b, later, true)
	if err := store.Delete(key); err != nil {
		t.Error(err)
	}
	expect(nil)

	var swapped atomic.Int32
	var wait sync.WaitGroup
	for i := range 50 {
		wait.Go(func() {
			ok, err := store.SwapCtx(context.Background(), key, nil, []byte{byte(i)}, later)
			if err != nil {
				t.Error(err)
			}
			if ok {
				swapped.Add(1)
			}
		})
	}
	wait.Wait()
	if got := swapped.Load(); got != 1 {
		t.Errorf("%d of 50 swapped at once, want one", got)
	}
}

// A store without a server is a mistake that shows at once.
func TestNewWithoutAServer(t *testing.T) {
	for name, call := range map[string]func(){
		"redisstore: New: the client is nil": func() { redisstore.New(nil) },
		"pgstore: New: the pool is nil":      func() { pgstore.New(nil) },
	} {
		func() {
			defer func() {
				if got := recover(); got != name {
					t.Errorf("New panics with %v, want %s", got, name)
				}
			}()
			call()
		}()
	}
}

// testCommit checks what each Store promises.
func testCommit(t *testing.T, address string) {
	store, err := openStore(address)
	if err != nil {
		t.Fatal(err)
	}
	const key, neighbour = "hfoauth-test-commit", "hfoauth-test-neighbour"
	commit := func(key, value string, lifetime time.Duration) {
		t.Helper()
		if err := store.Commit(key, []byte(value), time.Now().Add(lifetime)); err != nil {
			t.Errorf("Commit: %v", err)
		}
	}
	expect := func(key, want string) {
		t.Helper()
		got, found, err := store.Find(key)
		if err != nil {
			t.Errorf("Find: %v", err)
		}
		if there := want != ""; found != there {
			t.Errorf("%s: found is %v, want %v", key, found, there)
		}
		if string(got) != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	commit(neighbour, "a", time.Hour)
	expect(key, "")
	commit(key, "a", time.Hour)
	commit(key, "b", time.Hour)
	expect(key, "b")
	if err := store.Delete(key); err != nil {
		t.Errorf("Delete: %v", err)
	}
	expect(key, "")
	commit(key, "a", time.Hour)
	if _, err := store.(hfoauth.SwapStore).SwapCtx(t.Context(), key, []byte("a"), []byte("b"),
		time.Now().Add(time.Hour)); err != nil {
		t.Errorf("SwapCtx: %v", err)
	}
	expect(neighbour, "a")
	commit(key, "a", 100*time.Millisecond)
	eventually(t, "a value that was replaced by one with less time expires", func() bool {
		_, found, _ := store.Find(key)
		return !found
	})
	commit(key, "a", time.Hour)
	expect(key, "a")
	commit(key, "b", -time.Second)
	expect(key, "")
}

// testCancelled checks that calls end with their context, and say so: an error
// is not a missing value.
func testCancelled(t *testing.T, address string) {
	opened, err := openStore(address)
	if err != nil {
		t.Fatal(err)
	}
	store := opened.(interface {
		hfoauth.SwapStore
		contexts
	})
	const key = "hfoauth-test-cancelled"
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a, b, later := []byte("a"), []byte("b"), time.Now().Add(time.Hour)
	swap := func(old, new []byte) func() (bool, error) {
		return func() (bool, error) { return store.SwapCtx(ctx, key, old, new, later) }
	}
	for name, call := range map[string]func() (bool, error){
		"find": func() (bool, error) {
			_, found, err := store.FindCtx(ctx, key)
			return found, err
		},
		"commit":          func() (bool, error) { return false, store.CommitCtx(ctx, key, a, later) },
		"delete":          func() (bool, error) { return false, store.DeleteCtx(ctx, key) },
		"swap":            swap(a, b),
		"swap to nothing": swap(a, nil),
		"swap of nothing": swap(nil, a),
		"swap nothing":    swap(nil, nil),
	} {
		ok, err := call()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want %v", name, err, context.Canceled)
		}
		if ok {
			t.Errorf("%s: true, want false", name)
		}
	}
}

func testDeleteExpired(t *testing.T, address string) {
	pool, err := pgxpool.New(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(t.Context(), "TRUNCATE sessions"); err != nil {
		t.Fatal(err)
	}
	store := pgstore.New(pool)
	for key, expiry := range map[string]time.Duration{"expired": -time.Hour, "good": time.Hour} {
		if err := store.Commit(key, []byte(key), time.Now().Add(expiry)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := store.DeleteExpired(t.Context()); n != 1 || err != nil {
		t.Errorf("%d rows deleted, %v, want one", n, err)
	}
	if _, found, err := store.Find("good"); !found || err != nil {
		t.Errorf("a row that has not expired: %v, %v", found, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.DeleteExpired(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context ended: error %v, want %v", err, context.Canceled)
	}
}
