package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
)

// panvaSite is an app whose provider is the OpenID-certified oidc-provider of
// npm's, a program of Node's.
type panvaSite struct {
	*site
	provider *background
}

func newPanvaSite(t *testing.T, secret string) *panvaSite {
	t.Helper()
	p := &panvaSite{}
	p.site = newSite(t, secret, "/token", func(s *site) http.Handler {
		port := freePort(t)
		p.provider = newBackground(t, []string{port},
			[]string{"PORT=" + port, "ISSUER=" + s.issuer, "REDIRECT_URI=" + s.redirectURL(),
				"CLIENT_SECRET=" + rightSecret,
				fmt.Sprintf("TOKEN_LIFETIME=%d", int(shortLife.Seconds()))}, "node", "testdata/oidcprovider.mjs")
		return p.provider.handler()
	})
	return p
}

// signIn types a name and a password, and approves.
func (p *panvaSite) signIn(person *http.Client) (status int, body string) {
	p.t.Helper()
	login := p.begin(person).Request.URL.String()
	consent, err := person.PostForm(login, url.Values{"prompt": {"login"}, "login": {"ada"}, "password": {"any"}})
	if err != nil {
		p.t.Fatal(err)
	}
	consent.Body.Close()
	resp, err := person.PostForm(consent.Request.URL.String(), url.Values{"prompt": {"consent"}})
	if err != nil {
		p.t.Fatal(err)
	}
	return p.read(resp)
}

// deny follows the link of the provider's page that leads back.
func (p *panvaSite) deny(person *http.Client) (status int, body string) {
	p.t.Helper()
	resp, err := person.Get(p.begin(person).Request.URL.String() + "/abort")
	if err != nil {
		p.t.Fatal(err)
	}
	return p.read(resp)
}

func TestOIDCProviderSignIn(t *testing.T) {
	s := newPanvaSite(t, rightSecret)
	s.checkSignIn(s.signIn, "ada@example.com")
}

func TestOIDCProviderForgetsTheUser(t *testing.T) {
	s := newPanvaSite(t, rightSecret)
	s.checkForgotten(s.signIn, func(*http.Client) { s.provider.restart() }, http.StatusUnauthorized,
		"not signed in")
}

func TestOIDCProviderRefusesTheClient(t *testing.T) {
	s := newPanvaSite(t, wrongSecret)
	s.checkWrongSecret(s.signIn, "invalid_client")
}

func TestOIDCProviderUserDenies(t *testing.T) {
	s := newPanvaSite(t, rightSecret)
	s.checkDenied(s.deny, s.signIn)
}
