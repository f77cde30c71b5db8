package sessions

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// claim claims with the right secret and reports whether it gets the session.
func (w *world) claim(k *Keeper[data]) bool {
	w.Helper()
	e, value, err := k.Claim(w.Context(), "challenge")
	if err != nil {
		w.Errorf("Claim: %v", err)
	}
	return e != nil && w.open(k, value) != nil
}

func (w *world) park(k *Keeper[data], value string) {
	w.Helper()
	if err := k.Park(w.Context(), "challenge", value); err != nil {
		w.Fatal(err)
	}
}

func TestClaim(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k := w.replica()
		if w.claim(k) {
			t.Error("claimed before it was parked")
		}
		_, value := w.start(k)
		w.park(k, value)
		if e, _, _ := k.Claim(t.Context(), "another"); e != nil {
			t.Error("claimed under another challenge")
		}
		if !w.claim(k) {
			t.Error("not claimed")
		}
		if w.claim(k) {
			t.Error("claimed twice")
		}
		if w.store != nil && w.claim(w.replica()) {
			t.Error("claimed a second time at another replica")
		}
	})
}

// The parked entry contains its expiry: some stores keep entries longer.
func TestClaimExpires(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		_, value := w.start(k)
		w.park(k, value)
		for key, e := range w.entries {
			w.entries[key] = fakeEntry{e.b, e.expiry.Add(time.Hour)}
		}
		time.Sleep(parkedLifetime)
		if w.claim(k) {
			t.Error("claimed after its time")
		}
	})
}

func TestDeny(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k := w.replica()
		if err := k.Deny(t.Context(), "challenge"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := k.Claim(t.Context(), "challenge"); err != ErrDenied {
			t.Errorf("claimed after a denial: %v, want %v", err, ErrDenied)
		}
	})
}

func TestClaimOfAnEndedSession(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k := w.replica()
		_, value := w.start(k)
		w.park(k, value)
		k.End(t.Context(), value)
		if w.claim(k) {
			t.Error("an ended session was claimed")
		}
	})
}

// A store that fails at any point of a claim, before or after the effect of the
// call, does not lose the claim.
func TestClaimSurvivesTheStore(t *testing.T) {
	failures := map[string]int{}
	defer func() {
		for call, n := range failures {
			if n == 0 {
				t.Errorf("no claim makes the call %q", call)
			}
		}
	}()
	for _, call := range []string{
		"find parked", "find session", "find epoch", "find ended", "swap parked", "commit parked",
	} {
		failures[call] = 0
		for _, after := range []bool{false, true} {
			withStores(t, func(t *testing.T, w *world) {
				k := w.replica()
				_, value := w.start(k)
				w.park(k, value)
				failed := false
				fault := func(name string) error {
					if name != call || failed {
						return nil
					}
					failed = true
					failures[call]++
					return errFake
				}
				if after {
					w.after = fault
				} else {
					w.before = fault
				}
				e, _, err := k.Claim(t.Context(), "challenge")
				if !failed {
					return // this kind of store is not asked that
				}
				if e != nil || !errors.Is(err, ErrUnavailable) {
					t.Errorf("%s fails: %v, want %v", call, err, ErrUnavailable)
				}
				if !w.claim(k) {
					t.Errorf("%s failed (after its effect: %v): the claim is lost", call, after)
				}
				if w.claim(w.replica()) {
					t.Errorf("%s failed (after its effect: %v): claimed twice", call, after)
				}
			})
		}
	}
}

func TestClaimsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeStore()
		w := &world{T: t, fakeStore: f, store: swapping{f}, maxAge: maxAge}
		k := w.replica()
		_, value := w.start(k)
		w.park(k, value)
		var claimed atomic.Int32
		for i := range 20 {
			replica := k
			if i%2 == 0 {
				replica = w.replica()
			}
			go func() {
				if w.claim(replica) {
					claimed.Add(1)
				}
			}()
		}
		synctest.Wait()
		if got := claimed.Load(); got != 1 {
			t.Errorf("claimed %d times, want once", got)
		}
	})
}

// A copy ends with the session, and is not replaced when the session is renewed.
func TestCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
		k := w.replica()
		e, value := w.start(k)
		copied, err := k.Copy(t.Context(), e, data{"ada", "copy"}, time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		w.renew(k, e, "token 2")
		w.expect(k, copied.Value, "copy")
		w.expect(k, value, "token 2")
		k.End(t.Context(), copied.Value)
		w.expect(k, copied.Value, none)
		w.expect(k, value, none)
	})
}
