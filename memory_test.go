package hfoauth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// A header may have a mebibyte (http.DefaultMaxHeaderBytes), and keeping a part of
// it must not keep all of it.
const headerSize = 900 << 10

func TestMemoryOfSessions(t *testing.T) {
	const sessions, documented = 4096, 16 << 20
	client, other := newClient(t, hfoauth.Config{}), newClient(t, hfoauth.Config{})
	values := make([]string, sessions)
	for i := range values {
		value, err := other.SessionCookieOf(&hfoauth.User{Sub: strconv.Itoa(i), Username: "ada"},
			strings.Repeat("x", 600))
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

// heavy is a user whose session takes more than a mebibyte of memory.
func heavy() hfoauthtest.User {
	return hfoauthtest.User{Username: "heavy", Picture: "https://cdn.example/" + strings.Repeat("p", 700_000)}
}

// joiner is a user whose organizations take more memory than their text.
func joiner() hfoauthtest.User {
	user := hfoauthtest.User{Username: "joiner"}
	for i := range 3500 {
		user.Orgs = append(user.Orgs, hfoauthtest.Org{Username: strconv.Itoa(i)})
	}
	return user
}

// leasedStore is a store in which another replica has the lease of every renewal.
type leasedStore struct {
	*mapStore
	leases atomic.Int64 // how often one was requested
}

func (l *leasedStore) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	if strings.HasPrefix(key, "hfoauth-lease-") {
		l.leases.Add(1)
		return []byte("another"), true, nil
	}
	return l.mapStore.FindCtx(ctx, key)
}

// What is remembered of renewals is bounded in bytes: if another replica renews
// many large sessions, the first ones are looked up again.
func TestRenewalsAreBoundedInBytes(t *testing.T) {
	const sessions = 15 // of more than a mebibyte; there is room for 16 MiB
	for name, user := range map[string]hfoauthtest.User{"much text": heavy(), "many organizations": joiner()} {
		t.Run(name, func(t *testing.T) { checkRenewalsAreBounded(t, user, sessions) })
	}
}

func checkRenewalsAreBounded(t *testing.T, user hfoauthtest.User, sessions int) {
	store := &leasedStore{mapStore: newMapStore()}
	s := newSite(t, withStore(store))
	s.hub.AddUser(user)
	clock := s.newClock()
	var cookies []*http.Cookie
	for range sessions {
		cookies = append(cookies, s.newSession(hfoauthtest.Person{Username: user.Username}))
	}
	clock.advance(8*time.Hour - time.Minute)
	now := clock.now()
	s.client.SetClock(func() time.Time { return now })
	asked := func(cookie *http.Cookie) int64 {
		before := store.leases.Load()
		if _, _, err := act(t, s.client, cookie); err != nil {
			t.Fatal(err)
		}
		return store.leases.Load() - before
	}
	for _, cookie := range cookies {
		if asked(cookie) == 0 {
			t.Error("the store is not asked for the lease of a new renewal")
		}
	}
	if n := asked(cookies[sessions-1]); n != 0 {
		t.Errorf("the last renewal is not remembered: the store is asked %d times", n)
	}
	if asked(cookies[0]) == 0 {
		t.Errorf("the first of %d renewals is remembered: they are not bounded in bytes", sessions)
	}
}

// So are bearer tokens: of many large ones, the first are verified again.
func TestBearersAreBoundedInBytes(t *testing.T) {
	const tokens = 28 // of more than a mebibyte; there is room for 32 MiB
	s := newSite(t, nil)
	s.hub.AddUser(heavy())
	now := time.Now()
	s.client.SetClock(func() time.Time { return now })
	asked := func(token string) int {
		before := s.hub.Calls(hfoauthtest.UserInfoEndpoint)
		if _, err := bearer(s.client, token); err != nil {
			t.Fatal(err)
		}
		return s.hub.Calls(hfoauthtest.UserInfoEndpoint) - before
	}
	var all []string
	for range tokens {
		all = append(all, s.hub.AccessToken("heavy", s.app.ClientID))
		asked(all[len(all)-1])
	}
	if n := asked(all[tokens-1]); n != 0 {
		t.Errorf("the last token is not remembered: the provider is asked %d times", n)
	}
	if asked(all[0]) == 0 {
		t.Errorf("the first of %d tokens is remembered: they are not bounded in bytes", tokens)
	}
}

// A renewal makes one new cookie: every request with the old one gets the same.
func TestRenewalMakesOneCookie(t *testing.T) {
	s, cookie := renewing(t)
	values := map[string]bool{}
	for range 5 {
		_, answered, err := act(t, s.client, cookie)
		if err != nil || answered == nil {
			t.Fatalf("the new cookie is %v: %v", answered, err)
		}
		values[answered.Value] = true
	}
	if len(values) != 1 {
		t.Errorf("the old cookie brings %d new ones, want one", len(values))
	}
	if calls := s.hub.Calls(hfoauthtest.TokenEndpoint); calls != 2 { // sign-in and renewal
		t.Errorf("%d token calls, want 2", calls)
	}
}

// At most ten thousand tokens are remembered: invented ones fill no more memory
// than that.
func TestRememberedTokensAreBounded(t *testing.T) {
	const most = 10_000
	calls := 0
	client := newClient(t, hfoauth.Config{Transport: transportFunc(func(*http.Request) (*http.Response, error) {
		calls++
		return answerOf(http.StatusUnauthorized, ""), nil
	})})
	now := time.Now()
	client.SetClock(func() time.Time { return now })
	for i := range most + 1 {
		now = now.Add(time.Microsecond)
		bearer(client, "hf_"+strconv.Itoa(i))
	}
	calls = 0
	if bearer(client, "hf_1"); calls != 0 {
		t.Errorf("%d calls about one of the last %d tokens, want none", calls, most)
	}
	if bearer(client, "hf_0"); calls != 1 {
		t.Errorf("%d calls about the one before, want one", calls)
	}
}

// Cancelled contexts of a session take no memory.
func TestMemoryOfCancelledContexts(t *testing.T) {
	const contexts, most = 20_000, 1 << 20
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualSite(t, nil)
		session := sessionOf(t, s.client, s.newSession(ada))
		before := heap()
		for i := range contexts {
			_, cancel := session.Context(t.Context())
			cancel()
			if i%100 == 0 {
				synctest.Wait() // so that there are few goroutines at one time
			}
		}
		synctest.Wait()
		if grown := int64(heap()) - int64(before); grown > most {
			t.Errorf("%d cancelled contexts take %d bytes, want no more than %d", contexts, grown, most)
		}
		runtime.KeepAlive(session)
	})
}
