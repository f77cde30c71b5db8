package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// signOutOnPlain opens the private page, and signs out with its button.
func (s *space) signOutOnPlain(b *browser, name string) {
	b.t.Helper()
	b.run(b.ctx, chromedp.Navigate(s.app+"/plain")) // which ends the pause after a sign-in, by a cookie
	b.run(b.ctx, chromedp.Navigate(s.app+"/plain?again"))
	b.says(b.ctx, "Secrets of "+name)
	b.run(b.ctx, chromedp.Click("form button"))
	b.says(b.ctx, "Start page of nobody")
}

// After signing out, Back shows nothing of the user's, and does not sign in
// again though the provider remembers the consent.
func TestBackAfterSignOut(t *testing.T) {
	s := newSpace(t, spaceOptions{})
	b := newBrowser(t, browserOptions{})
	s.signInAt(b, "ada")
	s.signOutOnPlain(b, "ada")
	b.expect("401")
	b.run(b.ctx, chromedp.Evaluate(`history.back()`, nil))
	b.says(b.ctx, "Sign in to view this page") // and no sign-in that the provider grants unasked
}

// A tab that shows a private page has nothing left after a sign-out in another
// tab, as soon as it is reloaded or left and come back to.
func TestReloadAfterSignOut(t *testing.T) {
	for name, again := range map[string]string{
		"reload": `location.reload()`,
		"back":   `location.assign("/own")`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpace(t, spaceOptions{})
			b := newBrowser(t, browserOptions{})
			s.signInAt(b, "ada")
			other := b.newTab()
			b.run(other, chromedp.Navigate(s.app+"/plain"))
			b.says(other, "Secrets of ada")
			s.signOutOnPlain(b, "ada")
			b.expect("401")
			b.run(other, chromedp.Evaluate(again, nil))
			if name == "back" {
				b.says(other, "Own page of nobody")
				b.run(other, chromedp.Evaluate(`history.back()`, nil))
			}
			b.says(other, "Sign in to view this page")
		})
	}
}

// On a shared computer the next user finds no private page of the one before,
// however far back they go.
func TestSharedComputer(t *testing.T) {
	s := newSpace(t, spaceOptions{})
	s.hub.Configure(func(settings *hfoauthtest.Settings) { settings.AlwaysAsk = true })
	b := newBrowser(t, browserOptions{})
	b.expect("40") // 401 of a private page, 400 of a sign-in that was finished already
	s.signInAt(b, "ada")
	s.signOutOnPlain(b, "ada")
	s.signInAt(b, "grace")
	for !strings.HasPrefix(b.location(b.ctx), s.app+"/plain") { // where ada's page was
		b.goBack()
	}
	b.says(b.ctx, "Secrets of grace")
	b.run(b.ctx, chromedp.Reload())
	b.says(b.ctx, "Secrets of grace")
}

// goBack goes back in the history, to a page of another address.
func (b *browser) goBack() {
	b.t.Helper()
	before := b.location(b.ctx)
	b.run(b.ctx, chromedp.Evaluate(`void setTimeout(() => history.back())`, nil))
	b.until("another page", func() bool {
		var address string // an error while the page is loading
		return chromedp.Run(b.ctx, chromedp.Location(&address)) == nil && address != before && b.text(b.ctx) != ""
	})
}

// The sign-out button of a private page leads to the start page, and not through
// the private page into another sign-in.
func TestSignOutOnPrivatePage(t *testing.T) {
	s := newSpace(t, spaceOptions{})
	b := newBrowser(t, browserOptions{})
	s.signInAt(b, "ada")
	b.run(b.ctx, chromedp.Navigate(s.app+"/private"))
	b.says(b.ctx, "Private page of ada")
	b.run(b.ctx, chromedp.Click(".hfoauth-user button"))
	b.says(b.ctx, "Start page of nobody")
	if got, want := b.location(b.ctx), s.app+"/"; got != want {
		t.Errorf("after sign-out at %s, want %s", got, want)
	}
}
