package e2e

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func (b *browser) location(ctx context.Context) string {
	var location string
	b.run(ctx, chromedp.Location(&location))
	return location
}

// signIn signs in by clicking, from the start page.
func (b *browser) signIn(q *program) {
	b.t.Helper()
	b.run(b.ctx, chromedp.Navigate(q.URL+"/"), chromedp.Click("[data-hfoauth-login]"),
		chromedp.WaitVisible(`button[value=approve]`), chromedp.Click(`button[value=approve]`))
	b.says(b.ctx, "Hello, Ada Lovelace")
}

func TestQuickstart(t *testing.T) {
	q := newQuickstart(t)
	b := newBrowser(t, browserOptions{})
	b.run(b.ctx, chromedp.Navigate(q.URL+"/"))
	b.screenshot(b.ctx, "signed-out")
	b.accessible(b.ctx)
	b.run(b.ctx, chromedp.Click("[data-hfoauth-login]"), chromedp.WaitVisible(`button[value=approve]`))
	b.screenshot(b.ctx, "consent")
	b.accessible(b.ctx)
	b.run(b.ctx, chromedp.Click(`button[value=deny]`))
	b.says(b.ctx, "Sign-in cancelled")
	b.expect("403")
	b.screenshot(b.ctx, "denied")
	b.accessible(b.ctx)
	b.run(b.ctx, chromedp.Click(`a.hfoauth-primary`), chromedp.WaitVisible(`button[value=approve]`),
		chromedp.Click(`button[value=approve]`))
	b.says(b.ctx, "Hello, Ada Lovelace")
	b.screenshot(b.ctx, "signed-in")
	b.accessible(b.ctx)
	b.run(b.ctx, chromedp.Reload())
	b.says(b.ctx, "Hello, Ada Lovelace")
	b.run(b.ctx, chromedp.Evaluate(`history.back()`, nil))
	// the provider remembers consent, and the state was used
	b.says(b.ctx, "This sign-in link has expired or was already used")
	b.run(b.ctx, chromedp.Navigate(q.URL+"/private"))
	b.says(b.ctx, "Only signed-in users see this page")
	b.run(b.ctx, chromedp.Click("form button"))
	b.says(b.ctx, "You are not signed in")
	b.expect("400") // going back to a used callback
	b.expect("403")
}

func TestQuickstartPrivateAndBack(t *testing.T) {
	q := newQuickstart(t)
	b := newBrowser(t, browserOptions{})
	b.run(b.ctx, chromedp.Navigate(q.URL+"/private"), chromedp.WaitVisible(`button[value=approve]`),
		chromedp.Click(`button[value=approve]`))
	b.says(b.ctx, "Only signed-in users see this page")
	if location := b.location(b.ctx); location != q.URL+"/private" {
		t.Errorf("ended at %s", location)
	}
}

func TestQuickstartOn127001(t *testing.T) {
	q := newQuickstart(t)
	b := newBrowser(t, browserOptions{})
	b.run(b.ctx, chromedp.Navigate("http://127.0.0.1:"+q.port+"/login"),
		chromedp.WaitVisible(`button[value=approve]`), chromedp.Click(`button[value=approve]`))
	b.says(b.ctx, "Hello, Ada Lovelace")
}

func TestQuickstartTwoTabs(t *testing.T) {
	for name, order := range map[string][2]int{"first tab first": {0, 1}, "second tab first": {1, 0}} {
		t.Run(name, func(t *testing.T) {
			q := newQuickstart(t)
			b := newBrowser(t, browserOptions{})
			second := b.newTab()
			tabs := []context.Context{b.ctx, second}
			for _, tab := range tabs {
				b.run(tab, chromedp.Navigate(q.URL+"/login"))
				b.says(tab, "Sign in to Quickstart")
			}
			for _, i := range order {
				b.click(tabs[i], `button[value=approve]`)
				b.says(tabs[i], "Hello, Ada Lovelace")
			}
		})
	}
}

func TestQuickstartGarbageCookies(t *testing.T) {
	q := newQuickstart(t)
	b := newBrowser(t, browserOptions{})
	b.signIn(q)
	var names []string
	b.run(b.ctx, chromedp.ActionFunc(func(ctx context.Context) error {
		cookies, err := network.GetCookies().WithURLs([]string{q.URL}).Do(ctx)
		for _, cookie := range cookies {
			names = append(names, cookie.Name)
			if err := network.SetCookie(cookie.Name, "garbage").WithURL(q.URL).WithHTTPOnly(true).Do(ctx); err != nil {
				return err
			}
		}
		return err
	}))
	if len(names) == 0 {
		t.Fatal("no cookies")
	}
	b.run(b.ctx, chromedp.Navigate(q.URL+"/"))
	b.says(b.ctx, "You are not signed in")
	b.run(b.ctx, chromedp.Click("[data-hfoauth-login]"))
	b.says(b.ctx, "Hello, Ada Lovelace")
}

func TestQuickstartCallbackInAnotherBrowser(t *testing.T) {
	q := newQuickstart(t)
	b := newBrowser(t, browserOptions{})
	b.run(b.ctx, chromedp.Navigate(q.URL+"/login"), chromedp.WaitVisible(`button[value=approve]`))
	authorize, err := url.Parse(b.location(b.ctx))
	if err != nil {
		t.Fatal(err)
	}
	other := newBrowser(t, browserOptions{})
	other.run(other.ctx, chromedp.Navigate(q.URL+"/login/callback?code=x&state="+authorize.Query().Get("state")))
	other.says(other.ctx, "This sign-in link has expired or was already used")
	other.expect("400")
	other.screenshot(other.ctx, "state")
	other.accessible(other.ctx)
	other.run(other.ctx, chromedp.Click(`a.hfoauth-primary`),
		chromedp.WaitVisible(`button[value=approve]`), chromedp.Click(`button[value=approve]`))
	other.says(other.ctx, "Hello, Ada Lovelace")
}

func TestQuickstartWithoutScript(t *testing.T) {
	q := newQuickstart(t)
	b := newBrowser(t, browserOptions{noScript: true})
	b.run(b.ctx, chromedp.Navigate(q.URL+"/"), chromedp.Click("[data-hfoauth-login]"),
		chromedp.Click(`button[value=approve]`),
		chromedp.WaitVisible(`form[action="/logout"]`), chromedp.Click(`form button`),
		chromedp.WaitVisible("[data-hfoauth-login]"))
}

func TestQuickstartByKeyboard(t *testing.T) {
	q := newQuickstart(t)
	b := newBrowser(t, browserOptions{})
	focused := func(selector string) func() bool {
		return func() bool {
			b.run(b.ctx, chromedp.KeyEvent(kb.Tab))
			var is bool
			b.run(b.ctx, chromedp.Evaluate(fmt.Sprintf(`document.activeElement.matches(%q)`, selector), &is))
			return is
		}
	}
	b.run(b.ctx, chromedp.Navigate(q.URL+"/"))
	b.until("Tab reaches the button", focused("[data-hfoauth-login]"))
	b.screenshot(b.ctx, "focus")
	b.run(b.ctx, chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(`button[value=approve]`))
	b.until("Tab reaches Approve", focused("button[value=approve]"))
	b.run(b.ctx, chromedp.KeyEvent(kb.Enter))
	b.says(b.ctx, "Hello, Ada Lovelace")
	b.until("Tab reaches Sign out", focused("form button"))
	b.run(b.ctx, chromedp.KeyEvent(kb.Enter))
	b.says(b.ctx, "You are not signed in")
}

func TestQuickstartSmallAndDark(t *testing.T) {
	q := newQuickstart(t)
	b := newBrowser(t, browserOptions{})
	b.narrow(b.ctx)
	b.prefers(b.ctx, "prefers-color-scheme: dark")
	fits := func(page string) {
		t.Helper()
		b.fits(b.ctx)
		b.screenshot(b.ctx, page)
		b.accessible(b.ctx)
	}
	b.run(b.ctx, chromedp.Navigate(q.URL+"/"))
	fits("start")
	b.run(b.ctx, chromedp.Click("[data-hfoauth-login]"), chromedp.WaitVisible(`button[value=approve]`))
	fits("consent")
	b.run(b.ctx, chromedp.Click(`button[value=approve]`))
	b.says(b.ctx, "Hello, Ada Lovelace")
	fits("signed-in")
	b.run(b.ctx, chromedp.Navigate(q.URL+"/login/callback"))
	b.expect("400")
	fits("failure")
	b.run(b.ctx, chromedp.Navigate(q.URL+"/login/frame/done"))
	fits("done")
}

// The quickstart behind a proxy that terminates TLS, as in a Space, with a
// provider on another site.
func TestQuickstartOverHTTPS(t *testing.T) {
	d := deploy(t, "quickstart")
	b := newBrowser(t, browserOptions{})
	b.run(b.ctx, chromedp.Navigate(d.site+"/private"), chromedp.WaitVisible(`button[value=deny]`),
		chromedp.Click(`button[value=deny]`))
	b.says(b.ctx, "Sign-in cancelled")
	b.expect("403")
	b.run(b.ctx, chromedp.Click(`a.hfoauth-primary`), chromedp.WaitVisible(`button[value=approve]`),
		chromedp.Click(`button[value=approve]`))
	b.says(b.ctx, "Only signed-in users see this page")
	var cookies []*network.Cookie
	b.run(b.ctx, chromedp.ActionFunc(func(ctx context.Context) (err error) {
		cookies, err = network.GetCookies().WithURLs([]string{d.site}).Do(ctx)
		return err
	}))
	if len(cookies) != 1 {
		t.Fatalf("cookies %+v, want one", cookies)
	}
	if !strings.HasPrefix(cookies[0].Name, "__Host-hfoauth-") {
		t.Errorf("the cookie is named %q, want __Host-hfoauth- in front", cookies[0].Name)
	}
	if !cookies[0].Secure {
		t.Errorf("the cookie is not Secure: %+v", cookies[0])
	}
	if !cookies[0].HTTPOnly {
		t.Errorf("the cookie is not HttpOnly: %+v", cookies[0])
	}
	b.run(b.ctx, chromedp.Reload())
	b.says(b.ctx, "Only signed-in users see this page")
	b.run(b.ctx, chromedp.Click("form button"))
	b.says(b.ctx, "You are not signed in")
}

// The app is killed between login and callback and restarted: the sign-in
// completes, because the browser has the attempt.
func TestQuickstartKilledDuringSignIn(t *testing.T) {
	q := newQuickstart(t)
	b := newBrowser(t, browserOptions{})
	b.run(b.ctx, chromedp.Navigate(q.URL+"/login"), chromedp.WaitVisible(`button[value=approve]`))
	b.expect("ERR_SOCKET_NOT_CONNECTED") // of connections that the browser kept
	q.kill()
	q.start()
	b.run(b.ctx, chromedp.Click(`button[value=approve]`))
	b.says(b.ctx, "Hello, Ada Lovelace")
	q.kill()
	q.start()
	b.run(b.ctx, chromedp.Reload())
	b.says(b.ctx, "Hello, Ada Lovelace")
}
