package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// looksEverywhere checks the open page with different settings of the user's:
// colours, width and zoom.
func (b *browser) looksEverywhere(ctx context.Context, name string) {
	b.t.Helper()
	b.looks(ctx, name)
	b.prefers(ctx, "forced-colors: active", "prefers-reduced-motion: reduce")
	b.screenshot(ctx, name+"-forced-colors")
	b.accessible(ctx)
	b.prefers(ctx, "prefers-reduced-motion: reduce")
	b.run(ctx, emulation.SetDeviceMetricsOverride(640, 480, 2, false)) // 1280 px at 200 %
	b.screenshot(ctx, name+"-200-percent")
	b.accessible(ctx)
	b.run(ctx, chromedp.EmulateViewport(1024, 768))
}

// Every page of the package, in English and in a right-to-left language.
func TestLooks(t *testing.T) {
	q := newProgram(t, "languages")
	q.hub.Configure(func(settings *hfoauthtest.Settings) { settings.AlwaysAsk = true })
	for _, language := range []string{"en", "ar"} {
		t.Run(language, func(t *testing.T) {
			b := newBrowser(t, browserOptions{})
			b.expect("40") // the statuses of the pages
			b.run(b.ctx, network.Enable(), network.SetExtraHTTPHeaders(network.Headers{"Accept-Language": language}))
			direction := map[string]string{"en": "ltr", "ar": "rtl"}[language]
			open := func(name, path string) {
				t.Helper()
				b.run(b.ctx, chromedp.Navigate(q.URL+path))
				var got string
				if b.run(b.ctx, chromedp.Evaluate(`document.documentElement.dir`, &got)); got != direction {
					t.Errorf("%s is written %s, want %s", name, got, direction)
				}
				b.looksEverywhere(b.ctx, language+"-"+name)
			}
			open("start", "/")
			open("expired", "/login/callback")
			open("done", "/login/frame/done")
			open("signed-out", "/logout")
			open("pause", "/private")
			b.run(b.ctx, chromedp.Navigate(q.URL+"/login"), chromedp.WaitVisible(`button[value=deny]`),
				chromedp.Click(`button[value=deny]`), chromedp.WaitVisible("a.hfoauth-primary"))
			b.looksEverywhere(b.ctx, language+"-denied")
			b.run(b.ctx, chromedp.Navigate(q.URL+"/login"), chromedp.WaitVisible(`button[value=approve]`),
				chromedp.Click(`button[value=approve]`))
			b.until("signed in", func() bool { return strings.Contains(b.html(b.ctx), "hfoauth-user") })
			open("signed-in", "/")
			open("sign-out", "/logout")
			b.click(b.ctx, ".hfoauth-primary")
			b.until("signed out", func() bool { return strings.Contains(b.html(b.ctx), "data-hfoauth-login") })
		})
	}
}

// A button signs in to its own Client, whichever script was loaded first. An
// element that names no Client signs in to the first.
func TestTwoClients(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	site := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	var clients []*hfoauth.Client
	for _, prefix := range []string{"", "/guests"} {
		app := hub.RegisterApp(hfoauthtest.App{Name: "Client at " + prefix + "/",
			RedirectURIs: []string{site + prefix + "/login/callback"}})
		client, err := hfoauth.New(hfoauth.Config{
			ClientID: app.ClientID, ClientSecret: app.ClientSecret, ProviderURL: hub.URL,
			RedirectURL: site + prefix + "/login/callback",
		})
		if err != nil {
			t.Fatal(err)
		}
		client.Mount(mux)
		clients = append(clients, client)
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `<!DOCTYPE html><html lang="en"><title>Two</title>%s%s<body>%s%s
			<button id="first" data-hfoauth-login>First</button>
			<button id="second" data-hfoauth-login="/guests/login" data-hfoauth-next="/guests/">Second</button>`,
			clients[0].ButtonAssets(), clients[1].ButtonAssets(),
			clients[0].Button(r, hfoauth.ButtonOptions{}), clients[1].Button(r, hfoauth.ButtonOptions{}))
	})
	b := newBrowser(t, browserOptions{})
	for selector, want := range map[string]string{
		`a[href^="/login"]`: site + "/login/callback", `a[href^="/guests/login"]`: site + "/guests/login/callback",
		"#first": site + "/login/callback", "#second": site + "/guests/login/callback",
	} {
		b.run(b.ctx, chromedp.Navigate(site+"/"), chromedp.Click(selector),
			chromedp.WaitVisible(`button[value=approve]`))
		address, err := url.Parse(b.location(b.ctx))
		if err != nil {
			t.Fatal(err)
		}
		if got := address.Query().Get("redirect_uri"); got != want {
			t.Errorf("%s signs in at %s, want %s", selector, got, want)
		}
	}
}
