package sessions

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hfoauth/hfoauth/internal/codec"
)

// End ends the session behind a cookie's value for good, whether or not it is
// still valid. If that cannot be stored now, the error wraps ErrUnavailable, and
// this process refuses the session and retries until it is stored.
func (k *Keeper[S]) End(ctx context.Context, value string) error {
	return k.end(ctx, value, false)
}

// EndUnlessShared is End for a cookie that is being replaced. A session that is
// shared with an iframe continues there.
func (k *Keeper[S]) EndUnlessShared(ctx context.Context, value string) error {
	return k.end(ctx, value, true)
}

func (k *Keeper[S]) end(ctx context.Context, value string, unlessShared bool) error {
	if isStoredValue(value) {
		return k.endStored(ctx, StoreKey(value), unlessShared)
	}
	if e := k.openCookie(value); e != nil && !k.remote && !(unlessShared && e.Shared) {
		k.markEnded(e)
	}
	return nil
}

// Ended reports whether this process knows that a session was ended.
func (k *Keeper[S]) Ended(id ID) bool {
	_, ended := k.ended.Get(id, k.config.Now())
	return ended
}

// EndEntry is End if only the session is known, not its cookie.
func (k *Keeper[S]) EndEntry(ctx context.Context, e *Entry[S]) error {
	k.markEnded(e)
	if !e.Stored() {
		return nil
	}
	return k.endStored(ctx, e.key, false)
}

// endStored ends a session in the store. It stores nothing for an invented ID.
func (k *Keeper[S]) endStored(ctx context.Context, key string, unlessShared bool) error {
	ctx = k.Limit(context.WithoutCancel(ctx))
	spares := func(e *Entry[S]) bool { return unlessShared && e.Shared }
	err := k.bury(ctx, key, spares)
	if err == nil {
		return nil
	}
	now := k.config.Now()
	end := now.Add(k.config.MaxAge + afterEnd)
	backlog := k.madeUp // anyone can send an ID: invented ones must not crowd out the others
	if e, ok := k.opened.Get(openedKey{true, key}, now); ok {
		backlog = k.backlog
		if !unlessShared {
			k.markEnded(e)
		}
	}
	name := "end unless shared "
	if !unlessShared {
		name = "end "
		k.pending.Put(key, struct{}{}, 1, now, end)
	}
	backlog.add(name+key, end, func(ctx context.Context) error {
		err := k.bury(ctx, key, spares)
		if err == nil && !unlessShared {
			k.pending.Take(key, k.config.Now())
		}
		return err
	})
	return err
}

// bury replaces a session with a tombstone, if it exists and spares does not
// exempt it.
func (k *Keeper[S]) bury(ctx context.Context, key string, spares func(*Entry[S]) bool) error {
	stored, err := k.load(ctx, key)
	if err != nil || stored == nil {
		return err
	}
	until := k.config.Now().Add(k.config.MaxAge + afterEnd)
	e := k.unseal(key, stored)
	if e != nil && spares(e) {
		return nil
	}
	if k.store.swapper != nil {
		err = k.store.commit(ctx, key, []byte(tombstone), until)
	} else if err = k.store.commit(ctx, markOf(key), []byte(tombstone), until); err == nil {
		k.store.delete(ctx, key) // it is invalid in any case
	}
	if err == nil && e != nil {
		k.markEnded(e)
		if k.remote {
			k.unlist(ctx, e)
		}
	}
	return err
}

// markEnded makes this process refuse a session.
func (k *Keeper[S]) markEnded(e *Entry[S]) {
	now := k.config.Now()
	k.ended.Put(e.ID, struct{}{}, 1, now, later(e.End, now).Add(afterEnd))
	k.latest.Take(e.ID, now)
	k.watching.Lock()
	defer k.watching.Unlock()
	for watcher := range k.watchers[e.ID] {
		close(watcher)
	}
	delete(k.watchers, e.ID)
}

// Watch returns a channel that is closed when this process learns that a
// session has ended. The caller must call stop when it no longer listens.
func (k *Keeper[S]) Watch(id ID) (ended <-chan struct{}, stop func()) {
	watcher := make(chan struct{})
	k.watching.Lock()
	defer k.watching.Unlock()
	if k.watchers[id] == nil {
		k.watchers[id] = map[chan struct{}]struct{}{}
	}
	k.watchers[id][watcher] = struct{}{}
	return watcher, func() {
		k.watching.Lock()
		defer k.watching.Unlock()
		delete(k.watchers[id], watcher)
		if len(k.watchers[id]) == 0 {
			delete(k.watchers, id)
		}
	}
}

// epoch distinguishes a user's sessions before EndUser from those after it,
// without comparing clocks. It is not sealed in the store because it must
// outlive a change of keys: anyone able to alter it could just as well delete
// sessions.
type epoch struct {
	mark  [16]byte  // zero before the first EndUser
	until time.Time // when all sessions of earlier epochs have ended
}

func (e *epoch) fields(c *codec.Coder) {
	c.Array(e.mark[:])
	c.Time(&e.until)
}

func (k *Keeper[S]) epochKey(user string) string { return k.userKey("epoch", user) }

// userKey returns the key of what the store keeps about a user of this app.
func (k *Keeper[S]) userKey(kind, user string) string {
	return keyOf(kind, k.config.App+"\x00"+user)
}

func (k *Keeper[S]) epochOf(ctx context.Context, user string) (e epoch, err error) {
	stored, err := k.store.find(ctx, k.epochKey(user))
	if err == nil && stored != nil && codec.Decode(stored, e.fields) != nil {
		rand.Read(e.mark[:]) // unreadable: no session is of this epoch
	}
	return e, err
}

// inEpoch reports whether EndUser has not been called since a session started.
// If the store lost an epoch that it should have, the result is false.
func (k *Keeper[S]) inEpoch(ctx context.Context, e *Entry[S]) (bool, error) {
	current, err := k.epochOf(ctx, e.User)
	if err != nil {
		return false, err
	}
	forgotten := current.mark == [16]byte{} && !k.config.Now().Before(e.epoch.until)
	return forgotten || current.mark == e.epoch.mark, nil
}

// EndUser ends all sessions that a user has in a store. It starts a new epoch,
// then ends the listed sessions, so that if the store loses either, no session
// comes back. Only the epoch decides.
func (k *Keeper[S]) EndUser(ctx context.Context, user string) error {
	ctx = k.Limit(context.WithoutCancel(ctx))
	now := k.config.Now()
	next := epoch{until: now.Add(k.config.MaxAge)}
	rand.Read(next.mark[:])
	if err := k.store.commit(ctx, k.epochKey(user), codec.Encode(32, next.fields), next.until.Add(afterEnd)); err != nil {
		return err
	}
	if err := k.endListed(ctx, user, next); err != nil {
		k.config.Logger.WarnContext(ctx, "hfoauth: a user is signed out, and the list of sessions is ended later",
			"error", err, "sub", user)
		k.backlog.add(fmt.Sprintf("end sessions before epoch %x", next.mark), next.until, func(ctx context.Context) error {
			return k.endListed(unlimited(ctx), user, next)
		})
	}
	return nil
}

// endListed ends the listed sessions of a user that began before an epoch. They
// are refused in any case; this is in case the store loses the epoch.
func (k *Keeper[S]) endListed(ctx context.Context, user string, since epoch) error {
	_, list, err := k.listed(ctx, user)
	if err != nil || len(list) == 0 {
		return err
	}
	current, err := k.epochOf(ctx, user)
	if err != nil {
		return err
	}
	if current.mark != since.mark && current.mark != [16]byte{} {
		return nil // left to a later call: some sessions may belong to its epoch
	}
	for _, l := range list {
		err := k.bury(ctx, l.key(), func(e *Entry[S]) bool { return e.epoch.mark == since.mark })
		if err != nil {
			return err
		}
	}
	return nil
}

// maxListed is how many sessions a user can have in a store.
const maxListed = 100

// listing is an entry in the list of a user's sessions. The list does not decide
// whether a session is valid: without compare-and-swap, an entry may be lost.
type listing struct {
	hash [sha256.Size]byte
	end  time.Time
}

func (l *listing) key() string { return keyOfHash("session", l.hash) }

func listingOf[S any](e *Entry[S]) (l listing) {
	encoded := strings.TrimPrefix(e.key, "hfoauth-session-")
	base64.RawURLEncoding.Decode(l.hash[:], []byte(encoded))
	l.end = e.End
	return l
}

func (k *Keeper[S]) listKey(user string) string { return k.userKey("list", user) }

// listed returns the list of a user's sessions, sealed and decoded.
func (k *Keeper[S]) listed(ctx context.Context, user string) (stored []byte, list []listing, err error) {
	stored, err = k.store.find(ctx, k.listKey(user))
	if err != nil || stored == nil {
		return stored, nil, err
	}
	plain, err := k.config.Stored.Open(stored, k.listKey(user))
	if err == nil {
		err = codec.Decode(plain, func(c *codec.Coder) { listFields(c, &list) })
	}
	if err != nil {
		return stored, nil, nil // sealed under a key that was dropped, as were the sessions
	}
	return stored, list, nil
}

func listFields(c *codec.Coder, list *[]listing) {
	c.Version(1)
	codec.List(c, list, func(l *listing) {
		c.Array(l.hash[:])
		c.Time(&l.end)
	})
}

// list adds a session to its user's list and ends the oldest ones if there are
// too many.
func (k *Keeper[S]) list(ctx context.Context, e *Entry[S]) error {
	var surplus []listing
	err := k.relist(ctx, e.User, func(list []listing) []listing {
		list = append(list, listingOf(e))
		slices.SortStableFunc(list, func(a, b listing) int { return a.end.Compare(b.end) })
		surplus = list[:max(0, len(list)-maxListed)]
		return list[len(surplus):]
	})
	if err == nil {
		for _, l := range surplus {
			k.endStored(ctx, l.key(), false)
		}
	}
	return err
}

// unlist removes a session from its user's list. An entry that remains does no
// harm.
func (k *Keeper[S]) unlist(ctx context.Context, e *Entry[S]) {
	gone := listingOf(e)
	k.relist(ctx, e.User, func(list []listing) []listing {
		return slices.DeleteFunc(list, func(l listing) bool { return l.hash == gone.hash })
	})
}

// relist changes the list of a user's sessions and drops those that have ended.
func (k *Keeper[S]) relist(ctx context.Context, user string, change func([]listing) []listing) error {
	key := k.listKey(user)
	var next []byte
	for try := range maxSwaps {
		stored, list, err := k.listed(ctx, user)
		if err != nil || try > 0 && same(stored, next) { // it was swapped, and the reply lost
			return err
		}
		now := k.config.Now()
		list = change(slices.DeleteFunc(list, func(l listing) bool { return now.After(l.end.Add(afterEnd)) }))
		if len(list) == 0 && stored == nil {
			return nil
		}
		next = nil
		last := now
		if len(list) > 0 {
			next = k.config.Stored.Seal(codec.Encode(64*len(list), func(c *codec.Coder) { listFields(c, &list) }), key)
			last = slices.MaxFunc(list, func(a, b listing) int { return a.end.Compare(b.end) }).end
		}
		swapped, err := k.store.swap(ctx, key, stored, next, last.Add(afterEnd))
		if swapped || err != nil {
			return err
		}
	}
	return ErrUnavailable
}

// List returns the sessions that a user has in a store, newest first.
func (k *Keeper[S]) List(ctx context.Context, user string) ([]*Entry[S], error) {
	ctx = unlimited(ctx)
	_, list, err := k.listed(ctx, user)
	if err != nil {
		return nil, err
	}
	var entries []*Entry[S]
	for _, l := range list {
		e, err := k.openStored(ctx, l.key())
		if err != nil {
			return nil, err
		}
		if e != nil && e.User == user {
			entries = append(entries, e)
		}
	}
	slices.SortStableFunc(entries, func(a, b *Entry[S]) int {
		return cmp.Or(b.Started.Compare(a.Started), slices.Compare(a.ID[:], b.ID[:]))
	})
	return entries, nil
}
