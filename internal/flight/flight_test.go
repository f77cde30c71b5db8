package flight

import (
	"context"
	"errors"
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
			t.Errorf("not remembered: %d", v)
		}
		time.Sleep(2 * time.Second)
		if v, _ := g.Do(t.Context(), "a", fn); v != 2 {
			t.Errorf("remembered for too long: %d", v)
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
