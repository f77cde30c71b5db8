package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

const spaceHost = "ada-app.hf.space"

// frontMatter is what the Hub reads of a Space's README.md
// (https://huggingface.co/docs/hub/spaces-config-reference).
type frontMatter struct {
	Title             string
	SDK               string   `yaml:"sdk"`
	AppPort           int      `yaml:"app_port"`
	OAuth             bool     `yaml:"hf_oauth"`
	Scopes            []string `yaml:"hf_oauth_scopes"`
	ExpirationMinutes int      `yaml:"hf_oauth_expiration_minutes"`
	Emoji             string
	ColorFrom         string `yaml:"colorFrom"`
	ColorTo           string `yaml:"colorTo"`
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parseFrontMatter(t *testing.T) frontMatter {
	t.Helper()
	parts := strings.SplitN(read(t, "README.md"), "---\n", 3)
	if len(parts) != 3 || parts[0] != "" {
		t.Fatal("README.md does not begin with front matter")
	}
	var front frontMatter
	decoder := yaml.NewDecoder(strings.NewReader(parts[1]))
	decoder.KnownFields(true)
	if err := decoder.Decode(&front); err != nil {
		t.Fatal(err)
	}
	return front
}

func TestFrontMatter(t *testing.T) {
	front := parseFrontMatter(t)
	if front.SDK != "docker" {
		t.Errorf("sdk is %q, want docker", front.SDK)
	}
	if !front.OAuth {
		t.Error("hf_oauth is not true")
	}
	if front.Title == "" {
		t.Error("no title")
	}
	if strconv.Itoa(front.AppPort) != defaultPort {
		t.Errorf("app_port %d, the app listens on %s", front.AppPort, defaultPort)
	}
	if front.ExpirationMinutes < 1 || front.ExpirationMinutes > 30*24*60 {
		t.Errorf("hf_oauth_expiration_minutes %d", front.ExpirationMinutes)
	}
	known := hfoauth.Scopes{hfoauth.ScopeEmail, hfoauth.ScopeInferenceAPI, hfoauth.ScopeReadRepos}
	for _, scope := range front.Scopes {
		if !slices.Contains(known, hfoauth.Scope(scope)) {
			t.Errorf("hf_oauth_scopes has %q", scope)
		}
	}
}

func TestDockerfile(t *testing.T) {
	file := read(t, "Dockerfile")
	for _, line := range []string{"USER 1000", "EXPOSE " + defaultPort, `CMD ["/app"]`} {
		if !strings.Contains(file, "\n"+line+"\n") {
			t.Errorf("Dockerfile lacks %q", line)
		}
	}
	if got := strings.Count(file, "\nFROM ") + 1; got != 2 || !strings.HasPrefix(file, "FROM golang:") {
		t.Errorf("%d stages", got)
	}
	if !strings.Contains(file, "ca-certificates.crt") {
		t.Error("without certificates the app cannot speak to the provider")
	}
}

// build runs the Dockerfile's own build command.
func build(t *testing.T) string {
	t.Helper()
	match := regexp.MustCompile(`(?m)^RUN (CGO_ENABLED=0 go build .*) -o /app \.$`).FindStringSubmatch(read(t,
		"Dockerfile"))
	if match == nil {
		t.Fatal("Dockerfile does not build the app")
	}
	path := filepath.Join(t.TempDir(), "app")
	if out, err := exec.Command("sh", "-c", match[1]+" -o "+path+" .").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// space is the app in its container, seen through the proxy of the Hub.
type space struct {
	*testing.T
	path, port string
	env        []string
	command    *exec.Cmd
	output     bytes.Buffer
}

// RoundTrip is the proxy: TLS ends there, the container is spoken to in plain
// HTTP.
func (s *space) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host == spaceHost {
		req = req.Clone(req.Context())
		req.Host = spaceHost
		req.URL = &url.URL{Scheme: "http", Host: "127.0.0.1:" + s.port, Path: req.URL.Path,
			RawQuery: req.URL.RawQuery}
	}
	return http.DefaultTransport.RoundTrip(req)
}

func (s *space) start() {
	s.Helper()
	s.command = exec.Command(s.path)
	s.command.Env, s.command.Stderr = s.env, &s.output
	endWithTest(s.command)
	if err := s.command.Start(); err != nil {
		s.Fatal(err)
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for range 1000 { // twenty seconds: real time, with room
		if conn, err := net.Dial("tcp", "127.0.0.1:"+s.port); err == nil {
			conn.Close()
			return
		}
		<-ticker.C
	}
	s.Fatal("the app does not listen")
}

// stop does what the Hub does to a Space.
func (s *space) stop() {
	s.Helper()
	s.command.Process.Signal(syscall.SIGTERM)
	if err := s.command.Wait(); err != nil {
		s.Errorf("the app ends with %v: %s", err, &s.output)
	}
}

func (s *space) home(browser *http.Client) (*http.Response, string) {
	s.Helper()
	resp, err := browser.Get("https://" + spaceHost + "/")
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return resp, string(page)
}

func TestSpace(t *testing.T) {
	front := parseFrontMatter(t)
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{"https://" + spaceHost + "/login/callback"}})
	hub.Configure(func(s *hfoauthtest.Settings) {
		s.AccessTokenLifetime = time.Duration(front.ExpirationMinutes) * time.Minute
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	s := &space{T: t, path: build(t), port: port, env: []string{
		"PORT=" + port,
		"SPACE_ID=ada/app", "SPACE_HOST=" + spaceHost + ",app.example", "SPACE_AUTHOR_NAME=ada",
		"SPACE_REPO_NAME=app",
		"OAUTH_CLIENT_ID=" + app.ClientID, "OAUTH_CLIENT_SECRET=" + app.ClientSecret,
		"OAUTH_SCOPES=openid profile " + strings.Join(front.Scopes, " "), "OPENID_PROVIDER_URL=" + hub.URL,
	}}
	s.start()

	resp, page := s.home(&http.Client{Transport: s})
	if resp.StatusCode != 200 || !strings.Contains(page, "data-hfoauth-login") {
		t.Errorf("signed out: %s %s", resp.Status, page)
	}
	policy := resp.Header.Get("Content-Security-Policy")
	if strings.Contains(policy, "unsafe") ||
		!strings.Contains(policy, "frame-ancestors 'self' https://huggingface.co "+hub.URL) {
		t.Errorf("policy %q", policy)
	}

	browser := hub.Browser(hfoauthtest.Person{Username: "ada", Transport: s})
	if _, err := browser.Get("https://" + spaceHost + "/login"); err != nil {
		t.Fatal(err)
	}
	signedIn := func(when string) {
		t.Helper()
		_, page := s.home(browser)
		if !strings.Contains(page, "Hello, Ada Lovelace") || !strings.Contains(page, "ada@example.com") {
			t.Errorf("%s: %s", when, page)
		}
	}
	signedIn("after sign-in")
	s.stop()
	s.start()
	signedIn("after the Space restarted")
	s.stop()
}
