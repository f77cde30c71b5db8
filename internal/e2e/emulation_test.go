package e2e

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// narrow makes a tab as wide as a small phone.
func (b *browser) narrow(ctx context.Context) {
	b.t.Helper()
	b.run(ctx, chromedp.EmulateViewport(320, 640))
}

// prefers sets a preference of the user in a tab, such as
// prefers-color-scheme: dark.
func (b *browser) prefers(ctx context.Context, feature, value string) {
	b.t.Helper()
	b.run(ctx, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: feature, Value: value}}))
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
	b.prefers(b.ctx, "prefers-reduced-motion", "no-preference")
	if len(b.moving(b.ctx)) == 0 {
		t.Error("nothing moves anyway")
	}
	b.prefers(b.ctx, "prefers-reduced-motion", "reduce")
	for _, element := range b.moving(b.ctx) {
		t.Errorf("moves: %s", element)
	}
}
