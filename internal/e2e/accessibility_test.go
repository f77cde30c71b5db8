package e2e

import (
	"context"
	"encoding/json"
	"os"

	"github.com/chromedp/chromedp"
)

// accessible checks a page: language, title and names, and all of axe-core's rules.
func (b *browser) accessible(ctx context.Context) {
	b.t.Helper()
	var problems []string
	b.run(ctx, chromedp.Evaluate(`[
		document.documentElement.lang ? [] : ["no language"],
		document.title ? [] : ["no title"],
		document.querySelectorAll("h1").length === 1 ? [] : ["not one h1"],
		[...document.querySelectorAll("a, button")]
			.filter((e) => !e.textContent.trim() && !e.ariaLabel && !e.querySelector("img")?.alt)
			.map((e) => "no name: " + e.outerHTML),
		[...document.querySelectorAll("img")].filter((e) => !e.hasAttribute("alt")).map((e) => "no alt: " + e.outerHTML),
		[...document.querySelectorAll("input:not([type=hidden])")]
			.filter((e) => !e.labels.length).map((e) => "no label: " + e.outerHTML),
	].flat()`, &problems))
	for _, problem := range problems {
		b.t.Errorf("%s: %s", b.location(ctx), problem)
	}
	for _, problem := range b.axe(ctx) {
		b.t.Errorf("%s: axe: %s", b.location(ctx), problem)
	}
}

// axe runs axe-core (https://github.com/dequelabs/axe-core) in a page, and
// returns what it finds.
func (b *browser) axe(ctx context.Context) []string {
	b.t.Helper()
	script, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		b.t.Fatalf("axe-core is missing (run make setup): %v", err)
	}
	var result string
	b.run(ctx, chromedp.Evaluate(string(script)+"; 1", nil),
		chromedp.Evaluate(`axe.run(document, {resultTypes: `+
			`["violations"]}).then((r) => JSON.stringify(r.violations.map((v) => v.id + ": `+
			`" + v.nodes.map((n) => n.html + " " + n.failureSummary).join("; "))))`, &result, awaitPromise))
	var violations []string
	if err := json.Unmarshal([]byte(result), &violations); err != nil {
		b.t.Fatal(err)
	}
	return violations
}
