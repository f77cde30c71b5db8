package sessions

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestStart(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k := w.replica()
		e, value := w.start(k)
		got := w.open(k, value)
		if got == nil {
			t.Fatal("the session does not open")
		}
		if got.ID != e.ID {
			t.Errorf("identity %x, want %x", got.ID, e.ID)
		}
		if want := (data{"ada", "token 1"}); got.Data != want {
			t.Errorf("data %v, want %v", got.Data, want)
		}
		if got.User != "ada" {
			t.Errorf("user %q, want ada", got.User)
		}
		if want := e.Started.Add(maxAge); !got.End.Equal(want) {
			t.Errorf("ends at %v, want %v", got.End, want)
		}
		w.expect(w.replica(), value, "token 1") // keys and store are the same
		for _, other := range []string{"", "x", value[1:], strings.Repeat("A", 43), strings.Repeat("A", 400)} {
			w.expect(k, other, none)
		}
	})
}

func TestTooLargeForACookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
		k := w.replica()
		large := data{"ada", strings.Repeat("x", 1000)}
		e, value := w.startWith(k, large, time.Now().Add(maxAge))
		if len(value) != 43 {
			t.Fatalf("value of %d characters, want an ID", len(value))
		}
		w.expect(k, value, large.Token)
		if next := w.renew(k, e, "small"); next.Value != "" && next.Value != value {
			t.Error("a renewal in memory changes the cookie")
		}
		w.expect(k, value, "small")
		k.End(t.Context(), value)
		w.expect(k, value, none)

		// A session that grows moves from its cookie to memory; the old cookie still
		// opens it.
		e, old := w.start(k)
		next := w.renew(k, e, large.Token)
		if len(next.Value) != 43 {
			t.Errorf("value of %d characters, want an ID", len(next.Value))
		}
		w.expect(k, next.Value, large.Token)
		w.expect(k, old, large.Token)
		k.End(t.Context(), old)
		w.expect(k, next.Value, none)
	})
}

func TestExpiry(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k := w.replica()
		_, value := w.startWith(k, data{"ada", "token"}, time.Now().Add(time.Hour))
		time.Sleep(time.Hour - time.Second)
		w.expect(k, value, "token")
		time.Sleep(time.Second)
		w.expect(k, value, none)
	})
}

// However often it is renewed, a session ends at its maximum age, which each
// replica counts from the sealed start.
func TestMaxAge(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k := w.replica()
		e, value := w.start(k)
		time.Sleep(maxAge - 2*time.Hour)
		if next := w.renew(k, e, "token 2"); next.Value != "" {
			value = next.Value
		}
		w.expect(k, value, "token 2")
		w.maxAge = maxAge - 2*time.Hour
		w.expect(w.replica(), value, none)
		time.Sleep(2*time.Hour - time.Second)
		w.expect(k, value, "token 2")
		time.Sleep(time.Second)
		w.expect(k, value, none)
	})
}

func TestEnd(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k, other := w.replica(), w.replica()
		e, value := w.start(k)
		_, spared := w.start(k)
		w.expect(other, value, "token 1") // which caches it
		ended, stop := k.Watch(e.ID)
		defer stop()
		if err := k.End(t.Context(), value); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ended:
		default:
			t.Error("the session's watcher does not learn of its end")
		}
		w.expect(k, value, none)
		w.expect(k, spared, "token 1")
		if w.store != nil {
			w.expect(other, value, none)
		}
	})
}

// A session that is refused for other reasons can still be ended.
func TestEndOfARefusedSession(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k, other := w.replica(), w.replica()
		e, value := w.start(k)
		if _, err := k.Refuse(t.Context(), e, data{"ada", "refused"}, time.Now()); err != nil {
			t.Fatal(err)
		}
		w.expect(k, value, none)
		if err := k.End(t.Context(), value); err != nil {
			t.Fatal(err)
		}
		_, err := k.Renew(t.Context(), e, data{"ada", "token 2"}, time.Now().Add(maxAge))
		if !errors.Is(err, ErrEnded) {
			t.Errorf("renewed after its end: %v", err)
		}
		if w.store != nil {
			_, err := other.Renew(t.Context(), e, data{"ada", "token 2"}, time.Now().Add(maxAge))
			if !errors.Is(err, ErrEnded) {
				t.Errorf("renewed by another replica after its end: %v", err)
			}
		}
		w.expect(k, value, none)
	})
}

func TestEndOfNobodyStoresNothing(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		if err := w.replica().End(t.Context(), newStoredValue()); err != nil || len(w.entries) != 0 {
			t.Errorf("%v, and %d entries are kept", err, len(w.entries))
		}
	})
}

// A renewal's write that lands after the sign-out, however late, does not bring the
// session back.
func TestLateWrites(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k, other := w.replica(), w.replica()
		e, value := w.start(k)
		release := make(chan struct{})
		var held atomic.Bool
		w.setBefore(func(call string) error {
			writes := call == "swap session" || call == "commit session"
			if writes && !held.Swap(true) {
				<-release
			}
			return nil
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.renew(k, e, "token 2") // its write is abandoned
		}()
		<-done
		if err := other.End(t.Context(), value); err != nil {
			t.Fatal(err)
		}
		close(release)
		synctest.Wait()
		for _, replica := range []*Keeper[data]{k, other, w.replica()} {
			w.expect(replica, value, none)
		}
	})
}

// The session ends even if the request that ends it is cancelled.
func TestEndOutlivesItsRequest(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		_, value := w.start(k)
		ctx, cancel := context.WithCancel(t.Context())
		w.setBefore(func(call string) error { cancel(); time.Sleep(time.Millisecond); return nil })
		if err := k.End(ctx, value); err != nil {
			t.Errorf("End: %v", err)
		}
		w.mend()
		w.expect(w.replica(), value, none)
	})
}

// While the store is down, an ended session is refused by this process, and by all
// processes once the store is back.
func TestEndDuringAnOutage(t *testing.T) {
	for _, failing := range [][]string{nil, {"commit session", "commit ended"}, {"find session"}, {"find ended"}} {
		withStores(t, func(t *testing.T, w *world) {
			k, other := w.replica(), w.replica()
			_, value := w.start(k)
			w.fail(failing...)
			err := k.End(t.Context(), value)
			_, plain := w.store.(*fakeStore)
			if !plain && slices.Equal(failing, []string{"find ended"}) {
				return // which is not called
			}
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("with %v failing: %v, want %v", failing, err, ErrUnavailable)
			}
			if e, err := k.Open(t.Context(), value); e != nil || err != nil {
				t.Errorf("with %v failing, this process opens %v, %v", failing, e, err)
			}
			time.Sleep(time.Minute)
			w.mend()
			w.expect(k, value, none)
			time.Sleep(maxPause)
			w.expect(k, value, none)
			w.expect(other, value, none)
		})
	}
}

func TestEndUser(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k, other := w.replica(), w.replica()
		_, one := w.start(k)
		_, two := w.start(other)
		_, graces := w.startWith(k, data{"grace", "hers"}, time.Now().Add(maxAge))
		if err := other.EndUser(t.Context(), "ada"); err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{one, two} {
			w.expect(k, value, none)
			w.expect(other, value, none)
		}
		w.expect(k, graces, "hers")
		_, again := w.start(k) // in the same instant
		w.expect(k, again, "token 1")
		w.expect(other, again, "token 1")
		if err := k.EndUser(t.Context(), "ada"); err != nil {
			t.Fatal(err)
		}
		w.expect(other, again, none)
	})
}

// EndUser does not depend on the replicas' clocks.
func TestEndUserByAnotherClock(t *testing.T) {
	for _, ahead := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		withStores(t, func(t *testing.T, w *world) {
			k, other := w.replica(), w.replicaWith(func() time.Time { return time.Now().Add(ahead) })
			_, before := w.start(k)
			if err := other.EndUser(t.Context(), "ada"); err != nil {
				t.Fatal(err)
			}
			_, after := w.start(k)
			w.expect(k, before, none)
			w.expect(k, after, "token 1")
		})
	}
}

// Losing the epoch or the list does not bring sessions back, nor does it end later
// ones.
func TestEndUserAndLosses(t *testing.T) {
	for _, lost := range []string{"epoch", "list"} {
		withStores(t, func(t *testing.T, w *world) {
			k := w.replica()
			_, value := w.start(k)
			if lost == "list" {
				w.forget(lost)
			}
			if err := k.EndUser(t.Context(), "ada"); err != nil {
				t.Fatal(err)
			}
			w.forget(lost)
			w.expect(w.replica(), value, none)
		})
	}
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		k.EndUser(t.Context(), "ada")
		_, value := w.start(k)
		w.forget("epoch")
		w.expect(k, value, none) // an epoch that is missing is another one
	})
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		k.EndUser(t.Context(), "ada")
		time.Sleep(maxAge - time.Hour)
		_, value := w.start(k)
		time.Sleep(3 * time.Hour) // until the epoch is no longer needed
		if n := w.count("epoch"); n != 0 {
			t.Errorf("%d epochs are kept, want none", n)
		}
		w.expect(k, value, "token 1")
	})
}

// If the list cannot be read at that moment, it is read later, and sessions that
// began in between do not end.
func TestEndUserReadsTheListLater(t *testing.T) {
	for _, failing := range []string{"find list", "find session", "find epoch"} {
		t.Run(failing, func(t *testing.T) {
			withStores(t, func(t *testing.T, w *world) {
				k := w.replica()
				_, value := w.start(k)
				w.fail(failing)
				if err := k.EndUser(t.Context(), "ada"); err != nil {
					t.Fatalf("EndUser: %v", err)
				}
				synctest.Wait() // until it has failed again
				w.mend()
				_, later := w.start(w.replica())
				time.Sleep(time.Minute)
				w.expect(w.replica(), later, "token 1")
				w.forget("epoch")
				w.expect(w.replica(), value, none)
			})
		})
	}
}

// Of two calls whose lists are read later, the first spares the sessions that
// began after the second.
func TestEndUserTwiceDuringAnOutage(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		w.start(k)
		w.fail("find list")
		for range 2 {
			if err := k.EndUser(t.Context(), "ada"); err != nil {
				t.Fatalf("EndUser: %v", err)
			}
		}
		synctest.Wait() // until both have failed again
		w.mend()
		_, later := w.start(w.replica())
		time.Sleep(time.Minute)
		w.expect(w.replica(), later, "token 1")
	})
}

func TestEndUserNeedsTheStore(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		w.fail()
		if err := w.replica().EndUser(t.Context(), "ada"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%v, want %v", err, ErrUnavailable)
		}
	})
}

func TestList(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		var want []ID
		for range 3 {
			e, _ := w.start(k)
			want = append([]ID{e.ID}, want...)
			time.Sleep(time.Second)
		}
		_, ended := w.start(k)
		k.End(t.Context(), ended)
		w.startWith(k, data{"grace", "hers"}, time.Now().Add(maxAge))
		entries, err := w.replica().List(t.Context(), "ada")
		if err != nil {
			t.Fatal(err)
		}
		var got []ID
		for _, e := range entries {
			got = append(got, e.ID)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("listed %x, want %x", got, want)
		}
		for _, e := range entries {
			if err := k.EndEntry(t.Context(), e); err != nil {
				t.Error(err)
			}
		}
		if entries, err := k.List(t.Context(), "ada"); len(entries) != 0 || err != nil {
			t.Errorf("after their end: %d sessions, %v", len(entries), err)
		}
		if n := w.count("list"); n != 1 {
			t.Errorf("%d lists are kept, want grace's", n)
		}
	})
}

// The list is bounded: the oldest session makes room.
func TestManySessionsOfAUser(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		_, first := w.start(k)
		time.Sleep(time.Second)
		_, second := w.start(k)
		for range maxListed - 1 {
			time.Sleep(time.Second)
			w.start(k)
		}
		w.expect(k, first, none)
		w.expect(k, second, "token 1")
		if entries, _ := k.List(t.Context(), "ada"); len(entries) != maxListed {
			t.Errorf("%d sessions listed, want %d", len(entries), maxListed)
		}
	})
}

// Stored entries name neither the user nor the session, and do not open under
// another key.
func TestStoredIsSealed(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		_, one := w.start(k)
		_, two := w.start(k)
		k.EndUser(t.Context(), "nobody")
		k.Park(t.Context(), "challenge", one)
		var sessions []string
		for key, e := range w.entries {
			name, _ := base64.RawURLEncoding.DecodeString(key[len(key)-43:])
			all := key + string(name) + string(e.b)
			for _, secret := range []string{one, two, "ada", "token", "challenge"} {
				if strings.Contains(all, secret) {
					t.Errorf("%s shows %q", key, secret)
				}
			}
			if strings.HasPrefix(key, "hfoauth-session-") {
				sessions = append(sessions, key)
			}
		}
		a, b := sessions[0], sessions[1]
		w.entries[a], w.entries[b] = w.entries[b], w.entries[a]
		w.expect(w.replica(), one, none)
		w.expect(k, two, none)
	})
}

// A key of the store opens no session as a cookie, neither the whole key nor the
// part that looks like a cookie's value: reading the store does not let anyone sign
// in.
func TestKeyAsCookie(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		_, value := w.start(k)
		w.expect(k, value, "token 1")
		key := StoreKey(value)
		if w.entries[key].b == nil {
			t.Fatalf("the session is not under %s", key)
		}
		part := strings.TrimPrefix(key, "hfoauth-session-")
		if !isStoredValue(part) {
			t.Fatalf("%q does not have the shape of a cookie's value", part)
		}
		for _, known := range []string{key, part} {
			w.expect(k, known, none)
			w.expect(w.replica(), known, none)
		}
	})
}

func TestStoreTime(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		_, value := w.start(k)
		w.setBefore(func(string) error { time.Sleep(time.Hour); return nil })
		began := time.Now()
		ctx := k.Limit(t.Context())
		for range 3 {
			if _, err := k.Open(ctx, value); !errors.Is(err, ErrUnavailable) {
				t.Errorf("%v, want %v", err, ErrUnavailable)
			}
		}
		if took := time.Since(began); took != StoreTime {
			t.Errorf("three calls took %v, want %v together", took, StoreTime)
		}
		time.Sleep(2 * time.Hour) // until the store has answered
	})
}

func TestPanickingStore(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		w.setBefore(func(string) error { panic("nil map") })
		if _, err := w.replica().Open(t.Context(), newStoredValue()); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%v, want %v", err, ErrUnavailable)
		}
	})
}

// A store that never answers holds a bounded number of goroutines.
func TestStoreThatNeverAnswers(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		_, value := w.start(k)
		w.take()
		release := make(chan struct{})
		w.setBefore(func(string) error { <-release; return nil })
		for range 3 * maxAbandoned {
			go k.Open(t.Context(), value)
			time.Sleep(time.Second)
		}
		if n := len(w.take()); n != maxAbandoned {
			t.Errorf("%d calls to the store, want %d", n, maxAbandoned)
		}
		w.mend()
		close(release)
		synctest.Wait()
		w.expect(k, value, "token 1")
	})
}

// What a process remembers is bounded; what ends soonest is evicted.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
		k := w.replica()
		for i := range maxOpened + 10 {
			e, _ := w.startWith(k, data{fmt.Sprint(i), "token 1"}, time.Now().Add(maxAge))
			w.renew(k, e, "token 2")
		}
		if n := k.opened.Len(); n != maxOpened {
			t.Errorf("%d opened sessions are kept, want %d", n, maxOpened)
		}
		if n := k.latest.Len(); n > maxLatest {
			t.Errorf("%d versions are kept, want at most %d", n, maxLatest)
		}
	})
}
