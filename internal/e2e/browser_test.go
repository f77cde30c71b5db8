package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// browserOptions are how a browser is set up.
type browserOptions struct {
	blockThirdParty bool // third-party cookies
	noScript        bool // JavaScript off, in every tab and frame

	// huggingFace is the loopback host and port that the browser uses for
	// https://huggingface.co.
	huggingFace string
}

// preferences are the settings that a user would have chosen.
func (o browserOptions) preferences() map[string]any {
	profile := map[string]any{"cookie_controls_mode": 0}
	if o.blockThirdParty {
		profile["cookie_controls_mode"] = 1
		profile["block_third_party_cookies"] = true
	}
	if o.noScript {
		profile["default_content_setting_values"] = map[string]any{"javascript": 2}
	}
	return map[string]any{"profile": profile}
}

// hosts returns rules for host names, so that none is looked up on the network.
func (o browserOptions) hosts() string {
	rules := "MAP *.test 127.0.0.1"
	if o.huggingFace != "" {
		rules += ", MAP huggingface.co:443 " + o.huggingFace
	}
	return rules
}

// browser is a Chromium with its own profile. Its test fails at the end if a page
// reported a problem.
type browser struct {
	problems
	t   *testing.T
	ctx context.Context // of its first tab
}

// newBrowser starts a browser for a test.
func newBrowser(t *testing.T, options browserOptions) *browser {
	t.Helper()
	profile := newProfile(t, options)
	ctx := launch(t, profile, options.hosts())
	b := &browser{t: t, ctx: ctx}
	b.watchNew(ctx, profile)
	b.mustWatch(ctx)
	t.Cleanup(func() { b.check(t) })
	return b
}

// newProfile makes a profile with the preferences in it, for one browser.
func newProfile(t *testing.T, options browserOptions) string {
	t.Helper()
	profile, err := os.MkdirTemp(programs, "profile-")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(options.preferences())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(profile, "Default"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(profile, "Default", "Preferences"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	return profile
}

// chromium finds the browser.
func chromium() (string, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return "", fmt.Errorf("the browser tests need Chromium (run make setup): %w", err)
	}
	return path, nil
}

// launch starts Chromium, and ends it with the test.
func launch(t *testing.T, profile, hosts string) context.Context {
	t.Helper()
	path, err := chromium()
	if err != nil {
		t.Fatal(err)
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(),
		append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path),
			chromedp.UserDataDir(profile),
			chromedp.Env("TMPDIR="+profile),
			chromedp.NoSandbox,
			chromedp.DisableGPU,
			chromedp.IgnoreCertErrors,
			chromedp.Flag("disable-quic", true),
			chromedp.Flag("disable-component-update", true),
			chromedp.Flag("disable-popup-blocking", false),
			chromedp.Flag("disable-features", "Translate"),
			chromedp.Flag("host-resolver-rules", hosts),
			chromedp.WSURLReadTimeout(time.Minute),
		)...)
	browser, stop := chromedp.NewContext(allocator)
	ctx, cancel := context.WithTimeout(browser, 2*time.Minute)
	t.Cleanup(func() {
		cancel()
		stop()
		stopAllocator()
	})
	return ctx
}

func (b *browser) mustWatch(ctx context.Context) {
	b.t.Helper()
	if b.watch(ctx) == nil {
		return
	}
	var err error
	// a page that navigates refuses at first
	if !eventually(func() bool { err = enable(ctx); return err == nil }) {
		b.t.Fatal(err)
	}
}

// newTab opens another tab.
func (b *browser) newTab() context.Context {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	b.mustWatch(ctx)
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
	if err := chromedp.Run(ctx, chromedp.Evaluate(ofDocument("body")+`?.innerText ?? ""`, &text)); err != nil {
		return ""
	}
	return text
}

// ofDocument is the script of document.querySelector(selector), also on a page
// whose elements are called so.
func ofDocument(selector string) string {
	return fmt.Sprintf(`Document.prototype.querySelector.call(document, %q)`, selector)
}

// until waits for condition.
func (b *browser) until(what string, condition func() bool) {
	b.t.Helper()
	if eventually(condition) {
		return
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
	script := ofDocument(selector) + `.click()`
	b.until("click on "+selector, func() bool {
		return chromedp.Run(ctx, chromedp.Evaluate(script, nil,
			func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithUserGesture(true) })) == nil
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
			asked := info.Type == kind && strings.HasPrefix(info.URL, prefix)
			if asked && info.TargetID != known {
				id = info.TargetID
			}
		}
		return id != ""
	})
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
	b.t.Cleanup(cancel)
	b.mustWatch(ctx)
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

// screenshot saves a picture of a tab if HFOAUTH_SCREENSHOTS is set.
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

// html returns the markup of a page.
func (b *browser) html(ctx context.Context) (markup string) {
	b.t.Helper()
	b.run(ctx, chromedp.Evaluate(ofDocument("html")+`?.outerHTML ?? ""`, &markup))
	return markup
}
