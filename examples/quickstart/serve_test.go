package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
)

// Losing OAUTH_CLIENT_ID does not turn a public app into one that signs everyone in
// as anyone.
func TestNoStandInForOthers(t *testing.T) {
	path := program(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // it must end by itself
	defer cancel()
	command := exec.CommandContext(ctx, path)
	command.Env = []string{"PORT=0", "OAUTH_REDIRECT_URL=https://app.example/login/callback"}
	output, err := command.CombinedOutput()
	if err == nil {
		t.Error("the program succeeds without an app")
	}
	if !strings.Contains(string(output), "OAUTH_CLIENT_ID") {
		t.Errorf("the program does not name OAUTH_CLIENT_ID: %s", output)
	}
	if strings.Contains(string(output), "signing in with a stand-in") {
		t.Errorf("the program starts the stand-in: %s", output)
	}
}

func TestListen(t *testing.T) {
	for redirectURL, want := range map[string]bool{
		"http://localhost:7860/login/callback": true,
		"http://127.0.0.1:7860/login/callback": true,
		"https://localhost/login/callback":     true,
		"http://[::1]:7860/login/callback":     true,
		"https://app.example/login/callback":   false,
		"":                                     false, // a Space
	} {
		t.Setenv("OAUTH_REDIRECT_URL", redirectURL)
		listener, err := listen("0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		if got := listener.Addr().(*net.TCPAddr).IP.IsLoopback(); got != want {
			t.Errorf("%q: listens on %s", redirectURL, listener.Addr())
		}
	}
}

// A request that is in progress when the program is told to end gets its response.
func TestServeLetsRequestsFinish(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	started, release := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- serve(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(started)
			<-release
			io.WriteString(w, "finished")
		}))
	}()
	answer := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + listener.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answer <- string(body)
	}()
	<-started
	stop()
	for { // until it accepts no more
		conn, err := net.DialTimeout("tcp", listener.Addr().String(), time.Second)
		if err != nil {
			break
		}
		conn.Close()
	}
	select {
	case err := <-done:
		close(release)
		t.Fatalf("serve returned %v before the request was answered", err)
	default:
	}
	close(release)
	if got := <-answer; got != "finished" {
		t.Errorf("the request got %q", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestMain(m *testing.M) {
	os.Unsetenv("OAUTH_CLIENT_ID")
	os.Exit(m.Run())
}

// With a secret that hfoauth refuses to derive keys from, the program makes a key;
// with a good one, sessions outlive the program.
func TestWeak(t *testing.T) {
	for secret, want := range map[string]bool{
		"": true, "secret": true, "0123456789abcdefghijklm": true, "abcdefgabcdefgabcdefgabcdefg": true,
		"012345670123456701234567": false, "oauth_app_secret_0123456789abcdefghijklmnopqrstuvwx": false,
	} {
		if got := weak(secret); got != want {
			t.Errorf("weak(%q) = %v, want %v", secret, got, want)
		}
		_, err := hfoauth.New(hfoauth.Config{ClientID: "id", ClientSecret: secret,
			RedirectURL: "http://localhost:7860/login/callback"})
		if got := err != nil; got != want {
			t.Errorf("New with the secret %q: %v, but weak says %v", secret, err, want)
		}
	}
}

// The program logs that it made a key: sessions in cookies do not outlive it.
func TestWeakSecretIsLogged(t *testing.T) {
	path := program(t)
	for secret, want := range map[string]bool{
		"secret": true,
		"oauth_app_secret_0123456789abcdefghijklmnopqrstuvwx": false,
	} {
		_, output := start(t, path, "OAUTH_CLIENT_ID=id", "OAUTH_CLIENT_SECRET="+secret,
			"OPENID_PROVIDER_URL=http://127.0.0.1:1")
		printed, err := os.ReadFile(output)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(printed), "too weak to make a key of"); got != want {
			t.Errorf("with the secret %q it says so: %v, want %v: %s", secret, got, want, printed)
		}
	}
}
