package e2e

import (
	"html/template"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

var buttonsPage = template.Must(template.New("buttons").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>Buttons</title>{{.Assets}}</head>
<body><main><h1>Buttons</h1>{{range .Buttons}}<div>{{.}}</div>{{end}}</main></body></html>`))

// Every size and theme of the button, signed out and signed in, in the light
// and in the dark.
func TestButtons(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	app := hub.RegisterApp(hfoauthtest.App{})
	client, err := hfoauth.New(hfoauth.Config{ClientID: app.ClientID, ClientSecret: app.ClientSecret, ProviderURL: hub.URL, RedirectURL: server.URL + "/login/callback"})
	if err != nil {
		t.Fatal(err)
	}
	client.Mount(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		var buttons []template.HTML
		for _, theme := range []string{"", "light", "dark"} {
			for _, size := range []string{"sm", "md", "lg", "xl"} {
				buttons = append(buttons, client.Button(r, hfoauth.ButtonOptions{Size: size, Theme: theme}))
			}
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; img-src "+hub.URL)
		buttonsPage.Execute(w, map[string]any{"Assets": client.ButtonAssets(), "Buttons": buttons})
	})

	b := newBrowser(t, browserOptions{})
	b.run(b.ctx, chromedp.Navigate(server.URL+"/"))
	var heights []float64
	b.run(b.ctx, chromedp.Evaluate(`[...document.querySelectorAll(".hfoauth-button")].slice(0, 4).map((e) => e.getBoundingClientRect().height)`, &heights))
	if len(heights) != 4 || !(24 <= heights[0] && heights[0] < heights[1] && heights[1] < heights[2] && heights[2] < heights[3]) {
		t.Errorf("heights of sm to xl: %v px", heights) // WCAG 2.2, 2.5.8: at least 24
	}
	b.looks(b.ctx, "signed-out")
	b.run(b.ctx, chromedp.Click("[data-hfoauth-login]"))
	b.approve(b.ctx)
	b.run(b.ctx, chromedp.WaitVisible(".hfoauth-user"))
	b.looks(b.ctx, "signed-in")
}
