package main

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

var program string

// TestMain builds the program as a new user would.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "cli")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "cli")
		if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
			panic(string(out))
		}
		return m.Run()
	}())
}

// machine is a user's machine on which the program runs.
type machine struct {
	t   *testing.T
	env []string
}

// newMachine returns a machine without a browser that the program could open.
func newMachine(t *testing.T, env ...string) *machine {
	t.Helper()
	home := t.TempDir()
	return &machine{t, append([]string{"HOME=" + home, "XDG_CONFIG_HOME=" + home,
		"PATH=" + os.Getenv("PATH"), "BROWSER=true"}, env...)}
}

// newHub returns a machine whose program is registered at a provider.
func newHub(t *testing.T) (*hfoauthtest.Server, *machine) {
	t.Helper()
	hub := hfoauthtest.NewServer(t)
	hub.Configure(func(c *hfoauthtest.Settings) { c.DeviceInterval = time.Second })
	app := hub.RegisterApp(hfoauthtest.App{Public: true,
		RedirectURIs: []string{"http://127.0.0.1/login/callback"}})
	return hub, newMachine(t, "OAUTH_CLIENT_ID="+app.ClientID, "OPENID_PROVIDER_URL="+hub.URL,
		"HF_ENDPOINT="+hub.URL)
}

// screen is what a program prints while it runs.
type screen struct {
	mu    sync.Mutex
	more  *sync.Cond
	text  bytes.Buffer
	ended bool
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.more.Broadcast()
	return s.text.Write(p)
}

// end makes all waiting stop.
func (s *screen) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.more.Broadcast()
}

// find waits until something is printed.
func (s *screen) find(pattern string) string {
	expression := regexp.MustCompile(pattern)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if match := expression.FindStringSubmatch(s.text.String()); match != nil {
			return match[1]
		}
		if s.ended {
			return ""
		}
		s.more.Wait()
	}
}

// run runs the program, while act plays its user, and returns what it prints
// and whether it succeeds.
func (m *machine) run(act func(*screen), args ...string) (output string, ok bool) {
	m.t.Helper()
	s := &screen{}
	s.more = sync.NewCond(&s.mu)
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	command.Env, command.Stdout, command.Stderr = m.env, s, s
	var acting sync.WaitGroup
	if act != nil {
		acting.Go(func() { act(s) })
	}
	err := command.Run()
	s.end()
	acting.Wait()
	return s.text.String(), err == nil
}

// prints runs the program, which must succeed and print something.
func (m *machine) prints(want string, act func(*screen), args ...string) {
	m.t.Helper()
	if output, ok := m.run(act, args...); !ok || !strings.Contains(output, want) {
		m.t.Errorf("%v prints %q, success is %v, want %q", args, output, ok, want)
	}
}

// fails runs the program, which must fail with a message.
func (m *machine) fails(want string, act func(*screen), args ...string) {
	m.t.Helper()
	if output, ok := m.run(act, args...); ok || !strings.Contains(output, want) {
		m.t.Errorf("%v prints %q, success is %v, want %q", args, output, ok, want)
	}
}

const (
	address  = `(http://127\.0\.0\.1:\d+/login/\w+)\n`
	userCode = `(?m)^  ([A-Z0-9]{4}-[A-Z0-9]{4})$`
)

func TestBrowser(t *testing.T) {
	hub, m := newHub(t)
	m.fails("not signed in: no sign-in is stored\nRun: cli login", nil, "whoami")
	m.prints("Signed in as ada.",
		func(s *screen) { hub.SignIn(t, s.find(address), "ada").CloseIdleConnections() }, "login")
	m.prints("ada (\"Ada Lovelace\") with the scopes", nil, "whoami")
	m.prints("The Hub says: ada", nil, "whoami")
	m.prints("", nil, "logout")
	m.fails("not signed in", nil, "whoami")
	m.prints("", nil, "logout")
}

func TestDevice(t *testing.T) {
	hub, m := newHub(t)
	m.prints("Signed in as grace.", func(s *screen) {
		if err := hub.ApproveDevice(s.find(userCode), "grace"); err != nil {
			t.Error(err)
		}
	}, "-device", "login")
	m.prints("The Hub says: grace", nil, "whoami")
}

func TestDenied(t *testing.T) {
	hub, m := newHub(t)
	m.fails("the user denied access", func(s *screen) {
		if err := hub.DenyDevice(s.find(userCode)); err != nil {
			t.Error(err)
		}
	}, "-device", "login")
}

func TestHubToken(t *testing.T) {
	hub, m := newHub(t)
	m.env = append(m.env, "HF_TOKEN="+hub.UserToken("ada"))
	m.fails("not signed in", nil, "whoami")
	m.prints("The Hub says: ada", nil, "-hub-token", "whoami")
}

// Several processes share one sign-in.
func TestAtOnce(t *testing.T) {
	hub, m := newHub(t)
	m.prints("Signed in as ada.",
		func(s *screen) { hub.SignIn(t, s.find(address), "ada").CloseIdleConnections() }, "login")
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() { m.prints("The Hub says: ada", nil, "whoami") })
	}
	running.Wait()
}

func TestUsage(t *testing.T) {
	_, m := newHub(t)
	m.fails("usage:", nil)
	m.fails("usage:", nil, "what")
}

// Without a registered app, the program starts a stand-in, whose page for devices
// takes the code.
func TestStandIn(t *testing.T) {
	m := newMachine(t)
	m.prints("The Hub says: ada", func(s *screen) {
		code, hub := s.find(userCode), s.find(`stand-in for Hugging Face at (\S+)`)
		resp, err := http.PostForm(hub+"/device", url.Values{"user_code": {code}, "user": {"ada"}, "decision": {"approve"}})
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
	}, "-device", "login", "whoami", "logout")
	m.fails("not signed in", nil, "whoami")
}
