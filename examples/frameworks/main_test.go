package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// start runs the program at path until the test ends.
func start(t *testing.T, path, framework string, env ...string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, path, "-framework", framework)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.Env = append([]string{"PORT=" + port, "PATH=" + os.Getenv("PATH")}, env...)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		command.Wait()
		if code := command.ProcessState.ExitCode(); code != 0 {
			t.Errorf("interrupted, the program exits with %d", code)
		}
	})

	address = "http://localhost:" + port
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for range 1000 { // twenty seconds: real time, with room
		if resp, err := http.Get(address + "/"); err == nil {
			resp.Body.Close()
			return address
		}
		<-ticker.C
	}
	t.Fatal("the program does not respond")
	return ""
}

// send sends a request as a browser that opens a page; header has names and values.
func send(t *testing.T, client *http.Client, method, address string,
	header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestFrameworks(t *testing.T) {
	program := filepath.Join(t.TempDir(), "frameworks")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{"http://localhost/login/callback"}})
	for framework := range frameworks {
		t.Run(framework, func(t *testing.T) {
			address := start(t, program, framework, "OAUTH_CLIENT_ID="+app.ClientID,
				"OAUTH_CLIENT_SECRET="+app.ClientSecret, "OPENID_PROVIDER_URL="+hub.URL)
			testApp(t, hub, address)
		})
	}
}

// testApp is the same for each framework because the app is.
func testApp(t *testing.T, hub *hfoauthtest.Server, address string) {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	stranger := &http.Client{CheckRedirect: stay}
	resp, home := send(t, stranger, "GET", address+"/")
	if resp.StatusCode != 200 {
		t.Errorf("home: %s, want 200", resp.Status)
	}
	if !strings.Contains(home, `href="/login"`) {
		t.Errorf("home has no link to /login: %s", home)
	}
	if policy := resp.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'self'") {
		t.Errorf("home: the policy %q lacks script-src 'self'", policy)
	}
	files := regexp.MustCompile(`(?:script src|stylesheet" href)="([^"]*)"`).FindAllStringSubmatch(home, -1)
	if len(files) != 3 {
		t.Errorf("the page loads %q", files)
	}
	for _, file := range files {
		if resp, body := send(t, stranger, "GET", address+file[1]); resp.StatusCode != 200 || body == "" {
			t.Errorf("%s: %s", file[1], resp.Status)
		}
	}
	resp, body := send(t, stranger, "GET", address+"/private?a=b")
	if resp.StatusCode != 303 {
		t.Errorf("private page, signed out: %s, want 303", resp.Status)
	}
	if got, want := resp.Header.Get("Location"), "/login?next=%2Fprivate%3Fa%3Db"; got != want {
		t.Errorf("private page, signed out: leads to %q, want %q", got, want)
	}
	if strings.Contains(body, "Hello") {
		t.Errorf("private page, signed out: %s", body)
	}
	resp, body = send(t, stranger, "GET", address+"/private", "Accept", "application/json")
	if resp.StatusCode != 401 {
		t.Errorf("private page as JSON, signed out: %s, want 401", resp.Status)
	}
	if !strings.HasPrefix(body, `{"error":`) {
		t.Errorf("private page as JSON, signed out: %s, want an error", body)
	}
	if strings.Contains(body, "Hello") {
		t.Errorf("private page as JSON, signed out: %s", body)
	}
	resp, _ = send(t, stranger, "POST", address+"/login/frame/check", "Sec-Fetch-Site", "same-origin")
	if resp.StatusCode != 200 {
		t.Errorf("POST below /login/frame/: %s", resp.Status)
	}

	browser := hub.SignIn(t, address+"/login?next=/private", "ada")
	browser.CheckRedirect = stay
	resp, page := send(t, browser, "GET", address+"/private")
	if resp.StatusCode != 200 || !strings.Contains(page, "Hello, Ada Lovelace") {
		t.Errorf("private page: %s %s", resp.Status, page)
	}
	if resp, _ := send(t, browser, "GET", address+"/logout"); resp.StatusCode != 405 {
		t.Errorf("GET /logout: %s", resp.Status)
	}
	resp, _ = send(t, browser, "POST", address+"/logout", "Sec-Fetch-Site", "cross-site")
	if resp.StatusCode != 403 {
		t.Errorf("cross-site sign-out: %s", resp.Status)
	}
	resp, _ = send(t, browser, "POST", address+"/logout")
	if resp.StatusCode != 303 || resp.Header.Get("Location") != "/" {
		t.Errorf("sign-out: %s %s", resp.Status, resp.Header.Get("Location"))
	}
	if resp, _ := send(t, browser, "GET", address+"/private"); resp.StatusCode != 401 {
		t.Errorf("private page right after sign-out: %s", resp.Status)
	}
}

func TestUnknownFramework(t *testing.T) {
	if err := run("fiber"); err == nil || !strings.Contains(err.Error(), "chi, gin or echo") {
		t.Errorf("error %v", err)
	}
}
