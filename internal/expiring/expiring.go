// Package expiring holds a map whose entries end at a time of their own and
// which never grows past a number of entries and of bytes.
package expiring

import (
	"container/heap"
	"sync"
	"time"
)

// Map is a bounded map with expiring entries, safe for concurrent use. When
// an entry does not fit, those that would end soonest give way.
type Map[K comparable, V any] struct {
	maxEntries int
	maxBytes   int

	mu      sync.Mutex
	entries map[K]*entry[K, V]
	byEnd   endHeap[K, V]
	bytes   int
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
	return &Map[K, V]{maxEntries: maxEntries, maxBytes: maxBytes, entries: make(map[K]*entry[K, V])}
}

// Put sets the value of key until end; size is what it counts for in bytes.
// A value larger than the whole map is not kept.
func (m *Map[K, V]) Put(key K, value V, size int, now, end time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(key, value, size, now, end)
}

// PutNew is Put, unless key has a value that has not ended, and reports
// whether it put its own.
func (m *Map[K, V]) PutNew(key K, value V, size int, now, end time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, ok := m.entries[key]; ok && now.Before(old.end) {
		return false
	}
	m.put(key, value, size, now, end)
	return true
}

func (m *Map[K, V]) put(key K, value V, size int, now, end time.Time) {
	if old, ok := m.entries[key]; ok {
		m.remove(old)
	}
	if size > m.maxBytes || !now.Before(end) {
		return
	}
	for len(m.byEnd) > 0 && (!now.Before(m.byEnd[0].end) || len(m.entries) >= m.maxEntries || m.bytes+size > m.maxBytes) {
		m.remove(m.byEnd[0])
	}
	e := &entry[K, V]{key: key, value: value, size: size, end: end}
	m.entries[key] = e
	m.bytes += size
	heap.Push(&m.byEnd, e)
}

// Get returns the value of key, if it has not ended.
func (m *Map[K, V]) Get(key K, now time.Time) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries[key]
	if !ok || !now.Before(e.end) {
		var none V
		return none, false
	}
	return e.value, true
}

// Take returns the value of key and removes it: of several concurrent callers
// one gets it.
func (m *Map[K, V]) Take(key K, now time.Time) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var none V
	e, ok := m.entries[key]
	if !ok {
		return none, false
	}
	m.remove(e)
	if !now.Before(e.end) {
		return none, false
	}
	return e.value, true
}

// DeleteFunc removes the entries for which drop is true.
func (m *Map[K, V]) DeleteFunc(drop func(K, V) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, e := range m.entries {
		if drop(key, e.value) {
			m.remove(e)
		}
	}
}

// Range calls visit for each entry that has not ended. It must not use the map.
func (m *Map[K, V]) Range(now time.Time, visit func(K, V)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, e := range m.entries {
		if now.Before(e.end) {
			visit(key, e.value)
		}
	}
}

// Len returns the number of entries, ended ones that were not yet dropped
// among them.
func (m *Map[K, V]) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.entries)
}

func (m *Map[K, V]) remove(e *entry[K, V]) {
	delete(m.entries, e.key)
	m.bytes -= e.size
	heap.Remove(&m.byEnd, e.index)
}

// endHeap orders entries by their end (container/heap).
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
