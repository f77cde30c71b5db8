package sessions

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// startShared starts a session that is shared with an iframe.
func (w *world) startShared(k *Keeper[data]) (*Entry[data], string) {
	w.Helper()
	e, value, err := k.Start(w.Context(), k.New(data{"ada", "token 1"}, time.Now().Add(maxAge)), true)
	if err != nil {
		w.Fatal(err)
	}
	return e, value
}

// A session that is shared with an iframe continues when the tab signs in again,
// and ends when the user signs out.
func TestSharedSessions(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k, other := w.replica(), w.replica()
		e, shared := w.startShared(k)
		if !e.Shared || !w.open(other, shared).Shared {
			t.Error("a session that an iframe shares is not marked")
		}
		_, alone := w.start(k)
		for _, value := range []string{shared, alone} {
			if err := k.EndUnlessShared(t.Context(), value); err != nil {
				t.Error(err)
			}
		}
		w.expect(k, shared, "token 1")
		w.expect(k, alone, none)
		if w.store != nil {
			w.expect(other, shared, "token 1")
			w.expect(other, alone, none)
		}
		k.End(t.Context(), shared)
		w.expect(k, shared, none)
	})
}

// Signing in again while the store is down does not end a session shared with an
// iframe, neither now nor later.
func TestSharedSessionsDuringAnOutage(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		_, shared := w.startShared(k)
		w.expect(k, shared, "token 1")
		w.fail()
		if err := k.EndUnlessShared(t.Context(), shared); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%v, want %v", err, ErrUnavailable)
		}
		w.mend()
		w.expect(k, shared, "token 1")
		time.Sleep(time.Hour)
		w.expect(k, shared, "token 1")
	})
}

// A session shared with an iframe that is ended while the store is down ends
// everywhere, even if it is also waiting to be ended unless it is shared.
func TestEndOfASharedSessionDuringAnOutage(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k, other := w.replica(), w.replica()
		_, shared := w.startShared(k)
		w.fail()
		k.EndUnlessShared(t.Context(), shared)
		k.End(t.Context(), shared)
		w.mend()
		time.Sleep(time.Hour)
		w.expect(k, shared, none)
		w.expect(other, shared, none)
	})
}

// Until the store has the end, this process refuses the session, even once a sign-in
// that waited as well has spared it.
func TestEndOfASharedSessionIsKnown(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k, other := w.replica(), w.replica()
		_, shared := w.startShared(other)
		w.fail()
		k.EndUnlessShared(t.Context(), shared)
		if err := k.End(t.Context(), shared); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%v, want %v", err, ErrUnavailable)
		}
		w.fail("commit session", "commit ended") // the store is up, and takes no end yet
		time.Sleep(time.Minute)
		w.expect(k, shared, none)
		w.mend()
		time.Sleep(time.Minute)
		w.expect(other, shared, none)
	})
}

// EndEntry needs no cookie.
func TestEndEntry(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k := w.replica()
		e, value := w.start(k)
		if k.Ended(e.ID) {
			t.Error("ended before its end")
		}
		if err := k.EndEntry(t.Context(), e); err != nil {
			t.Error(err)
		}
		if !k.Ended(e.ID) {
			t.Error("this process does not know that it ended the session")
		}
		w.expect(k, value, none)
	})
}

// A holder of an opened session learns of its end at once, even while the store is
// down. Once the end is stored, it is no longer pending.
func TestEndDuringAnOutageIsKnown(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		e, value := w.start(k)
		w.expect(k, value, "token 1")
		watched, stop := k.Watch(e.ID)
		defer stop()
		w.fail()
		if err := k.End(t.Context(), value); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%v, want %v", err, ErrUnavailable)
		}
		if !k.Ended(e.ID) {
			t.Error("the opened session does not count as ended")
		}
		select {
		case <-watched:
		default:
			t.Error("the session's watcher does not learn of its end")
		}
		w.expect(k, value, none) // the store is not asked
		if n := k.pending.Len(); n != 1 {
			t.Errorf("%d ends are pending, want one", n)
		}
		w.mend()
		time.Sleep(time.Minute)
		if n := k.pending.Len(); n != 0 {
			t.Errorf("%d ends are pending after the store took them", n)
		}
		w.expect(w.replica(), value, none)
	})
}

// The process and the store remember an ended session until it would have ended by
// itself.
func TestEndsLastUntilTheEnd(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		e, value := w.start(k)
		k.End(t.Context(), value)
		time.Sleep(maxAge - time.Hour)
		if !k.Ended(e.ID) {
			t.Error("this process has forgotten the end")
		}
		if n := w.count("session") + w.count("ended"); n != 1 {
			t.Errorf("%d tombstones are in the store, want one", n)
		}
		time.Sleep(3 * time.Hour)
		if n := w.count("session") + w.count("ended"); n != 0 {
			t.Errorf("%d tombstones are in the store after the session's end", n)
		}
	})
}

// change changes what is stored.
func (f *fakeStore) change(how func(key string, e fakeEntry) fakeEntry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, e := range f.entries {
		f.entries[key] = how(key, e)
	}
}

func TestWatchersAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
		k := w.replica()
		e, _ := w.start(k)
		one, stopOne := k.Watch(e.ID)
		_, stopTwo := k.Watch(e.ID)
		stopTwo()
		if n := len(k.watchers[e.ID]); n != 1 {
			t.Errorf("%d watchers are kept, want the one that listens", n)
		}
		stopOne()
		stopOne()
		if n := len(k.watchers); n != 0 {
			t.Errorf("%d sessions are watched, want none", n)
		}
		k.EndEntry(t.Context(), e)
		select {
		case <-one:
			t.Error("a watcher that stopped is notified")
		default:
		}
	})
}

// An epoch that cannot be read ends all sessions rather than none.
func TestUnreadableEpoch(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		_, before := w.start(k)
		if err := k.EndUser(t.Context(), "ada"); err != nil {
			t.Fatal(err)
		}
		_, value := w.start(k)
		w.change(func(key string, e fakeEntry) fakeEntry {
			if key == k.epochKey("ada") {
				e.b = e.b[:len(e.b)-1]
			}
			return e
		})
		w.expect(k, value, none)
		w.expect(k, before, none)
	})
}

// Epochs are random in every bit, so that no two are the same.
func TestEpochs(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		var always, never [16]byte
		for i := range always {
			always[i], never[i] = 0xff, 0xff
		}
		for range 64 {
			if err := k.EndUser(t.Context(), "ada"); err != nil {
				t.Fatal(err)
			}
			e, err := k.epochOf(t.Context(), "ada")
			if err != nil {
				t.Fatal(err)
			}
			for i, b := range e.mark {
				always[i] &= b
				never[i] &= ^b
			}
		}
		for i := range always {
			if stuck := always[i] | never[i]; stuck != 0 {
				t.Errorf("byte %d of an epoch has bits that never change: %08b", i, stuck)
			}
		}
	})
}

// IDs in cookies and identities of sessions are random in every bit.
func TestIdentities(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k := w.replica()
		checkBits := func(name string, values [][]byte) {
			t.Helper()
			for i := range values[0] {
				always, never := byte(0xff), byte(0xff)
				for _, v := range values {
					always &= v[i]
					never &= ^v[i]
				}
				if stuck := always | never; stuck != 0 {
					t.Errorf("byte %d of %s has bits that never change: %08b", i, name, stuck)
				}
			}
		}
		var ids, values, owners [][]byte
		for range 64 {
			e, value := w.start(k)
			ids = append(ids, e.ID[:])
			if w.store != nil {
				b, err := base64.RawURLEncoding.DecodeString(value)
				if err != nil || len(b) != 32 {
					t.Fatalf("value %q: %d bytes, %v, want 32", value, len(b), err)
				}
				values = append(values, b)
			}
			owner := w.replica().owner
			owners = append(owners, owner[:])
		}
		checkBits("an identity", ids)
		checkBits("a process's name", owners)
		if w.store != nil {
			checkBits("a cookie's value", values)
		}
	})
}

// EndUser completes even if its caller is gone.
func TestEndUserOutlivesItsCaller(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		_, value := w.start(k)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := k.EndUser(ctx, "ada"); err != nil {
			t.Errorf("EndUser: %v", err)
		}
		w.expect(w.replica(), value, none)
	})
}

// An epoch is kept until the last session before it has ended.
func TestEpochsAreKept(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		_, value := w.start(k)
		w.forget("list") // so that the epoch alone decides
		if err := k.EndUser(t.Context(), "ada"); err != nil {
			t.Fatal(err)
		}
		for range 29 {
			time.Sleep(24 * time.Hour)
			w.expect(w.replica(), value, none)
		}
		if n := w.count("epoch"); n != 1 {
			t.Errorf("%d epochs are kept while a session of the one before could live", n)
		}
	})
}

// A user's list is emptied and sealed, cannot be used for another user, and is kept
// no longer than its sessions.
func TestListIsTheUsers(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		w.start(k)
		w.startWith(k, data{"grace", "hers"}, time.Now().Add(maxAge))
		w.mu.Lock()
		w.entries[k.listKey("ada")] = w.entries[k.listKey("grace")]
		w.mu.Unlock()
		if _, list, err := k.listed(t.Context(), "ada"); len(list) != 0 || err != nil {
			t.Errorf("grace's list opens as ada's, with %d sessions (%v)", len(list), err)
		}
	})
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		e, _ := w.start(k)
		hers, _ := w.startWith(k, data{"grace", "hers"}, time.Now().Add(maxAge))
		err := k.relist(t.Context(), "ada", func(list []listing) []listing { return append(list, listingOf(hers)) })
		if err != nil {
			t.Fatal(err)
		}
		entries, err := k.List(t.Context(), "ada")
		if err != nil {
			t.Errorf("the list: %v", err)
		}
		if len(entries) != 1 {
			t.Fatalf("%d sessions are listed, want one", len(entries))
		}
		if entries[0].ID != e.ID {
			t.Errorf("session %v is listed, want ada's, %v", entries[0].ID, e.ID)
		}
	})
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		w.start(k)
		if err := k.EndUser(t.Context(), "ada"); err != nil {
			t.Fatal(err)
		}
		if n := w.count("list"); n != 0 {
			t.Errorf("%d lists are kept after all sessions ended", n)
		}
	})
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		w.start(k)
		w.change(func(key string, e fakeEntry) fakeEntry {
			if key == k.listKey("ada") {
				e.b = []byte("unreadable")
			}
			return e
		})
		_, value := w.start(k) // the user can still sign in
		w.expect(k, value, "token 1")
		if entries, err := k.List(t.Context(), "ada"); len(entries) != 1 || err != nil {
			t.Errorf("%d sessions are listed, want the new one (%v)", len(entries), err)
		}
	})
}

// If a session cannot be read, there is no list without it.
func TestListNeedsTheStore(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		w.start(k)
		for _, call := range []string{"find list", "find session"} {
			w.fail(call)
			entries, err := k.List(t.Context(), "ada")
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("%s fails: %d sessions and %v, want %v", call, len(entries), err, ErrUnavailable)
			}
		}
	})
}

// Expired sessions leave the list, which is kept as long as the last session.
func TestListEnds(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		w.start(k)
		time.Sleep(10 * 24 * time.Hour)
		w.start(k)
		time.Sleep(21 * 24 * time.Hour)
		if n := w.count("list"); n != 1 {
			t.Errorf("%d lists are kept while a session lives", n)
		}
		w.start(k)
		if _, list, err := k.listed(t.Context(), "ada"); len(list) != 2 || err != nil {
			t.Errorf("%d sessions are on the list, want the two that live (%v)", len(list), err)
		}
		time.Sleep(32 * 24 * time.Hour)
		if n := w.count("list"); n != 0 {
			t.Errorf("%d lists are kept after all sessions ended", n)
		}
	})
}

// A session that has ended but is still on the list is not listed.
func TestEndedSessionsAreNotListed(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		_, value := w.start(k)
		w.start(k)
		w.fail("find list", "swap list", "commit list")
		if err := k.End(t.Context(), value); err != nil {
			t.Fatal(err)
		}
		w.mend()
		if entries, err := k.List(t.Context(), "ada"); len(entries) != 1 || err != nil {
			t.Errorf("%d sessions are listed, want the one that lives (%v)", len(entries), err)
		}
	})
}

// A change of the list is retried if others were faster.
func TestListIsChangedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
		w.store = swapping{w.fakeStore}
		k := w.replica()
		others, busy := 0, false
		w.setBefore(func(call string) error {
			again := others < 3 && !busy
			if again && call == "swap list" {
				busy = true // the other's own calls are left alone
				w.startWith(w.replica(), data{"ada", fmt.Sprint(others)}, time.Now().Add(maxAge))
				busy = false
				others++
			}
			return nil
		})
		w.start(k)
		w.mend()
		if entries, err := k.List(t.Context(), "ada"); len(entries) != 4 || err != nil {
			t.Errorf("%d sessions are listed, want four (%v)", len(entries), err)
		}
	})
}

// A sign-in fails if any of its entries cannot be stored.
func TestStartNeedsTheStore(t *testing.T) {
	for _, call := range []string{"find epoch", "find list", "commit session"} {
		withStores(t, func(t *testing.T, w *world) {
			k := w.replica()
			w.fail(call)
			_, _, err := k.Start(t.Context(), k.New(data{"ada", "token 1"}, time.Now().Add(maxAge)), false)
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("%s fails: %v, want %v", call, err, ErrUnavailable)
			}
		})
	}
}

// While the store is down anyone can sign out of invented sessions. The end of a
// session that this process has seen is stored nevertheless.
func TestMadeUpSessionsDoNotCrowdOutAnEnd(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.bounded(10)
		_, value := w.start(k)
		w.expect(k, value, "token 1")
		w.fail()
		for range 30 {
			k.End(t.Context(), newStoredValue())
		}
		if err := k.End(t.Context(), value); !errors.Is(err, ErrUnavailable) {
			t.Errorf("End: %v, want %v", err, ErrUnavailable)
		}
		for range 30 {
			k.End(t.Context(), newStoredValue())
		}
		w.mend()
		time.Sleep(time.Hour)
		w.expect(w.replica(), value, none)
	})
}

// The end of an older version outlasts the newer ones.
func TestEndOfAnOlderVersion(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k := w.replica()
		e, value := w.startWith(k, data{"ada", "token 1"}, time.Now().Add(time.Hour))
		next, err := k.Renew(t.Context(), e, data{"ada", "token 2"}, time.Now().Add(5*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if err := k.End(t.Context(), value); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		w.expect(k, value, none)
		if w.store == nil {
			w.expect(k, next.Value, none)
		}
	})
}

// An epoch that cannot be read also ends sessions of before the first one, which
// the list has lost.
func TestUnreadableEpochAndLostList(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		e, value := w.start(k)
		stored := w.entries[e.key]
		w.forget("list")
		if err := k.EndUser(t.Context(), "ada"); err != nil {
			t.Fatal(err)
		}
		w.entries[e.key] = stored
		w.change(func(key string, e fakeEntry) fakeEntry {
			if key == k.epochKey("ada") {
				e.b = e.b[:len(e.b)-1]
			}
			return e
		})
		w.expect(w.replica(), value, none)
	})
}

// A store whose client repeats a call may report that nothing was swapped although
// the first call did it.
func TestSwapsThatWereRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
		w.store = repeating{swapping{w.fakeStore}}
		k := w.replica()
		e, value := w.start(k)
		listed, err := k.List(t.Context(), "ada")
		if err != nil || len(listed) != 1 {
			t.Errorf("%d sessions are listed, %v: want one", len(listed), err)
		}
		began := time.Now()
		current, lease, err := k.Turn(t.Context(), e, true)
		if err != nil || lease == nil {
			t.Fatalf("lease %v, %v: want a lease", lease, err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the lease took %s", took)
		}
		w.renew(k, current, "token 2")
		lease.Release(t.Context())
		if n := w.count("lease"); n != 0 {
			t.Errorf("%d leases are left", n)
		}
		w.expect(w.replica(), value, "token 2")
		if err := k.Park(t.Context(), "challenge", value); err != nil {
			t.Fatal(err)
		}
		k.Claim(t.Context(), "challenge")
		if claimed, _, err := k.Claim(t.Context(), "challenge"); claimed == nil || err != nil {
			t.Errorf("claimed %v, %v: want the session at the second try", claimed, err)
		}
		if err := k.End(t.Context(), value); err != nil {
			t.Errorf("End: %v", err)
		}
		w.expect(w.replica(), value, none)
	})
}

// repeating makes each swap twice and reports the second result.
type repeating struct{ swapping }

func (r repeating) SwapCtx(ctx context.Context, key string, old, next []byte, expiry time.Time) (bool, error) {
	if _, err := r.swapping.SwapCtx(ctx, key, old, next, expiry); err != nil {
		return false, err
	}
	return r.swapping.SwapCtx(ctx, key, old, next, expiry)
}
