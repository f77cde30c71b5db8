package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// posts are the forms that an app received, by path.
type posts struct {
	mu    sync.Mutex
	forms map[string][]url.Values
}

func (p *posts) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.ParseForm() == nil {
			p.mu.Lock()
			p.forms[r.URL.Path] = append(p.forms[r.URL.Path], r.PostForm)
			p.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}

// to returns the forms for a path, in order.
func (p *posts) to(path string) []url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.forms[path])
}

// verifiers returns the secrets that iframes claimed sessions with.
func (p *posts) verifiers() (verifiers []string) {
	for _, form := range p.to("/login/frame/claim") {
		verifiers = append(verifiers, form.Get("verifier"))
	}
	return verifiers
}

// verifierOf returns the secret with which an iframe claims a session that is
// signed in for a challenge.
func (p *posts) verifierOf(b *browser, challenge string) (verifier string) {
	b.t.Helper()
	b.until("a claim for the challenge", func() bool {
		verifiers := p.verifiers()
		i := slices.IndexFunc(verifiers, func(v string) bool {
			hash := sha256.Sum256([]byte(v))
			return base64.RawURLEncoding.EncodeToString(hash[:]) == challenge
		})
		if i >= 0 {
			verifier = verifiers[i]
		}
		return i >= 0
	})
	return verifier
}

// The iframe posts the hash of its secret in a new tab, with what the button asks
// for. Each click has a secret of its own, and the one before is forgotten.
func TestSecretOfTheIframe(t *testing.T) {
	s := newSpace(t, spaceOptions{})
	b := newBrowser(t, browserOptions{blockThirdParty: true})
	b.run(b.ctx, chromedp.Navigate(s.provider+"/spaces/private"))
	frame := b.attach("iframe", s.app+"/login")
	b.says(frame, "Sign in to view this page")
	var options string
	b.run(frame, chromedp.Evaluate(ofDocument("[data-hfoauth-login]")+`.dataset.hfoauthOptions`, &options))
	if options == "" {
		t.Fatal("the button asks for nothing")
	}
	var secrets []string
	for n := range 2 {
		b.click(frame, "[data-hfoauth-login]")
		b.until("a form in a new tab", func() bool { return len(s.posts.to("/login/frame/popup")) > n })
		form := s.posts.to("/login/frame/popup")[n]
		fields := []string{"challenge", "next", "options"}
		if got := slices.Sorted(maps.Keys(form)); !slices.Equal(got, fields) {
			t.Errorf("the new tab has the fields %q, want %q", got, fields)
		}
		if got := form.Get("next"); got != "/private" {
			t.Errorf("the new tab has the return path %q, want /private", got)
		}
		if got := form.Get("options"); got != options {
			t.Errorf("the new tab asks for %q, want the button's %q", got, options)
		}
		secret := s.posts.verifierOf(b, form.Get("challenge"))
		if plain, err := base64.RawURLEncoding.DecodeString(secret); err != nil || len(plain) != 32 {
			t.Errorf("the secret has %d bytes, %v, want 32", len(plain), err)
		}
		secrets = append(secrets, secret)
	}
	if secrets[0] == secrets[1] {
		t.Fatal("both clicks have the same secret")
	}

	claims := func(secret string) (n int) {
		for _, v := range s.posts.verifiers() {
			if v == secret {
				n++
			}
		}
		return n
	}
	before := claims(secrets[0])
	b.until("four claims after the second click", func() bool { return claims(secrets[1]) >= 4 })
	if n := claims(secrets[0]) - before; n > 1 { // one may have been on its way
		t.Errorf("%d claims with the first secret after the second click, want none", n)
	}
}

// A click with a key that opens links elsewhere is left to the browser.
func TestClickWithAModifier(t *testing.T) {
	_, b, frame := openSpace(t, spaceOptions{}, true)
	for _, key := range []string{"ctrlKey", "metaKey", "shiftKey"} {
		var left bool // nobody's gesture: no tab opens
		b.run(frame, chromedp.Evaluate(ofDocument("[data-hfoauth-login]")+
			`.dispatchEvent(new MouseEvent("click", {bubbles: true, cancelable: true, `+key+`: true}))`, &left))
		if !left {
			t.Errorf("%s: the script took the click", key)
		}
	}
}
