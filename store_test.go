package hfoauth_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
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
				err := store.Commit(hfoauth.StoreKey(rand.Text()), make([]byte, size), time.Now().Add(time.Hour))
				if err != nil {
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

func withStore(store hfoauth.Store) func(*hfoauth.Config) {
	return func(c *hfoauth.Config) { c.Store = store }
}

// keptIn returns the two ways to keep sessions, by name.
func keptIn() map[string]func(*hfoauth.Config) {
	return map[string]func(*hfoauth.Config){"cookie": nil, "store": withStore(newMapStore())}
}

func (m *mapStore) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// mapStore is a Store that forgets expired entries and can be made to fail.
type mapStore struct {
	mu      sync.Mutex
	now     func() time.Time
	entries map[string]mapEntry
	err     error
	calls   int
}

type mapEntry struct {
	b      []byte
	expiry time.Time
}

func newMapStore() *mapStore { return &mapStore{now: time.Now, entries: map[string]mapEntry{}} }

func (m *mapStore) setClock(now func() time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = now
}

func (m *mapStore) call(ctx context.Context, do func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.err != nil {
		return m.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	do()
	return nil
}

func (m *mapStore) FindCtx(ctx context.Context, key string) (b []byte, found bool, err error) {
	err = m.call(ctx, func() {
		if e := m.entries[key]; m.now().Before(e.expiry) {
			b, found = e.b, true
		}
	})
	return b, found, err
}

func (m *mapStore) CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error {
	return m.call(ctx, func() { m.entries[key] = mapEntry{b, expiry} })
}

func (m *mapStore) DeleteCtx(ctx context.Context, key string) error {
	return m.call(ctx, func() { delete(m.entries, key) })
}

func (m *mapStore) Find(key string) ([]byte, bool, error) {
	return m.FindCtx(context.Background(), key)
}
func (m *mapStore) Delete(key string) error { return m.DeleteCtx(context.Background(), key) }
func (m *mapStore) Commit(key string, b []byte, expiry time.Time) error {
	return m.CommitCtx(context.Background(), key, b, expiry)
}

func TestStore(t *testing.T) {
	store := newMapStore()
	s := newSite(t, withStore(store))
	browser := s.browser()
	resp := s.signIn(browser, ada, "/")
	cookies := resp.setCookies(s.client.SessionCookie())
	if len(cookies) != 1 || len(cookies[0].Value) != 43 {
		t.Fatalf("session cookie %v, want 256 bits", cookies)
	}
	if s.username(browser) != "ada" {
		t.Fatal("not signed in")
	}
	if len(store.entries) == 0 {
		t.Fatal("nothing is stored")
	}
	for key, e := range store.entries {
		for _, secret := range []string{cookies[0].Value, "ada", "hf_oauth"} {
			if strings.Contains(key+string(e.b), secret) {
				t.Errorf("the store can read %s in %s", secret, key)
			}
		}
	}
	if other := s.newReplica(withStore(store)); !signedIn(other, cookies[0]) {
		t.Error("another replica does not know the session")
	}

	t.Run("swapped entries", func(t *testing.T) {
		second := s.browser()
		s.signIn(second, grace, "/")
		var keys []string
		for key := range store.entries {
			if strings.HasPrefix(key, "hfoauth-session-") {
				keys = append(keys, key)
			}
		}
		a, b := keys[0], keys[1]
		store.entries[a], store.entries[b] = store.entries[b], store.entries[a]
		if s.username(browser) != "" || s.username(second) != "" {
			t.Error("a session opens under the key of another")
		}
		store.entries[a], store.entries[b] = store.entries[b], store.entries[a]
	})

	t.Run("down", func(t *testing.T) {
		store.fail(errors.New("connection refused"))
		resp := get(t, browser, s.URL+"/private")
		checkStatus(t, "a page", resp, 503)
		checkHas(t, "a page", resp.body, "check your sign-in right now")
		if resp.Header.Get("Retry-After") == "" {
			t.Error("Retry-After is missing")
		}
		if resp := get(t, browser, s.URL+"/me"); resp.StatusCode != 503 {
			t.Errorf("%s", resp.Status)
		}
		resp = s.signIn(s.browser(), ada, "/")
		if resp.StatusCode != 503 || len(resp.setCookies(s.client.SessionCookie())) > 0 {
			t.Errorf("sign-in: %s", resp.Status)
		}
		store.fail(nil)
		if s.username(browser) != "ada" {
			t.Error("an outage of the store signed the user out")
		}
	})

	t.Run("sign out", func(t *testing.T) {
		post(t, browser, s.URL+"/logout", nil)
		if signedIn(s.client, cookies[0]) {
			t.Error("a copied cookie outlives the sign-out")
		}
	})

	t.Run("sign in again ends the old session", func(t *testing.T) {
		browser := s.browser()
		first := s.newSessionIn(browser, ada)
		second := s.newSessionIn(browser, ada)
		if first.Value == second.Value {
			t.Error("both sessions have one cookie")
		}
		if signedIn(s.client, first) {
			t.Error("the old session is still signed in")
		}
		if !signedIn(s.client, second) {
			t.Error("the new session is not signed in")
		}
	})
}

// A request waits for a hanging store for less than a second.
func TestStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &hangStore{mapStore: newMapStore()}
		s := newVirtualSite(t, withStore(store))
		browser := s.browser()
		s.newSessionIn(browser, ada)
		store.hung.Store(true)
		began := time.Now()
		if resp := get(t, browser, s.URL+"/private"); resp.StatusCode != 503 {
			t.Errorf("%s, want 503", resp.Status)
		}
		if took := time.Since(began); took >= time.Second {
			t.Errorf("answered after %s, want less than a second", took)
		}
		store.hung.Store(false)
		if got := s.username(browser); got != "ada" {
			t.Errorf("afterwards signed in as %q, want ada", got)
		}
	})
}

// contextless is a store like those of scs that take no contexts.
type contextless struct{ store *mapStore }

func (c contextless) setClock(now func() time.Time) { c.store.setClock(now) }

func (c contextless) Find(key string) ([]byte, bool, error) {
	return c.store.FindCtx(context.Background(), key)
}

func (c contextless) Commit(key string, b []byte, expiry time.Time) error {
	return c.store.CommitCtx(context.Background(), key, b, expiry)
}

func (c contextless) Delete(key string) error { return c.store.DeleteCtx(context.Background(), key) }

// Most stores of scs take no contexts.
func TestStoreWithoutContexts(t *testing.T) {
	s := newSite(t, withStore(contextless{newMapStore()}))
	browser := s.browser()
	s.signIn(browser, ada, "/")
	if s.username(browser) != "ada" {
		t.Error("not signed in")
	}
	post(t, browser, s.URL+"/logout", nil)
	if s.username(browser) != "" {
		t.Error("not signed out")
	}
}

type panickingStore struct{ hfoauth.Store }

func (panickingStore) Find(string) ([]byte, bool, error) { panic("a bug") }

func TestPanickingStore(t *testing.T) {
	log := &lockedBuffer{}
	client := newClient(t, hfoauth.Config{Store: panickingStore{},
		Logger: slog.New(slog.NewTextHandler(log, nil))})
	user := userOf(client, &http.Cookie{Name: client.SessionCookie(), Value: strings.Repeat("A", 43)})
	if user != nil {
		t.Error(user)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: client.SessionCookie(), Value: strings.Repeat("A", 43)})
	if _, err := client.UserFromRequest(r); !errors.Is(err, hfoauth.ErrStoreUnavailable) {
		t.Error(err)
	}
	for _, want := range []string{"level=ERROR", "a bug", "panickingStore.Find"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q: %s", want, log)
		}
	}
}

// hangStore waits for the context to end, once hung is set.
type hangStore struct {
	*mapStore
	hung atomic.Bool
}

func (h *hangStore) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	if h.hung.Load() {
		<-ctx.Done()
		return nil, false, ctx.Err()
	}
	return h.mapStore.FindCtx(ctx, key)
}

// All store calls of a request together take less than a second.
func TestTwoSlowCallsToTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entries := newMapStore()
		s := newVirtualSite(t, withStore(entries))
		cookie := s.newSession(ada)
		other := s.newReplica(withStore(&slowStore{entries, 700 * time.Millisecond}))
		began := time.Now()
		_, err := other.UserFromRequest(requestWith(cookie))
		if !errors.Is(err, hfoauth.ErrStoreUnavailable) {
			t.Errorf("error %v, want %v", err, hfoauth.ErrStoreUnavailable)
		}
		if took := time.Since(began); took >= time.Second {
			t.Errorf("answered after %s, want less than a second", took)
		}
	})
}

// So are those of a request that fails, whose page and log name the user.
func TestSlowCallsOfAFailure(t *testing.T) {
	fails := map[string]func(*hfoauth.Client) http.Handler{
		"callback": func(c *hfoauth.Client) http.Handler { return c.CallbackHandler() },
		"Require": func(c *hfoauth.Client) http.Handler {
			return c.RequireOrg("nobody", hfoauth.RoleAny)(http.HandlerFunc(letIn))
		},
		"Error": func(c *hfoauth.Client) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.Error(w, r, hfoauth.ErrCrossSite) })
		},
	}
	for name, handler := range fails {
		for _, delay := range []time.Duration{250 * time.Millisecond, 700 * time.Millisecond} {
			t.Run(fmt.Sprint(name, " ", delay), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					entries := newMapStore()
					s := newVirtualSite(t, withStore(entries))
					cookie := s.newSession(ada)
					other := s.newReplica(withStore(&slowStore{entries, delay}))
					began := time.Now()
					w := httptest.NewRecorder()
					handler(other).ServeHTTP(w, requestWith(cookie))
					if w.Code < 400 {
						t.Errorf("status %d, want a failure", w.Code)
					}
					if took := time.Since(began); took >= time.Second {
						t.Errorf("answered after %s, want less than a second", took)
					}
				})
			})
		}
	}
}

// So are the calls of a sign-out in the app's own handler. Its record names the user
// without asking the store, and a request with several cookies has one limit.
func TestSlowCallsOfASignOut(t *testing.T) {
	for _, others := range []int{0, 7} {
		t.Run(fmt.Sprint(others, " other cookies"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				entries := newMapStore()
				s := newVirtualSite(t, withStore(entries))
				cookie := s.newSession(ada)
				other := s.newReplica(func(c *hfoauth.Config) {
					c.Store = &slowStore{entries, 200 * time.Millisecond}
					c.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				})
				sub := userOf(other, cookie).Sub
				r := requestWith(cookie)
				for i := range others {
					r.AddCookie(&http.Cookie{Name: cookie.Name, Value: fmt.Sprintf("%043d", i)})
				}
				began := time.Now()
				err := other.Logout(httptest.NewRecorder(), r)
				if took := time.Since(began); took >= time.Second {
					t.Errorf("answered after %s, want less than a second", took)
				}
				if others == 0 {
					checkHas(t, "the log", s.log.String(), "hfoauth: signed out", "sub="+sub)
				} else if !errors.Is(err, hfoauth.ErrStoreUnavailable) {
					t.Errorf("error %v, want %v", err, hfoauth.ErrStoreUnavailable)
				}
				time.Sleep(time.Minute)
				if signedIn(s.client, cookie) {
					t.Error("another replica still lets the session in")
				}
			})
		})
	}
}

// So are those of an ErrorHandler that asks who is signed in.
func TestSlowCallsOfAnErrorHandler(t *testing.T) {
	for name, tt := range map[string]struct {
		method, path, origin string
		status               int
	}{
		"page":     {"GET", "/private", "", 503},
		"sign-out": {"POST", "/logout", "", 503},
		"refused":  {"POST", "/logout", "https://evil.example", 403},
		"claim":    {"POST", "/login/frame/claim", "", 503},
		"check":    {"POST", "/login/frame/check", "", 503},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var client *hfoauth.Client
				asked := false
				store := &hangStore{mapStore: newMapStore()}
				store.hung.Store(true)
				s := newVirtualSite(t, func(c *hfoauth.Config) {
					c.Store = store
					c.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) bool {
						asked = true
						client.UserFromRequest(r)
						return false
					}
				})
				client = s.client
				mux := http.NewServeMux()
				client.Mount(mux)
				mux.Handle("GET /private", client.RequireUser(http.HandlerFunc(letIn)))
				r := httptest.NewRequest(tt.method, s.URL+tt.path, nil)
				r.Header.Set("Origin", cmp.Or(tt.origin, s.URL))
				r.AddCookie(&http.Cookie{Name: client.SessionCookie(), Value: strings.Repeat("0", 43)})
				began := time.Now()
				w := httptest.NewRecorder()
				mux.ServeHTTP(w, r)
				if took := time.Since(began); took >= time.Second {
					t.Errorf("answered after %s, want less than a second", took)
				}
				if !asked {
					t.Error("the ErrorHandler was not called")
				}
				if w.Code != tt.status {
					t.Errorf("status %d, want %d", w.Code, tt.status)
				}
				store.hung.Store(false)
				time.Sleep(time.Minute) // until the sign-out is stored
			})
		})
	}
}

// So are the calls for several cookies of one name.
func TestSlowCallsForSeveralCookies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualSite(t, withStore(&slowStore{newMapStore(), 300 * time.Millisecond}))
		r := httptest.NewRequest("GET", "/", nil)
		for i := range 5 {
			r.AddCookie(&http.Cookie{Name: s.client.SessionCookie(), Value: fmt.Sprintf("%043d", i)})
		}
		began := time.Now()
		_, err := s.client.UserFromRequest(r)
		if !errors.Is(err, hfoauth.ErrStoreUnavailable) {
			t.Errorf("error %v, want %v", err, hfoauth.ErrStoreUnavailable)
		}
		if took := time.Since(began); took >= time.Second {
			t.Errorf("answered after %s, want less than a second", took)
		}
	})
}

// slowStore answers after a while, unless that is too long.
type slowStore struct {
	*mapStore
	takes time.Duration
}

func (s *slowStore) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	select {
	case <-time.After(s.takes):
		return s.mapStore.FindCtx(ctx, key)
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

// rejectingStore fails to store new sessions, once it is full.
type rejectingStore struct {
	*mapStore
	full atomic.Bool
}

func (s *rejectingStore) CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error {
	if s.full.Load() {
		return errors.New("out of memory")
	}
	return s.mapStore.CommitCtx(ctx, key, b, expiry)
}

// A sign-in that cannot be stored leaves the browser's earlier session.
func TestSignInThatIsNotStored(t *testing.T) {
	store := &rejectingStore{mapStore: newMapStore()}
	s := newSite(t, withStore(store))
	browser := s.browser()
	s.signIn(browser, ada, "/")
	store.full.Store(true)
	if resp := s.signIn(browser, grace, "/"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("callback: %s, want 503", resp.Status)
	}
	store.full.Store(false)
	if got := s.username(browser); got != "ada" {
		t.Errorf("signed in as %q, want ada, as before", got)
	}
}

// If the store is down, the page leads back to itself and to no sign-in.
func TestPageWhileTheStoreIsDown(t *testing.T) {
	store := newMapStore()
	s := newSite(t, withStore(store))
	cookie := s.newSession(ada)
	page := s.client.RequireUser(http.HandlerFunc(letIn))
	store.fail(errors.New("connection refused"))
	r := httptest.NewRequest("GET", "/albums?page=2", nil)
	r.AddCookie(cookie)
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	if page.ServeHTTP(w, r); w.Code != http.StatusServiceUnavailable {
		t.Fatalf("status %d, want 503", w.Code)
	}
	if got := w.Body.String(); !strings.Contains(got, `href="/albums?page=2"`) {
		t.Errorf("it does not lead back: %s", got)
	}
}

// If a callback cannot store its session in time, the lookup of the earlier session
// gets only what is left of the second.
func TestSlowCallsOfACallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entries := newMapStore()
		s := newVirtualSite(t, withStore(entries))
		browser := s.browser()
		s.newSessionIn(browser, ada)
		callback := s.decide(s.begin(browser, "/"), grace)
		other := s.newReplica(withStore(&slowStore{entries, 700 * time.Millisecond}))
		began := time.Now()
		w := httptest.NewRecorder()
		if other.CallbackHandler().ServeHTTP(w, s.request(browser, callback)); w.Code != http.StatusServiceUnavailable {
			t.Errorf("status %d, want 503", w.Code)
		}
		if took := time.Since(began); took >= time.Second {
			t.Errorf("answered after %s, want less than a second", took)
		}
	})
}
