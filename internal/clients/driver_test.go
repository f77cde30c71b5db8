package clients

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// driver is a program in another language, running.
type driver struct {
	t      *testing.T
	stdout *bufio.Scanner
	stderr strings.Builder
}

// newDriver starts a program, with the variables for a provider and an app as in a
// Space.
func newDriver(t *testing.T, program, issuer string, app hfoauthtest.App) *driver {
	t.Helper()
	return startDriver(t, []string{"OPENID_PROVIDER_URL=" + issuer, "OAUTH_CLIENT_ID=" + app.ClientID,
		"OAUTH_CLIENT_SECRET=" + app.ClientSecret, "OAUTH_SCOPES=" + scopes}, interpreted(program)...)
}

// interpreted returns the command that runs a program.
func interpreted(program string) []string {
	if filepath.Ext(program) == ".py" {
		return []string{"/usr/bin/python3", program} // Debian's, which has Debian's packages
	}
	return []string{"node", program}
}

// startDriver starts a command, and ends it with the test.
func startDriver(t *testing.T, env []string, argv ...string) *driver {
	t.Helper()
	d := &driver{t: t}
	command := exec.Command(argv[0], argv[1:]...)
	command.Env = append(append(os.Environ(), "PORT=0", "PYTHONDONTWRITEBYTECODE=1"), env...)
	command.Stderr = &d.stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatalf("%v (run make setup)", err)
	}
	t.Cleanup(func() {
		command.Process.Signal(syscall.SIGTERM) // which hfhub passes on
		command.Wait()
		if t.Failed() && d.stderr.Len() > 0 {
			t.Logf("%s: %s", argv, d.stderr.String())
		}
	})
	d.stdout = bufio.NewScanner(stdout)
	return d
}

// line returns the next line that the program prints.
func (d *driver) line() string {
	d.t.Helper()
	if !d.stdout.Scan() {
		d.t.Fatalf("the program ended: %v", d.stdout.Err())
	}
	return d.stdout.Text()
}

// account is what a client knows of the user. Clients that do not read the ID token
// or do not request userinfo leave that out.
type account struct {
	Claims      map[string]any // of the ID token
	Userinfo    map[string]any
	Whoami      map[string]any
	Scope       string
	AccessToken string
}

// web is a client's web app, seen by a browser.
type web struct {
	t   *testing.T
	url string
}

// open sends a request as the browser, and returns the app's last response.
func (w *web) open(browser *http.Client, method, path string) (status int, body string) {
	w.t.Helper()
	browser.Timeout = 20 * time.Second
	req, err := http.NewRequest(method, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := browser.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// account is open for a response that must be an account.
func (w *web) account(browser *http.Client, method, path string) account {
	w.t.Helper()
	status, body := w.open(browser, method, path)
	if status != http.StatusOK {
		w.t.Fatalf("%s %s: status %d: %s", method, path, status, body)
	}
	return decodeAccount(w.t, body)
}

func decodeAccount(t *testing.T, text string) account {
	t.Helper()
	var a account
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return a
}
