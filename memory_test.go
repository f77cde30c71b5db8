package hfoauth_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// A header may have a mebibyte (http.DefaultMaxHeaderBytes), and what is kept
// of it must not keep all of it.
const headerSize = 900 << 10

func TestMemoryOfSessions(t *testing.T) {
	const sessions, documented = 4096, 16 << 20
	client, other := newClient(t, hfoauth.Config{}), newClient(t, hfoauth.Config{})
	values := make([]string, sessions)
	for i := range values {
		value, err := other.SessionCookieOf(&hfoauth.User{Sub: strconv.Itoa(i), Username: "ada"}, strings.Repeat("x", 600))
		if err != nil {
			t.Fatal(err)
		}
		values[i] = value
	}
	padding := "; other=" + strings.Repeat("x", headerSize)
	before := heap()
	for _, value := range values {
		r := &http.Request{Method: "GET", Header: http.Header{"Cookie": {client.SessionCookie() + "=" + value + padding}}}
		if _, err := client.UserFromRequest(r); err != nil {
			t.Fatal(err)
		}
	}
	if grown := int64(heap()) - int64(before); grown > documented*3/2 {
		t.Errorf("%d sessions take %d bytes, more than 1.5 times %d", sessions, grown, documented)
	}
	runtime.KeepAlive(client)
	runtime.KeepAlive(other)
}

func TestMemoryOfBearers(t *testing.T) {
	const tokens, most = 200, 4 << 20
	s := newSite(t, nil)
	handler := s.client.AcceptBearer(hfoauth.BearerOptions{UserTokens: true})(s.client.RequireUser(http.NotFoundHandler()))
	s.hub.SetFault(hfoauthtest.WhoAmIEndpoint, hfoauthtest.Answer(200, `{"type":"user","id":"5dd9","name":"ada"}`))
	if err := s.client.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	padding := strings.Repeat(" ", headerSize)
	before := heap()
	for i := range tokens {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer hf_"+strconv.Itoa(i)+padding)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusNotFound {
			t.Fatalf("token %d: %d: %s", i, w.Code, w.Body)
		}
	}
	if grown := int64(heap()) - int64(before); grown > most {
		t.Errorf("%d tokens take %d bytes", tokens, grown)
	}
	runtime.KeepAlive(handler)
}
