// Package expiring provides a map whose entries expire one by one, and which is
// bounded in entries and bytes.
package expiring

import (
	"container/heap"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Map is a bounded map with expiring entries. To make room for a new entry it
// drops those that would expire soonest. It is safe for concurrent use; Get
// takes no lock.
type Map[K comparable, V any] struct {
	maxEntries int
	maxBytes   int

	table atomic.Pointer[table[K, V]]

	mu    sync.Mutex // held while the map is modified
	byEnd endHeap[K, V]
	bytes int
}

type entry[K comparable, V any] struct {
	key   K
	value V
	size  int
	end   time.Time
	index int
}

// New returns an empty Map of at most maxEntries entries whose sizes add up
// to at most maxBytes.
func New[K comparable, V any](maxEntries, maxBytes int) *Map[K, V] {
	m := &Map[K, V]{maxEntries: maxEntries, maxBytes: maxBytes}
	m.table.Store(newTable[K, V](firstBuckets))
	return m
}

// Put sets the value of key until end; size counts toward maxBytes. A value
// larger than maxBytes is not kept.
func (m *Map[K, V]) Put(key K, value V, size int, now, end time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(key, value, size, now, end)
}

// PutNew is like Put, but does nothing if key has a value that has not expired.
// It reports whether it put the value.
func (m *Map[K, V]) PutNew(key K, value V, size int, now, end time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.find(key); old != nil && now.Before(old.end) {
		return false
	}
	m.put(key, value, size, now, end)
	return true
}

func (m *Map[K, V]) put(key K, value V, size int, now, end time.Time) {
	old := m.find(key)
	if size > m.maxBytes || !now.Before(end) {
		if old != nil {
			m.remove(old)
		}
		return
	}
	if old != nil {
		m.release(old)
	}
	for len(m.byEnd) > 0 && (!now.Before(m.byEnd[0].end) || len(m.byEnd) >= m.maxEntries || m.bytes+size > m.maxBytes) {
		m.remove(m.byEnd[0])
	}
	e := &entry[K, V]{key: key, value: value, size: size, end: end}
	m.bytes += size
	heap.Push(&m.byEnd, e)
	m.place(e, old)
}

// Get returns the value of key, if it has not expired.
func (m *Map[K, V]) Get(key K, now time.Time) (V, bool) {
	e := m.find(key)
	if e == nil || !now.Before(e.end) {
		var none V
		return none, false
	}
	return e.value, true
}

// Take returns the value of key and removes it. Only one of several concurrent
// callers gets it.
func (m *Map[K, V]) Take(key K, now time.Time) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var none V
	e := m.find(key)
	if e == nil {
		return none, false
	}
	m.remove(e)
	if !now.Before(e.end) {
		return none, false
	}
	return e.value, true
}

// DeleteFunc removes the entries for which drop returns true.
func (m *Map[K, V]) DeleteFunc(drop func(K, V) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range slices.Clone(m.byEnd) {
		if drop(e.key, e.value) {
			m.remove(e)
		}
	}
}

// Range calls visit for each entry that has not expired. visit must not use m.
func (m *Map[K, V]) Range(now time.Time, visit func(K, V)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.byEnd {
		if now.Before(e.end) {
			visit(e.key, e.value)
		}
	}
}

// Len returns the number of entries, including expired ones that have not been
// dropped yet.
func (m *Map[K, V]) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.byEnd)
}

func (m *Map[K, V]) remove(e *entry[K, V]) {
	bucket := m.table.Load().bucket(e.key)
	bucket.Store(bucket.Load().without(e))
	m.release(e)
}

// release frees the room of an entry.
func (m *Map[K, V]) release(e *entry[K, V]) {
	m.bytes -= e.size
	heap.Remove(&m.byEnd, e.index)
}

// find returns the entry of a key, or nil.
func (m *Map[K, V]) find(key K) *entry[K, V] {
	for n := m.table.Load().bucket(key).Load(); n != nil; n = n.next {
		if n.entry.key == key {
			return n.entry
		}
	}
	return nil
}

// place puts an entry into the table and replaces the old one of its key, unless
// that is nil: a reader finds one of the two. If there are more entries than
// buckets, it moves them all to a larger table.
func (m *Map[K, V]) place(e, old *entry[K, V]) {
	t := m.table.Load()
	if len(m.byEnd) <= len(t.buckets) {
		bucket := t.bucket(e.key)
		bucket.Store(&node[K, V]{e, bucket.Load().without(old)})
		return
	}
	t = newTable[K, V](2 * len(t.buckets))
	for _, e := range m.byEnd {
		bucket := t.bucket(e.key)
		bucket.Store(&node[K, V]{e, bucket.Load()})
	}
	m.table.Store(t)
}

// table finds entries by the hashes of their keys. Nodes are immutable, so a
// reader of a bucket sees a consistent list.
type table[K comparable, V any] struct {
	seed    maphash.Seed
	buckets []atomic.Pointer[node[K, V]]
}

type node[K comparable, V any] struct {
	entry *entry[K, V]
	next  *node[K, V]
}

const firstBuckets = 16

func newTable[K comparable, V any](buckets int) *table[K, V] {
	return &table[K, V]{maphash.MakeSeed(), make([]atomic.Pointer[node[K, V]], buckets)}
}

func (t *table[K, V]) bucket(key K) *atomic.Pointer[node[K, V]] {
	return &t.buckets[maphash.Comparable(t.seed, key)%uint64(len(t.buckets))]
}

// without returns the list without e, which may be nil.
func (n *node[K, V]) without(e *entry[K, V]) *node[K, V] {
	switch {
	case n == nil || e == nil:
		return n
	case n.entry == e:
		return n.next
	}
	return &node[K, V]{n.entry, n.next.without(e)}
}

// endHeap is a container/heap of entries ordered by their end.
type endHeap[K comparable, V any] []*entry[K, V]

func (h endHeap[K, V]) Len() int           { return len(h) }
func (h endHeap[K, V]) Less(i, j int) bool { return h[i].end.Before(h[j].end) }

func (h endHeap[K, V]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *endHeap[K, V]) Push(x any) {
	e := x.(*entry[K, V])
	e.index = len(*h)
	*h = append(*h, e)
}

func (h *endHeap[K, V]) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
