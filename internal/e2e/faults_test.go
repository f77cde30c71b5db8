package e2e

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// provider is a stand-in whose server can be stopped and restarted on its port
// without losing its data.
type provider struct {
	t      *testing.T
	hub    *hfoauthtest.Server
	addr   string
	server atomic.Pointer[http.Server]
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{t: t}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = listener.Addr().String()
	p.hub = hfoauthtest.New("http://" + p.addr)
	p.serve(listener)
	t.Cleanup(p.down)
	return p
}

func (p *provider) serve(listener net.Listener) {
	server := &http.Server{Handler: p.hub}
	p.server.Store(server)
	go server.Serve(listener)
}

func (p *provider) down() { p.server.Load().Close() }

func (p *provider) up() {
	p.t.Helper()
	listener, err := net.Listen("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.serve(listener)
}

// signIn walks a person through a sign-in and returns the last status, the
// page, and how long it took. before is called before the callback.
func (q *program) signIn(hub *hfoauthtest.Server, before func()) (status int, page string, took time.Duration) {
	q.t.Helper()
	browser := hub.Browser(hfoauthtest.Person{Username: "ada"})
	defer browser.CloseIdleConnections()
	browser.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if req.URL.Path == "/login/callback" && before != nil {
			before()
		}
		return nil
	}
	start := time.Now()
	req, err := http.NewRequest(http.MethodGet, q.URL+"/login?next=/me", nil)
	if err != nil {
		q.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	resp, err := browser.Do(req)
	if err != nil {
		q.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		q.t.Fatal(err)
	}
	return resp.StatusCode, string(body), time.Since(start)
}

// fails checks a failed sign-in.
func (q *program) fails(hub *hfoauthtest.Server, before func(), want int) {
	q.t.Helper()
	status, page, took := q.signIn(hub, before)
	if status != want {
		q.t.Errorf("status %d, want %d: %s", status, want, page)
	}
	if !strings.Contains(page, "Try again") {
		q.t.Errorf("the page lacks %q: %s", "Try again", page)
	}
	if took > 15*time.Second {
		q.t.Errorf("it took %s, want at most 15s", took)
	}
}

// works checks that sign-in works, if need be after a second try.
func (q *program) works(hub *hfoauthtest.Server) {
	q.t.Helper()
	status, page, _ := q.signIn(hub, nil)
	if status != http.StatusOK || !strings.Contains(page, `"preferred_username":"ada"`) {
		q.t.Errorf("sign-in afterwards: %d %s", status, page)
	}
}

// in returns the program for a subtest to report to.
func (q *program) in(t *testing.T) *program {
	sub := *q
	sub.t = t
	return &sub
}

func TestFaults(t *testing.T) {
	html := func(status int) hfoauthtest.Fault {
		return hfoauthtest.Answer(status, "<html>Something is wrong</html>", "Content-Type", "text/html")
	}
	faults := []struct {
		name   string
		fault  hfoauthtest.Fault
		status int
	}{
		{"cut in the middle", hfoauthtest.Cut(), 503},
		{"a byte a second", hfoauthtest.Trickle(time.Second), 503},
		{"20 MB", hfoauthtest.Huge(20 << 20), 502},
		{"gzip bomb", hfoauthtest.GzipBomb(50 << 20), 502},
		{"HTML with status 200", html(200), 502},
		{"HTML with status 500", html(500), 503},
		{"HTML with status 404", html(404), 502},
		{"status 429", hfoauthtest.Answer(429, "{}", "Retry-After", "3"), 503},
		{"no answer", hfoauthtest.Drop(), 503},
		{"empty answer", hfoauthtest.Answer(200, ""), 502},
	}
	for _, endpoint := range []hfoauthtest.Endpoint{
		hfoauthtest.TokenEndpoint, hfoauthtest.JWKSEndpoint, hfoauthtest.UserInfoEndpoint,
	} {
		t.Run(string(endpoint), func(t *testing.T) {
			t.Parallel()
			q := newQuickstart(t)
			q.works(q.hub)
			files, memory := q.files(), q.memory()
			for _, f := range faults {
				t.Run(f.name, func(t *testing.T) {
					q := q.in(t)
					if endpoint == hfoauthtest.JWKSEndpoint {
						q.hub.RotateKeys(true)
					}
					q.hub.SetFault(endpoint, f.fault)
					q.fails(q.hub, nil, f.status)
					q.hub.SetFault(endpoint, nil)
					q.works(q.hub)
				})
			}
			if now := q.files(); now > files+8 {
				t.Errorf("%d open files, %d before", now, files)
			}
			t.Logf("%d MB, %d MB before", q.memory()>>20, memory>>20)
			if now := q.memory(); now > memory+20<<20 { // less than one of the answers
				t.Errorf("%d MB, %d MB before", now>>20, memory>>20)
			}
		})
	}
	for _, f := range faults {
		t.Run("metadata "+f.name, func(t *testing.T) {
			t.Parallel()
			hub := hfoauthtest.NewServer(t)
			hub.SetFault(hfoauthtest.MetadataEndpoint, f.fault)
			q := newProgramAt(t, "quickstart", hub.URL, hub.RegisterApp(hfoauthtest.App{}))
			q.fails(hub, nil, f.status)
			hub.SetFault(hfoauthtest.MetadataEndpoint, nil)
			q.works(hub)
		})
	}
}

// The provider goes down and comes back between every two steps.
func TestProviderRestarts(t *testing.T) {
	p := newProvider(t)
	app := p.hub.RegisterApp(hfoauthtest.App{})
	p.down()
	program := newProgramAt(t, "quickstart", p.hub.URL, app)
	t.Run("before discovery", func(t *testing.T) {
		q := program.in(t)
		q.fails(p.hub, nil, 503)
		p.up()
		q.works(p.hub)
	})
	t.Run("before the token request", func(t *testing.T) {
		q := program.in(t)
		q.fails(p.hub, p.down, 503)
		p.up()
		q.works(p.hub)
	})
	for _, endpoint := range []hfoauthtest.Endpoint{hfoauthtest.JWKSEndpoint, hfoauthtest.UserInfoEndpoint} {
		t.Run("at "+string(endpoint), func(t *testing.T) {
			q := program.in(t)
			p.hub.RotateKeys(true)
			p.hub.SetFault(endpoint, func(http.Handler) http.Handler { // dies on this step
				return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { p.down() })
			})
			q.fails(p.hub, nil, 503)
			p.hub.SetFault(endpoint, nil)
			p.up()
			q.works(p.hub)
		})
	}
}

func TestUnreachableProviders(t *testing.T) {
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	for name, issuer := range map[string]string{
		"DNS failure":        "https://provider.invalid",
		"connection refused": "http://127.0.0.1:1",
		"TLS error":          untrusted.URL,
	} {
		t.Run(name, func(t *testing.T) {
			q := newProgramAt(t, "quickstart", issuer,
				hfoauthtest.App{ClientID: "id", ClientSecret: "oauth_app_secret_for_an_outage"})
			start := time.Now()
			resp, err := http.Get(q.URL + "/login")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 503 {
				t.Errorf("status %s, want 503", resp.Status)
			}
			if resp.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			if took := time.Since(start); took > 15*time.Second {
				t.Errorf("it took %s, want at most 15s", took)
			}
		})
	}
}

func TestClocks(t *testing.T) {
	q := newQuickstart(t)
	for difference, want := range map[time.Duration]int{
		59 * time.Second:  200,
		-59 * time.Second: 200,
		10 * time.Minute:  502,
		-10 * time.Minute: 502,
	} {
		q.hub.Configure(func(c *hfoauthtest.Settings) {
			c.Now = func() time.Time { return time.Now().Add(difference) }
		})
		if status, page, _ := q.signIn(q.hub, nil); status != want {
			t.Errorf("clock off by %s: %d %s", difference, status, page)
		}
	}
	if !strings.Contains(q.log(), "compare it with the provider's clock") {
		t.Errorf("the log does not name the clock: %s", q.log())
	}
}

// Sessions outlive a rotation of the provider's keys, but not a replaced
// client secret, which they are sealed under.
func TestRotations(t *testing.T) {
	q := newQuickstart(t)
	browser := q.hub.SignIn(t, q.URL+"/login", "ada")
	status := func() int {
		t.Helper()
		resp, err := browser.Get(q.URL + "/me")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	q.hub.RotateKeys(true)
	q.works(q.hub)
	if got := status(); got != 200 {
		t.Errorf("old session after the keys were rotated: %d", got)
	}
	q.kill()
	q.app = q.hub.RegisterApp(hfoauthtest.App{ClientID: q.app.ClientID,
		ClientSecret: "oauth_app_secret_that_is_new"})
	q.env = append(q.env, "OAUTH_CLIENT_SECRET=oauth_app_secret_that_is_new")
	q.start()
	if got := status(); got != 401 {
		t.Errorf("old session under a replaced secret: %d", got)
	}
	q.works(q.hub)
}
