package stores

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// app is two replicas of one app in this process.
type app struct {
	settings
	provider *hfoauthtest.Server
	store    *counted
	client   *hfoauth.Client
	one, two string
}

func startApp(t *testing.T, address string) *app {
	t.Helper()
	a := &app{provider: hfoauthtest.NewServer(t)}
	var first, second http.Handler
	one := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request) {
		first.ServeHTTP(w, r)
	}))
	two := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request) {
		second.ServeHTTP(w, r)
	}))
	t.Cleanup(one.Close)
	t.Cleanup(two.Close)
	a.one, a.two = one.URL, two.URL
	registered := a.provider.RegisterApp(hfoauthtest.App{})
	a.settings = settings{address, a.provider.URL, registered.ClientID, registered.ClientSecret,
		one.URL + "/login/callback"}
	store, err := openStore(address)
	if err != nil {
		t.Fatal(err)
	}
	a.store = &counted{Store: store}
	if a.client, err = newClient(a.settings, a.store.asStore()); err != nil {
		t.Fatal(err)
	}
	other, err := newClient(a.settings, store)
	if err != nil {
		t.Fatal(err)
	}
	first, second = routes(a.client), routes(other)
	return a
}

func status(t *testing.T, browser *http.Client, address string) int {
	t.Helper()
	resp, err := browser.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func expect(t *testing.T, browser *http.Client, address string, want int) {
	t.Helper()
	if got := status(t, browser, address); got != want {
		t.Errorf("GET %s: %d, want %d", address, got, want)
	}
}

func TestRedis(t *testing.T) {
	server, address := startRedis(t)
	a := startApp(t, address)
	testSessions(t, a)
	t.Run("memory of a session", func(t *testing.T) { testRedisMemory(t, a, address) })
	t.Run("hangs for ten seconds", func(t *testing.T) {
		testOutage(t, a,
			func() { pause(server.process.Process) },
			func() { resume(server.process.Process) })
	})
}

func TestRedisStore(t *testing.T) {
	_, address := startRedis(t)
	testSessions(t, startApp(t, "swap:"+address))
	testCommit(t, "swap:"+address)
	testSwap(t, "swap:"+address)
	testCancelled(t, "swap:"+address)
}

func TestPgStore(t *testing.T) {
	_, address := startPostgres(t)
	testSessions(t, startApp(t, "swap:"+address))
	testCommit(t, "swap:"+address)
	testSwap(t, "swap:"+address)
	testCancelled(t, "swap:"+address)
	testDeleteExpired(t, address)
}

func testRedisMemory(t *testing.T, a *app, address string) {
	ctx, client := context.Background(), redis.NewClient(&redis.Options{Addr: address})
	defer client.Close()
	if err := client.FlushDB(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	a.provider.SignIn(t, a.one+"/login", "ada")
	keys, err := client.Keys(ctx, "*hfoauth-session-*").Result()
	if err != nil || len(keys) != 1 {
		t.Fatalf("keys %q, %v", keys, err)
	}
	sealed := client.StrLen(ctx, keys[0]).Val()
	usage := client.MemoryUsage(ctx, keys[0]).Val()
	t.Logf("Redis takes %d bytes for %d sealed bytes", usage, sealed)
	if sealed == 0 || float64(usage) > 1.5*float64(sealed) {
		t.Error("more than 1.5 times the sealed size, or nothing was stored")
	}
}

func TestPostgreSQL(t *testing.T) {
	server, address := startPostgres(t)
	a := startApp(t, address)
	testSessions(t, a)
	t.Run("size of a session", func(t *testing.T) { testPostgresSize(t, a, address) })
	t.Run("is gone for ten seconds", func(t *testing.T) {
		testOutage(t, a, server.stop, func() { server.start(t) })
	})
}

func testPostgresSize(t *testing.T, a *app, address string) {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, "TRUNCATE sessions"); err != nil {
		t.Fatal(err)
	}
	a.provider.SignIn(t, a.one+"/login", "ada")
	var sealed, each int64
	err = pool.QueryRow(ctx,
		"SELECT length(data) FROM sessions WHERE token LIKE 'hfoauth-session-%'").Scan(&sealed)
	if err != nil {
		t.Fatal(err)
	}
	_, err = pool.Exec(ctx,
		"INSERT INTO sessions SELECT token || n, data, expiry FROM sessions, generate_series(1, 10000) AS n")
	if err != nil {
		t.Fatal(err)
	}
	err = pool.QueryRow(ctx, "SELECT pg_total_relation_size('sessions') / count(*) FROM sessions").Scan(&each)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("PostgreSQL takes %d bytes, index included, for %d sealed bytes", each, sealed)
	if sealed == 0 || float64(each) > 1.5*float64(sealed) {
		t.Error("more than 1.5 times the sealed size, or nothing was stored")
	}
}

func testSessions(t *testing.T, a *app) {
	t.Run("sign in, read elsewhere, sign out", func(t *testing.T) {
		a.store.take()
		browser := a.provider.SignIn(t, a.one+"/login", "ada")
		t.Logf("a sign-in: %s", a.store.take())
		expect(t, browser, a.one+"/me", http.StatusOK)
		t.Logf("a request: %s", a.store.take())
		expect(t, browser, a.two+"/me", http.StatusOK)
		resp, err := browser.Post(a.two+"/logout", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		expect(t, browser, a.one+"/me", http.StatusUnauthorized)
		expect(t, browser, a.two+"/me", http.StatusUnauthorized)
	})
	t.Run("a copied cookie after sign-out", func(t *testing.T) { testCopiedCookie(t, a) })
	t.Run("LogoutUser", func(t *testing.T) {
		ada, again := a.provider.SignIn(t, a.one+"/login", "ada"), a.provider.SignIn(t, a.one+"/login", "ada")
		grace := a.provider.SignIn(t, a.one+"/login", "grace")
		expect(t, ada, a.two+"/me", http.StatusOK)
		sub := func(username string) string {
			users := hfoauthtest.DefaultUsers()
			return users[slices.IndexFunc(users, func(u hfoauthtest.User) bool { return u.Username == username })].ID()
		}
		if err := a.client.LogoutUser(context.Background(), sub("ada")); err != nil {
			t.Fatal(err)
		}
		expect(t, ada, a.two+"/me", http.StatusUnauthorized)
		expect(t, again, a.one+"/me", http.StatusUnauthorized)
		expect(t, grace, a.two+"/me", http.StatusOK)
	})
	t.Run("two processes renew at once", func(t *testing.T) { testRenewal(t, a) })
}

// testCopiedCookie keeps a session's cookies past its sign-out.
func testCopiedCookie(t *testing.T, a *app) {
	browser := a.provider.SignIn(t, a.one+"/login", "grace")
	req, err := http.NewRequest("GET", a.two+"/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range browser.Jar.Cookies(req.URL) {
		req.AddCookie(cookie)
	}
	copied := func() int {
		t.Helper()
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := copied(); got != http.StatusOK {
		t.Fatalf("before the sign-out the copy gets %d, want 200", got)
	}
	resp, err := browser.Post(a.one+"/logout", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := copied(); got != http.StatusUnauthorized {
		t.Errorf("the other replica responds to the copy with %d, want 401", got)
	}
}

func testRenewal(t *testing.T, a *app) {
	replicas := []string{startReplica(t, a.settings), startReplica(t, a.settings)}
	a.provider.Configure(func(s *hfoauthtest.Settings) { s.AccessTokenLifetime = 2 * time.Second })
	browser := a.provider.SignIn(t, a.one+"/login", "ada")
	a.provider.Configure(func(s *hfoauthtest.Settings) { s.AccessTokenLifetime = 0 })
	signIns := a.provider.Calls(hfoauthtest.TokenEndpoint)
	<-time.After(2 * time.Second) // until the token has expired

	var wait sync.WaitGroup
	for _, address := range replicas {
		for range 20 {
			wait.Go(func() {
				resp, err := browser.Get(address + "/token")
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("GET /token: %s", resp.Status)
				}
			})
		}
	}
	wait.Wait()
	calls := a.provider.Calls(hfoauthtest.TokenEndpoint)
	if renewals := calls - signIns; renewals < 1 || renewals > len(replicas) {
		t.Errorf("%d renewals by %d processes", renewals, len(replicas))
	}
	for _, address := range append(replicas, a.one, a.two) {
		expect(t, browser, address+"/token", http.StatusOK)
		expect(t, browser, address+"/me", http.StatusOK)
	}
	if again := a.provider.Calls(hfoauthtest.TokenEndpoint) - calls; again != 0 {
		t.Errorf("%d token calls after the renewal, want none", again)
	}
}

// testOutage sends requests for ten seconds while the store is down.
func testOutage(t *testing.T, a *app, down, up func()) {
	browser := a.provider.SignIn(t, a.one+"/login", "grace")
	expect(t, browser, a.two+"/me", http.StatusOK)
	down()
	var slowest time.Duration
	requests := 0
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for began := time.Now(); time.Since(began) < 10*time.Second; <-ticker.C {
		asked := time.Now()
		expect(t, browser, a.two+"/me", http.StatusServiceUnavailable)
		slowest = max(slowest, time.Since(asked))
		requests++
	}
	t.Logf("%d requests, the slowest took %v", requests, slowest)
	// The limit of less than a second is tested in virtual time; this is real
	// time, on a machine that may be busy.
	if slowest > 4*time.Second {
		t.Errorf("a request took %v, want less than a second, or four on a busy machine", slowest)
	}
	up()
	eventually(t, "the store is back", func() bool {
		got := status(t, browser, a.two+"/me")
		if got == http.StatusUnauthorized {
			t.Fatal("signed out by the outage")
		}
		return got == http.StatusOK
	})
	expect(t, browser, a.one+"/me", http.StatusOK)
}
