package flight

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestOneCallForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[string, int](time.Minute, Limits[int]{Results: 10}, time.Now)
		calls := 0
		fn := func(context.Context) (int, time.Time, error) {
			calls++
			time.Sleep(time.Second)
			return calls, time.Now().Add(time.Minute), nil
		}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if v, err := g.Do(t.Context(), "a", fn); v != 1 || err != nil {
					t.Errorf("%d, %v", v, err)
				}
			})
		}
		wg.Wait()
		time.Sleep(59 * time.Second)
		if v, _ := g.Do(t.Context(), "a", fn); v != 1 {
			t.Errorf("result was not cached: %d", v)
		}
		time.Sleep(2 * time.Second)
		if v, _ := g.Do(t.Context(), "a", fn); v != 2 {
			t.Errorf("result was cached for too long: %d", v)
		}
	})
}

func TestRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[string, int](time.Minute, Limits[int]{Results: 10}, time.Now)
		go g.Do(t.Context(), "a", func(context.Context) (int, time.Time, error) {
			time.Sleep(time.Second)
			return 1, time.Now().Add(time.Minute), nil
		})
		synctest.Wait()
		if !g.Running("a") {
			t.Error("a call in progress is not running")
		}
		if g.Running("b") {
			t.Error("a call for another key is running")
		}
		time.Sleep(2 * time.Second)
		if g.Running("a") {
			t.Error("a call that has returned is running")
		}
	})
}

func TestCallOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[string, int](time.Minute, Limits[int]{Results: 10}, time.Now)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		fn := func(ctx context.Context) (int, time.Time, error) {
			time.Sleep(2 * time.Second)
			return 7, time.Now().Add(time.Minute), ctx.Err()
		}
		if _, err := g.Do(ctx, "a", fn); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("caller with a deadline: %v", err)
		}
		if v, err := g.Do(t.Context(), "a", fn); v != 7 || err != nil {
			t.Errorf("the next caller: %d, %v", v, err)
		}
	})
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[string, int](time.Second, Limits[int]{Results: 10}, time.Now)
		_, err := g.Do(t.Context(), "a", func(ctx context.Context) (int, time.Time, error) {
			<-ctx.Done()
			return 0, time.Time{}, ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// The context of a call has the timeout as its deadline.
func TestCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[string, time.Duration](time.Minute, Limits[time.Duration]{Results: 10}, time.Now)
		left, err := g.Do(t.Context(), "a", func(ctx context.Context) (time.Duration, time.Time, error) {
			deadline, ok := ctx.Deadline()
			if !ok {
				return 0, time.Time{}, errors.New("the context has no deadline")
			}
			return time.Until(deadline), time.Time{}, nil
		})
		if err != nil || left != time.Minute {
			t.Errorf("a call has %s, want a minute (%v)", left, err)
		}
	})
}

func TestKeysAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[int, int](time.Minute, Limits[int]{Results: 100}, time.Now)
		calls := map[int]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		began := time.Now()
		for i := range 100 {
			wg.Go(func() {
				key := i % 10
				v, err := g.Do(t.Context(), key, func(context.Context) (int, time.Time, error) {
					mu.Lock()
					calls[key]++
					mu.Unlock()
					time.Sleep(time.Second)
					return 10 * key, time.Now().Add(time.Minute), nil
				})
				if v != 10*key || err != nil {
					t.Errorf("key %d: %d, %v", key, v, err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took != time.Second {
			t.Errorf("calls of different keys took %s, want a second together", took)
		}
		for key, n := range calls {
			if n != 1 {
				t.Errorf("key %d: %d calls, want one", key, n)
			}
		}
	})
}

func TestErrorsAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[string, int](time.Minute, Limits[int]{Results: 10}, time.Now)
		broken := errors.New("broken")
		calls := 0
		for range 3 {
			_, err := g.Do(t.Context(), "a", func(context.Context) (int, time.Time, error) {
				calls++
				return 0, time.Now().Add(time.Minute), broken
			})
			if err != broken {
				t.Errorf("error %v, want %v", err, broken)
			}
		}
		if calls != 1 {
			t.Errorf("%d calls, want one", calls)
		}
	})
}

// A call that panics fails for all waiting callers, but not for later ones.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[string, int](time.Minute, Limits[int]{Results: 10}, time.Now)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				v, err := g.Do(t.Context(), "a", func(context.Context) (int, time.Time, error) {
					time.Sleep(time.Second)
					panic("a bug")
				})
				if err == nil {
					t.Errorf("a call that panicked returned %d", v)
				}
			})
		}
		wg.Wait()
		v, err := g.Do(t.Context(), "a", func(context.Context) (int, time.Time, error) { return 7, time.Time{}, nil })
		if v != 7 || err != nil {
			t.Errorf("the next call: %d, %v", v, err)
		}
	})
}

// A panic is reported with its stack.
func TestOnPanic(t *testing.T) {
	g := New[string, int](time.Minute, Limits[int]{Results: 10}, time.Now)
	var value any
	var stack string
	g.OnPanic = func(v any, s []byte) { value, stack = v, string(s) }
	g.Do(t.Context(), "a", func(context.Context) (int, time.Time, error) { panic("a bug") })
	if value != "a bug" {
		t.Errorf("reported %v", value)
	}
	if !strings.Contains(stack, "TestOnPanic") {
		t.Errorf("the stack does not show the call: %s", stack)
	}
}

// remembered calls Do once for each value and reports which results are cached.
func remembered(t *testing.T, g *Group[int, string], values []string) []bool {
	t.Helper()
	for key, value := range values {
		g.Do(t.Context(), key, func(context.Context) (string, time.Time, error) {
			return value, time.Now().Add(time.Duration(key+1) * time.Hour), nil
		})
	}
	known := make([]bool, len(values))
	for key := range values {
		known[key] = true
		g.Do(t.Context(), key, func(context.Context) (string, time.Time, error) {
			known[key] = false
			return "", time.Time{}, nil
		})
	}
	return known
}

func TestResultsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		length := func(s string) int { return len(s) }
		for name, tt := range map[string]struct {
			limits Limits[string]
			want   []bool
		}{
			"by number":  {Limits[string]{Results: 2}, []bool{false, true, true}},
			"by size":    {Limits[string]{Results: 10, Size: length, Total: 8}, []bool{false, true, true}},
			"not at all": {Limits[string]{Results: 10, Size: length, Total: 12}, []bool{true, true, true}},
		} {
			g := New[int](time.Minute, tt.limits, time.Now)
			if got := remembered(t, g, []string{"aaaa", "bbbb", "cccc"}); !slices.Equal(got, tt.want) {
				t.Errorf("%s: cached %v, want %v", name, got, tt.want)
			}
		}
	})
}

// A result is cached in the same step in which its call ends: in between, another
// caller would call again.
func TestResultIsCachedAsTheCallEnds(t *testing.T) {
	var g *Group[string, int]
	size := func(int) int {
		if g.mu.TryLock() {
			g.mu.Unlock()
			t.Error("the result is cached while other calls may begin")
		}
		if _, running := g.running["a"]; !running {
			t.Error("the call has ended before its result is cached")
		}
		return 0
	}
	g = New[string](time.Minute, Limits[int]{Results: 1, Size: size}, time.Now)
	g.Do(t.Context(), "a", func(context.Context) (int, time.Time, error) { return 1, time.Now().Add(time.Hour), nil })
}

// A call that failed has no value to remember.
func TestFailureIsNotAValue(t *testing.T) {
	g := New[string](time.Minute, Limits[int]{Results: 1}, time.Now)
	g.Do(t.Context(), "a", func(context.Context) (int, time.Time, error) {
		return 0, time.Now().Add(time.Hour), errors.New("failed")
	})
	if v, ok := g.Remembered("a"); ok {
		t.Errorf("remembered %d, want nothing", v)
	}
}
