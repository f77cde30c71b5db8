package hfoauth_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/internal/simulation"
)

var (
	simulateSeeds = flag.Uint64("seeds", 300, "how many seeds TestSimulation runs")
	simulateFrom  = flag.Uint64("seed", 1, "the first of the seeds")
	simulateShow  = flag.Int("show", 1, "how many seeds are reduced for each broken promise")
	simulateFirst = flag.Bool("first", false, "stop at the first seed that breaks a promise")
	simulateTrace = flag.Bool("traces", false, "print the trace of each seed")
	simulateAgain = flag.Int("again", 4, "how many times TestSimulationIsDeterministic runs each of its 20 seeds")
)

// TestSimulation checks the promises under a few hundred seeds. A seed that breaks
// one is reduced to a few operations and printed with its trace.
func TestSimulation(t *testing.T) {
	counts, accepted, rules := map[string]int{}, map[string]int{}, map[string]int{}
	for seed := *simulateFrom; seed < *simulateFrom+*simulateSeeds; seed++ {
		program := simulation.Generate(seed)
		result := simulate(t, program)
		for name, n := range result.Counts {
			counts[name] += n
		}
		for name, n := range result.Accepted {
			accepted[name] += n
		}
		if *simulateTrace {
			t.Logf("%s\n%s", program, result.Text())
		}
		for _, v := range result.Violations {
			rules[v.Rule]++
			if *simulateFirst {
				t.Fatalf("broken by seed %d: %s", seed, v)
			}
			if rules[v.Rule] > *simulateShow {
				t.Errorf("seed %d: %s", seed, v)
				continue
			}
			smallest := simulation.Minimize(func(p *simulation.Program) *simulation.Result { return simulate(t, p) },
				program, v.Rule)
			t.Errorf("seed %d: %s\n%s\n%s", seed, v, smallest, simulate(t, smallest).Text())
		}
	}
	t.Logf("what happened: %v\naccepted: %v\nbroken: %v", counts, accepted, rules)
}

// simulate runs a program in a bubble.
func simulate(t *testing.T, p *simulation.Program) (result *simulation.Result) {
	defer func() { // a bubble that ends while a goroutine waits panics
		problem := recover()
		known := result != nil && result.Broken("stays") != nil
		if problem != nil && !known {
			panic(fmt.Sprintf("seed %d: %v\n%s", p.Seed, problem, p))
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, p.Seed)
		result = simulation.Run(startProcess, p)
	})
	return result
}

// startProcess starts a process of an app with a page for everyone, two for users
// and one for programs.
func startProcess(p simulation.Process) simulation.App {
	config := hfoauth.Config{
		ClientID:      p.Site.ClientID,
		ClientSecret:  p.Site.ClientSecret,
		ProviderURL:   p.Site.Provider,
		MaxSessionAge: p.Site.MaxAge,
		RedirectURL:   p.Site.Origin + "/login/callback",
		SessionKeys:   p.Keys,
		Transport:     p.Transport,
		Scopes:        hfoauth.Scopes{hfoauth.ScopeOpenID},
		Logger:        slog.New(slog.DiscardHandler),
	}
	if p.Site.Space {
		config.SpaceHost = p.Site.Host
	}
	if p.Store != nil {
		config.Store = p.Store.(hfoauth.Store)
	}
	client, err := hfoauth.New(config)
	if err != nil {
		panic(err)
	}
	client.SetClock(p.Now)
	if p.Tight {
		client.Tighten()
	}
	mux := http.NewServeMux()
	client.Mount(mux)
	show := func(w http.ResponseWriter, r *http.Request) {
		user, err := client.UserFromRequest(r)
		switch {
		case err == nil:
			w.Header().Set("X-User", user.Username)
			if s := hfoauth.SessionFromContext(r.Context()); s != nil {
				w.Header().Set("X-Session", s.ID)
			}
		case hfoauth.HTTPStatus(err) != http.StatusUnauthorized:
			w.WriteHeader(hfoauth.HTTPStatus(err))
		}
	}
	mux.HandleFunc("GET /{$}", show)
	programs := client.AcceptBearer(hfoauth.BearerOptions{UserTokens: true})
	mux.Handle("GET /program", programs(http.HandlerFunc(show)))
	mux.Handle("GET /private", client.RequireUser(http.HandlerFunc(show)))
	mux.Handle("GET /stream", client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		show(w, r)
		ctx, cancel := hfoauth.SessionFromContext(r.Context()).Context(r.Context())
		defer cancel()
		http.NewResponseController(w).Flush()
		<-ctx.Done()
		if errors.Is(context.Cause(ctx), hfoauth.ErrNotSignedIn) {
			w.Header().Set("X-Stream", "ended")
		}
	})))
	mux.Handle("GET /token", client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := hfoauth.SessionFromContext(r.Context()).Token()
		if err != nil {
			w.WriteHeader(hfoauth.HTTPStatus(err))
			return
		}
		w.Header().Set("X-Token", token.AccessToken)
		show(w, r)
	})))
	return simulation.App{
		Handler:    mux,
		LogoutUser: client.LogoutUser,
		Devices: func(ctx context.Context, sub string) (devices []simulation.Device, err error) {
			list, err := client.Sessions(ctx, sub)
			for _, s := range list {
				token := func() (string, error) {
					token, err := s.Token()
					if err != nil {
						return "", err
					}
					return token.AccessToken, nil
				}
				devices = append(devices, simulation.Device{ID: s.ID, User: s.User.Username, Token: token, End: s.End})
			}
			return devices, err
		},
		SessionCookie: client.SessionCookie(),
		FrameCookie:   client.SessionCookie() + "-frame",
		StoreKey:      hfoauth.StoreKey,
	}
}

// TestAcceptedIsDocumented checks that SECURITY.md lists what the simulation
// accepts.
func TestAcceptedIsDocumented(t *testing.T) {
	text, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	for what, why := range simulation.Accepted {
		if row := "| " + what + " | " + why + " |"; !strings.Contains(string(text), row) {
			t.Errorf("SECURITY.md does not have the row\n%s", row)
		}
	}
}

// TestSimulationIsDeterministic runs seeds several times, with one processor and
// with two, and compares the traces.
func TestSimulationIsDeterministic(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for seed := *simulateFrom; seed < *simulateFrom+20; seed++ {
		program := simulation.Generate(seed)
		var first []string
		for i := range *simulateAgain {
			runtime.GOMAXPROCS(1 + i%2)
			trace := simulate(t, program).Trace
			if i == 0 {
				first = trace
			}
			if line := differ(first, trace); line >= 0 {
				t.Fatalf("seed %d: run %d differs from the first in line %d:\n%s\nand not\n%s\nafter\n%s", seed, i+1, line,
					strings.Join(trace[line:min(line+1, len(trace))], ""),
					strings.Join(first[line:min(line+1, len(first))], ""),
					strings.Join(first[max(0, line-20):line], "\n"))
			}
		}
	}
}

// differ returns the first line in which two traces differ, or -1 if none.
func differ(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	if len(a) != len(b) {
		return min(len(a), len(b))
	}
	return -1
}
