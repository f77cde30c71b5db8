package e2e

import (
	"html/template"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

var buttonsPage = template.Must(template.New("buttons").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<title>Buttons</title>{{.Assets}}</head>
<body><main><h1>Buttons</h1>{{range .Buttons}}<div>{{.}}</div>{{end}}</main></body></html>`))

// Every size and theme of the button, signed out and signed in, in the light
// and in the dark.
func TestButtons(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	app := hub.RegisterApp(hfoauthtest.App{})
	client, err := hfoauth.New(hfoauth.Config{ClientID: app.ClientID, ClientSecret: app.ClientSecret,
		ProviderURL: hub.URL, RedirectURL: server.URL + "/login/callback"})
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
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; "+
			"style-src 'self'; connect-src 'self'; form-action 'self'; img-src "+hub.URL)
		buttonsPage.Execute(w, map[string]any{"Assets": client.ButtonAssets(), "Buttons": buttons})
	})

	b := newBrowser(t, browserOptions{})
	b.run(b.ctx, chromedp.Navigate(server.URL+"/"))
	badges := []float64{20, 24, 36, 48} // https://huggingface.co/datasets/huggingface/badges, Available sizes
	if got := b.buttonHeights(); !slices.Equal(got, badges) {
		t.Errorf("heights of sm to xl: %v px, want those of the Hub's badges, %v", got, badges)
	}
	b.narrow(b.ctx)
	if got := b.buttonHeights(); !slices.Equal(got, badges) {
		t.Errorf("heights of sm to xl on a narrow screen: %v px, want %v: a label in two lines?", got, badges)
	}
	b.run(b.ctx, chromedp.EmulateViewport(1024, 768))
	var around bool
	b.run(b.ctx, chromedp.Evaluate(`(() => {
		const small = document.querySelector(".hfoauth-sm"), {left, top, bottom} = small.getBoundingClientRect();
		return [top - 1.5, bottom + 1.5].every((y) => document.elementFromPoint(left + 9, y) === small);
	})()`, &around))
	if !around {
		t.Error("the smallest button is no target of 24 pixels") // WCAG 2.2, 2.5.8
	}
	b.looks(b.ctx, "signed-out")
	b.run(b.ctx, chromedp.Click("[data-hfoauth-login]"))
	b.approve(b.ctx)
	b.run(b.ctx, chromedp.WaitVisible(".hfoauth-user"))
	b.looks(b.ctx, "signed-in")
}

// buttonHeights returns the heights of the buttons of one theme.
func (b *browser) buttonHeights() (heights []float64) {
	b.t.Helper()
	b.run(b.ctx, chromedp.Evaluate(`[...document.querySelectorAll(".hfoauth-button")].slice(0, `+
		`4).map((e) => e.getBoundingClientRect().height)`, &heights))
	return heights
}
