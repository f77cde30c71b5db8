package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// The stand-in's page of a Space frames the app as the Hub does: what
// docs/spaces.md has developers do on their own machine.
func TestSpacePageOfTheStandIn(t *testing.T) {
	eachCookiePolicy(t, func(t *testing.T, blocked bool) {
		hub := hfoauthtest.NewServer(t)
		mux := http.NewServeMux()
		host := "localhost:" + serveTLS(t, certificate(t), func(string) http.Handler { return mux })
		app := hub.RegisterApp(hfoauthtest.App{Name: "My Space", SpaceHost: host})
		client, err := hfoauth.New(hfoauth.Config{ClientID: app.ClientID, ClientSecret: app.ClientSecret,
			ProviderURL: hub.URL, SpaceHost: host})
		if err != nil {
			t.Fatal(err)
		}
		client.Mount(mux)
		mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
			name := "nobody"
			if user, err := client.UserFromRequest(r); err == nil {
				name = user.Username
			}
			fmt.Fprintf(w, `<!DOCTYPE html><html lang="en"><head><title>App</title>%s</head><body>Start page `+
				`of %s. %s</body></html>`,
				client.ButtonAssets(), name, client.Button(r, hfoauth.ButtonOptions{}))
		})
		b := newBrowser(t, browserOptions{blockThirdParty: blocked})
		b.run(b.ctx, chromedp.Navigate(hub.URL+"/spaces/"+host))
		frame := b.attach("iframe", "https://"+host+"/")
		b.says(frame, "Start page of nobody")
		b.screenshot(b.ctx, "space-page")
		b.accessible(b.ctx)
		b.click(frame, "[data-hfoauth-login]")
		b.click(b.attach("page", hub.URL+"/oauth/authorize"), "button[value=approve]")
		b.says(frame, "Start page of ada")
	})
}
