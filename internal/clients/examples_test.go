package clients

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// example is an app of examples/hfhub, used as a person would use it.
type example struct {
	name    string
	program string
	begin   func(t *testing.T, app *web, browser *http.Client) *http.Response // clicks "sign in"
	denied  string                                                            // what its page says then
}

var examples = []example{
	{"Express", "express/app.mjs", beginWithAuthJS, "Try signing in with a different account"},
	{"Flask", "flask/app.py", beginAtLogin, "access_denied"},
}

func beginAtLogin(t *testing.T, app *web, browser *http.Client) *http.Response {
	t.Helper()
	resp, err := browser.Get(app.url + "/login")
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

var csrfToken = regexp.MustCompile(`name="csrfToken" value="([^"]+)"`)

// beginWithAuthJS clicks the button of Auth.js's own sign-in page.
func beginWithAuthJS(t *testing.T, app *web, browser *http.Client) *http.Response {
	t.Helper()
	_, page := app.open(browser, "GET", "/auth/signin")
	token := csrfToken.FindStringSubmatch(page)
	if token == nil {
		t.Fatalf("no form on the page: %s", page)
	}
	resp, err := browser.PostForm(app.url+"/auth/signin/huggingface",
		url.Values{"csrfToken": {token[1]}, "callbackUrl": {app.url + "/"}})
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func (e example) path() string { return "../../examples/hfhub/" + e.program }

func (e example) start(t *testing.T) (*hfoauthtest.Server, *web) {
	t.Helper()
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{Name: e.name, RedirectURIs: []string{
		"http://localhost/login/callback", "http://localhost/auth/callback/huggingface",
	}})
	return hub, &web{t, newDriver(t, e.path(), hub.URL, app).line()}
}

// check signs a user in with a browser that approves, and compares what the
// app says of them.
func (e example) check(t *testing.T, app *web, browser *http.Client, user hfoauthtest.User) {
	t.Helper()
	if status, _ := app.open(browser, "GET", "/private"); status != http.StatusUnauthorized {
		t.Errorf("before the sign-in /private answers %d, want 401", status)
	}
	e.begin(t, app, browser).Body.Close()
	_, home := app.open(browser, "GET", "/")
	if !strings.Contains(home, "Hello, "+cmp.Or(user.Name, user.Username)+" ("+user.Username+")") {
		t.Errorf("the start page does not greet %s: %s", user.Username, home)
	}
	status, private := app.open(browser, "GET", "/private")
	var account struct{ Sub string }
	equal(t, "/private: status", status, http.StatusOK)
	if err := json.Unmarshal([]byte(private), &account); err != nil {
		t.Errorf("/private: %v: %s", err, private)
	}
	equal(t, "/private: sub", account.Sub, user.ID())
}

func TestExamples(t *testing.T) {
	for _, e := range examples {
		t.Run(e.name, func(t *testing.T) {
			hub, app := e.start(t)
			for _, user := range hfoauthtest.DefaultUsers() {
				t.Run(user.Username, func(t *testing.T) {
					browser := hub.Browser(hfoauthtest.Person{Username: user.Username})
					defer browser.CloseIdleConnections()
					e.check(t, &web{t, app.url}, browser, user)
				})
			}
		})
	}
}

// The apps run as examples/hfhub/README.md says.
func TestExamplesAtHFHub(t *testing.T) {
	hfhub := filepath.Join(t.TempDir(), "hfhub")
	build := exec.Command("go", "build", "-o", hfhub, "./cmd/hfhub")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, e := range examples {
		t.Run(e.name, func(t *testing.T) {
			argv := append([]string{hfhub, "-as", "ada", "--"}, interpreted(e.path())...)
			app := &web{t, startDriver(t, nil, argv...).line()}
			jar, err := cookiejar.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			e.check(t, app, &http.Client{Jar: jar}, hfoauthtest.DefaultUsers()[0])
		})
	}
}

func TestExamplesDenied(t *testing.T) {
	for _, e := range examples {
		t.Run(e.name, func(t *testing.T) {
			hub, app := e.start(t)
			browser := hub.Browser(hfoauthtest.Person{Username: "ada", Deny: true})
			defer browser.CloseIdleConnections()
			resp := e.begin(t, app, browser)
			defer resp.Body.Close()
			page, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(page), e.denied) {
				t.Errorf("the page does not say %q: %s", e.denied, page)
			}
			if status, _ := app.open(browser, "GET", "/private"); status != http.StatusUnauthorized {
				t.Errorf("/private answers %d, want 401", status)
			}
		})
	}
}
