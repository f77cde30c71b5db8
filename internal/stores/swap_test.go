package stores

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/stores/pgstore"
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
	swap(nil, b, later, true)
	expect(b)
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
}
