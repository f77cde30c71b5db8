package sessions

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"time"
)

const (
	// leaseLifetime is how long a replica may take to renew a session. A replica
	// that takes longer is presumed dead.
	leaseLifetime = 15 * time.Second

	// leaseKept is how long the store keeps a lease that is not released. It is
	// longer than leaseLifetime because the clocks of replicas and store differ;
	// the replica that waits for a lease measures whether it is abandoned.
	leaseKept = 5 * time.Minute

	// racePatience is how long a process that the provider refused waits for
	// another process that may have renewed the session at the same moment.
	racePatience = 2 * time.Second

	// pollInterval is how often a replica that waits for another replica's
	// renewal checks whether it is done.
	pollInterval = 250 * time.Millisecond
)

// A renewal's version is the next multiple of four, a refusal's is two above the
// one before, and an update adds one. So whatever is saved first, tokens that
// another replica got replace a refusal and an update, and a refusal replaces an
// update.
func afterRenewal(version uint64) uint64 { return (version + 4) &^ 3 }
func afterRefusal(version uint64) uint64 { return version | 2 }
func afterUpdate(version uint64) uint64  { return version | 1 }

// Generation is a number that grows with each renewal and refusal, but not with an
// update: versions of one generation are renewed once.
func (e *Entry[S]) Generation() uint64 { return e.Version >> 1 }

// Renew replaces a session's data. The new version is used from now on, even if
// it cannot be stored yet: then it is saved as soon as possible. The result may
// be the version of another replica that was faster. The error is ErrEnded if
// the session ended meanwhile.
func (k *Keeper[S]) Renew(ctx context.Context, e *Entry[S], data S, expiry time.Time) (*Entry[S], error) {
	return k.change(ctx, k.next(e, data, expiry, afterRenewal(e.Version)))
}

// Update is Renew for data that does not change what is to be renewed. A renewal
// or refusal at the same time replaces it.
func (k *Keeper[S]) Update(ctx context.Context, e *Entry[S], data S) (*Entry[S], error) {
	return k.change(ctx, k.next(e, data, e.Expiry, afterUpdate(e.Version)))
}

// change makes next the current version, in the store or in a cookie.
func (k *Keeper[S]) change(ctx context.Context, next *Entry[S]) (*Entry[S], error) {
	if next.Stored() {
		return k.replace(ctx, next)
	}
	if err := k.place(ctx, next); err != nil {
		return nil, err
	}
	k.supersede(next)
	return k.unlessEnded(next)
}

// Refuse replaces a session's data with what is left if it can no longer be
// renewed. If another replica renewed it, the result is the renewed version.
// The cookie is not changed: by now it may hold another replica's version.
func (k *Keeper[S]) Refuse(ctx context.Context, e *Entry[S], data S, expiry time.Time) (*Entry[S], error) {
	next := k.next(e, data, expiry, afterRefusal(e.Version))
	if next.Stored() {
		return k.replace(ctx, next)
	}
	next.Value = ""
	k.supersede(next)
	return k.unlessEnded(next)
}

func (k *Keeper[S]) next(e *Entry[S], data S, expiry time.Time, version uint64) *Entry[S] {
	next := *e
	next.Data, next.Version, next.Expiry = data, version, earlier(expiry, e.End)
	return &next
}

// replace puts the next version of a session into the store.
func (k *Keeper[S]) replace(ctx context.Context, next *Entry[S]) (*Entry[S], error) {
	next.sealed = k.config.Stored.Seal(k.encode(next), next.key)
	k.supersede(next)
	saved, err := k.save(k.Limit(ctx), next)
	if err == nil || errors.Is(err, ErrEnded) {
		return saved, err
	}
	k.config.Logger.ErrorContext(ctx, "hfoauth: a renewed session is not stored yet", "error", err, "sub", next.User)
	k.saveLater(next)
	return k.unlessEnded(next)
}

// supersede makes this process use next.
func (k *Keeper[S]) supersede(next *Entry[S]) { k.note(version[S]{entry: next}, next.End) }

// confirm notes that the store or the browser has a version.
func (k *Keeper[S]) confirm(e *Entry[S]) {
	k.note(version[S]{e, true}, earlier(k.config.Now().Add(confirmedLifetime), e.End))
}

// note remembers a version until the given time, unless a newer one is known.
func (k *Keeper[S]) note(v version[S], until time.Time) {
	k.noting.Lock()
	defer k.noting.Unlock()
	now := k.config.Now()
	if known, ok := k.latest.Get(v.entry.ID, now); !ok || known.entry.Version <= v.entry.Version {
		k.latest.Put(v.entry.ID, v, size(v.entry), now, until)
	}
}

func (k *Keeper[S]) unlessEnded(e *Entry[S]) (*Entry[S], error) {
	if _, ended := k.ended.Get(e.ID, k.config.Now()); ended {
		return nil, ErrEnded
	}
	return e, nil
}

// maxSwaps is how often a change is tried if others are faster.
const maxSwaps = 5

// save replaces an older version in the store with e, and returns the version
// that is stored now.
func (k *Keeper[S]) save(ctx context.Context, e *Entry[S]) (*Entry[S], error) {
	for range maxSwaps {
		stored, err := k.load(ctx, e.key)
		if err != nil {
			return nil, err
		}
		if stored == nil {
			k.latest.Take(e.ID, k.config.Now())
			return nil, ErrEnded
		}
		current := k.unseal(e.key, stored)
		switch {
		case bytes.Equal(stored, e.sealed):
			k.confirm(e)
			return e, nil
		case current != nil && current.Version >= e.Version:
			k.confirm(current)
			return current, nil
		}
		swapped, err := k.store.swap(ctx, e.key, stored, e.sealed, k.keptUntil(e))
		if err != nil {
			return nil, err
		}
		if swapped {
			k.confirm(e)
			return e, nil
		}
	}
	return nil, ErrUnavailable
}

// saveLater saves the newest version of a session in the background.
func (k *Keeper[S]) saveLater(e *Entry[S]) {
	k.backlog.add("save "+e.key, e.End, func(ctx context.Context) error {
		for saved := (*Entry[S])(nil); ; {
			v, ok := k.latest.Get(e.ID, k.config.Now())
			if !ok || v.entry == saved {
				return nil
			}
			var err error
			if saved, err = k.save(ctx, v.entry); errors.Is(err, ErrEnded) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
}

// Turn waits until this process may renew a session or another process has
// renewed it, and returns the newest version. If it returns a Lease, the caller
// renews the session and then releases the Lease. If it returns no Lease and
// e's generation, another process is renewing and wait is false.
//
// The error is ErrEnded if the session ended meanwhile, or that of ctx.
func (k *Keeper[S]) Turn(ctx context.Context, e *Entry[S], wait bool) (current *Entry[S], lease *Lease[S], err error) {
	if !k.remote {
		current, err := k.reopen(ctx, e)
		if err != nil || current.Generation() != e.Generation() {
			return current, nil, err
		}
		return current, &Lease[S]{keeper: k, entry: current}, nil
	}
	lease = &Lease[S]{keeper: k, entry: e, expiry: k.config.Now().Add(leaseKept)}
	rand.Read(lease.owner[:])
	for limited := k.Limit(ctx); ; limited = unlimited(ctx) { // waiting for another replica is not store time
		held, err := lease.take(limited)
		if err != nil {
			return nil, nil, err
		}
		current, err := k.reopen(limited, e)
		switch {
		case err != nil || current.Generation() != e.Generation():
			if held {
				lease.release(limited)
			}
			return current, nil, err
		case held:
			lease.entry = current
			return current, lease, nil
		case !wait:
			return current, nil, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(pollInterval):
		}
	}
}

// Refresh returns the newest version of a session, or nil if it is no longer
// valid.
func (k *Keeper[S]) Refresh(ctx context.Context, e *Entry[S]) (*Entry[S], error) {
	if e.Stored() {
		return k.openStored(k.Limit(ctx), e.key)
	}
	return k.current(ctx, e, false)
}

// reopen is Refresh, but returns ErrEnded if the session is no longer valid.
func (k *Keeper[S]) reopen(ctx context.Context, e *Entry[S]) (*Entry[S], error) {
	current, err := k.Refresh(ctx, e)
	if err == nil && current == nil {
		err = ErrEnded
	}
	return current, err
}

// Lease is the right to renew a session, held by one process.
type Lease[S any] struct {
	keeper *Keeper[S]
	entry  *Entry[S] // what is to be renewed
	owner  [16]byte
	expiry time.Time

	other []byte // another process's lease that was seen
	since time.Time
}

func (l *Lease[S]) key() string { return "hfoauth-lease-" + l.entry.key }

// take tries to acquire the lease. If another process has held it for
// leaseLifetime, take takes it over.
func (l *Lease[S]) take(ctx context.Context) (bool, error) {
	var free []byte // what the store has if the lease can be acquired
	if l.other != nil && time.Since(l.since) >= leaseLifetime {
		free = l.other
	}
	store := l.keeper.store
	swapped, err := store.swap(ctx, l.key(), free, l.owner[:], l.expiry)
	if swapped || err != nil {
		return swapped, err
	}
	held, err := store.find(ctx, l.key())
	if bytes.Equal(held, l.owner[:]) { // it was swapped, and the reply lost
		return true, nil
	}
	if !bytes.Equal(held, l.other) {
		l.other, l.since = held, time.Now()
	}
	return false, err
}

// Release releases the lease, unless the renewed version is not stored yet:
// another process would reuse the old refresh token. After leaseLifetime others
// take over a lease that was not released.
func (l *Lease[S]) Release(ctx context.Context) {
	k := l.keeper
	if !k.remote {
		return
	}
	if v, ok := k.latest.Get(l.entry.ID, k.config.Now()); ok && !v.confirmed {
		return
	}
	l.release(k.Limit(ctx))
}

func (l *Lease[S]) release(ctx context.Context) {
	l.keeper.store.swap(ctx, l.key(), l.owner[:], nil, l.expiry)
}

// Await returns the newest version of a session that the provider refused to
// renew. If the store cannot compare and swap, another process may have had the
// lease at the same moment and be about to store its tokens: Await waits for
// them for racePatience, or for leaseLifetime if the other process holds the
// lease.
func (l *Lease[S]) Await(ctx context.Context) (*Entry[S], error) {
	k := l.keeper
	ctx = unlimited(ctx)
	for began := time.Now(); ; {
		current, err := k.reopen(ctx, l.entry)
		if err != nil || current.Generation() != l.entry.Generation() || !k.remote || k.store.swapper != nil {
			return current, err
		}
		patience := racePatience
		if held, err := k.store.find(ctx, l.key()); err != nil {
			return nil, err
		} else if held != nil && !bytes.Equal(held, l.owner[:]) {
			patience = leaseLifetime
		}
		if time.Since(began) >= patience {
			return current, nil
		}
		select {
		case <-ctx.Done():
			return current, nil
		case <-time.After(pollInterval):
		}
	}
}
