package simulation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

var (
	errStore    = errors.New("simulation: the store failed")
	errReadOnly = errors.New("simulation: the store is read-only")
)

// store is the database that the replicas share.
type store struct {
	w       *world
	entries map[string]entry
	journal []change
	outages []outage
}

type entry struct {
	value  []byte
	expiry time.Time
	known  int // which tokens are in it, if it is a session
}

// change is what a write replaced, for a failover that loses the write.
type change struct {
	at  time.Time
	key string
	old entry
	had bool
}

// outage is a period in which calls fail.
type outage struct {
	from, to time.Time
	kind     string // "errors", "silence", "read-only" or "slow"
	replica  string // the affected replica; all if empty
	shard    string // names the affected half of the keys; all if empty
	entries  string // the affected kind of entries; all if empty
}

// hits reports whether an outage affects a call.
func (o *outage) hits(w *world, p *process, key string) bool {
	now := time.Now()
	return (o.replica == "" || o.replica == p.replica) && !now.Before(o.from) && now.Before(o.to) &&
		strings.HasPrefix(key, o.entries) && (o.shard == "" || w.dice.chance(0.5, o.shard+w.driver.keyName(key)))
}

// find returns the value under key. A store with LateExpiry drops entries an hour
// after they expired, like a store that cleans up only occasionally.
func (s *store) find(key string) ([]byte, bool) {
	e, ok := s.entries[key]
	expiry := e.expiry
	if s.w.setup.LateExpiry {
		expiry = expiry.Add(time.Hour)
	}
	if !ok || !time.Now().Before(expiry) {
		return nil, false
	}
	return bytes.Clone(e.value), true
}

func (s *store) put(key string, value []byte, expiry time.Time, known int) {
	old, had := s.entries[key]
	s.journal = append(s.journal, change{time.Now(), key, old, had})
	if value == nil {
		delete(s.entries, key)
		return
	}
	s.entries[key] = entry{bytes.Clone(value), expiry, known}
}

// failover loses the writes since a time, like a primary that dies before it has
// replicated them.
func (s *store) failover(since time.Time) (lost int) {
	for i := len(s.journal) - 1; i >= 0 && s.journal[i].at.After(since); i-- {
		c := s.journal[i]
		if c.had {
			s.entries[c.key] = c.old
		} else {
			delete(s.entries, c.key)
		}
		s.journal = s.journal[:i]
		lost++
	}
	return lost
}

// PlainStore is a process's view of the store, with the methods of scs's Store.
type PlainStore struct{ proc *process }

// ContextStore is a PlainStore with the methods of scs's CtxStore.
type ContextStore struct{ PlainStore }

// SwapStore is a ContextStore that can compare and swap.
type SwapStore struct{ ContextStore }

// Find returns the value under a key.
func (p *PlainStore) Find(key string) ([]byte, bool, error) {
	return p.find(context.Background(), key)
}

// Commit stores b under a key.
func (p *PlainStore) Commit(key string, b []byte, expiry time.Time) error {
	return p.commit(context.Background(), key, b, expiry)
}

// Delete removes a key.
func (p *PlainStore) Delete(key string) error { return p.delete(context.Background(), key) }

// FindCtx is Find for a request.
func (p *ContextStore) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	return p.find(ctx, key)
}

// CommitCtx is Commit for a request.
func (p *ContextStore) CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error {
	return p.commit(ctx, key, b, expiry)
}

// DeleteCtx is Delete for a request.
func (p *ContextStore) DeleteCtx(ctx context.Context, key string) error { return p.delete(ctx, key) }

func (p *PlainStore) find(ctx context.Context, key string) (b []byte, found bool, err error) {
	s, known := p.proc.w.store, 0
	err = p.call(ctx, "find", key, func() string {
		b, found = s.find(key)
		known = s.entries[key].known
		return s.valueName(b)
	}, func() { s.w.oracle.read(p.proc, key, known) })
	if err != nil {
		return nil, false, err
	}
	return b, found, nil
}

func (p *PlainStore) commit(ctx context.Context, key string, b []byte, expiry time.Time) error {
	s := p.proc.w.store
	b = bytes.Clone(b)
	known := s.w.oracle.holds(p.proc, key)
	return p.call(ctx, "commit", key, func() string {
		s.put(key, b, expiry, known)
		s.w.oracle.stored(p.proc, key, known)
		return s.valueName(b)
	}, nil)
}

func (p *PlainStore) delete(ctx context.Context, key string) error {
	s := p.proc.w.store
	return p.call(ctx, "delete", key, func() string {
		s.put(key, nil, time.Time{}, 0)
		return "gone"
	}, nil)
}

// SwapCtx stores new under a key if the value there is old; nil means absent.
func (p *SwapStore) SwapCtx(ctx context.Context, key string, old, new []byte,
	expiry time.Time) (swapped bool, err error) {
	s := p.proc.w.store
	old, new = bytes.Clone(old), bytes.Clone(new)
	known := s.w.oracle.holds(p.proc, key)
	err = p.call(ctx, "swap", key, func() string {
		current, found := s.find(key)
		if found != (old != nil) || !bytes.Equal(current, old) {
			return "refused: " + s.valueName(current)
		}
		swapped = true
		s.put(key, new, expiry, known)
		s.w.oracle.stored(p.proc, key, known)
		return s.valueName(new)
	}, nil)
	return swapped && err == nil, err
}

// call is a call by a process; the driver decides when it takes effect and when
// it returns. Like some rare stores, it ignores ctx: the library must give up by
// itself, and the write may still land.
func (p *PlainStore) call(ctx context.Context, what, key string, effect func() string, answered func()) error {
	w, proc := p.proc.w, p.proc
	name := fmt.Sprintf("%s %s store %s", callerOf(ctx), proc.name, what)
	c := &call{name: name, proc: proc}
	c.arrive = func(c *call) {
		f := w.store.fate(proc, what, key, c.id)
		w.counts["store "+what]++
		if f.what != "" {
			w.counts["store "+f.what]++
			w.driver.log("%s %s: %s", c.id, w.driver.keyName(key), f.what)
		}
		w.driver.service(c, f, func() {
			w.driver.log("%s %s: %s", c.id, w.driver.keyName(key), effect())
		}, func() {
			if c.err != nil {
				w.driver.log("%s: answered %v", c.id, c.err)
			} else if answered != nil {
				answered()
			}
		})
	}
	// At the end of a run every call succeeds and finds nothing, so that no
	// process retries any more.
	c.finish = func(c *call) { c.err = nil }
	return w.driver.do(context.Background(), c)
}

func (s *store) valueName(b []byte) string {
	if b == nil {
		return "nothing"
	}
	return s.w.driver.alias("value", string(b))
}

// fate decides what happens to a call.
func (s *store) fate(proc *process, what, key, id string) fate {
	d := s.w.dice
	for _, o := range s.outages {
		if !o.hits(s.w, proc, key) {
			continue
		}
		switch soon := d.between(0, 5*time.Millisecond, id); {
		case o.kind == "errors":
			return fate{effect: never, answer: soon, err: errStore, what: "error"}
		case o.kind == "silence":
			return fate{effect: never, answer: never, what: "silence"}
		case o.kind == "read-only" && what != "find":
			return fate{effect: never, answer: soon, err: errReadOnly, what: "read-only"}
		case o.kind == "slow":
			return fate{effect: soon, answer: d.between(200*time.Millisecond, 700*time.Millisecond, id+" slow"), what: "slow"}
		}
	}
	quick := fate{effect: d.between(0, 5*time.Millisecond, id+" effect"),
		answer: d.between(0, 5*time.Millisecond, id+" answer")}
	f := s.w.faults
	if !s.w.faulty(id) {
		return quick
	}
	kinds := []struct {
		p    float64
		fate fate
	}{
		{f.StoreError, fate{never, quick.answer, errStore, "error before"}},
		{f.StoreErrorAfter, fate{quick.effect, quick.answer, errStore, "error after"}},
		{f.StoreSlow, fate{quick.effect, d.between(50*time.Millisecond, 2*time.Second, id+" slow"), nil, "slow answer"}},
		{f.StoreLate, fate{d.between(300*time.Millisecond, 20*time.Second, id+" late"), quick.answer, nil, "late"}},
		{f.StoreSilent, fate{never, never, nil, "silence"}},
	}
	at := d.fraction(id + " fault")
	for _, k := range kinds {
		if at < k.p {
			return k.fate
		}
		at -= k.p
	}
	return quick
}

// out reports whether there is an outage, or was one a moment ago.
func (s *store) out() bool {
	return slices.ContainsFunc(s.outages, func(o outage) bool { return time.Now().Before(o.to.Add(time.Second)) })
}

// endOutages ends all outages.
func (s *store) endOutages() {
	s.outages = slices.DeleteFunc(s.outages, func(outage) bool { return true })
}
