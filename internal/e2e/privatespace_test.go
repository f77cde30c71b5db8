package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// A private Space is opened with __sign in the iframe's address, without which
// the platform answers 404, in a new tab as well: it is carried there, and
// appears in no markup, log or request to the provider.
func TestPrivateSpaceInsideTheIframe(t *testing.T) {
	for _, path := range []string{"/", "/private"} {
		t.Run(path, func(t *testing.T) {
			s := newSpace(t, spaceOptions{private: true})
			b := newBrowser(t, browserOptions{blockThirdParty: true})
			b.run(b.ctx, chromedp.Navigate(s.provider+"/spaces/signed?path="+path))
			frame := b.attach("iframe", s.app+"/")
			b.run(frame, chromedp.WaitVisible("[data-hfoauth-login]"))
			if !strings.Contains(b.location(b.ctx)+b.html(b.ctx), "__sign") {
				t.Fatal("the Hub's page does not sign the iframe's address")
			}
			if html := b.html(frame); strings.Contains(html, "__sign") {
				t.Errorf("markup in the iframe: %s", html)
			}
			b.click(frame, "[data-hfoauth-login]")
			b.attach("page", s.provider+"/oauth/authorize")
			if html := b.html(frame); strings.Contains(html, "__sign") {
				t.Errorf("markup in the iframe after the click: %s", html)
			}
			s.consent(b, "approve")
			b.says(frame, "page of ada")
			if address := b.location(frame); strings.Count(address, "__sign") != 1 { // for the next sign-in
				t.Errorf("the iframe continues at %s, want __sign there once", address)
			}
			b.until("the tab closes", func() bool {
				return b.open("page", s.app) == 0 && b.open("page", s.provider+"/oauth") == 0
			})
			if log := s.log.String(); strings.Contains(log, "__sign") {
				t.Errorf("requests to the provider, and the app's log: %s", log)
			}
			b.click(frame, "form button") // signs out
			b.run(frame, chromedp.WaitVisible("[data-hfoauth-login]"))
		})
	}
}

// After sign-in with the app's own element, which names no return path, the iframe
// shows the same page again, with the __sign that the platform requires.
func TestOwnButtonInAPrivateSpace(t *testing.T) {
	s := newSpace(t, spaceOptions{private: true})
	b := newBrowser(t, browserOptions{blockThirdParty: true})
	b.run(b.ctx, chromedp.Navigate(s.provider+"/spaces/signed?path=/own"))
	frame := b.attach("iframe", s.app+"/own")
	b.click(frame, "[data-hfoauth-login]")
	s.consent(b, "approve")
	b.says(frame, "Own page of ada")
	if address := b.location(frame); strings.Count(address, "__sign") != 1 {
		t.Errorf("the iframe continues at %s, want __sign there once", address)
	}
}
