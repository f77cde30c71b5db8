package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
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
		p.provider = newBackground(t, []string{port}, []string{"PORT=" + port, "ISSUER=" + s.issuer, "REDIRECT_URI=" + s.redirectURL(), "CLIENT_SECRET=" + rightSecret,
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

func TestOIDCProviderSignIn(t *testing.T) {
	s := newPanvaSite(t, rightSecret)
	person := s.person()
	if status, body := s.signIn(person); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	page := s.home(person)
	if page.User.Sub != "ada" || page.User.Email != "ada@example.com" || !page.User.EmailVerified || !page.Refresh {
		t.Errorf("%+v", page)
	}
	s.renews(person)
	s.renews(person)
}

func TestOIDCProviderForgetsTheUser(t *testing.T) {
	s := newPanvaSite(t, rightSecret)
	person := s.person()
	s.signIn(person)
	s.provider.restart()
	if status, body := s.ends(person); status != http.StatusUnauthorized {
		t.Errorf("%d %s", status, body)
	}
	s.signIn(person)
	if status, body := s.get(person, "/token"); status != http.StatusOK {
		t.Errorf("after a new sign-in: %d %s", status, body)
	}
}

func TestOIDCProviderRefusesTheClient(t *testing.T) {
	s := newPanvaSite(t, wrongSecret)
	if status, body := s.signIn(s.person()); status != http.StatusBadRequest || !strings.Contains(body, "invalid_client") {
		t.Errorf("%d %s", status, body)
	}
}

func TestOIDCProviderUserDenies(t *testing.T) {
	s := newPanvaSite(t, rightSecret)
	person := s.person()
	page := s.begin(person).Request.URL
	if status, body := s.answer(person, page.String()+"/abort"); status != http.StatusForbidden || !strings.Contains(body, "You did not give access") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := s.signIn(person); status != http.StatusOK {
		t.Errorf("sign-in afterwards: %d %s", status, body)
	}
}

// answer follows a link of the provider's page.
func (p *panvaSite) answer(person *http.Client, link string) (status int, body string) {
	p.t.Helper()
	resp, err := person.Get(link)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.read(resp)
}
