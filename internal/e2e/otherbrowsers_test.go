//go:build otherbrowsers

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// otherBrowser is a browser other than Chromium. Tabs and frames are identified
// by a prefix of their addresses.
type otherBrowser interface {
	open(address string)
	text(prefix string) string
	click(prefix, selector string) bool
	tabs() int
}

// remembered and told are the ways a sign-in inside the iframe may end.
const (
	remembered = "Start page of ada"
	told       = "Your browser does not let this page keep you signed in here"
)

func TestOtherBrowsers(t *testing.T) {
	summary := []string{"what each browser did (" + version("firefox-esr") + ", " +
		version("WebKitWebDriver") + "):"}
	for name, test := range map[string]struct {
		start func(t *testing.T) otherBrowser
		ends  string
	}{
		"Firefox": {func(t *testing.T) otherBrowser { return newFirefox(t, "") }, remembered},
		"Firefox, third-party cookies blocked": {func(t *testing.T) otherBrowser {
			return newFirefox(t, `user_pref("network.cookie.cookieBehavior", 1);`)
		}, told},
		"WebKit": {func(t *testing.T) otherBrowser { return newWebKit(t) }, remembered},
		"WebKit, tracking prevention as Safari": {func(t *testing.T) otherBrowser {
			return newWebKit(t, "--enable-itp")
		}, told},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpace(t, spaceOptions{loopback: true})
			b := test.start(t)
			done := []string{}
			defer func() {
				line := "passed"
				if t.Failed() {
					line = "FAILED after"
				}
				summary = append(summary, fmt.Sprintf("%s: %s: %s", name, line, strings.Join(done, ", ")))
			}()
			happens := func(what string, condition func() bool) {
				t.Helper()
				if !eventually(condition) {
					t.Fatalf("%s: did not happen; the iframe says %q", what, b.text(s.app))
				}
				done = append(done, what)
			}
			b.open(s.provider + "/spaces/app")
			happens("the iframe shows the start page", func() bool {
				return strings.Contains(b.text(s.app), "Start page of nobody")
			})
			happens("its button opens a tab", func() bool { return b.click(s.app, "[data-hfoauth-login]") })
			happens("the user consents there", func() bool {
				return b.click(s.provider+"/oauth/authorize", "button[value=approve]")
			})
			outcome := "the iframe is signed in"
			if test.ends == told {
				outcome = "the iframe says that the browser does not let it"
			}
			happens(outcome, func() bool { return strings.Contains(b.text(s.app), test.ends) })
			happens("the tab closes", func() bool { return b.tabs() == 1 })
			if test.ends == remembered {
				happens("its button signs out", func() bool { return b.click(s.app, "form button") })
				happens("the iframe is signed out", func() bool {
					return strings.Contains(b.text(s.app), "Start page of nobody")
				})
			}
		})
	}
	t.Log(strings.Join(summary, "\n"))
}

// version returns the version that a program prints.
func version(program string) string {
	out, err := exec.Command(program, "--version").Output()
	if err != nil {
		return program + " of an unknown version"
	}
	return strings.TrimSpace(string(out))
}

// firefox is driven by WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/).
type firefox struct {
	t    *testing.T
	conn net.Conn
	last int
}

func newFirefox(t *testing.T, preferences string) *firefox {
	t.Helper()
	profile := t.TempDir()
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(preferences), 0o644); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("firefox-esr", "--headless", "--no-remote", "--profile", profile,
		"--remote-debugging-port", "0")
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, command)
	address := ""
	for lines := bufio.NewScanner(stderr); address == "" && lines.Scan(); {
		_, address, _ = strings.Cut(lines.Text(), "WebDriver BiDi listening on ")
	}
	conn, _, _, err := ws.Dial(context.Background(), address+"/session")
	if err != nil {
		t.Fatal(err)
	}
	f := &firefox{t: t, conn: conn}
	f.call("session.new",
		map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{"acceptInsecureCerts": true}}}, nil)
	return f
}

// call sends a command, reads the response, and reports whether it succeeded. It
// skips events.
func (f *firefox) call(method string, params, result any) bool {
	f.last++
	text, err := json.Marshal(map[string]any{"id": f.last, "method": method, "params": params})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := wsutil.WriteClientText(f.conn, text); err != nil {
		f.t.Fatal(err)
	}
	for {
		text, err := wsutil.ReadServerText(f.conn)
		if err != nil {
			f.t.Fatal(err)
		}
		var answer struct {
			ID     int
			Type   string
			Result json.RawMessage
		}
		if json.Unmarshal(text, &answer); answer.ID == f.last {
			return answer.Type == "success" && (result == nil || json.Unmarshal(answer.Result, result) == nil)
		}
	}
}

type firefoxContext struct {
	Context, URL string
	Children     []firefoxContext
}

func (f *firefox) contexts() []firefoxContext {
	var tree struct{ Contexts []firefoxContext }
	f.call("browsingContext.getTree", map[string]any{}, &tree)
	return tree.Contexts
}

func (f *firefox) open(address string) {
	f.call("browsingContext.navigate",
		map[string]any{"context": f.contexts()[0].Context, "url": address, "wait": "complete"}, nil)
}

func (f *firefox) tabs() int { return len(f.contexts()) }

func (f *firefox) evaluate(prefix, expression string) string {
	for all := f.contexts(); len(all) > 0; all = all[1:] {
		if !strings.HasPrefix(all[0].URL, prefix) {
			all = append(all, all[0].Children...)
			continue
		}
		var answer struct{ Result struct{ Value any } }
		f.call("script.evaluate", map[string]any{"expression": expression,
			"target":       map[string]any{"context": all[0].Context},
			"awaitPromise": true, "userActivation": true}, &answer)
		return fmt.Sprint(answer.Result.Value)
	}
	return ""
}

func (f *firefox) text(prefix string) string { return f.evaluate(prefix, "document.body?.innerText") }

func (f *firefox) click(prefix, selector string) bool {
	return f.evaluate(prefix, fmt.Sprintf("document.querySelector(%q).click(), 'clicked'", selector)) == "clicked"
}

// webKit is WebKitGTK, driven by WebDriver (https://www.w3.org/TR/webdriver2/).
type webKit struct {
	t       *testing.T
	driver  string
	session string
}

func newWebKit(t *testing.T, arguments ...string) *webKit {
	t.Helper()
	browsers, err := filepath.Glob("/usr/lib/*/webkit2gtk-4.*/MiniBrowser")
	if err != nil || len(browsers) == 0 {
		t.Fatal("there is no MiniBrowser (run make browsers)")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	command := exec.Command("xvfb-run", "--auto-servernum", "WebKitWebDriver", "--port="+port)
	command.Env = append(os.Environ(), "HOME="+t.TempDir(), "DBUS_SESSION_BUS_ADDRESS=disabled:",
		"GTK_A11Y=none", "NO_AT_BRIDGE=1", "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS=1",
		"WEBKIT_DISABLE_COMPOSITING_MODE=1")
	start(t, command)
	w := &webKit{t: t, driver: "http://127.0.0.1:" + port}
	var session struct{ SessionID string }
	if !eventually(func() bool {
		return w.call("POST", "/session",
			map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{"acceptInsecureCerts": true,
				"webkitgtk:browserOptions": map[string]any{"binary": browsers[0],
					"args": append([]string{"--automation"}, arguments...)}}}}, &session)
	}) {
		t.Fatal("WebKit does not start")
	}
	w.session = "/session/" + session.SessionID
	t.Cleanup(func() { w.call("DELETE", w.session, nil, nil) })
	return w
}

// call sends a request to the driver and reports whether it succeeded.
func (w *webKit) call(method, path string, params, value any) bool {
	body, err := json.Marshal(params)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := http.NewRequest(method, w.driver+path, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var answer struct{ Value json.RawMessage }
	return json.NewDecoder(resp.Body).Decode(&answer) == nil && resp.StatusCode == http.StatusOK &&
		(value == nil || json.Unmarshal(answer.Value, value) == nil)
}

func (w *webKit) open(address string) {
	w.call("POST", w.session+"/url", map[string]any{"url": address}, nil)
}

func (w *webKit) handles() (handles []string) {
	w.call("GET", w.session+"/window/handles", nil, &handles)
	return handles
}

func (w *webKit) tabs() int { return len(w.handles()) }

// enter switches to the tab, or the first frame of a tab, whose address has the
// prefix.
func (w *webKit) enter(prefix string) bool {
	for _, handle := range w.handles() {
		w.call("POST", w.session+"/window", map[string]any{"handle": handle}, nil)
		if strings.HasPrefix(w.evaluate("location.href"), prefix) {
			return true
		}
		if w.call("POST", w.session+"/frame", map[string]any{"id": 0}, nil) &&
			strings.HasPrefix(w.evaluate("location.href"), prefix) {
			return true
		}
	}
	return false
}

func (w *webKit) evaluate(expression string) (value string) {
	w.call("POST", w.session+"/execute/sync",
		map[string]any{"script": "return String(" + expression + ")", "args": []any{}}, &value)
	return value
}

func (w *webKit) text(prefix string) string {
	if !w.enter(prefix) {
		return ""
	}
	return w.evaluate("document.body?.innerText")
}

func (w *webKit) click(prefix, selector string) bool {
	var element map[string]string
	if !w.enter(prefix) || !w.call("POST", w.session+"/element",
		map[string]any{"using": "css selector", "value": selector}, &element) {
		return false
	}
	for _, id := range element {
		return w.call("POST", w.session+"/element/"+id+"/click", map[string]any{}, nil)
	}
	return false
}

// start starts a program, which ends with the test, and those it started.
func start(t *testing.T, command *exec.Cmd) {
	t.Helper()
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		t.Fatalf("%v (run make browsers)", err)
	}
	t.Cleanup(func() {
		group := -command.Process.Pid
		syscall.Kill(group, syscall.SIGTERM)
		late := time.AfterFunc(5*time.Second, func() { syscall.Kill(group, syscall.SIGKILL) })
		defer late.Stop()
		command.Wait()
	})
}
