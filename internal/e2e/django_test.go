//go:build providers

package e2e

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// djangoSite is an app whose provider is a Django project with Django OAuth
// Toolkit, both from Debian.
type djangoSite struct{ *site }

func newDjangoSite(t *testing.T, secret string, env ...string) *djangoSite {
	t.Helper()
	return &djangoSite{newSite(t, secret, "/token/", func(s *site) http.Handler {
		port := freePort(t)
		provider := newBackground(t, []string{port}, append(env,
			"PYTHONDONTWRITEBYTECODE=1", "PORT="+port, "ISSUER="+s.issuer, "REDIRECT_URI="+s.redirectURL(),
			"CLIENT_SECRET="+rightSecret, "DATA="+t.TempDir(),
			fmt.Sprintf("TOKEN_LIFETIME=%d", int(shortLife.Seconds())),
		), "/usr/bin/python3", "testdata/django_provider.py")
		return provider.handler()
	})}
}

// mended is a project whose discovery does not redirect.
const mended = "DISCOVERY=mended"

var hiddenInput = regexp.MustCompile(`<input type="hidden" name="([^"]*)"(?: value="([^"]*)")?`)

// submit sends the form of a page with further fields.
func (d *djangoSite) submit(person *http.Client, page *http.Response, fields url.Values) *http.Response {
	d.t.Helper()
	_, body := d.read(page)
	for _, input := range hiddenInput.FindAllStringSubmatch(body, -1) {
		fields.Set(input[1], html.UnescapeString(input[2]))
	}
	resp, err := person.PostForm(page.Request.URL.String(), fields)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp
}

// answer signs the person in at the provider and answers the consent page.
func (d *djangoSite) answer(person *http.Client, decision url.Values) (status int, body string) {
	d.t.Helper()
	page, err := person.Get(d.app + "/login")
	if err != nil {
		d.t.Fatal(err)
	}
	if strings.HasPrefix(page.Request.URL.Path, "/accounts/login") {
		page = d.submit(person, page, url.Values{"username": {"ada"}, "password": {"the password"}})
	}
	return d.read(d.submit(person, page, decision))
}

func (d *djangoSite) signIn(person *http.Client) (status int, body string) {
	d.t.Helper()
	return d.answer(person, url.Values{"allow": {"Authorize"}})
}

func (d *djangoSite) deny(person *http.Client) (status int, body string) {
	d.t.Helper()
	return d.answer(person, url.Values{})
}

func TestDjangoSignIn(t *testing.T) {
	s := newDjangoSite(t, rightSecret, mended)
	s.checkSignIn(s.signIn, "ada@example.com")
}

// Set up as the toolkit's own documentation says, the project redirects discovery
// to the address with a slash. The redirect is not followed; the log says where it
// leads, and the page does not mention a failed security check.
func TestDjangoRedirectsDiscovery(t *testing.T) {
	s := newDjangoSite(t, rightSecret)
	status, body := s.get(s.person(), "/login")
	if status != http.StatusBadGateway {
		t.Errorf("status %d, want 502", status)
	}
	if strings.Contains(body, "security") || strings.Contains(body, "trust") {
		t.Errorf("the page speaks of an attack: %s", body)
	}
	if log := s.log.String(); !strings.Contains(log, "redirects to /.well-known/openid-configuration/") {
		t.Errorf("log = %q, want the Location", log)
	}
}

func TestDjangoRefusesTheClient(t *testing.T) {
	s := newDjangoSite(t, wrongSecret, mended)
	s.checkWrongSecret(s.signIn, "invalid_client")
}

func TestDjangoUserDenies(t *testing.T) {
	s := newDjangoSite(t, rightSecret, mended)
	s.checkDenied(s.deny, s.signIn)
}
