package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// eventually polls until done returns true.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for range 400 {
		if done() {
			return
		}
		<-ticker.C
	}
	t.Fatalf("in vain: %s", what)
}

// run starts a process that ends with the test, and hands each line it prints
// to line.
func run(t *testing.T, command *exec.Cmd, line func(string)) {
	t.Helper()
	endWithTest(command)
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			line(lines.Text())
		}
	}()
	t.Cleanup(func() {
		command.Process.Signal(syscall.SIGTERM)
		<-read
		command.Wait()
	})
}

func startRedis(t *testing.T) (url string) {
	t.Helper()
	port := freePort(t)
	run(t, exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir()),
		func(string) {})
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port})
	defer client.Close()
	eventually(t, "Redis answers (make setup installs it)", func() bool {
		return client.Ping(context.Background()).Err() == nil
	})
	return "redis://127.0.0.1:" + port
}

// site is the program, with a replica killed every second.
type site struct {
	*testing.T
	URL    string
	hub    *hfoauthtest.Server
	killed atomic.Int64
}

func startSite(t *testing.T) *site {
	t.Helper()
	path := filepath.Join(t.TempDir(), "replicas")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	port := freePort(t)
	s := &site{T: t, URL: "http://localhost:" + port, hub: hfoauthtest.NewServer(t)}
	app := s.hub.RegisterApp(hfoauthtest.App{})
	command := exec.Command(path, "-kill", "1s")
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "PORT=" + port, "REDIS_URL=" + startRedis(t),
		"OAUTH_CLIENT_ID=" + app.ClientID, "OAUTH_CLIENT_SECRET=" + app.ClientSecret,
		"OPENID_PROVIDER_URL=" + s.hub.URL}
	run(t, command, func(line string) {
		if strings.HasPrefix(line, "killing") {
			s.killed.Add(1)
		}
	})
	eventually(t, "the site answers", func() bool {
		_, ok := s.open(http.DefaultClient, "/")
		return ok
	})
	return s
}

// open returns a page, and false if the status is not a success.
func (s *site) open(browser *http.Client, path string) (string, bool) {
	resp, err := browser.Get(s.URL + path)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	return string(page), err == nil && resp.StatusCode == http.StatusOK
}

const hello = "Hello, Ada Lovelace"

// signIn clicks until the user is signed in, and returns how many clicks it took: if
// a replica dies while it redeems the code, which works once, it takes one more.
func (s *site) signIn(browser *http.Client) (clicks int) {
	for clicks = 1; clicks <= 5; clicks++ {
		if page, ok := s.open(browser, "/login"); ok && strings.Contains(page, hello) {
			return clicks
		}
	}
	s.Errorf("not signed in after %d clicks", clicks-1)
	return clicks
}

func TestEverySignInCompletes(t *testing.T) {
	const signIns = 500
	s := startSite(t)
	var again, processes sync.Map
	var work sync.WaitGroup
	pace := time.NewTicker(20 * time.Millisecond) // ten seconds, ten deaths
	defer pace.Stop()
	browsers := make([]*http.Client, signIns)
	for i := range browsers {
		<-pace.C
		// a user has 100 sessions at most
		user := hfoauthtest.User{Username: fmt.Sprintf("ada-%d", i%10), Name: "Ada Lovelace"}
		s.hub.AddUser(user)
		browsers[i] = s.hub.Browser(hfoauthtest.Person{Username: user.Username})
		work.Go(func() {
			if clicks := s.signIn(browsers[i]); clicks > 1 {
				again.Store(i, clicks)
			}
		})
	}
	work.Wait()
	for i, browser := range browsers {
		page, ok := s.open(browser, "/")
		if !ok || !strings.Contains(page, hello) {
			t.Errorf("sign-in %d is lost: %s", i, page)
		}
		_, page, _ = strings.Cut(page, "<p>Process ")
		process, _, _ := strings.Cut(page, " ")
		processes.Store(process, true)
	}
	count := func(m *sync.Map) (n int) {
		m.Range(func(any, any) bool { n++; return true })
		return n
	}
	t.Logf("%d sign-ins while %d replicas were killed; %d took another click; %d processes answered in the end",
		signIns, s.killed.Load(), count(&again), count(&processes))
	if s.killed.Load() < 5 || count(&processes) < 3 {
		t.Error("too little happened to prove anything")
	}
	if count(&again) > signIns/10 {
		t.Error("too many of them needed another click")
	}
}
