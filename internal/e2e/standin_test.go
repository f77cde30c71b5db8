package e2e

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// The stand-in's own pages, as a person sees them: the consent comes once, and
// the start page switches accounts.
func TestStandIn(t *testing.T) {
	q := newQuickstart(t)
	b := newBrowser(t, browserOptions{})
	approve := chromedp.Click("button[value=approve]")
	login := func() { b.run(b.ctx, chromedp.Navigate(q.URL+"/login?next=/private")) }
	account := func(username string) {
		b.run(b.ctx, chromedp.Navigate(q.hub.URL+"/"), chromedp.Click(fmt.Sprintf("button[value=%s]", username)))
		b.says(b.ctx, "You are signed in as "+username)
	}

	b.run(b.ctx, chromedp.Navigate(q.hub.URL+"/"))
	b.says(b.ctx, "You are not signed in.")
	b.looks(b.ctx, "stand-in-start")
	b.run(b.ctx, chromedp.Navigate(q.hub.URL+"/oauth/device"))
	b.says(b.ctx, "Connect a device")
	b.looks(b.ctx, "stand-in-device")
	login()
	b.says(b.ctx, "will be able to:")
	b.looks(b.ctx, "stand-in-consent")
	b.run(b.ctx, approve)
	b.says(b.ctx, "Hello, Ada Lovelace")
	login()
	b.says(b.ctx, "Hello, Ada Lovelace") // without being asked

	account("grace")
	b.looks(b.ctx, "stand-in-signed-in")
	login()
	b.says(b.ctx, "will be able to:") // grace has not consented
	b.run(b.ctx, approve)
	b.says(b.ctx, "Hello, Grace Hopper")
	account("ada")
	login()
	b.says(b.ctx, "Hello, Ada Lovelace")

	b.run(b.ctx, chromedp.Navigate(q.hub.URL+"/logout"), chromedp.Click(`form[action="/logout"] button`))
	b.says(b.ctx, "You are not signed in.")
	login()
	b.says(b.ctx, "will be able to:")

	q.hub.Configure(func(s *hfoauthtest.Settings) { s.AlwaysAsk = true })
	b.run(b.ctx, approve)
	b.says(b.ctx, "Hello, Ada Lovelace")
	login()
	b.says(b.ctx, "will be able to:")
}
