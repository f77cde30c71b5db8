package hfoauth_test

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// network is a network without sockets: a host's handler runs in the goroutine of
// the caller. It works in a testing/synctest bubble, in virtual time.
type network map[string]http.Handler

func (n network) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	handler, ok := n[r.URL.Host]
	if !ok {
		return nil, fmt.Errorf("no route to %s", r.URL.Host)
	}
	received := r.Clone(r.Context())
	received.Host = cmp.Or(r.Host, r.URL.Host)
	received.URL = &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	received.RequestURI = received.URL.RequestURI()
	received.RemoteAddr = "127.0.0.1:50000"
	if received.Body == nil {
		received.Body = http.NoBody
	}
	defer func() {
		if problem := recover(); problem == http.ErrAbortHandler {
			resp, err = nil, io.ErrUnexpectedEOF
		} else if problem != nil {
			panic(problem)
		}
	}()
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, received)
	resp = answer.Result()
	resp.Request = r
	return resp, r.Context().Err()
}

// newVirtualSite is newSite on a network without sockets.
func newVirtualSite(t testing.TB, change func(*hfoauth.Config)) *site {
	t.Helper()
	return virtualSite(t, "http", "127.0.0.1:7860", change)
}

// newSecureSite is newVirtualSite over https.
func newSecureSite(t testing.TB, change func(*hfoauth.Config)) *site {
	t.Helper()
	return virtualSite(t, "https", "app.example", change)
}

func virtualSite(t testing.TB, scheme, host string, change func(*hfoauth.Config)) *site {
	t.Helper()
	mux := http.NewServeMux()
	s := &site{t: t, hub: hfoauthtest.New("http://127.0.0.1:9200"), URL: scheme + "://" + host}
	s.network = network{"127.0.0.1:9200": s.hub, host: mux}
	s.serve(mux, change)
	return s
}
