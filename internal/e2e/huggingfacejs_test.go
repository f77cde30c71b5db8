package e2e

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// jsPage is examples/hfhub/page: huggingface.js in a browser, which asks the
// provider from another origin and knows no secret. It returns the provider
// and the page's address.
func jsPage(t *testing.T) (hub *hfoauthtest.Server, address string) {
	t.Helper()
	hub = hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{Name: "A page", RedirectURIs: []string{"http://localhost/"}})
	page := runProgram(t, []string{"node", "../../examples/hfhub/page/server.mjs"}, hub.URL, app)
	return hub, page.URL
}

// signInAs clicks "sign in" and answers the consent page.
func (b *browser) signInAs(address, username, decision string) {
	b.t.Helper()
	b.run(b.ctx, chromedp.Navigate(address+"/"), chromedp.WaitVisible("#sign-in"), chromedp.Click("#sign-in"))
	b.run(b.ctx, chromedp.WaitVisible("button[value=approve]"),
		chromedp.Click(fmt.Sprintf("input[name=user][value=%s]", username)),
		chromedp.Click(fmt.Sprintf("button[value=%s]", decision)))
}

func TestHuggingFaceJSSignsIn(t *testing.T) {
	_, address := jsPage(t)
	for _, user := range hfoauthtest.DefaultUsers() {
		t.Run(user.Username, func(t *testing.T) {
			b := newBrowser(t, browserOptions{})
			b.signInAs(address, user.Username, "approve")
			b.says(b.ctx, fmt.Sprintf("(%s), member of %d organizations", user.Username, len(user.Orgs)))
		})
	}
}

// The page runs as examples/hfhub/README.md says.
func TestHuggingFaceJSAtHFHub(t *testing.T) {
	page := runProgram(t, []string{build(t, "cmd/hfhub"), "--", "node",
		"../../examples/hfhub/page/server.mjs"}, "", hfoauthtest.App{})
	defer page.end() // and with hfhub the page
	b := newBrowser(t, browserOptions{})
	b.run(b.ctx, chromedp.Navigate(page.URL+"/"), chromedp.WaitVisible("#sign-in"))
	b.looks(b.ctx, "signed-out")
	b.signInAs(page.URL, "grace", "approve")
	b.says(b.ctx, "(grace), member of 0 organizations")
	b.looks(b.ctx, "signed-in")
}

func TestHuggingFaceJSIsDenied(t *testing.T) {
	_, address := jsPage(t)
	b := newBrowser(t, browserOptions{})
	b.signInAs(address, "ada", "deny")
	b.says(b.ctx, "Sign-in failed: access_denied")
}

// Without CORS headers a page cannot read an error: it would only know that the fetch
// failed.
func TestHuggingFaceJSReadsErrors(t *testing.T) {
	hub, address := jsPage(t)
	hub.SetFault(hfoauthtest.TokenEndpoint,
		hfoauthtest.Answer(400, `{"error":"invalid_grant","error_description":"too late"}`))
	b := newBrowser(t, browserOptions{})
	b.expect("400") // Chromium notes the status of what was fetched
	b.signInAs(address, "ada", "approve")
	b.says(b.ctx, "Sign-in failed: invalid_grant")
}
