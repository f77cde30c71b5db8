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

// Fault is a fault of an endpoint: middleware that responds instead of next, or
// changes its response. [Server.SetFault] accepts the faults of this package and
// any other middleware.
type Fault func(next http.Handler) http.Handler

// SetFault sets the fault of an endpoint from the next request on; nil removes
// it.
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

// Answer responds with a status, header fields ("Retry-After", "7", …) and a
// body. Its Content-Type is application/json unless header sets another one.
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

// Aborted responds like the Hub's token endpoint after its own timeout: with
// invalid_grant, although the grant is still valid.
func Aborted() Fault {
	return Answer(http.StatusBadRequest, `{"error":"invalid_grant","error_description":"This operation was aborted"}`)
}

// Delay delays the response by d.
func Delay(d time.Duration) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if wait(r, d) {
				next.ServeHTTP(w, r)
			}
		})
	}
}

// Trickle sends the response body one byte at a time, with pauses of d.
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

// Cut closes the connection in the middle of the response body.
func Cut() Fault {
	return rewrite(func(w http.ResponseWriter, r *http.Request, status int, body []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		w.Write(body[:len(body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
}

// Drop closes the connection without a response.
func Drop() Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	}
}

// Huge pads the response body with spaces to n bytes; JSON stays valid.
func Huge(n int) Fault {
	return rewrite(func(w http.ResponseWriter, r *http.Request, status int, body []byte) {
		w.WriteHeader(status)
		writePadded(w, body, n)
	})
}

// GzipBomb is like Huge, but compresses the body with gzip.
func GzipBomb(n int) Fault {
	return rewrite(func(w http.ResponseWriter, r *http.Request, status int, body []byte) {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(status)
		zipped := gzip.NewWriter(w)
		defer zipped.Close()
		writePadded(zipped, body, n)
	})
}

// writePadded writes body, padded with spaces to n bytes, until the client
// disconnects.
func writePadded(w io.Writer, body []byte, n int) {
	w.Write(body)
	spaces := bytes.Repeat([]byte(" "), 1<<16)
	for n -= len(body); n > 0; n -= len(spaces) {
		if _, err := w.Write(spaces[:min(n, len(spaces))]); err != nil {
			return
		}
	}
}

// Times applies fault to n requests; after that, the endpoint works.
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

// rewrite passes the status and body that next wrote to send, which writes the
// response.
func rewrite(send func(w http.ResponseWriter, r *http.Request, status int, body []byte)) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			held := &heldAnswer{ResponseWriter: w, status: http.StatusOK}
			next.ServeHTTP(held, r)
			send(w, r, held.status, held.body.Bytes())
		})
	}
}

// heldAnswer holds back the status and the body, but passes on the header.
type heldAnswer struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (h *heldAnswer) WriteHeader(status int)      { h.status = status }
func (h *heldAnswer) Write(b []byte) (int, error) { return h.body.Write(b) }

// wait waits for d. It returns false if the client disconnects.
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
