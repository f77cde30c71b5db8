package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// bearerLoad is a number of programs, each with its own token, that send requests
// at a steady rate without waiting for earlier responses.
type bearerLoad struct {
	tokens   int
	rate     int // requests per second
	duration time.Duration
}

// run sends the requests to a handler behind AcceptBearer and RequireUser in this
// process, without a network, so that it measures only the library. The calls to
// the provider use HTTP.
func (l bearerLoad) run() error {
	hub, err := hfoauthtest.Listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	defer hub.Close()
	app := hub.RegisterApp(hfoauthtest.App{})
	client, err := hfoauth.New(hfoauth.Config{ClientID: app.ClientID, ClientSecret: app.ClientSecret,
		ProviderURL: hub.URL, RedirectURL: "http://localhost/login/callback"})
	if err != nil {
		return err
	}
	private := client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	handler := client.AcceptBearer(hfoauth.BearerOptions{})(private)
	requests := make([]*http.Request, l.tokens)
	for i := range requests {
		requests[i] = httptest.NewRequest(http.MethodGet, "/", nil)
		requests[i].Header.Set("Authorization", "Bearer "+hub.AccessToken("ada", app.ClientID))
	}
	before := heap()
	first, _, failures := l.send(handler, requests, l.tokens, 32)
	if failures > 0 {
		return fmt.Errorf("%d tokens were refused", failures)
	}
	fmt.Printf("%d tokens verified, 32 at a time: p99 %s, %d calls to userinfo\n", l.tokens, first.p99,
		hub.Calls(hfoauthtest.UserInfoEndpoint))

	n := int(float64(l.rate) * l.duration.Seconds())
	took, rate, failures := l.send(handler, requests, n, 256)
	calls := hub.Calls(hfoauthtest.UserInfoEndpoint)
	fmt.Printf("%d requests, %.0f per second of %d wanted: %d failed, p50 %s, p99 %s, maximum %s\n", n,
		rate, l.rate, failures, took.p50, took.p99, took.largest)
	fmt.Printf("%d calls to userinfo in all; the heap grew by %d KiB with these tokens\n", calls, (heap()-before)/1024)
	runtime.KeepAlive(client)
	switch {
	case failures > 0:
		return errors.New("requests failed")
	case calls != l.tokens:
		return errors.New("the provider received more than one request for a token")
	}
	return nil
}

type latencies struct{ p50, p99, largest time.Duration }

// send sends n requests, each when it is due, and measures from that time on, so
// that the wait for earlier requests counts.
func (l bearerLoad) send(handler http.Handler, requests []*http.Request,
	n, parallel int) (took latencies, rate float64, failures int64) {
	all := make([]time.Duration, n)
	var next, failed atomic.Int64
	var workers sync.WaitGroup
	start := time.Now()
	for range parallel {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				due := start.Add(time.Duration(i) * time.Second / time.Duration(l.rate))
				time.Sleep(time.Until(due))
				recorder := httptest.NewRecorder()
				request := requests[i%len(requests)]
				handler.ServeHTTP(recorder, request.WithContext(request.Context()))
				if recorder.Code != http.StatusNoContent {
					failed.Add(1)
				}
				all[i] = time.Since(due)
			}
		})
	}
	workers.Wait()
	rate = float64(n) / time.Since(start).Seconds()
	slices.Sort(all)
	return latencies{all[n/2], all[n*99/100], all[n-1]}, rate, failed.Load()
}

// heap returns the bytes in use after a garbage collection.
func heap() int {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}
