package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// These tests make sure that the others can fail.

// newPages serves pages, by path, under any name that ends in .test, and
// returns the port.
func newPages(t *testing.T, pages map[string]string) (port string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if strings.HasPrefix(r.URL.Path, "/strict") {
			w.Header().Set("Content-Security-Policy", "default-src 'self'")
		}
		fmt.Fprint(w, page)
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

func TestBrowserNotesProblems(t *testing.T) {
	problems := []struct{ name, path, page, note string }{
		{"console error", "/console", `<script>console.error("of the page")</script>`, "of the page"},
		{"exception", "/exception", `<script>throw new Error("thrown")</script>`, "thrown"},
		{"rejected promise", "/promise", `<script>Promise.reject(new Error("rejected"))</script>`, "rejected"},
		{"policy violated", "/strict", `<script>document.title = "run"</script>`, "Content Security Policy"},
		{"status 404", "/missing", `<img alt="" src="/no-picture">`, "404"},
		{"no connection", "/refused", `<script src="http://127.0.0.1:1/x.js"></script>`, "ERR_"},
	}
	pages := map[string]string{}
	for _, p := range problems {
		pages[p.path] = "<!DOCTYPE html><title>Page</title>" + p.page
		pages["/frame"+p.path] = "<!DOCTYPE html><title>Framing page</title><iframe></iframe>"
		pages["/opener"+p.path] = "<!DOCTYPE html><title>Opener</title><button>Open</button>"
	}
	port := newPages(t, pages)
	for _, p := range problems {
		address := "http://other.test:" + port + p.path
		t.Run(p.name+" in a tab", func(t *testing.T) {
			b := newBrowser(t, browserOptions{})
			b.run(b.ctx, chromedp.Navigate(address))
			b.noted(p.note)
		})
		t.Run(p.name+" in a frame", func(t *testing.T) {
			b := newBrowser(t, browserOptions{})
			b.run(b.ctx, chromedp.Navigate("http://one.test:"+port+"/frame"+p.path),
				chromedp.Evaluate(fmt.Sprintf(`document.querySelector("iframe").src = %q`, address), nil))
			b.noted(p.note)
		})
		t.Run(p.name+" in a new tab", func(t *testing.T) {
			b := newBrowser(t, browserOptions{})
			b.run(b.ctx, chromedp.Navigate("http://one.test:"+port+"/opener"+p.path),
				chromedp.Evaluate(fmt.Sprintf(`document.querySelector("button").onclick = () => open(%q)`, address), nil))
			b.click(b.ctx, "button")
			b.noted(p.note)
		})
	}
}

// noted waits for a problem, and fails for any other.
func (b *browser) noted(text string) {
	b.t.Helper()
	b.until("the browser notes "+text, func() bool { return b.has(text) })
	b.expect(text)
}

func TestBrowserWithoutScript(t *testing.T) {
	page := `<!DOCTYPE html><title>Page</title><p>It is <script>document.write("on")</script><noscript>off</noscript></p>`
	port := newPages(t, map[string]string{"/": page})
	for noScript, want := range map[bool]string{false: "It is on", true: "It is off"} {
		t.Run(fmt.Sprint(noScript), func(t *testing.T) {
			b := newBrowser(t, browserOptions{noScript: noScript})
			b.run(b.ctx, chromedp.Navigate("http://one.test:"+port+"/"))
			b.says(b.ctx, want)
		})
	}
}

func TestBrowsersShareNothing(t *testing.T) {
	port := newPages(t, map[string]string{"/": "<!DOCTYPE html><title>Page</title>"})
	for range 2 {
		b := newBrowser(t, browserOptions{})
		var before, after string
		b.run(b.ctx, chromedp.Navigate("http://one.test:"+port+"/"),
			chromedp.Evaluate(`document.cookie`, &before),
			chromedp.Evaluate(`document.cookie = "mine=1", document.cookie`, &after))
		if before != "" || after != "mine=1" {
			t.Errorf("cookies %q, then %q", before, after)
		}
	}
}

func TestAxeFindsProblems(t *testing.T) {
	port := newPages(t,
		map[string]string{"/": `<!DOCTYPE html><html><head><title>Page</title></head><body><main><h1>Page</h1>
		<img src="data:,"><input><button></button><p style="color: #bbb; background: #fff">pale</p></main></body></html>`})
	b := newBrowser(t, browserOptions{})
	b.run(b.ctx, chromedp.Navigate("http://one.test:"+port+"/"))
	violations := b.axe(b.ctx)
	for _, want := range []string{"html-has-lang", "image-alt", "label", "button-name", "color-contrast"} {
		if !slices.ContainsFunc(violations, func(v string) bool { return strings.HasPrefix(v, want+":") }) {
			t.Errorf("no %s in %q", want, violations)
		}
	}
}

func TestWithoutChromium(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := chromium(); err == nil || !strings.Contains(err.Error(), "make setup") {
		t.Errorf("error %v", err)
	}
}

func TestQuickstartProcess(t *testing.T) {
	q := newQuickstart(t)
	first := q.command.Process.Pid
	if q.files() == 0 {
		t.Error("no open files, want some")
	}
	if got := q.memory(); got < 1<<20 {
		t.Errorf("%d bytes of memory, want at least a MiB", got)
	}
	if got := q.log(); got != "" {
		t.Errorf("the log is %q, want nothing", got)
	}
	q.kill()
	if resp, err := http.Get(q.URL + "/"); err == nil {
		t.Errorf("it responds with %s after its end", resp.Status)
	}
	q.start()
	if q.command.Process.Pid == first {
		t.Error("it is the same process")
	}
}
