package expiring

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"
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
		t.Error("still present at its end")
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
		t.Error("replaced a value that has not expired")
	}
	if v, _ := m.Get("a", at(5)); v != 1 {
		t.Errorf("value %d, want 1", v)
	}
	if !m.PutNew("a", 3, 1, at(10), at(20)) {
		t.Error("did not replace an expired value")
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
		t.Errorf("sum %d of %d entries, want 2 of 2", sum, m.Len())
	}
}

// together runs do in n goroutines that start at the same time.
func together(n int, do func()) {
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			<-begin
			do()
		})
	}
	close(begin)
	wg.Wait()
}

// Of several concurrent calls of PutNew or Take, only one succeeds.
func TestRaces(t *testing.T) {
	m := New[string, int](10, 100)
	key := strings.Repeat("a", 1<<20) // finding it takes longer than starting a goroutine
	for round := range 200 {
		var put, taken atomic.Int32
		together(4, func() {
			if m.PutNew(key, round, 1, at(0), at(10)) {
				put.Add(1)
			}
		})
		together(4, func() {
			if _, ok := m.Take(key, at(1)); ok {
				taken.Add(1)
			}
		})
		if n := put.Load(); n != 1 {
			t.Fatalf("round %d: put %d times, want once", round, n)
		}
		if n := taken.Load(); n != 1 {
			t.Fatalf("round %d: taken %d times, want once", round, n)
		}
	}
}

// Expired entries are dropped when another is put.
func TestEndedEntriesAreDropped(t *testing.T) {
	m := New[int, int](1000, 1000)
	for i := range 100 {
		m.Put(i, i, 1, at(0), at(10))
	}
	m.Put(100, 100, 1, at(20), at(30))
	if n := m.Len(); n != 1 {
		t.Errorf("%d entries are kept, want only the one that has not expired", n)
	}
}

// A map behaves like a list of all entries, whatever the order of calls.
func TestAgainstAModel(t *testing.T) {
	type entry struct {
		key, value, size, end int
	}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		const maxEntries, maxBytes, keys = 8, 30, 12
		m := New[int, int](maxEntries, maxBytes)
		var model []entry
		drop := func(key int) { model = slices.DeleteFunc(model, func(e entry) bool { return e.key == key }) }
		find := func(key, now int) (int, bool) {
			for _, e := range model {
				if e.key == key && now < e.end {
					return e.value, true
				}
			}
			return 0, false
		}
		for step := range 200 {
			now, key := step/4, random.IntN(keys)
			switch random.IntN(5) {
			case 0, 1:
				// Distinct ends, so that exactly one entry expires soonest.
				e := entry{key, step, 1 + random.IntN(12), now + 1000*random.IntN(3) + 1 + step%1000}
				m.Put(e.key, e.value, e.size, at(now), at(e.end))
				drop(key)
				model = slices.DeleteFunc(model, func(old entry) bool { return old.end <= now })
				used := func() (bytes int) {
					for _, e := range model {
						bytes += e.size
					}
					return bytes
				}
				for len(model) > 0 && (len(model) >= maxEntries || used()+e.size > maxBytes) {
					soonest := slices.MinFunc(model, func(a, b entry) int { return a.end - b.end })
					drop(soonest.key)
				}
				model = append(model, e)
			case 2:
				got, ok := m.Get(key, at(now))
				if want, found := find(key, now); got != want || ok != found {
					t.Fatalf("seed %d, step %d: Get(%d) = %d, %v, want %d, %v", seed, step, key, got, ok, want, found)
				}
			case 3:
				got, ok := m.Take(key, at(now))
				if want, found := find(key, now); got != want || ok != found {
					t.Fatalf("seed %d, step %d: Take(%d) = %d, %v, want %d, %v", seed, step, key, got, ok, want, found)
				}
				drop(key)
			case 4:
				if random.IntN(8) == 0 {
					m.DeleteFunc(func(k, _ int) bool { return k%2 == 0 })
					model = slices.DeleteFunc(model, func(e entry) bool { return e.key%2 == 0 })
				}
			}
		}
	}
}

// The heap does not keep removed values in memory.
func TestRemovedValuesAreFreed(t *testing.T) {
	m := New[int, *[1 << 16]byte](10, 100)
	value := new([1 << 16]byte)
	freed := weak.Make(value)
	m.Put(1, value, 1, at(0), at(10))
	m.Put(2, nil, 1, at(0), at(5))
	m.Take(1, at(1))
	value = nil
	runtime.GC()
	runtime.GC()
	if freed.Value() != nil {
		t.Error("a removed value is still in memory")
	}
	runtime.KeepAlive(m)
}

// Get finds an entry while the map is modified, even if that entry is being
// replaced.
func TestReadingWhileItChanges(t *testing.T) {
	m := New[int, int](1000, 1000)
	m.Put(-1, 0, 1, at(0), at(1000))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 2000 {
				m.Put(i, i, 1, at(0), at(10))
				m.Put(-1, i, 1, at(0), at(1000))
				m.Take(i-i%3, at(1))
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		if _, ok := m.Get(-1, at(1)); !ok {
			t.Fatal("an entry that is present was not found")
		}
	}
	if n := m.Len(); n > 1000 {
		t.Errorf("%d entries, want at most 1000", n)
	}
}

// A Map behaves like a Go map under random changes.
func TestLikeAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	m, model := New[string, int](10_000, 10_000), map[string]int{}
	for i := range 20_000 {
		key := strconv.Itoa(random.IntN(500))
		if random.IntN(3) == 0 {
			m.Take(key, at(1))
			delete(model, key)
		} else {
			m.Put(key, i, 1, at(0), at(10))
			model[key] = i
		}
		key = strconv.Itoa(random.IntN(500))
		got, ok := m.Get(key, at(1))
		if want, there := model[key]; got != want || ok != there {
			t.Fatalf("after %d changes: %d, %v, want %d, %v", i+1, got, ok, want, there)
		}
		if m.Len() != len(model) {
			t.Fatalf("after %d changes: %d entries, want %d", i+1, m.Len(), len(model))
		}
	}
}

func TestPutThatHasEndedRemoves(t *testing.T) {
	m := New[string, int](10, 10)
	m.Put("a", 1, 1, at(0), at(10))
	m.Put("a", 2, 1, at(5), at(5))
	if v, ok := m.Get("a", at(5)); ok {
		t.Errorf("got %d, want nothing", v)
	}
}

// However many entries there are, Get compares few keys.
func TestBucketsStayShort(t *testing.T) {
	m := New[int, int](1<<17, 1<<17)
	for i := range 10_000 {
		m.Put(i, i, 1, at(0), at(10))
	}
	longest := 0
	buckets := m.table.Load().buckets
	for i := range buckets {
		length := 0
		for n := buckets[i].Load(); n != nil; n = n.next {
			length++
		}
		longest = max(longest, length)
	}
	if longest > 30 {
		t.Errorf("a bucket has %d entries, want at most 30", longest)
	}
}

// Get finds an entry while the table grows.
func TestReadingWhileItGrows(t *testing.T) {
	m := New[int, int](1<<17, 1<<17)
	m.Put(-1, 0, 1, at(0), at(1000))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 1 << 16 {
			m.Put(i, i, 1, at(0), at(10))
		}
	}()
	for {
		if _, ok := m.Get(-1, at(1)); !ok {
			t.Fatal("an entry that is present was not found")
		}
		select {
		case <-done:
			return
		default:
		}
	}
}
