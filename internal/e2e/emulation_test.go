package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// narrow makes a tab as wide as a small phone.
func (b *browser) narrow(ctx context.Context) {
	b.t.Helper()
	b.run(ctx, chromedp.EmulateViewport(320, 640))
}

// fits checks that a narrow page needs no scrolling to the side, and that the
// label of its button takes one line.
func (b *browser) fits(ctx context.Context) {
	b.t.Helper()
	var width int
	b.run(ctx, chromedp.Evaluate(`document.documentElement.scrollWidth`, &width))
	if width > 320 {
		b.t.Errorf("%s is %d px wide", b.location(ctx), width)
	}
	var broken []string
	b.run(ctx, chromedp.Evaluate(`[...document.querySelectorAll(".hfoauth-button `+
		`span:last-child")].filter((e) => e.textContent === "Sign in with Hugging Face" && `+
		`e.getBoundingClientRect().height > 1.5 * parseFloat(getComputedStyle(e).fontSize)).map((e) => `+
		`e.outerHTML)`, &broken))
	for _, label := range broken {
		b.t.Errorf("%s: more than one line: %s", b.location(ctx), label)
	}
}

// looks checks a page in the light on a screen and in the dark on a phone.
func (b *browser) looks(ctx context.Context, name string) {
	b.t.Helper()
	const still = "prefers-reduced-motion: reduce" // no color half-way to another
	b.prefers(ctx, "prefers-color-scheme: light", still)
	b.screenshot(ctx, name+"-light")
	b.accessible(ctx)
	b.prefers(ctx, "prefers-color-scheme: dark", still)
	b.narrow(ctx)
	b.screenshot(ctx, name+"-dark-320px")
	b.accessible(ctx)
	b.fits(ctx)
	b.run(ctx, chromedp.EmulateViewport(1024, 768))
}

// prefers sets preferences of the user in a tab, such as
// "prefers-color-scheme: dark", in place of all earlier ones.
func (b *browser) prefers(ctx context.Context, preferences ...string) {
	b.t.Helper()
	var features []*emulation.MediaFeature
	for _, preference := range preferences {
		name, value, _ := strings.Cut(preference, ": ")
		features = append(features, &emulation.MediaFeature{Name: name, Value: value})
	}
	b.run(ctx, emulation.SetEmulatedMedia().WithFeatures(features))
}

// moving returns the elements of a page that CSS moves or fades.
func (b *browser) moving(ctx context.Context) []string {
	b.t.Helper()
	var elements []string
	b.run(ctx, chromedp.Evaluate(`[...document.querySelectorAll("*")].filter((e) => {
		const style = getComputedStyle(e);
		return style.animationName !== "none" || style.transitionDuration.split(", ").some((d) => parseFloat(d) > 0);
	}).map((e) => e.outerHTML)`, &elements))
	return elements
}

func TestQuickstartReducedMotion(t *testing.T) {
	q := newQuickstart(t)
	b := newBrowser(t, browserOptions{})
	b.run(b.ctx, chromedp.Navigate(q.URL+"/"))
	b.prefers(b.ctx, "prefers-reduced-motion: no-preference")
	if len(b.moving(b.ctx)) == 0 {
		t.Error("nothing moves anyway")
	}
	b.prefers(b.ctx, "prefers-reduced-motion: reduce")
	for _, element := range b.moving(b.ctx) {
		t.Errorf("moves: %s", element)
	}
}
