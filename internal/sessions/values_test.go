package sessions

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hfoauth/hfoauth/internal/codec"
)

// With a store, a session sealed in a cookie is not valid: it could not be ended on
// all replicas.
func TestSealedCookieBesideAStore(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		store := w.store
		w.store = nil
		_, value := w.start(w.replica())
		w.expect(w.replica(), value, "token 1")
		w.store = store
		w.expect(w.replica(), value, none)
	})
}

// A session in a cookie is bound to the cookie of its app.
func TestCookieContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
		_, value := w.start(w.replica())
		config := w.replica().config
		config.Context = "another cookie"
		w.expect(New(config), value, none)
	})
}

// Neither a new session nor a copy outlives the end, whatever its expiry.
func TestExpiryIsNotAfterTheEnd(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k := w.replica()
		e, _ := w.startWith(k, data{"ada", "token 1"}, time.Now().Add(10*maxAge))
		if !e.Expiry.Equal(e.Started.Add(maxAge)) {
			t.Errorf("expires after %v, want %v", e.Expiry.Sub(e.Started), maxAge)
		}
		if w.store != nil {
			return
		}
		c, err := k.Copy(t.Context(), e, e.Data, time.Now().Add(10*maxAge))
		if err != nil || !c.Expiry.Equal(e.End) {
			t.Errorf("a copy expires after %v, want %v (%v)", c.Expiry.Sub(e.Started), maxAge, err)
		}
	})
}

// A store keeps a session for an hour after it expires, and no longer.
func TestKeptInTheStore(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		w.startWith(w.replica(), data{"ada", "token 1"}, time.Now().Add(24*time.Hour))
		time.Sleep(24*time.Hour - time.Second)
		if n := w.count("session"); n != 1 {
			t.Errorf("%d sessions are kept before their expiry, want one", n)
		}
		time.Sleep(2 * time.Hour)
		if n := w.count("session"); n != 0 {
			t.Errorf("%d sessions are kept two hours after their expiry", n)
		}
	})
}

// Sessions written by another version of the package are not valid.
func TestOtherVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
		k := w.replica()
		e, _ := w.start(k)
		plain := k.encode(e)
		if k.decode(plain) == nil {
			t.Fatal("the session does not decode")
		}
		plain[0]++
		if k.decode(plain) != nil {
			t.Error("a session of another version decodes")
		}
		if k.decode(codec.Encode(16, func(c *codec.Coder) { c.Version(5) })) != nil {
			t.Error("half a session decodes")
		}
	})
}

// A cookie cannot name a key of the store, nor of the memory.
func TestKeyAsValueInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
		k := w.replica()
		_, value := w.startWith(k, data{"ada", string(make([]byte, 2000))}, time.Now().Add(maxAge))
		if !isStoredValue(value) {
			t.Fatal("the session fits in a cookie")
		}
		if w.open(k, value) == nil {
			t.Fatal("the session does not open")
		}
		w.expect(k, StoreKey(value), none)
	})
}

// Once the browser has presented a version, older ones do not come back.
func TestOlderVersionInACookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
		k, other := w.replica(), w.replica()
		e, value := w.start(k)
		second := w.renew(other, e, "token 2")
		third := w.renew(other, second, "token 3")
		w.renew(k, e, "lost race")
		w.expect(k, third.Value, "token 3") // newer than what this process made
		w.expect(k, value, "lost race")
	})
}

// Once the browser has presented a version, it is remembered for minutes, not for
// the session's life.
func TestConfirmedVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
		k := w.replica()
		e, value := w.start(k)
		next := w.renew(k, e, "token 2")
		time.Sleep(time.Hour)
		w.expect(k, value, "token 2") // the browser does not have it yet
		w.expect(k, next.Value, "token 2")
		time.Sleep(confirmedLifetime - time.Second)
		w.expect(k, value, "token 2") // a late request
		time.Sleep(2 * time.Second)
		w.expect(k, value, "token 1") // the newer version is forgotten
	})
}

// A refusal does not change the cookie: it may have another replica's version.
func TestRefusalLeavesTheCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
		k := w.replica()
		_, value := w.start(k)
		e := w.open(k, value)
		left, err := k.Refuse(t.Context(), e, data{"ada", "left"}, time.Now().Add(time.Hour))
		if err != nil || left.Value != "" {
			t.Errorf("a refusal sets the cookie to %q (%v)", left.Value, err)
		}
	})
}

// A save is retried if another version was faster, and in the background until it
// succeeds.
func TestSavesAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
		w.store = swapping{w.fakeStore}
		k, other := w.replica(), w.replica()
		e, value := w.start(k)
		refused := 0
		w.setBefore(func(call string) error {
			if call == "swap session" && refused == 0 {
				refused++
				other.Refuse(t.Context(), e, data{"ada", "refused"}, time.Now().Add(time.Hour))
			}
			return nil
		})
		w.renew(k, e, "token 2")
		w.mend()
		w.expect(w.replica(), value, "token 2")
	})
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		e, value := w.start(k)
		w.fail()
		w.renew(k, e, "token 2")
		time.Sleep(10 * time.Minute) // many failed attempts
		w.mend()
		time.Sleep(time.Minute)
		w.expect(w.replica(), value, "token 2")
	})
}

// Waiting for another replica ends with the request.
func TestTurnEndsWithTheRequest(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k, other := w.replica(), w.replica()
		e, _ := w.start(k)
		w.turn(other, e)
		const patience = 3*time.Second + pollInterval/2 // ends between two polls
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		began := time.Now()
		_, _, err := k.Turn(ctx, e, true)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the context's error", err)
		}
		if errors.Is(err, ErrUnavailable) {
			t.Errorf("%v blames the store", err)
		}
		if took := time.Since(began); took != patience {
			t.Errorf("waited %v for a request of %v", took, patience)
		}
	})
}

// A parked session opens only under its own challenge, wherever it is in the store,
// and not after it has ended.
func TestParkedIsBound(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k := w.replica()
		_, value := w.start(k)
		w.park(k, value)
		w.mu.Lock()
		w.entries[keyOf("parked", "attacker's")] = w.entries[keyOf("parked", "challenge")]
		w.mu.Unlock()
		if e, _, err := k.Claim(t.Context(), "attacker's"); e != nil || err != nil {
			t.Errorf("claimed under another challenge (%v)", err)
		}
		if !w.claim(k) {
			t.Error("not claimed")
		}
	})
	withAll(t, func(t *testing.T, w *world) {
		k := w.replica()
		_, value := w.start(k)
		w.park(k, value)
		k.End(t.Context(), value)
		e, got, err := k.Claim(t.Context(), "challenge")
		if err != nil {
			t.Errorf("the claim: %v", err)
		}
		if e != nil || got != "" {
			t.Errorf("claimed %v, %q after its end, want nothing", e, got)
		}
	})
}

// If another replica is faster between a read and a swap, it gets the session.
func TestClaimLosesARace(t *testing.T) {
	withStores(t, func(t *testing.T, w *world) {
		k, other := w.replica(), w.replica()
		_, value := w.start(k)
		w.park(k, value)
		raced := false
		w.setBefore(func(call string) error {
			takes := call == "swap parked" || call == "commit parked"
			if takes && !raced {
				raced = true
				if !w.claim(other) {
					t.Error("the other replica did not get it")
				}
			}
			return nil
		})
		if _, swaps := k.Uses(); swaps && w.claim(k) {
			t.Error("claimed twice")
		}
	})
}

// If a session is renewed between its sign-in and the claim, the claim returns the
// renewed version.
func TestClaimAfterARenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
		k := w.replica()
		e, value := w.start(k)
		w.park(k, value)
		next := w.renew(k, e, "token 2")
		claimed, got, err := k.Claim(t.Context(), "challenge")
		if err != nil || claimed == nil {
			t.Fatalf("claimed %v, %v", claimed, err)
		}
		if claimed.Data.Token != "token 2" {
			t.Errorf("claimed with %s, want token 2", claimed.Data.Token)
		}
		if got != next.Value {
			t.Errorf("claimed with the value %.20q, want the renewed version's %.20q", got, next.Value)
		}
	})
}

// Only what comes back from the browser or the store shows that it was kept
// there: a stream that checks its session does not.
func TestChecksConfirmNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		k := w.replica()
		e, value := w.start(k)
		next := w.renew(k, e, "token 2")
		if current, err := k.Refresh(t.Context(), next); err != nil || current != next {
			t.Fatalf("Refresh: %v, %v", current, err)
		}
		time.Sleep(confirmedLifetime + time.Second)
		w.expect(k, value, "token 2")
	})
}

// A late note of an older version does not bring it back.
func TestOlderVersionIsNotConfirmed(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k := w.replica()
		e, _ := w.start(k)
		next := w.renew(k, e, "token 2")
		k.confirm(e)
		if got := k.newest(e, false, time.Now()); got.Version != next.Version {
			t.Errorf("the newest version is %d, want %d", got.Version, next.Version)
		}
	})
}

// A cookie has one spelling: the unused bits of its last character count.
func TestOneSpelling(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, fakeStore: newFakeStore(), maxAge: maxAge}
		for _, token := range []string{"t", "to", "tok"} {
			k := w.replica()
			_, value := w.startWith(k, data{"ada", token}, time.Now().Add(time.Hour))
			if len(value)%4 == 0 {
				continue // no unused bits
			}
			last := strings.IndexByte(alphabet, value[len(value)-1])
			w.expect(k, value[:len(value)-1]+alphabet[last^1:last^1+1], none)
		}
	})
}

// What OnLogin saw does not change when the session starts.
func TestStartLeavesItsArgumentAlone(t *testing.T) {
	withAll(t, func(t *testing.T, w *world) {
		k := w.replica()
		fresh := k.New(data{"ada", "token 1"}, time.Now().Add(time.Hour))
		before := *fresh
		if _, _, err := k.Start(t.Context(), fresh, true); err != nil {
			t.Fatal(err)
		}
		if fresh.Shared != before.Shared {
			t.Error("the session that has not started is shared")
		}
		if fresh.Value != before.Value || fresh.key != before.key {
			t.Errorf("the session that has not started has the value %q and the key %q", fresh.Value, fresh.key)
		}
	})
}
