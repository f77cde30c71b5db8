package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// programs is the directory in which programs are built, until all tests have ended.
var programs string

func TestMain(m *testing.M) {
	directory, err := os.MkdirTemp("", "hfoauth-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programs = directory
	code := m.Run()
	os.RemoveAll(directory)
	os.Exit(code)
}

// built are the programs that were built already, by directory.
var built = struct {
	sync.Mutex
	paths map[string]string
}{paths: map[string]string{}}

// build builds the program of a directory of the root module, or of a module
// below it, once for all tests.
func build(t *testing.T, directory string) (path string) {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if path = built.paths[directory]; path != "" {
		return path
	}
	path = filepath.Join(programs, filepath.Base(directory))
	command := exec.Command("go", "build", "-o", path, ".")
	command.Dir = filepath.Join("../..", directory)
	command.Env = append(os.Environ(), "GOWORK=off")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	built.paths[directory] = path
	return path
}

// program is an example, or another app, running, and its provider.
type program struct {
	t       *testing.T
	argv    []string
	hub     *hfoauthtest.Server
	app     hfoauthtest.App
	port    string
	URL     string
	command *exec.Cmd
	env     []string
	stderr  *os.File
}

func newQuickstart(t *testing.T, env ...string) *program {
	t.Helper()
	return newProgram(t, "quickstart", env...)
}

func newProgram(t *testing.T, example string, env ...string) *program {
	t.Helper()
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{Name: "Quickstart",
		RedirectURIs: []string{"http://localhost/login/callback"}})
	q := newProgramAt(t, example, hub.URL, app, env...)
	q.hub = hub
	return q
}

// newProgramAt is newProgram with a provider of the caller's.
func newProgramAt(t *testing.T, example, issuer string, app hfoauthtest.App, env ...string) *program {
	t.Helper()
	return runProgram(t, []string{build(t, "examples/"+example)}, issuer, app, env...)
}

// runProgram runs any app that is configured as a Space is.
func runProgram(t *testing.T, argv []string, issuer string, app hfoauthtest.App, env ...string) *program {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	q := &program{t: t, argv: argv, app: app, port: port, URL: "http://localhost:" + port, stderr: stderr}
	q.env = append([]string{"PORT=" + port, "PATH=" + os.Getenv("PATH"), "OAUTH_CLIENT_ID=" + app.ClientID,
		"OAUTH_CLIENT_SECRET=" + app.ClientSecret, "OAUTH_REDIRECT_URL=" + q.URL + "/login/callback",
		"OAUTH_SCOPES=openid profile email", "OPENID_PROVIDER_URL=" + issuer}, env...)
	q.start()
	t.Cleanup(func() { q.kill(); stderr.Close() })
	return q
}

// start starts the program, again or for the first time, and waits for it.
func (q *program) start() {
	q.t.Helper()
	q.command = exec.Command(q.argv[0], q.argv[1:]...)
	q.command.Env = q.env
	q.command.Stderr = q.stderr
	if err := q.command.Start(); err != nil {
		q.t.Fatalf("%v (run make setup)", err)
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for range 1000 {
		if resp, err := http.Get(q.URL + "/"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		<-ticker.C
	}
	q.t.Fatalf("the program does not respond: %s", q.log())
}

// kill ends the program as a machine that loses power does.
func (q *program) kill() {
	q.command.Process.Kill()
	q.command.Wait()
}

// end ends the program as an operator does.
func (q *program) end() {
	q.command.Process.Signal(syscall.SIGTERM)
	q.command.Wait()
}

func (q *program) log() string {
	text, err := os.ReadFile(q.stderr.Name())
	if err != nil {
		q.t.Fatal(err)
	}
	return string(text)
}

// files counts the open files and sockets of the program.
func (q *program) files() int {
	q.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", q.command.Process.Pid))
	if err != nil {
		q.t.Fatalf("the program is gone: %v", err)
	}
	return len(entries)
}

// memory is the resident memory of the program, in bytes (proc_pid_statm(5)).
func (q *program) memory() int {
	q.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", q.command.Process.Pid))
	if err != nil {
		q.t.Fatalf("the program is gone: %v", err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		q.t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
