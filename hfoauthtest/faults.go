package hfoauthtest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// Fault is something that goes wrong at an endpoint: it answers in place of
// next, or changes how next answers. Those below can be given to
// [Server.SetFault]; any other middleware too.
type Fault func(next http.Handler) http.Handler

// SetFault makes an endpoint fail from the next request on; nil removes the fault.
func (s *Server) SetFault(endpoint Endpoint, fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[endpoint] = fault
}

func (s *Server) fault(endpoint Endpoint) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults[endpoint]
}

// Answer answers with a status, header lines ("Retry-After", "7", …) and a
// body, which is application/json if the header lines do not say otherwise.
func Answer(status int, body string, header ...string) Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			io.WriteString(w, body)
		})
	}
}

// Aborted answers as the Hub's token endpoint does when it times out: with
// invalid_grant, though the grant is still good.
func Aborted() Fault {
	return Answer(http.StatusBadRequest, `{"error":"invalid_grant","error_description":"This operation was aborted"}`)
}

// Delay answers after d.
func Delay(d time.Duration) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if wait(r, d) {
				next.ServeHTTP(w, r)
			}
		})
	}
}

// Trickle sends the answer one byte each d.
func Trickle(d time.Duration) Fault {
	return rewrite(func(w http.ResponseWriter, r *http.Request, status int, body []byte) {
		w.WriteHeader(status)
		for i := range body {
			w.Write(body[i : i+1])
			http.NewResponseController(w).Flush()
			if !wait(r, d) {
				return
			}
		}
	})
}

// Cut drops the connection in the middle of the answer.
func Cut() Fault {
	return rewrite(func(w http.ResponseWriter, r *http.Request, status int, body []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		w.Write(body[:len(body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
}

// Drop closes the connection without an answer.
func Drop() Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	}
}

// Huge pads the answer with spaces to n bytes, which is still valid JSON.
func Huge(n int) Fault {
	return rewrite(func(w http.ResponseWriter, r *http.Request, status int, body []byte) {
		w.WriteHeader(status)
		writePadded(w, body, n)
	})
}

// GzipBomb is Huge, compressed.
func GzipBomb(n int) Fault {
	return rewrite(func(w http.ResponseWriter, r *http.Request, status int, body []byte) {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(status)
		zipped := gzip.NewWriter(w)
		defer zipped.Close()
		writePadded(zipped, body, n)
	})
}

// writePadded writes body and spaces, n bytes together, until the client has
// had enough.
func writePadded(w io.Writer, body []byte, n int) {
	w.Write(body)
	spaces := bytes.Repeat([]byte(" "), 1<<16)
	for n -= len(body); n > 0; n -= len(spaces) {
		if _, err := w.Write(spaces[:min(n, len(spaces))]); err != nil {
			return
		}
	}
}

// Times lets fault happen n times; after that the endpoint works.
func Times(n int, fault Fault) Fault {
	var left atomic.Int64
	left.Store(int64(n))
	return func(next http.Handler) http.Handler {
		faulty := fault(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if left.Add(-1) >= 0 {
				faulty.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// rewrite lets next answer, and hands what it answers to send, which has still
// to write the status.
func rewrite(send func(w http.ResponseWriter, r *http.Request, status int, body []byte)) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			held := &heldAnswer{ResponseWriter: w, status: http.StatusOK}
			next.ServeHTTP(held, r)
			send(w, r, held.status, held.body.Bytes())
		})
	}
}

// heldAnswer keeps status and body back, and lets headers through.
type heldAnswer struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (h *heldAnswer) WriteHeader(status int)      { h.status = status }
func (h *heldAnswer) Write(b []byte) (int, error) { return h.body.Write(b) }

// wait waits, and reports false if the client disconnected.
func wait(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
