package bench

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
)

// browserLimit is the largest cookie that browsers keep, name and value together
// (RFC 6265bis section 5.7).
const browserLimit = 4096

func TestKeepersYieldTheUser(t *testing.T) {
	for _, orgs := range orgCounts {
		s := newSession(orgs)
		for _, k := range keepers() {
			t.Run(fmt.Sprintf("orgs=%d/%s", orgs, k.name()), func(t *testing.T) {
				tab := browser{}
				if _, err := k.user(tab.get("/")); err == nil {
					t.Error("got a user without a session")
				}
				if err := keepSession(tab, k, s); err != nil {
					size, err := refusedSize(err)
					if err != nil {
						t.Errorf("the session is refused: %v", err)
					}
					if size <= browserLimit {
						t.Errorf("refused at %d bytes, want more than %d", size, browserLimit)
					}
					if orgs < 100 {
						t.Errorf("refused with %d organizations, want at least 100", orgs)
					}
					return
				}
				user, err := k.user(tab.get("/"))
				if err != nil {
					t.Fatal(err)
				}
				wantUser(t, user, &s.User)
				tab[sessionCookie] = "x" + tab[sessionCookie]
				if _, err := k.user(tab.get("/")); err == nil {
					t.Error("a changed cookie still has a user")
				}
			})
		}
	}
}

func keepSession(tab browser, k keeper, s *session) error {
	answer := httptest.NewRecorder()
	if err := k.keep(answer, tab.get("/"), s); err != nil {
		return err
	}
	tab.keep(answer)
	return nil
}

// TestFreshClientYieldsTheUser is for BenchmarkRead's row of first requests,
// and for users in so many organizations that the session leaves the cookie.
func TestFreshClientYieldsTheUser(t *testing.T) {
	for _, orgs := range orgCounts {
		s := newSession(orgs)
		p := newProvider(t, s)
		for name, store := range map[string]*sharedStore{"cookie": nil, "store": {}} {
			t.Run(fmt.Sprintf("orgs=%d/%s", orgs, name), func(t *testing.T) {
				config := hfoauthConfig(p)
				if store != nil {
					config.Store = store
				}
				client := newHFOAuthClient(t, config)
				tab := browser{}
				if answer := signIn(t, p, hfoauthContender(client), tab); !signedIn(answer) {
					t.Fatalf("status %d: %s", answer.Code, answer.Body)
				}
				if size := tab.cookieBytes(); size > browserLimit {
					t.Errorf("cookie has %d bytes", size)
				}
				if store != nil || orgs < 100 {
					client = newHFOAuthClient(t, config)
				}
				user, err := client.UserFromRequest(tab.get("/"))
				if err != nil {
					t.Fatal(err)
				}
				wantUser(t, user, &s.User)
			})
		}
	}
}

// BenchmarkRead measures what every request of a signed-in user costs: from
// the cookie to the user.
func BenchmarkRead(b *testing.B) {
	for _, orgs := range orgCounts {
		b.Run(fmt.Sprintf("orgs=%d", orgs), func(b *testing.B) {
			s := newSession(orgs)
			benchmarkReadHFOAuth(b, s)
			for _, k := range keepers() {
				b.Run(k.name(), func(b *testing.B) {
					tab := browser{}
					if err := keepSession(tab, k, s); err != nil {
						reportTooLarge(b, err)
						return
					}
					benchmarkRead(b, tab, k.user)
				})
			}
		})
	}
}

// benchmarkReadHFOAuth has two rows, because a Client remembers recently opened
// sessions. In the second row each request reaches a Client that has not seen the
// session; a session that is too large for a cookie is then in a Store.
func benchmarkReadHFOAuth(b *testing.B, s *session) {
	p := newProvider(b, s)
	config := hfoauthConfig(p)
	if len(s.User.Orgs) == 100 {
		config.Store = &sharedStore{}
	}
	b.Run("hfoauth", func(b *testing.B) {
		c := newHFOAuth(b, p)
		tab := browser{}
		signIn(b, p, c, tab)
		benchmarkRead(b, tab, c.user)
	})
	b.Run("hfoauth, first request of a session", func(b *testing.B) {
		tab := browser{}
		signIn(b, p, hfoauthContender(newHFOAuthClient(b, config)), tab)
		fresh := &freshClients{config: config}
		benchmarkRead(b, tab, func(r *http.Request) (any, error) { return fresh.take(b).UserFromRequest(r) })
	})
}

func benchmarkRead(b *testing.B, tab browser, user func(*http.Request) (any, error)) {
	r := tab.get("/")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := user(r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(tab.cookieBytes()), "cookie-B")
}

// BenchmarkCores measures how requests of signed-in users scale, each core with the
// requests of its own.
func BenchmarkCores(b *testing.B) {
	p := newProvider(b, newSession(3))
	c, tab := newHFOAuth(b, p), browser{}
	signIn(b, p, c, tab)
	for cores := 1; cores <= runtime.NumCPU(); cores *= 2 {
		b.Run(fmt.Sprintf("hfoauth, GOMAXPROCS=%d", cores), func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
			b.RunParallel(func(pb *testing.PB) {
				r := tab.get("/")
				for pb.Next() {
					if _, err := c.user(r); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// reportTooLarge reports, instead of a time, that a library refused a session because
// no browser would keep it.
func reportTooLarge(b *testing.B, refusal error) {
	size, err := refusedSize(refusal)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(len(sessionCookie)+size), "cookie-B")
	b.ReportMetric(1, "does-not-fit")
}
