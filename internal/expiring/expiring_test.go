package expiring

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

func TestExpiry(t *testing.T) {
	m := New[string, int](10, 100)
	m.Put("a", 1, 1, at(0), at(10))
	if v, ok := m.Get("a", at(9)); !ok || v != 1 {
		t.Errorf("before its end: %d, %v", v, ok)
	}
	if _, ok := m.Get("a", at(10)); ok {
		t.Error("still there at its end")
	}
	if v, ok := m.Take("a", at(10)); ok || v != 0 {
		t.Error("taken after its end")
	}
	m.Put("b", 1, 1, at(10), at(10))
	if m.Len() != 0 {
		t.Errorf("%d entries left, want 0", m.Len())
	}
}

func TestSoonestToEndGivesWay(t *testing.T) {
	m := New[string, int](3, 100)
	m.Put("late", 1, 1, at(0), at(30))
	m.Put("soon", 2, 1, at(0), at(10))
	m.Put("mid", 3, 1, at(0), at(20))
	m.Put("new", 4, 1, at(0), at(25))
	for key, want := range map[string]bool{"late": true, "soon": false, "mid": true, "new": true} {
		if _, ok := m.Get(key, at(1)); ok != want {
			t.Errorf("%s: present %v, want %v", key, ok, want)
		}
	}
}

func TestBytes(t *testing.T) {
	m := New[string, int](100, 10)
	m.Put("a", 1, 6, at(0), at(10))
	m.Put("b", 2, 6, at(0), at(20))
	if _, ok := m.Get("a", at(1)); ok {
		t.Error("both kept in 10 bytes")
	}
	m.Put("b", 3, 4, at(0), at(20))
	m.Put("c", 4, 6, at(0), at(20))
	if m.Len() != 2 {
		t.Errorf("%d entries, want 2: replacing must free the old size", m.Len())
	}
	m.Put("huge", 5, 11, at(0), at(20))
	if _, ok := m.Get("huge", at(1)); ok || m.Len() != 2 {
		t.Error("a value larger than the map was kept or pushed others out")
	}
}

func TestTakeOnce(t *testing.T) {
	m := New[string, int](10, 100)
	m.Put("a", 1, 1, at(0), at(10))
	var taken atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, ok := m.Take("a", at(1)); ok {
				taken.Add(1)
			}
		})
	}
	wg.Wait()
	if taken.Load() != 1 {
		t.Errorf("taken %d times", taken.Load())
	}
}

func TestPutNew(t *testing.T) {
	m := New[string, int](10, 100)
	if !m.PutNew("a", 1, 1, at(0), at(10)) || m.PutNew("a", 2, 1, at(5), at(20)) {
		t.Error("put over a value that has not ended")
	}
	if v, _ := m.Get("a", at(5)); v != 1 {
		t.Errorf("value %d", v)
	}
	if !m.PutNew("a", 3, 1, at(10), at(20)) {
		t.Error("not put over a value that has ended")
	}
}

func TestDeleteFuncAndRange(t *testing.T) {
	m := New[string, int](10, 100)
	m.Put("a", 1, 1, at(0), at(10))
	m.Put("b", 2, 1, at(0), at(20))
	m.Put("c", 3, 1, at(0), at(30))
	m.DeleteFunc(func(key string, _ int) bool { return key == "c" })
	sum := 0
	m.Range(at(15), func(_ string, v int) { sum += v })
	if sum != 2 || m.Len() != 2 {
		t.Errorf("sum %d of %d entries", sum, m.Len())
	}
}
