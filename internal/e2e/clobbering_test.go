package e2e

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// clobbering is HTML of a user whose elements take the names of all properties
// that document and window have, and try to lead elsewhere.
func clobbering(b *browser, elsewhere string) string {
	b.t.Helper()
	var names []string
	b.run(b.ctx, chromedp.Evaluate(`[...new Set([document, window].flatMap((o) => {
		const names = [];
		for (; o; o = Object.getPrototypeOf(o)) names.push(...Object.getOwnPropertyNames(o));
		return names;
	}))].filter((name) => /^[a-zA-Z]+$/.test(name))`, &names))
	if len(names) < 500 {
		b.t.Fatalf("only %d names", len(names))
	}
	var html strings.Builder
	for _, name := range names {
		fmt.Fprintf(&html, `<a id=%s></a><img alt="" name=%s>`, name, name)
	}
	fmt.Fprintf(&html, `<img alt="" name=currentScript src="%s/login/frame/x.js">`, elsewhere)
	return html.String()
}

// A user's elements, whatever their names, cannot send the iframe's secret elsewhere
// or keep the button from working.
func TestClobberedDocument(t *testing.T) {
	s := newSpace(t, spaceOptions{})
	evil := strings.Replace(s.app, "app.test", "evil.test", 1)
	b := newBrowser(t, browserOptions{blockThirdParty: true})
	b.expect("404") // the image of that name
	b.run(b.ctx, chromedp.Navigate(s.app+"/"))
	for name, html := range map[string]string{
		"currentScript": `<img alt="" name=currentScript src="` + evil + `/login/frame/x.js">`,
		"all names":     clobbering(b, evil),
		"a form":        `<form data-hfoauth-login><input name=dataset><input name=matches><input name=hasAttribute></form>`,
	} {
		t.Run(name, func(t *testing.T) {
			s.hub.Configure(func(settings *hfoauthtest.Settings) { settings.AlwaysAsk = true })
			b := newBrowser(t, browserOptions{blockThirdParty: true})
			b.expect("404")
			b.run(b.ctx, chromedp.Navigate(s.provider+"/spaces/users?"+url.Values{"html": {html}}.Encode()))
			frame := b.attach("iframe", s.app+"/users")
			b.says(frame, "Page of nobody")
			b.click(frame, "a.hfoauth-button")
			s.consent(b, "approve")
			b.says(b.attach("iframe", s.app+"/"), "Start page of ada")
			if log := s.log.String(); strings.Contains(log, "POST evil.test") {
				t.Errorf("a request went elsewhere: %s", log)
			}
		})
	}
}
