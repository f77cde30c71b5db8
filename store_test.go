package hfoauth_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
)

// A session in the memory of the process costs little more than its bytes.
func TestStoredSessionMemory(t *testing.T) {
	const sessions = 4000
	for _, size := range []int{921, 4096, 14500} { // two organizations, just too large for a cookie, a hundred
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			store := hfoauth.NewMemoryStore()
			before := heap()
			for range sessions {
				if err := store.CommitCtx(context.Background(), hfoauth.StoreKey(rand.Text()), make([]byte, size), time.Now().Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
			}
			each := float64(heap()-before) / sessions
			runtime.KeepAlive(store)
			t.Logf("%.0f bytes of memory for %d sealed bytes: %.2f times", each, size, each/float64(size))
			if each > 1.5*float64(size) || each < float64(size) {
				t.Error("more than 1.5 times the sealed size, or nothing was stored")
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
