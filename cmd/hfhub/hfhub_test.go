//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary is the path of the compiled hfhub.
var binary string

func TestMain(m *testing.M) {
	if os.Getenv("HFHUB_TEST_COUNTS") != "" {
		os.Exit(countInterrupts())
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "hfhub")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "hfhub")
		if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// command returns hfhub with args, without a terminal and with only PATH and env
// as its environment.
func command(env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// ended runs hfhub until it exits.
func ended(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := command(env, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			t.Fatal(err)
		}
	}
	return cmd.ProcessState.ExitCode(), out.String(), errOut.String()
}

// hub is a running hfhub that has no command.
type hub struct {
	t   *testing.T
	cmd *exec.Cmd
	env map[string]string // the variables that it printed
}

// start runs hfhub until the test ends, and reads the variables that it prints.
func start(t *testing.T, env []string, args ...string) *hub {
	t.Helper()
	cmd := command(env, args...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	h := &hub{t, cmd, map[string]string{}}
	last := "OAUTH_REDIRECT_URL"
	for _, arg := range args {
		switch arg {
		case "-space":
			last = "SPACE_HOST"
		case "-control":
			last = "HFHUB_CONTROL_TOKEN"
		}
	}
	lines := bufio.NewScanner(stdout)
	for h.env[last] == "" && lines.Scan() {
		name, value, ok := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "=")
		if !ok {
			t.Fatalf("not an export line: %s", lines.Text())
		}
		h.env[name] = strings.Trim(value, "'")
	}
	if h.env[last] == "" {
		cmd.Wait()
		t.Fatalf("hfhub %q does not export %s: %v\n%s", args, last, h.env, stderr.String())
	}
	return h
}

func (h *hub) url() string { return h.env["OPENID_PROVIDER_URL"] }

// authorize returns the response to an authorization request, without following
// redirects.
func (h *hub) authorize() *http.Response {
	h.t.Helper()
	query := url.Values{"response_type": {"code"}, "client_id": {h.env["OAUTH_CLIENT_ID"]},
		"scope":        {h.env["OAUTH_SCOPES"]},
		"redirect_uri": {h.env["OAUTH_REDIRECT_URL"]}}
	resp, _ := h.send("GET", h.url()+"/oauth/authorize?"+query.Encode(), "", nil)
	return resp
}

// token redeems the code of an authorization response.
func (h *hub) token(resp *http.Response) map[string]any {
	h.t.Helper()
	location, err := resp.Location()
	if err != nil {
		h.t.Fatalf("%s is not a redirect", resp.Status)
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {location.Query().Get("code")},
		"redirect_uri": {h.env["OAUTH_REDIRECT_URL"]},
		"client_id":    {h.env["OAUTH_CLIENT_ID"]}, "client_secret": {h.env["OAUTH_CLIENT_SECRET"]}}
	_, text := h.send("POST", h.url()+"/oauth/token", form.Encode(), nil)
	var tokens map[string]any
	if err := json.Unmarshal([]byte(text), &tokens); err != nil {
		h.t.Fatalf("%v: %s", err, text)
	}
	return tokens
}

var noRedirects = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
	return http.ErrUseLastResponse
}}

// send sends a form and returns the response and its body.
func (h *hub) send(method, address, form string, change func(*http.Request)) (*http.Response, string) {
	h.t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(form))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if change != nil {
		change(req)
	}
	resp, err := noRedirects.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp, string(text)
}

// freePort returns a port that is free, and that no one gets who asks the
// system for any port: Linux gives those from 32768 on.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20_000 + rand.IntN(12_000))
		if listener, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			listener.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

func TestExitCode(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("exit 3"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		command []string
		want    int
	}{
		"success":        {[]string{"true"}, 0},
		"failure":        {[]string{"sh", "-c", "exit 7"}, 7},
		"ended by TERM":  {[]string{"sh", "-c", "kill -TERM $$"}, 128 + 15},
		"not found":      {[]string{"no-such-command-here"}, 127},
		"missing file":   {[]string{"./no-such-file"}, 127},
		"not executable": {[]string{script}, 126},
	} {
		code, _, stderr := ended(t, nil, append([]string{"--"}, tt.command...)...)
		if code != tt.want {
			t.Errorf("%s: exit code %d, want %d\n%s", name, code, tt.want, stderr)
		}
	}
}

// The command's flags are not parsed by hfhub, and its standard output contains
// nothing of hfhub's.
func TestCommandLine(t *testing.T) {
	_, stdout, stderr := ended(t, nil, "-scopes", "email", "--", "sh", "-c",
		`echo "$@"; echo oops >&2`, "x", "-h", "-users", "--", "a b")
	if stdout != "-h -users -- a b\n" {
		t.Errorf("stdout is %q", stdout)
	}
	if !strings.HasSuffix(stderr, "oops\n") || !strings.Contains(stderr, "stand-in for huggingface.co") {
		t.Errorf("stderr is %q", stderr)
	}
}

func TestCommandReadsStdin(t *testing.T) {
	cmd := command(nil, "--", "cat")
	cmd.Stdin = strings.NewReader("hello")
	if out, err := cmd.Output(); err != nil || string(out) != "hello" {
		t.Errorf("%q %v", out, err)
	}
}

// Signals sent to hfhub are forwarded to the command, which decides what to do.
func TestSignalsArePassedOn(t *testing.T) {
	for _, s := range []syscall.Signal{
		syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
	} {
		script := fmt.Sprintf(`trap 'echo caught; exit 9' %d; echo ready; while :; do sleep 0.02; done`, s)
		cmd := command(nil, "--", "sh", "-c", script)
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stdout)
		if !lines.Scan() || lines.Text() != "ready" {
			t.Fatalf("%v: the command printed %q, want ready", s, lines.Text())
		}
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() || lines.Text() != "caught" {
			t.Errorf("%v: the command printed %q, want caught", s, lines.Text())
		}
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 9 {
			t.Errorf("%v: exit code %d, want the command's 9", s, code)
		}
	}
}

// Signals reach what the command runs as well: `go run` dies of SIGTERM and leaves
// its program to itself.
func TestSignalsReachTheCommandsChildren(t *testing.T) {
	program := `trap 'echo ended; exit' TERM; echo ready; while :; do sleep 0.02; done`
	cmd := command(nil, "--", "sh", "-c", `sh -c "$1" & wait`, "x", program)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the program printed %q, want ready", lines.Text())
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended, err := cmd.Process.Wait()
	if err != nil {
		t.Fatal(err)
	}
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what was left behind, or Scan waits forever
	if !lines.Scan() || lines.Text() != "ended" {
		t.Errorf("the program printed %q, want ended", lines.Text())
	}
	if code := ended.ExitCode(); code != 128+15 {
		t.Errorf("exit code %d, want %d", code, 128+15)
	}
}

// Without a command, hfhub exits on a signal and stops serving.
func TestSignalsEndHfhub(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		h := start(t, nil)
		if err := h.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		h.cmd.Wait()
		if code := h.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("%v: exit code %d, want 0", s, code)
		}
		if _, err := http.Get(h.url()); err == nil {
			t.Errorf("%v: hfhub still responds", s)
		}
	}
}

// seen returns the environment variables of a command.
func seen(t *testing.T, env []string, args ...string) map[string]string {
	t.Helper()
	code, stdout, stderr := ended(t, env, append(args, "--", "env")...)
	if code != 0 {
		t.Fatalf("hfhub %q: exit code %d\n%s", args, code, stderr)
	}
	variables := map[string]string{}
	for line := range strings.Lines(stdout) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		variables[name] = value
	}
	return variables
}

func TestEnvironment(t *testing.T) {
	address := "127.0.0.1:" + freePort(t)
	stale := []string{"OAUTH_CLIENT_ID=id", "OAUTH_CLIENT_SECRET=secret", "OAUTH_SCOPES=jobs",
		"OAUTH_REDIRECT_URL=http://localhost:1/cb",
		"OPENID_PROVIDER_URL=http://" + address, "SPACE_HOST=stale.hf.space", "HFHUB_CONTROL_URL=stale",
		"HFHUB_CONTROL_TOKEN=stale"}
	const none = "\x00"
	for name, tt := range map[string]struct {
		env, args []string
		want      map[string]string
	}{
		"alone": {nil, nil, map[string]string{"OAUTH_SCOPES": "openid profile",
			"OAUTH_REDIRECT_URL": "http://localhost:7860/login/callback",
			"SPACE_HOST":         none, "HFHUB_CONTROL_URL": none, "HFHUB_CONTROL_TOKEN": none}},
		"a port": {[]string{"PORT=3000"}, nil,
			map[string]string{"OAUTH_REDIRECT_URL": "http://localhost:3000/login/callback"}},
		"variables": {stale, nil, map[string]string{"OAUTH_CLIENT_ID": "id",
			"OAUTH_CLIENT_SECRET": "secret", "OAUTH_SCOPES": "jobs",
			"OAUTH_REDIRECT_URL": "http://localhost:1/cb", "OPENID_PROVIDER_URL": "http://" + address,
			"SPACE_HOST":        none,
			"HFHUB_CONTROL_URL": none, "HFHUB_CONTROL_TOKEN": none}},
		"flags": {stale, []string{"-client-id", "other", "-client-secret", "better", "-scopes", "email",
			"-redirect", "http://localhost:2/cb", "-addr", "localhost:0"},
			map[string]string{"OAUTH_CLIENT_ID": "other", "OAUTH_CLIENT_SECRET": "better",
				"OAUTH_SCOPES": "email", "OAUTH_REDIRECT_URL": "http://localhost:2/cb"}},
		"public": {stale, []string{"-public"}, map[string]string{"OAUTH_CLIENT_ID": "id", "OAUTH_CLIENT_SECRET": none}},
		"space": {stale, []string{"-space", "ada-app.hf.space"},
			map[string]string{"SPACE_HOST": "ada-app.hf.space", "OAUTH_REDIRECT_URL": none}},
		"others": {[]string{"SPACE_ID=ada/app", "A=b=c"}, nil, map[string]string{"SPACE_ID": "ada/app", "A": "b=c"}},
	} {
		got := seen(t, tt.env, tt.args...)
		for variable, want := range tt.want {
			value, ok := got[variable]
			if !ok {
				value = none
			}
			equal(t, name+": "+variable, value, want)
		}
	}
	got := seen(t, stale, "-addr", "localhost:0")["OPENID_PROVIDER_URL"]
	if !regexp.MustCompile(`^http://localhost:\d+$`).MatchString(got) {
		t.Errorf("OPENID_PROVIDER_URL is %q, want the host that was given", got)
	}
	control := seen(t, stale, "-control", "127.0.0.1:0")
	if !strings.HasPrefix(control["HFHUB_CONTROL_URL"], "http://127.0.0.1:") ||
		len(control["HFHUB_CONTROL_TOKEN"]) < 20 {
		t.Errorf("control: %q %q", control["HFHUB_CONTROL_URL"], control["HFHUB_CONTROL_TOKEN"])
	}
}

// A POSIX shell can evaluate the printed lines.
func TestExportedLines(t *testing.T) {
	for _, value := range []string{"plain", "it's", `"$HOME" \ 'x'`, "a\nb"} {
		out, err := exec.Command("sh", "-c", variable{"A", value}.export()+"\nprintf %s \"$A\"").Output()
		if err != nil || string(out) != value {
			t.Errorf("the shell reads %q as %q: %v", value, out, err)
		}
	}
}

func TestWhatHfhubSays(t *testing.T) {
	for want, tt := range map[string]struct{ env, args []string }{
		"consent is remembered, as on the Hub; switch accounts or sign out there\n": {},
		"every sign-in asks for consent; switch accounts or sign out there\n":       {nil, []string{"-ask"}},
		"every sign-in is approved at once as ada\n":                                {nil, []string{"-as", "ada"}},
		"open your app at http://localhost:7860/ (if it uses OAUTH_REDIRECT_URL)\n": {},
		"open your app at http://localhost:3000/\n":                                 {[]string{"PORT=3000"}, nil},

		"open your app at http://localhost:8000/\n": {
			[]string{"OAUTH_REDIRECT_URL=http://localhost:8000/auth/callback?x=1"}, nil},
		"open your app at http://localhost:9000/tools/\n": {
			nil, []string{"-redirect", "http://localhost:9000/tools/login/callback"}},
		"open it inside the Hub's page at http://127.0.0.1:": {nil, []string{"-space", "ada-app.hf.space"}},
		"open your app at https://ada-app.hf.space/\n":       {nil, []string{"-space", "ada-app.hf.space"}},
		"warning: unknown scope emial, which hfhub answers with invalid_scope: it knows openid profile email ": {
			nil, []string{"-scopes", "openid,emial"}},
	} {
		_, _, stderr := ended(t, tt.env, append(tt.args, "--", "true")...)
		if !strings.Contains(stderr, "hfhub: "+want) {
			t.Errorf("%q: hfhub prints %q, want %q", tt.args, stderr, want)
		}
		if !regexp.MustCompile(`(?m)^hfhub: stand-in for huggingface\.co at http://127\.0\.0\.1:\d+$`).MatchString(stderr) {
			t.Errorf("%q: hfhub prints %q, without its address", tt.args, stderr)
		}
	}
	_, _, stderr := ended(t, nil, "-redirect", "myapp://callback", "--", "true")
	if strings.Contains(stderr, "open your app") || strings.Contains(stderr, "warning") {
		t.Errorf("for an app without a web address hfhub prints %q", stderr)
	}
}

func TestNameFlag(t *testing.T) {
	for want, args := range map[string][]string{"Sign in to Your app": nil, "Sign in to Engines": {"-name", "Engines"}} {
		h := start(t, nil, args...)
		query := url.Values{"response_type": {"code"}, "client_id": {h.env["OAUTH_CLIENT_ID"]},
			"redirect_uri": {h.env["OAUTH_REDIRECT_URL"]}, "scope": {"openid"}}
		_, text := h.send("GET", h.url()+"/oauth/authorize?"+query.Encode(), "", func(*http.Request) {})
		if !strings.Contains(text, want) {
			t.Errorf("%q: the consent page lacks %q: %s", args, want, text)
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, tt := range map[string]struct {
		env, args []string
		code      int
		want      string
	}{
		"unknown flag":   {nil, []string{"-wat"}, 2, "hfhub -h lists the flags"},
		"all interfaces": {nil, []string{"-addr", "0.0.0.0:9999"}, 2, "use 127.0.0.1, or confirm with -anyone"},
		"the network": {nil, []string{"-addr", "192.0.2.1:9999"}, 2,
			"anyone who can reach it may sign in as anyone"},
		"a name of the network": {nil, []string{"-addr", "hub.example:9999"}, 2,
			"anyone who can reach it may sign in as anyone"},
		"no host": {nil, []string{"-addr", ":9999"}, 2, "anyone who can reach it may sign in as anyone"},
		"no port": {nil, []string{"-addr", "localhost"}, 2, "give a host and a port"},
		"-as for all": {nil,
			[]string{"-addr", "192.0.2.1:9999", "-anyone-may-sign-in-as-anyone", "-as", "ada"}, 2,
			"use an address on loopback"},
		"-as without the flag": {nil, []string{"-addr", "192.0.2.1:9999", "-as", "ada"}, 2,
			"use an address on loopback"},
		"-control for all": {nil,
			[]string{"-addr", "192.0.2.1:9999", "-anyone-may-sign-in-as-anyone", "-control", "127.0.0.1:0"},
			2, "use an address on loopback"},
		"-control beyond": {nil, []string{"-control", "192.0.2.1:9998"}, 2, "give an address on loopback"},
		"-control on all": {nil, []string{"-control", ":9998"}, 2, "give an address on loopback"},
		"-control beyond, the flag": {nil, []string{"-control", "0.0.0.0:9998", "-anyone-may-sign-in-as-anyone"},
			2, "give an address on loopback"},
		"-control without a port": {nil, []string{"-control", "localhost"}, 2, "give an address on loopback"},
		"no usable address": {nil, []string{"-addr", "0.0.0.0:9999", "-anyone-may-sign-in-as-anyone"}, 2,
			"give the address that others use"},
		"no usable port": {nil, []string{"-addr", "192.0.2.1:0", "-anyone-may-sign-in-as-anyone"}, 2,
			"give the address that others use"},
		"a flag too many": {nil, []string{"-anyone-may-sign-in-as-anyone"}, 2, "omit the flag"},
		"taken":           {nil, []string{"-addr", taken.Addr().String()}, 1, "choose another address with -addr"},
		"-control taken": {nil, []string{"-control", taken.Addr().String()}, 1,
			"choose another address with -control"},
		"the real provider": {[]string{"OPENID_PROVIDER_URL=https://huggingface.co"}, nil, 2,
			"unset it, or choose an address with -addr"},
		"https": {[]string{"OPENID_PROVIDER_URL=https://localhost:9999"}, nil, 2,
			"unset it, or choose an address with -addr"},
		"a path": {[]string{"OPENID_PROVIDER_URL=http://localhost:9999/x"}, nil, 2,
			"unset it, or choose an address with -addr"},
		"elsewhere": {[]string{"OPENID_PROVIDER_URL=http://192.0.2.1:9999"}, nil, 2,
			"unset it, or choose an address with -addr"},
		"of no organization": {nil, []string{"-org", "nosuch"}, 2,
			"-org nosuch: unknown organization: use one of engines, notes"},
		"as nobody":            {nil, []string{"-as", "nobody"}, 2, "unknown user: use one of ada, grace, alan"},
		"public with a secret": {nil, []string{"-public", "-client-secret", "x"}, 2, "exclude each other"},
		"space and redirect": {nil,
			[]string{"-space", "a.hf.space", "-redirect", "http://localhost/"}, 2, "exclude each other"},
		"space with a scheme":       {nil, []string{"-space", "https://a.hf.space"}, 2, "give only the host"},
		"a relative redirect":       {nil, []string{"-redirect", "/login/callback"}, 2, "give a complete URL"},
		"a negative lifetime":       {nil, []string{"-token", "-1s"}, 2, "give a positive duration, such as 10s or 8h"},
		"no lifetime":               {nil, []string{"-token", "0s"}, 2, "give a positive duration, such as 10s or 8h"},
		"a lifetime without a unit": {nil, []string{"-id-token", "1"}, 2, "give a positive duration, such as 10s or 8h"},
		"a port with letters":       {[]string{"PORT=abc"}, nil, 2, "PORT is abc, but must be a number"},
		"-as and -ask":              {nil, []string{"-as", "ada", "-ask"}, 2, "-as and -ask exclude each other"},
		"no such fault":             {nil, []string{"-fault", "token=wat"}, 2, "give a status such as 503"},
		"no such endpoint":          {nil, []string{"-fault", "wat=503"}, 2, "use one of authorize, device"},
		"no fault":                  {nil, []string{"-fault", "token"}, 2, "such as token=503"},
		"no users":                  {nil, []string{"-users", "/no/such/file"}, 2, "no such file"},
	} {
		code, stdout, stderr := ended(t, tt.env, append(tt.args, "--", "echo", "started")...)
		if code != tt.code {
			t.Errorf("%s: exit code %d, want %d", name, code, tt.code)
		}
		if !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: %q does not contain %q", name, stderr, tt.want)
		}
		if stdout != "" {
			t.Errorf("%s: the command ran", name)
		}
	}
}

func TestSignIn(t *testing.T) {
	h := start(t, nil, "-as", "grace", "-scopes", "openid email", "-token", "10m", "-no-refresh")
	tokens := h.token(h.authorize())
	if tokens["expires_in"] != 600.0 || tokens["scope"] != "openid email" {
		t.Errorf("%v", tokens)
	}
	if _, ok := tokens["refresh_token"]; ok {
		t.Error("a refresh token despite -no-refresh")
	}
	_, user := h.send("GET", h.url()+"/oauth/userinfo", "", func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+tokens["access_token"].(string))
	})
	if !strings.Contains(user, `"email":"grace@example.com"`) {
		t.Errorf("userinfo: %s", user)
	}
}

func TestConsentFlags(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want int // status of a second sign-in
	}{
		"remembered": {nil, http.StatusSeeOther},
		"-ask":       {[]string{"-ask"}, http.StatusOK},
	} {
		h := start(t, nil, tt.args...)
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		browser := &http.Client{Jar: jar, CheckRedirect: noRedirects.CheckRedirect}
		query := url.Values{"response_type": {"code"}, "client_id": {h.env["OAUTH_CLIENT_ID"]},
			"redirect_uri": {h.env["OAUTH_REDIRECT_URL"]}}
		address := h.url() + "/oauth/authorize?" + query.Encode()
		status := func(resp *http.Response, err error) int {
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			return resp.StatusCode
		}
		if got := status(browser.Get(address)); got != http.StatusOK {
			t.Errorf("%s: a first sign-in: %d, want the page", name, got)
		}
		status(browser.PostForm(address, url.Values{"user": {"ada"}}))
		if got := status(browser.Get(address)); got != tt.want {
			t.Errorf("%s: a second sign-in: %d, want %d", name, got, tt.want)
		}
	}
}

func TestRegisteredRedirect(t *testing.T) {
	for redirect, want := range map[string]int{
		"http://localhost:4000/cb":    http.StatusSeeOther,
		"http://localhost:4000/other": http.StatusBadRequest,
	} {
		h := start(t, nil, "-as", "ada", "-redirect", "http://localhost:4000/cb")
		h.env["OAUTH_REDIRECT_URL"] = redirect
		if got := h.authorize().StatusCode; got != want {
			t.Errorf("%s: %d, want %d", redirect, got, want)
		}
	}
	h := start(t, nil, "-as", "ada")
	h.env["OAUTH_REDIRECT_URL"] = "http://localhost:3000/auth/callback/huggingface"
	if got := h.authorize().StatusCode; got != http.StatusSeeOther {
		t.Errorf("any URL on loopback: %d", got)
	}
	h = start(t, nil, "-as", "ada", "-space", "ada-app.hf.space")
	h.env["OAUTH_REDIRECT_URL"] = "https://ada-app.hf.space/login/callback?_target_url=%2F"
	if got := h.authorize().StatusCode; got != http.StatusSeeOther {
		t.Errorf("a URL of the Space: %d", got)
	}
}

func TestFaultFlag(t *testing.T) {
	h := start(t, nil, "-fault", "jwks=503*2", "-fault", "whoami=418:teapot")
	for i, want := range []int{503, 503, 200} {
		if resp, _ := h.send("GET", h.url()+"/oauth/jwks", "", nil); resp.StatusCode != want {
			t.Errorf("request %d: %s, want %d", i+1, resp.Status, want)
		}
	}
	if resp, text := h.send("GET", h.url()+"/api/whoami-v2", "", nil); resp.StatusCode != 418 || text != "teapot" {
		t.Errorf("whoami: %s %s", resp.Status, text)
	}
}

// With -reuse-detection, the reuse of a refresh token ends the sign-in.
func TestReuseDetectionFlag(t *testing.T) {
	for _, args := range [][]string{nil, {"-reuse-detection"}} {
		h := start(t, nil, append(args, "-as", "ada")...)
		tokens := h.token(h.authorize())
		refresh := func(token any) (int, map[string]any) {
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.(string)},
				"client_id": {h.env["OAUTH_CLIENT_ID"]}, "client_secret": {h.env["OAUTH_CLIENT_SECRET"]}}
			resp, text := h.send("POST", h.url()+"/oauth/token", form.Encode(), nil)
			var renewed map[string]any
			if err := json.Unmarshal([]byte(text), &renewed); err != nil {
				t.Fatal(err)
			}
			return resp.StatusCode, renewed
		}
		_, renewed := refresh(tokens["refresh_token"])
		refresh(tokens["refresh_token"])
		if status, _ := refresh(renewed["refresh_token"]); (status == 200) != (args == nil) {
			t.Errorf("%q: after a reuse the new refresh token: %d", args, status)
		}
	}
}

// -org enables token exchange for members.
func TestOrgFlag(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users.json")
	const users = `{"users":[{"username":"ada","email":"ada@example.com","emailVerified":true,
			"orgs":[{"username":"engines"},{"username":"notes"}]},
		{"username":"eve","orgs":[{"username":"strangers"}]}]}`
	if err := os.WriteFile(file, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	for org, want := range map[string]string{
		"":          "invalid_client",
		"engines":   "",
		"notes":     "",
		"strangers": "invalid_grant",
	} {
		h := start(t, nil, "-users", file, "-org", org)
		form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"},
			"subject_token":      {"ada@example.com"},
			"subject_token_type": {"urn:huggingface:token-type:user-email"},
			"client_id":          {h.env["OAUTH_CLIENT_ID"]}, "client_secret": {h.env["OAUTH_CLIENT_SECRET"]}}
		_, text := h.send("POST", h.url()+"/oauth/token", form.Encode(), nil)
		var answer struct{ Error string }
		if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Error != want {
			t.Errorf("%q: error %q, want %q", org, answer.Error, want)
		}
	}
}

// With -anyone-may-sign-in-as-anyone, the issuer has the address in -addr.
func TestListenForAnyone(t *testing.T) {
	address := "127.0.0.1:" + freePort(t)
	hub, stop, err := listen(&options{anyone: true, addr: address})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if hub.URL != "http://"+address {
		t.Errorf("the issuer is %s, want http://%s", hub.URL, address)
	}
	resp, err := http.Get(hub.URL + "/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("metadata: %s", resp.Status)
	}
	_, _, err = listen(&options{anyone: true, addr: address})
	if err == nil || !strings.Contains(err.Error(), "choose another address with -addr") {
		t.Errorf("address in use: %v", err)
	}
}

// The program in the README signs in without any configuration, by the
// documented commands.
func TestReadmeProgram(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindSubmatch(readme)
	if program == nil {
		t.Fatal("the README has no program")
	}
	port := freePort(t)
	source := strings.ReplaceAll(string(program[1]), `":7860"`, `"localhost:`+port+`"`)
	if source == string(program[1]) {
		t.Fatal("the program does not listen on :7860")
	}
	dir := t.TempDir()
	file, app := filepath.Join(dir, "main.go"), filepath.Join(dir, "app")
	if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", app, file).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := command([]string{"PORT=" + port}, "--", app)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Signal(syscall.SIGTERM)

	responds := func() bool {
		resp, err := http.Get("http://localhost:" + port)
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for tries := 0; !responds(); tries++ {
		if tries == 1000 { // twenty seconds: real time, with room
			t.Fatal("the program does not respond")
		}
		<-ticker.C
	}
	var recipe string
	for _, block := range shellBlock.FindAllStringSubmatch(documentation(t), -1) {
		if strings.Contains(block[1], "cookies.txt") {
			recipe = strings.ReplaceAll(block[1], "7860", port)
		}
	}
	curl := exec.Command("sh", "-eu", "-c", recipe+"curl -sS -b cookies.txt http://localhost:"+port+"/private")
	curl.Dir = dir
	out, err := curl.CombinedOutput()
	for _, want := range []string{"Hello, Ada Lovelace.", "Only you see this, ada.\n"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("the recipe for curl: %v, %s, want %s", err, out, want)
		}
	}
}
