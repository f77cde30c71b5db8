package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// browserOptions are how a browser is set up.
type browserOptions struct {
	blockThirdParty bool   // third-party cookies
	noScript        bool   // JavaScript off
	init            string // script that runs first in every document
}

// browser is a Chromium with a profile of its own.
type browser struct {
	t       *testing.T
	ctx     context.Context // of its first tab
	options browserOptions

	mu       sync.Mutex
	problems []string
}

// newBrowser starts a browser for a test, which fails at its end if a page
// logged an error.
func newBrowser(t *testing.T, options browserOptions) *browser {
	t.Helper()
	profile, err := os.MkdirTemp("", "hfoauth-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	preferences := map[string]any{"profile": map[string]any{"cookie_controls_mode": 0}}
	if options.blockThirdParty {
		preferences = map[string]any{"profile": map[string]any{"cookie_controls_mode": 1, "block_third_party_cookies": true}}
	}
	text, err := json.Marshal(preferences)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(profile, "Default"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(profile, "Default", "Preferences"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.UserDataDir(profile),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.IgnoreCertErrors,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-popup-blocking", false),
		chromedp.Flag("disable-features", "Translate"),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"),
		chromedp.WSURLReadTimeout(time.Minute),
	)...)
	ctx, stop := chromedp.NewContext(allocator)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(func() {
		cancel()
		stop()
		stopAllocator()
		os.RemoveAll(profile) // its processes may still write: what is left is in the temporary directory
	})
	b := &browser{t: t, ctx: ctx, options: options}
	b.prepare(ctx)
	t.Cleanup(b.checkProblems)
	return b
}

// prepare sets a tab up as the options say, and watches it.
func (b *browser) prepare(ctx context.Context) {
	b.t.Helper()
	chromedp.ListenTarget(ctx, b.watch)
	actions := []chromedp.Action{log.Enable(), runtime.Enable(), page.Enable()}
	if b.options.noScript {
		actions = append(actions, emulation.SetScriptExecutionDisabled(true))
	}
	if b.options.init != "" {
		actions = append(actions, chromedp.ActionFunc(func(ctx context.Context) error {
			_, err := page.AddScriptToEvaluateOnNewDocument(b.options.init).Do(ctx)
			return err
		}))
	}
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// watch notes what a page complains about.
func (b *browser) watch(event any) {
	problem := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError && !strings.Contains(e.Entry.URL, "favicon.ico") {
			problem = e.Entry.Text + " " + e.Entry.URL
		}
	case *runtime.EventExceptionThrown:
		problem = e.ExceptionDetails.Error()
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError {
			problem = "console.error"
		}
	}
	if problem != "" {
		b.mu.Lock()
		b.problems = append(b.problems, problem)
		b.mu.Unlock()
	}
}

// expect takes problems that contain text off the list: the test means them.
func (b *browser) expect(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var left []string
	for _, problem := range b.problems {
		if !strings.Contains(problem, text) {
			left = append(left, problem)
		}
	}
	b.problems = left
}

func (b *browser) checkProblems() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, problem := range b.problems {
		b.t.Errorf("a page complained: %s", problem)
	}
}

// newTab opens another tab.
func (b *browser) newTab() context.Context {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	b.prepare(ctx)
	return ctx
}

// run runs actions in a tab.
func (b *browser) run(ctx context.Context, actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// text returns the text of a page.
func (b *browser) text(ctx context.Context) string {
	var text string
	if err := chromedp.Run(ctx, chromedp.Evaluate(`document.body ? document.body.innerText : ""`, &text)); err != nil {
		return ""
	}
	return text
}

// until waits for condition.
func (b *browser) until(what string, condition func() bool) {
	b.t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-ticker.C {
		if condition() {
			return
		}
	}
	b.screenshot(b.ctx, "failed")
	b.t.Fatalf("%s: did not happen", what)
}

// says waits for a page to contain text.
func (b *browser) says(ctx context.Context, text string) {
	b.t.Helper()
	last := ""
	b.until(fmt.Sprintf("page says %q", text), func() bool {
		last = b.text(ctx)
		return strings.Contains(last, text)
	})
}

// click clicks an element of a page as a person does.
func (b *browser) click(ctx context.Context, selector string) {
	b.t.Helper()
	script := fmt.Sprintf(`document.querySelector(%q).click()`, selector)
	b.until("click on "+selector, func() bool {
		return chromedp.Run(ctx, chromedp.Evaluate(script, nil, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithUserGesture(true) })) == nil
	})
}

// attach waits for a tab or frame whose address satisfies match, and returns
// a context for it.
func (b *browser) attach(kind, prefix string) context.Context {
	b.t.Helper()
	return b.attachBut(kind, prefix, "")
}

// attachBut is attach, for another one than a target already known.
func (b *browser) attachBut(kind, prefix string, known target.ID) context.Context {
	b.t.Helper()
	var id target.ID
	b.until(kind+" at "+prefix, func() bool {
		infos, err := chromedp.Targets(b.ctx)
		if err != nil {
			return false
		}
		for _, info := range infos {
			if info.Type == kind && strings.HasPrefix(info.URL, prefix) && info.TargetID != known {
				id = info.TargetID
			}
		}
		return id != ""
	})
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
	b.t.Cleanup(cancel)
	chromedp.ListenTarget(ctx, b.watch)
	if err := chromedp.Run(ctx, log.Enable(), runtime.Enable()); err != nil {
		b.t.Fatal(err)
	}
	return ctx
}

func targetID(ctx context.Context) target.ID { return chromedp.FromContext(ctx).Target.TargetID }

// open counts the tabs and frames whose addresses begin with prefix.
func (b *browser) open(kind, prefix string) int {
	infos, err := chromedp.Targets(b.ctx)
	if err != nil {
		return -1
	}
	n := 0
	for _, info := range infos {
		if info.Type == kind && strings.HasPrefix(info.URL, prefix) {
			n++
		}
	}
	return n
}

// closeTab closes a tab.
func (b *browser) closeTab(ctx context.Context) {
	b.t.Helper()
	c := chromedp.FromContext(b.ctx)
	if err := target.CloseTarget(targetID(ctx)).Do(cdp.WithExecutor(b.ctx, c.Browser)); err != nil {
		b.t.Fatal(err)
	}
}

// screenshot keeps a picture of a tab, if anyone wants them.
func (b *browser) screenshot(ctx context.Context, name string) {
	directory := os.Getenv("HFOAUTH_SCREENSHOTS")
	if directory == "" {
		return
	}
	var picture []byte
	if err := chromedp.Run(ctx, chromedp.CaptureScreenshot(&picture)); err != nil {
		b.t.Logf("screenshot %s: %v", name, err)
		return
	}
	file := strings.ReplaceAll(b.t.Name(), "/", "-") + "-" + name + ".png"
	if err := os.WriteFile(filepath.Join(directory, file), picture, 0o644); err != nil {
		b.t.Log(err)
	}
}

func awaitPromise(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
