package main

import (
	"context"
	"encoding/json"
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

// start builds the program and runs it with only env until the test ends.
func start(t *testing.T, env ...string) (address string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spa")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, path)
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

// startWith runs the program as an app registered at hub.
func startWith(t *testing.T, hub *hfoauthtest.Server) (address string) {
	t.Helper()
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{"http://localhost/login/callback"}})
	return start(t, "OAUTH_CLIENT_ID="+app.ClientID, "OAUTH_CLIENT_SECRET="+app.ClientSecret,
		"OPENID_PROVIDER_URL="+hub.URL)
}

// send sends a request as the front end does; header has names and values.
func send(t *testing.T, client *http.Client, method, address, input string,
	header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(input))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
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

// list returns the notes that a user sees.
func list(t *testing.T, client *http.Client, address string) (notes []note) {
	t.Helper()
	_, body := send(t, client, "GET", address+"/api/notes", "")
	if err := json.Unmarshal([]byte(body), &notes); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return notes
}

func TestSignedOut(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	address := startWith(t, hub)
	for _, test := range []struct{ method, path string }{
		{"GET", "/api/me"}, {"GET", "/api/notes"}, {"POST", "/api/notes"}, {"DELETE", "/api/notes/x"}, {"GET", "/api/other"},
	} {
		resp, body := send(t, http.DefaultClient, test.method, address+test.path, `{"text":"hello"}`)
		var answer struct{ Error string }
		err := json.Unmarshal([]byte(body), &answer)
		if err != nil || answer.Error == "" {
			t.Errorf("%s %s: %s, %v, want JSON with an error", test.method, test.path, body, err)
		}
		if resp.StatusCode != 401 {
			t.Errorf("%s %s: %s, want 401", test.method, test.path, resp.Status)
		}
		if got := resp.Header.Get("Content-Type"); got != "application/json" {
			t.Errorf("%s %s: Content-Type %q, want application/json", test.method, test.path, got)
		}
	}
}

func TestNotes(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	address := startWith(t, hub)
	ada, grace := hub.SignIn(t, address+"/login?next=/", "ada"), hub.SignIn(t, address+"/login", "grace")

	resp, me := send(t, ada, "GET", address+"/api/me", "")
	var user struct {
		Sub, Name string
		Username  string `json:"preferred_username"`
	}
	if err := json.Unmarshal([]byte(me), &user); err != nil {
		t.Fatalf("/api/me: %v: %s", err, me)
	}
	if user.Sub == "" {
		t.Errorf("/api/me has no sub: %s", me)
	}
	if user.Name != "Ada Lovelace" || user.Username != "ada" {
		t.Errorf("/api/me is %q (%q), want Ada Lovelace (ada)", user.Name, user.Username)
	}
	if got := resp.Header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
		t.Errorf("/api/me has the Cache-Control %q, want no-store", got)
	}
	for _, secret := range hub.Secrets() {
		if strings.Contains(me, secret) {
			t.Error("/api/me reveals a secret")
		}
	}
	if _, body := send(t, ada, "GET", address+"/api/notes", ""); body != "[]\n" {
		t.Errorf("no notes are %s", body)
	}

	for _, test := range []struct {
		name, input string
		status      int
		text        string // of the note, or in the error
	}{
		{"a note", `{"text":" Buy <b>milk</b>\n"}`, 201, "Buy <b>milk</b>"},
		{"as long as may be", `{"text":"` + strings.Repeat(`\ud83d\ude00`, maxText) + `"}`, 201,
			strings.Repeat("😀", maxText)},
		{"too long", `{"text":"` + strings.Repeat("é", maxText+1) + `"}`, 422, "500 characters"},
		{"far too long", `{"text":"` + strings.Repeat("x", 1<<20) + `"}`, 400, "Send JSON"},
		{"only spaces", `{"text":" \n"}`, 422, "Write something"},
		{"no text", `{}`, 422, "Write something"},
		{"not JSON", "text=hello", 400, "Send JSON"},
		{"another type", `{"text":7}`, 400, "Send JSON"},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp, body := send(t, ada, "POST", address+"/api/notes", test.input)
			var answer struct{ ID, Text, Error string }
			if err := json.Unmarshal([]byte(body), &answer); err != nil || resp.StatusCode != test.status {
				t.Fatalf("%s %v: %s", resp.Status, err, body)
			}
			if created := test.status == 201; created != (answer.ID != "") {
				t.Errorf("the ID is %q, want one: %v", answer.ID, created)
			}
			if test.status == 201 {
				if answer.Text != test.text {
					t.Errorf("the text is %q, want %q", answer.Text, test.text)
				}
				return
			}
			if !strings.Contains(answer.Error, test.text) {
				t.Errorf("the error is %q, want %q in it", answer.Error, test.text)
			}
			if answer.Text == test.text {
				t.Errorf("the refused note has the text %q", answer.Text)
			}
		})
	}

	notes := list(t, ada, address)
	if len(notes) != 2 || notes[0].Text != "Buy <b>milk</b>" {
		t.Fatalf("notes: %+v", notes)
	}
	if others := list(t, grace, address); len(others) != 0 {
		t.Errorf("grace sees %+v", others)
	}
	first := address + "/api/notes/" + notes[0].ID
	if resp, _ := send(t, grace, "DELETE", first, ""); resp.StatusCode != 204 || len(list(t, ada, address)) != 2 {
		t.Errorf("grace deletes ada's note: %s", resp.Status)
	}
	for _, attack := range []struct{ method, address string }{{"POST", address + "/api/notes"}, {"DELETE", first}} {
		for _, header := range [][]string{
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"},
		} {
			resp, _ := send(t, ada, attack.method, attack.address, `{"text":"forged"}`, header...)
			if resp.StatusCode != 403 {
				t.Errorf("%s with %q: %s", attack.method, header, resp.Status)
			}
		}
	}
	if got := len(list(t, ada, address)); got != 2 {
		t.Errorf("%d notes after requests of other sites", got)
	}
	resp, _ = send(t, ada, "DELETE", first, "", "Sec-Fetch-Site", "same-origin")
	if resp.StatusCode != 204 || len(list(t, ada, address)) != 1 {
		t.Errorf("DELETE: %s", resp.Status)
	}

	for range maxNotes - 1 {
		send(t, ada, "POST", address+"/api/notes", `{"text":"one more"}`)
	}
	resp, body := send(t, ada, "POST", address+"/api/notes", `{"text":"too many"}`)
	if resp.StatusCode != 409 {
		t.Errorf("the note after the last: %s, want 409", resp.Status)
	}
	if !strings.Contains(body, "100 notes") {
		t.Errorf("the note after the last: %s, want %q in it", body, "100 notes")
	}
	if got := len(list(t, ada, address)); got != maxNotes {
		t.Errorf("%d notes after the last, want %d", got, maxNotes)
	}

	resp, _ = send(t, ada, "POST", address+"/logout", "")
	if resp.StatusCode != 200 || resp.Request.URL.Path != "/" {
		t.Errorf("sign-out: %s at %s", resp.Status, resp.Request.URL)
	}
	if resp, _ := send(t, ada, "POST", address+"/api/notes", `{"text":"too late"}`); resp.StatusCode != 401 {
		t.Errorf("after sign-out: %s", resp.Status)
	}
}

// Without configuration, the front end is served and sign-in leads to a stand-in.
func TestFrontEnd(t *testing.T) {
	address := start(t)
	resp, page := send(t, http.DefaultClient, "GET", address+"/", "")
	policy := resp.Header.Get("Content-Security-Policy")
	for _, directive := range []string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
		"form-action 'self'", "base-uri 'none'", "frame-ancestors 'self' https://huggingface.co",
	} {
		if !strings.Contains(policy+";", directive+";") {
			t.Errorf("policy lacks %s: %s", directive, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy: %s", policy)
	}
	// What the policy would block.
	inline := regexp.MustCompile(`<style|<script[^>]*>[^<]|\son[a-z]+=|\sstyle=|javascript:`).FindString(page)
	if inline != "" {
		t.Errorf("inline: %q", inline)
	}

	served := map[string]string{}
	for _, match := range regexp.MustCompile(`(?:script src|stylesheet" href)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		resp, body := send(t, http.DefaultClient, "GET", address+match[1], "")
		if resp.StatusCode != 200 {
			t.Errorf("%s: %s", match[1], resp.Status)
		}
		served[match[1]] = body
	}
	if len(served) != 4 || served["/style.css"] == "" {
		t.Errorf("the page loads %d files", len(served))
	}
	for _, match := range regexp.MustCompile(`element\("([^"]*)"\)`).FindAllStringSubmatch(served["/app.js"], -1) {
		if !strings.Contains(page, `id="`+match[1]+`"`) {
			t.Errorf("app.js uses #%s, which is not on the page", match[1])
		}
	}

	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	resp, _ = send(t, stay, "GET", address+"/login?next=/", "")
	if resp.StatusCode != 303 || !strings.Contains(resp.Header.Get("Location"), "/oauth/authorize?") {
		t.Errorf("sign-in: %s %s", resp.Status, resp.Header.Get("Location"))
	}
}
