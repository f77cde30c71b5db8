package sessions

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestRenew(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k := w.replica()
		e, old := w.start(k)
		next := w.renew(k, e, "token 2")
		if next.ID != e.ID || next.Version <= e.Version {
			t.Errorf("version %d of %x follows %d of %x", next.Version, next.ID, e.Version, e.ID)
		}
		w.expect(k, old, "token 2")
		if w.store == nil {
			w.expect(w.replica(), next.Value, "token 2")
			w.expect(k, next.Value, "token 2")
		} else {
			w.expect(w.replica(), old, "token 2")
		}
	})
}

// Tokens that were not stored, or that did not reach the browser, are used until
// the session ends, and are stored once that is possible.
func TestVersionsAreKept(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k := w.replica()
		e, value := w.start(k)
		w.fail("swap session", "commit session")
		next := w.renew(k, e, "token 2")
		time.Sleep(9 * time.Hour)
		w.renew(k, next, "token 3")
		time.Sleep(24 * time.Hour)
		w.expect(k, value, "token 3")
		w.mend()
		time.Sleep(maxPause)
		if w.store != nil {
			w.expect(w.replica(), value, "token 3")
		}
	})
}

// A store that falls back to an older version, because of a late write or a
// failover, gets the newer one again.
func TestStoreFallsBack(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		e, value := w.start(k)
		old := w.entries[e.key]
		w.renew(k, e, "token 2")
		w.entries[e.key] = old
		w.expect(k, value, "token 2")
		synctest.Wait()
		w.expect(w.replica(), value, "token 2")
	})
}

// If two replicas renew, the first to save decides.
func TestReplicasRenewBoth(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k, other := w.replica(), w.replica()
		e, value := w.start(k)
		w.renew(k, e, "token of one")
		if got := w.renew(other, e, "token of the other"); got.Data.Token != "token of one" {
			t.Errorf("the second one uses %q", got.Data.Token)
		}
		w.expect(k, value, "token of one")
		w.expect(other, value, "token of one")
	})
}

// Tokens of one replica replace the refusal at another, whichever is stored first.
func TestRefusedAtOneReplica(t *testing.T) {
	for _, refusedFirst := range []bool{true, false} {
		withStores(t, func(t *testing.T, w *world) {
			k, other := w.replica(), w.replica()
			e, value := w.start(k)
			refuse := func() {
				if _, err := other.Refuse(t.Context(), e, data{"ada", "refused"}, time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			if refusedFirst {
				refuse()
				w.expect(k, value, none) // everywhere
			}
			w.renew(k, e, "token 2")
			if !refusedFirst {
				refuse()
			}
			w.expect(k, value, "token 2")
			w.expect(other, value, "token 2")
		})
	}
}

// turn is what Turn returned at one of several replicas.
type turn struct {
	mine    bool
	version uint64
	err     error
	took    time.Duration
}

// An update costs nobody the tokens of a renewal at the same time, whichever is
// saved first.
func TestUpdateDuringARenewal(t *testing.T) {
	renews := func(w *world, k *Keeper[data], e *Entry[data]) { w.renew(k, e, "token 2") }
	updates := func(w *world, k *Keeper[data], e *Entry[data]) {
		if _, err := k.Update(w.Context(), e, data{"ada", "token 1, updated"}); err != nil {
			w.Errorf("Update: %v", err)
		}
	}
	refuses := func(w *world, k *Keeper[data], e *Entry[data]) {
		if _, err := k.Refuse(w.Context(), e, data{"ada", "refused"}, time.Now().Add(time.Hour)); err != nil {
			w.Errorf("Refuse: %v", err)
		}
	}
	type change = func(*world, *Keeper[data], *Entry[data])
	for _, test := range []struct {
		name    string
		changes []change
		want    string
	}{
		{"update, renewal", []change{updates, renews}, "token 2"},
		{"renewal, update", []change{renews, updates}, "token 2"},
		{"update, refusal", []change{updates, refuses}, "refused"},
		{"refusal, update", []change{refuses, updates}, "refused"},
		{"update", []change{updates}, "token 1, updated"},
	} {
		t.Run(test.name, func(t *testing.T) {
			withAll(t, func(t *testing.T, w *world) {
				k := w.replica()
				e, value := w.start(k)
				for _, change := range test.changes {
					change(w, k, e)
				}
				w.expect(k, value, test.want)
			})
		})
	}
}

// An updated session is still to be renewed.
func TestTurnAfterAnUpdate(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k := w.replica()
		e, _ := w.start(k)
		if _, err := k.Update(t.Context(), e, data{"ada", "token 1, updated"}); err != nil {
			t.Fatal(err)
		}
		current, lease, err := k.Turn(t.Context(), e, true)
		if err != nil || lease == nil {
			t.Fatalf("lease %v, %v: want a lease", lease, err)
		}
		if current.Data.Token != "token 1, updated" {
			t.Errorf("the turn is that of %s, want the updated version", current.Data.Token)
		}
	})
}

func TestTurn(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		e, _ := w.start(w.replica())
		var holders, most, renewals atomic.Int32
		turns := make(chan turn, 4)
		for range cap(turns) {
			k := w.replica()
			go func() {
				began := time.Now()
				current, lease, err := k.Turn(t.Context(), e, true)
				if lease != nil {
					most.Store(max(most.Load(), holders.Add(1)))
					time.Sleep(10 * time.Second) // at the provider
					renewals.Add(1)
					current = w.renew(k, current, "token 2")
					holders.Add(-1)
					lease.Release(t.Context())
				}
				turns <- turn{lease != nil, current.Version, err, time.Since(began)}
			}()
			synctest.Wait() // without compare-and-swap the same instant is a race
		}
		for range cap(turns) {
			got := <-turns
			if got.err != nil {
				t.Errorf("error %v, want none", got.err)
			}
			if want := afterRenewal(0); got.version != want {
				t.Errorf("version %v, want %v", got.version, want)
			}
			if got.took > 11*time.Second {
				t.Errorf("it took %s, want at most 11s", got.took)
			}
		}
		if most.Load() != 1 || renewals.Load() != 1 {
			t.Errorf("%d renewals, %d at once, want one", renewals.Load(), most.Load())
		}
		if n := w.count("lease"); n != 0 {
			t.Errorf("%d leases are left", n)
		}
	})
}

// So do replicas that renew in the same instant, if the store can compare and swap.
func TestTurnInOneInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeStore()
		w := &world{T: t, fakeStore: f, store: swapping{f}, maxAge: maxAge}
		e, _ := w.start(w.replica())
		var mine atomic.Int32
		for range 20 {
			k := w.replica()
			go func() {
				if _, lease, _ := k.Turn(t.Context(), e, false); lease != nil {
					mine.Add(1)
				}
			}()
		}
		synctest.Wait()
		if got := mine.Load(); got != 1 {
			t.Errorf("%d replicas renew, want one", got)
		}
	})
}

// A replica that waited for another one renews nothing if that one was refused.
func TestTurnAfterARefusal(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k, other := w.replica(), w.replica()
		e, _ := w.start(k)
		lease := w.turn(other, e)
		if _, err := other.Refuse(t.Context(), e, data{"ada", "left"}, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		lease.Release(t.Context())
		current, mine, err := k.Turn(t.Context(), e, true)
		if err != nil {
			t.Fatal(err)
		}
		if mine != nil {
			t.Error("it renews what was refused")
		}
		if current.Data.Token != "left" {
			t.Errorf("it has %q, want left", current.Data.Token)
		}
	})
}

// Waiting for another replica does not use up the store's time.
func TestWaitingIsNotStoreTime(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k, other := w.replica(), w.replica()
		e, _ := w.start(k)
		lease := w.turn(other, e)
		w.setBefore(func(string) error { time.Sleep(StoreTime / 10); return nil })
		go func() {
			time.Sleep(10 * time.Second)
			lease.Release(t.Context())
		}()
		_, mine, err := k.Turn(t.Context(), e, true)
		if err != nil {
			t.Errorf("after a slow wait: %v", err)
		}
		if mine == nil {
			t.Error("it does not renew when its turn comes")
		}
	})
}

// emptyStore finds an empty value, not nil, for a key that it does not have.
type emptyStore struct{ *fakeStore }

func (s emptyStore) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	b, found, err := s.fakeStore.FindCtx(ctx, key)
	return append([]byte{}, b...), found, err
}

// Only found says whether a store has a key.
func TestStoreThatFindsAnEmptyValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeStore()
		w := &world{T: t, fakeStore: f, store: emptyStore{f}, maxAge: maxAge}
		k := w.replica()
		e, value := w.start(k)
		w.turn(k, e)
		w.expect(w.replica(), value, "token 1")
	})
}

func TestTurnWithoutWaiting(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k, other := w.replica(), w.replica()
		e, _ := w.start(k)
		w.turn(k, e)
		began := time.Now()
		current, second, err := other.Turn(t.Context(), e, false)
		if err != nil || second != nil {
			t.Fatalf("the second one: lease %v, %v, want none", second, err)
		}
		if current.Version != e.Version {
			t.Errorf("the second one has version %d, want %d", current.Version, e.Version)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("the second one waited for %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		if _, lease, err := other.Turn(ctx, e, true); lease != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one that waits: %v", err)
		}
	})
}

// If a replica dies during a renewal, others wait only as long as its lease lasts,
// whatever its clock said.
func TestAbandonedLease(t *testing.T) {
	for _, ahead := range []time.Duration{0, -time.Minute, time.Minute} {
		withStores(t, func(t *testing.T, w *world) {
			dead, k := w.replicaWith(func() time.Time { return time.Now().Add(ahead) }), w.replica()
			e, _ := w.start(k)
			w.turn(dead, e)
			began := time.Now()
			w.turn(k, e)
			if took := time.Since(began); took < leaseLifetime || took > leaseLifetime+time.Second {
				t.Errorf("it waited for %v, want %v", took, leaseLifetime)
			}
		})
	}
}

// While the renewed version is not stored, no other replica may use the old
// tokens.
func TestLeaseIsKeptUntilSaved(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k, other := w.replica(), w.replica()
		e, _ := w.start(k)
		_, lease, err := k.Turn(t.Context(), e, true)
		if err != nil {
			t.Fatal(err)
		}
		w.fail("swap session", "commit session")
		w.renew(k, e, "token 2")
		lease.Release(t.Context())
		if _, lease, _ := other.Turn(t.Context(), e, false); lease != nil {
			t.Error("another replica renews with tokens that are used up")
		}
		w.mend()
		time.Sleep(2 * firstPause)
		if current, _, err := other.Turn(t.Context(), e, false); err != nil || current.Data.Token != "token 2" {
			t.Errorf("once it is stored: %v, %v", current, err)
		}
	})
}

// Without compare-and-swap, two processes may hold the lease at once. The one that
// the provider refuses waits for the other's tokens: as long as the other is known
// to hold the lease, otherwise a moment.
func TestAwait(t *testing.T) {
	for name, tt := range map[string]struct {
		first bool          // the lease of the store is the other process's
		after time.Duration // when the other renews, if it does
		want  string
		took  time.Duration
	}{
		"the other holds the lease":         {true, 10 * time.Second, "token 2", 10 * time.Second},
		"the other dies with the lease":     {true, 0, "token 1", leaseLifetime},
		"the other held it before":          {false, time.Second, "token 2", time.Second},
		"there is no other, as is the rule": {false, 0, "token 1", racePatience},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeStore()
				w := &world{T: t, fakeStore: f, store: f, maxAge: maxAge}
				k, other := w.replica(), w.replica()
				e, _ := w.start(k)
				take := func(k *Keeper[data]) *Lease[data] {
					w.forget("lease") // which neither sees in time
					return w.turn(k, e)
				}
				var lease *Lease[data]
				if tt.first {
					lease = take(k)
					take(other)
				} else {
					take(other)
					lease = take(k)
				}
				if tt.after > 0 {
					go func() {
						time.Sleep(tt.after)
						w.renew(other, e, "token 2")
					}()
				}
				began := time.Now()
				current, err := lease.Await(t.Context())
				if err != nil || current.Data.Token != tt.want {
					t.Errorf("got %v, %v, want %s", current, err, tt.want)
				}
				if took := time.Since(began); took < tt.took || took > tt.took+pollInterval {
					t.Errorf("it took %v, want %v", took, tt.took)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFakeStore()
		w := &world{T: t, fakeStore: f, store: swapping{f}, maxAge: maxAge}
		k := w.replica()
		e, _ := w.start(k)
		_, lease, _ := k.Turn(t.Context(), e, true)
		began := time.Now()
		if _, err := lease.Await(t.Context()); err != nil || time.Since(began) > 0 {
			t.Errorf("with compare-and-swap there is no process to wait for: %v after %v", err, time.Since(began))
		}
	})
}

func TestTurnOfAnEndedSession(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k := w.replica()
		e, value := w.start(k)
		k.End(t.Context(), value)
		if _, lease, err := k.Turn(t.Context(), e, true); lease != nil || !errors.Is(err, ErrEnded) {
			t.Errorf("%v, want %v", err, ErrEnded)
		}
		if w.store != nil {
			if _, lease, err := w.replica().Turn(t.Context(), e, true); lease != nil || !errors.Is(err, ErrEnded) {
				t.Errorf("another replica: %v, want %v", err, ErrEnded)
			}
			if n := w.count("lease"); n != 0 {
				t.Errorf("%d leases are left", n)
			}
		}
	})
}

// The store calls of a request and of a renewal.
func TestCalls(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		_, swaps := w.store.(SwapStore)
		check := func(what string, swap, plain []string) {
			t.Helper()
			want := plain
			if swaps {
				want = swap
			}
			if got := w.take(); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		k := w.replica()
		e, value := w.start(k)
		check("sign-in",
			[]string{"find epoch", "find list", "swap list", "commit session"},
			[]string{"find epoch", "find list", "find list", "commit list", "find list", "commit session"})
		w.expect(k, value, "token 1")
		check("request",
			[]string{"find session", "find epoch"},
			[]string{"find ended", "find session", "find epoch"})
		_, lease, _ := k.Turn(t.Context(), e, true)
		w.renew(k, e, "token 2")
		lease.Release(t.Context())
		check("renewal",
			[]string{"swap lease", "find session", "find epoch", "find session", "swap session", "swap lease"},
			[]string{"find lease", "commit lease", "find lease", "find ended", "find session", "find epoch",
				"find ended", "find session", "find session", "commit session", "find session", "find lease",
				"delete lease"})
		k.End(t.Context(), value)
		check("sign-out",
			[]string{"find session", "commit session", "find list", "swap list"},
			[]string{"find ended", "find session", "commit ended", "delete session", "find list",
				"find list", "delete list"})
	})
}
