package main

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// program builds the quickstart as a new user would.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "quickstart")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// start runs the program with only env until the test ends, and returns its address
// and the file of its output.
func start(t *testing.T, path string, env ...string) (address, printed string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, path)
	command.Env = append([]string{"PORT=" + port, "PATH=" + os.Getenv("PATH")}, env...)
	output, err := os.Create(filepath.Join(t.TempDir(), "printed"))
	if err != nil {
		t.Fatal(err)
	}
	command.Stdout, command.Stderr = output, output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); command.Wait(); output.Close() })

	address = "http://localhost:" + port
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for range 1000 { // twenty seconds: real time, with room
		if resp, err := http.Get(address + "/"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return address, output.Name()
			}
		}
		<-ticker.C
	}
	t.Fatal("the program does not respond")
	return "", ""
}

func read(t *testing.T, client *http.Client, req *http.Request) (*http.Response, string) {
	t.Helper()
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

func request(t *testing.T, method, address, accept string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	return req
}

// Without configuration: the test fills in the stand-in's consent page.
func TestWithoutConfiguration(t *testing.T) {
	address, output := start(t, program(t))
	printed, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"stand-in", "switch accounts", address} {
		if !strings.Contains(string(printed), want) {
			t.Errorf("the program prints %q, want %q in it", printed, want)
		}
	}
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}
	resp, page := read(t, browser, request(t, "GET", address+"/private", "text/html"))
	action := regexp.MustCompile(`action="([^"]*)"`).FindStringSubmatch(page)
	if action == nil {
		t.Fatalf("no consent page: %s %s", resp.Status, page)
	}
	target, err := resp.Request.URL.Parse(html.UnescapeString(action[1]))
	if err != nil {
		t.Fatal(err)
	}
	signedIn, err := browser.PostForm(target.String(), url.Values{"user": {"ada"}, "decision": {"approve"}})
	if err != nil {
		t.Fatal(err)
	}
	signedIn.Body.Close()
	if signedIn.Request.URL.String() != address+"/private" || signedIn.StatusCode != 200 {
		t.Errorf("ended at %s with %s", signedIn.Request.URL, signedIn.Status)
	}
	_, page = read(t, browser, request(t, "GET", address+"/", "text/html"))
	for _, want := range []string{"Hello, Ada Lovelace", "Analytical Engines", `action="/logout"`} {
		if !strings.Contains(page, want) {
			t.Errorf("start page lacks %q: %s", want, page)
		}
	}
}

// The routes, with the provider that the environment names.
func TestRoutes(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{"http://localhost/login/callback"}})
	address, _ := start(t, program(t), "OAUTH_CLIENT_ID="+app.ClientID, "OAUTH_CLIENT_SECRET="+app.ClientSecret,
		"OAUTH_SCOPES=openid profile email read-billing", "OPENID_PROVIDER_URL="+hub.URL)
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}

	_, page := read(t, stay, request(t, "GET", address+"/", "text/html"))
	if !strings.Contains(page, "Sign in with Hugging Face") || !strings.Contains(page, `href="/login"`) {
		t.Errorf("start page: %s", page)
	}
	resp, body := read(t, stay, request(t, "GET", address+"/me", "*/*"))
	if want := `{"error":"not signed in"}` + "\n"; resp.StatusCode != 401 || body != want {
		t.Errorf("/me: %s %s, want 401 %s", resp.Status, body, want)
	}
	resp, _ = read(t, stay, request(t, "GET", address+"/private", "text/html"))
	if resp.StatusCode != 303 || resp.Header.Get("Location") != "/login?next=%2Fprivate" {
		t.Errorf("/private: %s %s", resp.Status, resp.Header.Get("Location"))
	}
	resp, _ = read(t, stay, request(t, "GET", address+"/private", "application/json"))
	if resp.StatusCode != 401 {
		t.Errorf("/private without HTML: %s", resp.Status)
	}
	if resp, _ := read(t, stay, request(t, "GET", address+"/logout", "*/*")); resp.StatusCode != 405 {
		t.Errorf("GET /logout: %s", resp.Status)
	}

	browser := hub.SignIn(t, address+"/login?next=/private", "ada")
	_, body = read(t, browser, request(t, "GET", address+"/me", "*/*"))
	var user map[string]any
	if err := json.Unmarshal([]byte(body), &user); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"sub", "name", "preferred_username", "picture", "profile", "email", "email_verified", "isPro",
		"canPay", "orgs",
	} {
		if _, ok := user[name]; !ok {
			t.Errorf("/me lacks %s: %s", name, body)
		}
	}
	cross := request(t, "POST", address+"/logout", "text/html")
	cross.Header.Set("Sec-Fetch-Site", "cross-site")
	if resp, _ := read(t, browser, cross); resp.StatusCode != 403 {
		t.Errorf("cross-site sign-out: %s", resp.Status)
	}
	browser.CheckRedirect = stay.CheckRedirect
	resp, _ = read(t, browser, request(t, "POST", address+"/logout", "text/html"))
	if resp.StatusCode != 303 || resp.Header.Get("Location") != "/" {
		t.Errorf("sign-out: %s %s", resp.Status, resp.Header.Get("Location"))
	}
	if resp, _ := read(t, browser, request(t, "GET", address+"/me", "*/*")); resp.StatusCode != 401 {
		t.Errorf("/me after sign-out: %s", resp.Status)
	}
}

func TestStartsWhileTheProviderIsAway(t *testing.T) {
	address, _ := start(t, program(t), "OAUTH_CLIENT_ID=id",
		"OAUTH_CLIENT_SECRET=0123456789abcdefghijklmnopqrstuv", "OPENID_PROVIDER_URL=http://127.0.0.1:1")
	resp, page := read(t, http.DefaultClient, request(t, "GET", address+"/login", "text/html"))
	if resp.StatusCode != 503 {
		t.Errorf("status %s, want 503", resp.Status)
	}
	if resp.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if !strings.Contains(page, "Try again") {
		t.Errorf("the page lacks %q: %s", "Try again", page)
	}
}

func TestInASpace(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{"https://ada-app.hf.space/login/callback"}})
	address, _ := start(t, program(t), "OAUTH_CLIENT_ID="+app.ClientID, "OAUTH_CLIENT_SECRET="+app.ClientSecret,
		"OPENID_PROVIDER_URL="+hub.URL, "SPACE_HOST=ada-app.hf.space,app.example")
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	resp, _ := read(t, stay, request(t, "GET", address+"/login", "text/html"))
	location, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	if got := location.Query().Get("redirect_uri"); got != "https://ada-app.hf.space/login/callback" {
		t.Errorf("redirect_uri %q", got)
	}
	cookie := resp.Cookies()[0]
	if !strings.HasPrefix(cookie.Name, "__Host-") {
		t.Errorf("the cookie is named %q, want __Host- in front", cookie.Name)
	}
	if !cookie.Secure {
		t.Errorf("the cookie is not Secure: %v", cookie)
	}
	if cookie.SameSite != http.SameSiteNoneMode {
		t.Errorf("the cookie is not SameSite=None: %v", cookie)
	}
}

// A Space whose README.md lacks hf_oauth: true starts no stand-in, which would send
// its visitors to their own machines.
func TestSpaceWithoutOAuth(t *testing.T) {
	command := exec.Command(program(t))
	command.Env = []string{"SPACE_HOST=ada-app.hf.space", "PORT=0"}
	out, err := command.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "hf_oauth: true") {
		t.Errorf("%v: %s", err, out)
	}
}
