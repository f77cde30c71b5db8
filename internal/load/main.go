// Load signs thousands of users in to the quickstart in parallel and sends it
// authenticated requests. The provider runs in this process, the quickstart in
// another. Load reports the rates, and fails if a request failed, if the
// quickstart's memory grew, or if it made more calls to the provider than needed:
//
//	go run ./internal/load
//
// With -bearers it sends requests with bearer tokens instead, at a steady rate:
//
//	go run ./internal/load -bearers 1000 -rate 10000
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func main() {
	signIns := flag.Int("signins", 2000, "number of sign-ins")
	requests := flag.Int("requests", 200_000, "number of authenticated requests after the sign-ins")
	parallel := flag.Int("parallel", 100, "number of sign-ins or requests at a time")
	bearers := flag.Int("bearers", 0, "send requests with this many bearer tokens instead")
	rate := flag.Int("rate", 10_000, "bearer requests per second")
	duration := flag.Duration("duration", 10*time.Second, "duration of the bearer requests")
	flag.Parse()
	if *bearers > 0 {
		if err := (bearerLoad{*bearers, *rate, *duration}).run(); err != nil {
			log.Fatal(err)
		}
		return
	}
	if err := run(*signIns, *requests, *parallel); err != nil {
		log.Fatal(err)
	}
}

func run(signIns, requests, parallel int) error {
	hub, err := hfoauthtest.Listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	defer hub.Close()
	app, err := startQuickstart(hub)
	if err != nil {
		return err
	}
	defer app.stop()

	browsers := make([]*http.Client, signIns)
	took, failures := measure(signIns, parallel, func(i int) error {
		browsers[i] = hub.Browser(hfoauthtest.Person{Username: "ada"})
		defer browsers[i].CloseIdleConnections()
		return get(browsers[i], app.url+"/login?next=/me")
	})
	fmt.Printf("%d sign-ins, %d at a time: %d failed, %.0f per second\n", signIns, parallel, failures,
		float64(signIns)/took.Seconds())
	if failures > 0 {
		return errors.New("sign-ins failed")
	}

	shared := &http.Transport{MaxIdleConnsPerHost: parallel}
	defer shared.CloseIdleConnections()
	for i, browser := range browsers {
		browsers[i] = &http.Client{Jar: browser.Jar, Transport: shared}
	}
	var memory [11]int
	for tenth := 1; tenth <= 10; tenth++ {
		took, failures := measure(requests/10, parallel, func(i int) error {
			return get(browsers[i%len(browsers)], app.url+"/me")
		})
		if failures > 0 {
			return fmt.Errorf("%d requests failed", failures)
		}
		if memory[tenth], err = app.memory(); err != nil {
			return err
		}
		fmt.Printf("requests, tenth %d: %.0f per second, quickstart uses %d KiB\n", tenth,
			float64(requests/10)/took.Seconds(), memory[tenth])
	}
	discoveries, keys := hub.Calls(hfoauthtest.MetadataEndpoint), hub.Calls(hfoauthtest.JWKSEndpoint)
	fmt.Printf("%d discovery calls, %d JWKS calls\n", discoveries, keys)
	switch {
	case memory[10] > memory[2]*6/5:
		return fmt.Errorf("memory grew from %d to %d KiB between the second and the last tenth", memory[2], memory[10])
	case discoveries != 1 || keys > 2:
		return errors.New("the quickstart fetched the provider's metadata or keys too often")
	}
	return nil
}

// measure calls do n times, parallel at a time, and logs the first error.
func measure(n, parallel int, do func(i int) error) (took time.Duration, failures int64) {
	var next, failed atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range parallel {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					if failed.Add(1) == 1 {
						log.Print(err)
					}
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start), failed.Load()
}

// get returns an error unless the response contains the signed-in user.
func get(browser *http.Client, address string) error {
	resp, err := browser.Get(address)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body := make([]byte, 512)
	n, _ := resp.Body.Read(body)
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(body[:n]), `"preferred_username":"ada"`) {
		return fmt.Errorf("%s: %s: %s", address, resp.Status, body[:n])
	}
	return nil
}

// quickstart is the program under load.
type quickstart struct {
	url     string
	command *exec.Cmd
	stop    func()
}

func startQuickstart(hub *hfoauthtest.Server) (*quickstart, error) {
	directory, err := os.MkdirTemp("", "hfoauth-load-")
	if err != nil {
		return nil, err
	}
	program := filepath.Join(directory, "quickstart")
	build := exec.Command("go", "build", "-o", program, "github.com/hfoauth/hfoauth/examples/quickstart")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w: %s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{"http://localhost/login/callback"}})
	ctx, cancel := context.WithCancel(context.Background())
	q := &quickstart{url: "http://localhost:" + port, command: exec.CommandContext(ctx, program)}
	q.command.Env = []string{"PORT=" + port, "OAUTH_CLIENT_ID=" + app.ClientID,
		"OAUTH_CLIENT_SECRET=" + app.ClientSecret, "OPENID_PROVIDER_URL=" + hub.URL}
	q.command.Stderr = os.Stderr
	q.stop = func() {
		cancel()
		q.command.Wait()
		os.RemoveAll(directory)
	}
	if err := q.command.Start(); err != nil {
		return nil, err
	}
	for range 500 {
		if resp, err := http.Get(q.url + "/"); err == nil {
			resp.Body.Close()
			return q, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	q.stop()
	return nil, errors.New("the quickstart does not respond")
}

// memory returns the size of the resident set in KiB.
func (q *quickstart) memory() (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", q.command.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			return strconv.Atoi(fields[1])
		}
	}
	return 0, errors.New("no VmRSS")
}
