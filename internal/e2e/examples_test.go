package e2e

import (
	"context"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// approve consents on the provider's page.
func (b *browser) approve(ctx context.Context) {
	b.t.Helper()
	b.run(ctx, chromedp.WaitVisible(`button[value=approve]`), chromedp.Click(`button[value=approve]`))
}

func TestExampleGallery(t *testing.T) {
	q := newProgram(t, "gallery", "DATA_DIR="+t.TempDir())
	picture := filepath.Join(t.TempDir(), "engine.png")
	file, err := os.Create(picture)
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(file, image.NewGray(image.Rect(0, 0, 64, 48))); err != nil {
		t.Fatal(err)
	}
	file.Close()

	b := newBrowser(t, browserOptions{})
	b.run(b.ctx, chromedp.Navigate(q.URL+"/"))
	b.looks(b.ctx, "signed-out")
	b.run(b.ctx, chromedp.Click("[data-hfoauth-login]"))
	b.approve(b.ctx)
	b.says(b.ctx, "No pictures yet")
	b.run(b.ctx, chromedp.SetUploadFiles("#picture", []string{picture}),
		chromedp.SendKeys("#caption", "The engine, drawn"),
		chromedp.Click("main form button"), chromedp.WaitVisible("figure"))
	b.says(b.ctx, "The engine, drawn")
	b.looks(b.ctx, "picture")
	b.run(b.ctx, chromedp.Click("figure + p + form button"))
	b.says(b.ctx, "No pictures yet")
	b.run(b.ctx, chromedp.Click("nav a")) // now the role is asked for
	b.approve(b.ctx)
	b.says(b.ctx, "Members of engines see these pictures")
	b.looks(b.ctx, "album")
}

func TestExampleInference(t *testing.T) {
	router := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, text := range []string{"It weaves ", "algebraic patterns."} {
			fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"content\":%q}}]}\n\n", text)
		}
		io.WriteString(w, "data: [DONE]\n\n")
	}))
	defer router.Close()
	q := newProgram(t, "inference", "ROUTER_URL="+router.URL+"/v1", "OAUTH_SCOPES=openid profile")
	b := newBrowser(t, browserOptions{})
	b.run(b.ctx, chromedp.Navigate(q.URL+"/"))
	b.looks(b.ctx, "signed-out")
	b.run(b.ctx, chromedp.Click("[data-hfoauth-login]"))
	b.approve(b.ctx)
	// now the scope is asked for
	b.run(b.ctx, chromedp.WaitVisible(`a[href="/chat"]`), chromedp.Click(`a[href="/chat"]`))
	b.approve(b.ctx)
	b.run(b.ctx, chromedp.WaitVisible("#prompt"), chromedp.SendKeys("#prompt", "What does the engine do?"),
		chromedp.Click("main form[action='/chat'] button"))
	b.says(b.ctx, "It weaves algebraic patterns.")
	b.looks(b.ctx, "answer")
}

func TestExampleFrameworks(t *testing.T) {
	q := newProgram(t, "frameworks")
	b := newBrowser(t, browserOptions{})
	b.run(b.ctx, chromedp.Navigate(q.URL+"/"))
	b.looks(b.ctx, "signed-out")
	b.run(b.ctx, chromedp.Navigate(q.URL+"/private"))
	b.approve(b.ctx)
	b.says(b.ctx, "Only signed-in users see this page")
	b.looks(b.ctx, "private")
}

func TestExampleSPA(t *testing.T) {
	q := newProgram(t, "spa")
	b := newBrowser(t, browserOptions{})
	b.expect("401") // /api/me says that nobody is signed in
	b.run(b.ctx, chromedp.Navigate(q.URL+"/"), chromedp.WaitVisible("#sign-in"))
	b.looks(b.ctx, "signed-out")
	b.run(b.ctx, chromedp.Click("#sign-in"))
	b.approve(b.ctx)
	b.run(b.ctx, chromedp.WaitVisible("#text"), chromedp.SendKeys("#text", "First note"),
		chromedp.Click("#write button"))
	b.says(b.ctx, "Added.")
	b.looks(b.ctx, "note")

	// This tab notices by itself that the user signed out in another tab.
	b.run(b.ctx, chromedp.SendKeys("#text", "Second note"))
	other := b.newTab()
	b.run(other, chromedp.Navigate(q.URL+"/"), chromedp.WaitVisible("#sign-out button"),
		chromedp.Click("#sign-out button"), chromedp.WaitVisible("#sign-in"))
	b.says(b.ctx, "what you wrote is kept")
	b.looks(b.ctx, "session-ended")
	b.run(b.ctx, chromedp.Click("#sign-in")) // consent is remembered
	b.says(b.ctx, "First note")
	var draft string
	b.run(b.ctx, chromedp.Value("#text", &draft))
	if draft != "Second note" {
		t.Errorf("the draft is %q", draft)
	}
}

// The examples that are made for the Hub's iframe, in one: their own
// Content-Security-Policy lets https://huggingface.co frame them.
func TestExampleInsideTheIframe(t *testing.T) {
	for example, greeting := range map[string]string{"space": "Hello, Ada Lovelace", "spa": "Your notes"} {
		t.Run(example, func(t *testing.T) {
			eachCookiePolicy(t, func(t *testing.T, blocked bool) {
				d := deploy(t, example)
				b := newBrowser(t, browserOptions{blockThirdParty: blocked, huggingFace: d.page})
				if example == "spa" {
					b.expect("401") // /api/me says that nobody is signed in
				}
				b.run(b.ctx, chromedp.Navigate("https://huggingface.co/spaces/ada/app"))
				frame := b.attach("iframe", d.site+"/")
				b.run(frame, chromedp.WaitVisible("[data-hfoauth-login]"))
				b.screenshot(b.ctx, "before")
				b.click(frame, "[data-hfoauth-login]")
				b.click(b.attach("page", d.hub.URL+"/oauth/authorize"), "button[value=approve]")
				b.says(frame, greeting)
				b.screenshot(b.ctx, "after")
				b.accessible(frame)
				b.click(frame, "form button") // signs out
				b.run(frame, chromedp.WaitVisible("[data-hfoauth-login]"))
			})
		})
	}
}

// The example of a Space in a separate tab.
func TestExampleSpace(t *testing.T) {
	d := deploy(t, "space")
	b := newBrowser(t, browserOptions{})
	b.run(b.ctx, chromedp.Navigate(d.site+"/"))
	b.looks(b.ctx, "signed-out")
	b.run(b.ctx, chromedp.Click("[data-hfoauth-login]"))
	b.approve(b.ctx)
	b.says(b.ctx, "Hello, Ada Lovelace")
	b.looks(b.ctx, "signed-in")
}
