package hfoauth_test

import (
	"html/template"
	"net/http"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// The callback and the login page are HTML, whatever the Accept header says.
func TestCallbackAnswersWithAPage(t *testing.T) {
	s := newSite(t, nil)
	resp := get(t, s.browser(), s.URL+"/login/callback?state=invented", "Accept", "*/*")
	s.checkFailure(resp, http.StatusBadRequest, "expired or was already used")
	s.hub.SetFault(hfoauthtest.MetadataEndpoint, hfoauthtest.Answer(503, ""))
	resp = get(t, s.browser(), s.URL+"/login", "Accept", "*/*")
	s.checkFailure(resp, http.StatusServiceUnavailable, "<h1>Hugging Face is unavailable right now</h1>")
}

// If Config.PageTemplate fails, the page only says what happened.
func TestPageTemplateThatFails(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) {
		c.PageTemplate = template.Must(template.New("").Parse(`<h1>half</h1>{{index .Text 7}}`))
	})
	resp := get(t, s.browser(), s.URL+"/login/callback?state=invented")
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%s, want 400", resp.Status)
	}
	got, want := strings.TrimSpace(resp.body), "This sign-in link has expired or was already used"
	if got != want {
		t.Errorf("the page is %q, want %q", got, want)
	}
	if log := s.log.String(); !strings.Contains(log, "PageTemplate") {
		t.Errorf("the log does not name Config.PageTemplate: %s", log)
	}
}
