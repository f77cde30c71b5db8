package sessions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// The limits that the documentation states. Other tests use the constants.
func TestLimits(t *testing.T) {
	for name, tt := range map[string]struct{ got, want any }{
		"store calls of a request":      {StoreTime, 800 * time.Millisecond},
		"a parked session waits":        {parkedLifetime, 2 * time.Minute},
		"sessions of a user":            {maxListed, 100},
		"a renewal may take":            {leaseLifetime, 15 * time.Second},
		"sessions remembered as ended":  {maxEnded, 100_000},
		"decoded sessions":              {maxOpened, 4096},
		"bytes of decoded sessions":     {maxOpenedBytes, 16 << 20},
		"entries in memory":             {memoryEntries, 100_000},
		"bytes in memory":               {memoryBytes, 64 << 20},
		"longest pause of the backlog":  {maxPause, 30 * time.Second},
		"an end is remembered after it": {afterEnd, time.Hour},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %v, want %v", name, tt.got, tt.want)
		}
	}
}

// Everything that a process remembers is bounded.
func TestEveryKindIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
		k := w.bounded(10)
		for i := range 30 {
			e, value := w.startWith(k, data{fmt.Sprint(i), "token 1"}, time.Now().Add(maxAge))
			k.Open(t.Context(), value)
			next := w.renew(k, e, "token 2")
			if i%2 == 0 {
				k.EndEntry(t.Context(), next)
			}
			e, _ = w.startWith(k, data{fmt.Sprint(i), "token 1"}, time.Now().Add(maxAge))
			k.EndEntry(t.Context(), e)
		}
		for name, n := range map[string]int{
			"opened": k.opened.Len(),
			"latest": k.latest.Len(),
			"ended":  k.ended.Len(),
		} {
			if n > 10 || n == 0 {
				t.Errorf("%d %s are kept, want at most 10 and some", n, name)
			}
		}
	})
}

// bounded is a replica that remembers few of each kind.
func (w *world) bounded(n int) *Keeper[data] {
	w.Helper()
	config := w.replica().config
	config.MaxEntries = n
	return New(config)
}

// Large sessions are kept decoded as long as there is room for their bytes.
func TestOpenedSessionsAreBoundedInBytes(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		large := data{"ada", strings.Repeat("x", 1<<20)}
		for range 40 {
			_, value := w.startWith(k, large, time.Now().Add(maxAge))
			w.expect(k, value, large.Token)
		}
		if n := k.opened.Len(); n > 16 || n == 0 {
			t.Errorf("%d sessions of a mebibyte are kept decoded in 16 MiB", n)
		}
	})
}

// Renewed versions are kept as long as there is room for their bytes.
func TestVersionsAreBoundedInBytes(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		large := data{"ada", strings.Repeat("x", 1<<20)}
		for range 80 {
			e, _ := w.startWith(k, large, time.Now().Add(maxAge))
			w.renew(k, e, large.Token)
		}
		if n := k.latest.Len(); n > 64 || n == 0 {
			t.Errorf("%d versions of a mebibyte are kept in 64 MiB", n)
		}
	})
}

// A session that was opened from a cookie does not keep the request's header in
// memory.
func TestOpenedSessionDoesNotPinTheHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
		_, value := w.start(w.replica())
		header := strings.Repeat("x", 100_000) + value
		part := header[100_000:]
		e := w.open(w.replica(), part)
		if e == nil {
			t.Fatal("the session does not open")
		}
		if unsafe.StringData(e.Value) == unsafe.StringData(part) {
			t.Error("the session's value is a part of the header")
		}
	})
}

// A session fits in a cookie up to the last byte.
func TestSessionThatJustFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
		k := w.replica()
		var longest int
		for n := 500; n < 800; n++ {
			_, value := w.startWith(k, data{"ada", strings.Repeat("x", n)}, time.Now().Add(maxAge))
			if isStoredValue(value) {
				break
			}
			longest = len(value)
		}
		if longest != k.config.MaxValue {
			t.Errorf("the longest session in a cookie has %d characters, want %d", longest, k.config.MaxValue)
		}
	})
}

// The memory of a process is a store like any other, bounded in entries and bytes.
func TestMemory(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory(func() time.Time { return now }).(*memory)
	check := func(what, key, want string) {
		t.Helper()
		b, found, err := m.Find(key)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if string(b) != want {
			t.Errorf("%s: the value is %q, want %q", what, b, want)
		}
		if there := want != ""; found != there {
			t.Errorf("%s: found is %v, want %v", what, found, there)
		}
	}
	swap := func(key string, old, next []byte) bool {
		t.Helper()
		swapped, err := m.SwapCtx(context.Background(), key, old, next, now.Add(time.Minute))
		if err != nil {
			t.Error(err)
		}
		return swapped
	}
	check("before", "a", "")
	m.Commit("a", []byte("1"), now.Add(time.Minute))
	check("committed", "a", "1")
	if swap("a", []byte("other"), []byte("2")) {
		t.Error("swapped in spite of another value")
	}
	if swap("a", nil, []byte("2")) {
		t.Error("swapped as if there were none")
	}
	check("not swapped", "a", "1")
	if !swap("a", []byte("1"), []byte("2")) {
		t.Error("not swapped")
	}
	check("swapped", "a", "2")
	if swap("b", []byte("1"), []byte("2")) {
		t.Error("swapped a missing value")
	}
	if !swap("b", nil, []byte("1")) {
		t.Error("not put where there was none")
	}
	check("put", "b", "1")
	if !swap("b", []byte("1"), nil) {
		t.Error("not removed")
	}
	check("removed", "b", "")
	m.Delete("a")
	check("deleted", "a", "")
	m.Delete("a")

	m.Commit("c", []byte("1"), now.Add(time.Minute))
	now = now.Add(time.Minute - time.Second)
	check("before its end", "c", "1")
	now = now.Add(time.Second)
	check("at its end", "c", "")
	if !swap("c", nil, []byte("2")) {
		t.Error("an expired value counts as present")
	}
	now = now.Add(time.Minute)
	check("at the end of what was swapped", "c", "")
}

func TestMemoryIsBounded(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory(func() time.Time { return now }).(*memory)
	for i := range memoryEntries + 10 {
		m.Commit(fmt.Sprint(i), []byte("x"), now.Add(time.Hour))
	}
	if n := m.entries.Len(); n != memoryEntries {
		t.Errorf("%d entries are kept, want %d", n, memoryEntries)
	}
	m = NewMemory(func() time.Time { return now }).(*memory)
	large := make([]byte, 1<<20)
	for i := range 100 {
		m.Commit(fmt.Sprint(i), large, now.Add(time.Hour))
		m.SwapCtx(context.Background(), fmt.Sprint("swapped", i), nil, large, now.Add(time.Hour))
	}
	if n := m.entries.Len(); n != memoryBytes>>20 {
		t.Errorf("%d mebibytes are kept, want %d", n, memoryBytes>>20)
	}
}

// If several goroutines swap the same value at once, one succeeds.
func TestMemorySwapsOnce(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMemory(func() time.Time { return now }).(*memory)
	for round := range 2000 {
		begin := make(chan struct{})
		results := make(chan bool, 4)
		for i := range 4 {
			go func() {
				<-begin
				swapped, _ := m.SwapCtx(context.Background(), fmt.Sprint(round), nil, []byte{byte(i)}, now.Add(time.Hour))
				results <- swapped
			}()
		}
		close(begin)
		swapped := 0
		for range 4 {
			if <-results {
				swapped++
			}
		}
		if swapped != 1 {
			t.Fatalf("round %d: %d swapped, want one", round, swapped)
		}
	}
}

func newTestBacklog(maxJobs int) *backlog {
	return &backlog{now: time.Now, logger: slog.New(slog.NewTextHandler(io.Discard, nil)), maxJobs: maxJobs}
}

func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBacklog(3)
		began := time.Now()
		var mu sync.Mutex
		var tries []int
		down := true
		job := func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			tries = append(tries, int(time.Since(began).Round(time.Second).Seconds()))
			if down {
				return errFake
			}
			return nil
		}
		b.add("a", began.Add(24*time.Hour), job)
		b.add("a", began.Add(24*time.Hour), job) // waits already
		time.Sleep(100 * time.Second)
		mu.Lock()
		if got, want := fmt.Sprint(tries), "[0 1 3 7 15 31 61 91]"; got != want {
			t.Errorf("tried after %s s, want %s", got, want)
		}
		down = false
		mu.Unlock()
		b.mu.Lock()
		if n := len(b.jobs); n != 1 {
			t.Errorf("%d changes of one name wait, want one", n)
		}
		b.mu.Unlock()
		time.Sleep(time.Minute)
		mu.Lock()
		tries = nil
		mu.Unlock()
		b.add("a", began.Add(24*time.Hour), job) // again, now that it is done
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(tries) != 1 {
			t.Errorf("a change that was made once was made %d times more, want once", len(tries))
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.jobs != nil || len(b.names) != 0 {
			t.Errorf("%d jobs and %d names are left", len(b.jobs), len(b.names))
		}
	})
}

// A success shows that the store works again: the pauses start over.
func TestPausesStartOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBacklog(3)
		began := time.Now()
		both := make(chan struct{}) // closed when both wait, so that they take turns
		var tries []int             // all times after the beginning, in seconds
		b.add("fails", began.Add(12*time.Second), func(context.Context) error {
			<-both
			tries = append(tries, int(time.Since(began).Seconds()))
			return errFake
		})
		b.add("succeeds", began.Add(time.Hour), func(context.Context) error {
			if time.Since(began) < 7*time.Second {
				return errFake
			}
			return nil
		})
		close(both)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got, want := fmt.Sprint(tries), "[0 3 7 8 10]"; got != want {
			t.Errorf("tried after %s s, want %s: a change succeeded after 7 s", got, want)
		}
	})
}

// A change that no longer matters is dropped, and changes beyond the bound are
// refused.
func TestBacklogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBacklog(3)
		var mu sync.Mutex
		tried := map[string]int{}
		fail := func(name string) func(context.Context) error {
			return func(context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				tried[name]++
				return errFake
			}
		}
		for i := range 5 {
			name := fmt.Sprint(i)
			b.add(name, time.Now().Add(time.Hour), fail(name))
		}
		time.Sleep(90 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if len(tried) != 3 {
			t.Errorf("%d changes were tried, want 3", len(tried))
		}
		b.mu.Lock()
		left := len(b.jobs)
		b.mu.Unlock()
		if left != 0 {
			t.Errorf("%d changes are tried after they matter", left)
		}
	})
}

// A store is called with the context of the request, if it takes one.
func TestContextsReachTheStore(t *testing.T) {
	type key struct{}
	withStores(t, func(t *testing.T, w *world) {
		seen := false
		w.store = &contextual{fakeStore: w.fakeStore, on: func(ctx context.Context) {
			seen = seen || ctx.Value(key{}) == "here"
		}}
		k := w.replica()
		if contexts, _ := k.Uses(); !contexts {
			t.Error("the contexts of the store are not used")
		}
		k.Open(context.WithValue(t.Context(), key{}, "here"), newStoredValue())
		if !seen {
			t.Error("the context did not reach the store")
		}
	})
}

type contextual struct {
	*fakeStore
	on func(context.Context)
}

func (c *contextual) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	c.on(ctx)
	return c.fakeStore.FindCtx(ctx, key)
}

// When a request's store time is used up, the store is no longer called.
func TestNoStoreTimeLeft(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		_, value := w.start(k)
		ctx := k.Limit(t.Context())
		w.setBefore(func(string) error { time.Sleep(StoreTime); return errFake })
		k.Open(ctx, value)
		w.mend()
		w.take()
		if _, err := k.Open(ctx, value); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%v, want %v", err, ErrUnavailable)
		}
		synctest.Wait() // a call would be made in a goroutine of its own
		if calls := w.take(); len(calls) != 0 {
			t.Errorf("the store is called nevertheless: %v", calls)
		}
		w.expect(k, value, "token 1") // another request
	})
}

// Emulated compare-and-swap: the last writer learns that it was last, the others
// that they were not.
func TestEmulatedSwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeStore()
		b := newBackend(f, slog.New(slog.NewTextHandler(io.Discard, nil)))
		key, end := "hfoauth-session-x", time.Now().Add(time.Hour)
		swap := func(old, next []byte) bool {
			t.Helper()
			swapped, err := b.swap(t.Context(), key, old, next, end)
			if err != nil {
				t.Error(err)
			}
			return swapped
		}
		f.after = func(call string) error { // another writes after us
			if call == "commit session" {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.entries[key] = fakeEntry{[]byte("theirs"), end}
			}
			return nil
		}
		if swap(nil, []byte("ours")) {
			t.Error("swapped, though another wrote last")
		}
		f.after = nil
		if swap(nil, []byte("ours")) {
			t.Error("swapped, though there was something")
		}
		if swap([]byte{}, []byte("ours")) {
			t.Error("swapped, though there was something else")
		}
		f.entries[key] = fakeEntry{[]byte{}, end}
		if swap(nil, []byte("ours")) {
			t.Error("an empty value counts as none")
		}
		if !swap([]byte{}, []byte("ours")) {
			t.Error("an empty value is not found")
		}
	})
}
