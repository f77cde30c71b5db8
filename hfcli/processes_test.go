package hfcli_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfcli"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// child returns the command for another process of the tool that opens the
// sign-in.
func (tl *tool) child(killAt string) *exec.Cmd {
	tl.t.Helper()
	self, err := os.Executable()
	if err != nil {
		tl.t.Fatal(err)
	}
	command := exec.CommandContext(tl.t.Context(), self)
	command.Env = append(os.Environ(), "HFCLI_CHILD=1", "HFCLI_KILL="+killAt,
		"OAUTH_CLIENT_ID="+tl.config.ClientID, "OPENID_PROVIDER_URL="+tl.config.ProviderURL)
	return command
}

// printed returns the rest of each line that begins with word.
func printed(output []byte, word string) (lines []string) {
	for line := range strings.Lines(string(output)) {
		if rest, ok := strings.CutPrefix(line, word+" "); ok {
			lines = append(lines, strings.TrimSpace(rest))
		}
	}
	return lines
}

// Processes that must all renew the same token renew it only once.
func TestProcessesRenewOnce(t *testing.T) {
	tl := newTool(t)
	tl.mustLogin("ada")
	tl.age(time.Minute)
	const processes = 6
	outputs := make([][]byte, processes)
	var running sync.WaitGroup
	for i := range processes {
		child := tl.child("")
		running.Go(func() {
			var err error
			if outputs[i], err = child.CombinedOutput(); err != nil {
				t.Errorf("process %d: %v: %s", i, err, outputs[i])
			}
		})
	}
	running.Wait()
	if got := tl.renewals(); got != 1 {
		t.Errorf("%d renewals, want 1", got)
	}
	tokens := map[string]bool{}
	for _, output := range outputs {
		for _, token := range printed(output, "token") {
			tokens[token] = true
		}
	}
	if want := tl.token(tl.mustOpen("ada")); len(tokens) != 1 || !tokens[want] {
		t.Errorf("the processes have %d different tokens, want only the stored one", len(tokens))
	}
}

// A process that is killed at any step of a renewal leaves the old or the new
// sign-in intact, and no lock. The sign-in is lost only between the provider's
// response and the rename.
func TestKilledRenewal(t *testing.T) {
	tl := newTool(t)
	var name atomic.Int64 // different each time, so that it is stored as well
	tl.hub.Configure(func(s *hfoauthtest.Settings) {
		s.UserInfo = func(claims map[string]any) { claims["name"] = fmt.Sprint("Ada ", name.Add(1)) }
	})
	tl.mustLogin("ada")
	tl.age(time.Minute)
	output, err := tl.child("").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	steps := printed(output, "step")
	rotated, renamed := slices.Index(steps, "rotated 1"), slices.Index(steps, "sync directory 1")
	if rotated < 0 {
		t.Fatalf("no step is the provider's answer: %q", steps)
	}
	if renamed < rotated {
		t.Fatalf("the file is kept in step %d, want one after %d: %q", renamed, rotated, steps)
	}
	if len(steps) < 14 {
		t.Fatalf("a renewal has %d steps, want at least 14: %q", len(steps), steps)
	}
	for i, step := range steps {
		for state, age := range map[string]time.Duration{"due": time.Minute, "expired": -time.Minute} {
			tl.mustLogin("ada")
			tl.age(age)
			output, err := tl.child(step).CombinedOutput()
			if err == nil || len(printed(output, "token")) > 0 {
				t.Fatalf("killed before %q: the process continued: %s", step, output)
			}
			tl.kept() // fails if the file is torn
			if lost := rotated <= i && i < renamed; lost {
				tl.openFails(hfoauth.ErrNotSignedIn)
				tl.openFails(hfoauth.ErrNotSignedIn)
			} else {
				tl.token(tl.mustOpen("ada"))
			}
			if t.Failed() {
				t.Fatalf("killed before %q with a token that is %s", step, state)
			}
		}
	}
}

// The provider has issued new tokens, but its response has not arrived.
func TestKilledBeforeTheAnswer(t *testing.T) {
	tl := newTool(t)
	tl.mustLogin("ada")
	tl.age(time.Minute)
	renewed := make(chan bool)
	tl.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Times(1, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(httptest.NewRecorder(), r)
			renewed <- true
			<-r.Context().Done()
		})
	}))
	child := tl.child("")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	<-renewed
	child.Process.Kill()
	child.Wait()
	tl.openFails(hfoauth.ErrNotSignedIn)
	tl.mustLogin("ada")
	tl.token(tl.mustOpen("ada"))
}

// While another process has the lock, all calls end with their context, and say so.
func TestLockedUntilTheContextEnds(t *testing.T) {
	tl := newTool(t)
	session := tl.mustLogin("ada")
	tl.age(time.Minute)
	asked, answer := make(chan bool), make(chan bool)
	tl.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Times(1, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked <- true
			<-answer
			next.ServeHTTP(w, r)
		})
	}))
	var holder sync.WaitGroup
	holder.Go(func() { tl.token(tl.mustOpen("ada")) })
	<-asked
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	for name, call := range map[string]func(context.Context) error{
		"Open":                 func(ctx context.Context) error { _, err := hfcli.Open(ctx, tl.config); return err },
		"Login":                func(ctx context.Context) error { _, err := hfcli.Login(ctx, tl.config); return err },
		"Logout":               func(ctx context.Context) error { return hfcli.Logout(ctx, tl.config) },
		"the session's Logout": session.Logout,
	} {
		for _, ctx := range []context.Context{canceled, late} {
			err := call(ctx)
			if !errors.Is(err, ctx.Err()) {
				t.Errorf("%s: %v, want %v", name, err, ctx.Err())
			}
			if errors.Is(err, hfoauth.ErrNotSignedIn) {
				t.Errorf("%s: %v would start a sign-in", name, err)
			}
		}
	}
	close(answer)
	holder.Wait()
}

// A process that waits for the lock of one that hangs gets the lock once that
// one is killed.
func TestLockOfAProcessThatHangs(t *testing.T) {
	tl := newTool(t)
	tl.mustLogin("ada")
	tl.age(time.Minute)
	asked := make(chan bool)
	tl.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Times(1, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			asked <- true
			<-r.Context().Done()
		})
	}))
	child := tl.child("")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	second := tl.child("")
	output, err := second.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(output)
	lines.Scan()
	if lines.Text() != "step lock 1" {
		t.Errorf("the second process begins with %q", lines.Text())
	}
	child.Process.Kill()
	child.Wait()
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "error") {
			t.Error(lines.Text())
		}
	}
	if err := second.Wait(); err != nil {
		t.Error(err)
	}
	tl.token(tl.mustOpen("ada"))
}
