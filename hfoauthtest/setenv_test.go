package hfoauthtest_test

import (
	"os"
	"testing"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestSetenv(t *testing.T) {
	t.Setenv("SPACE_HOST", "ada-app.hf.space")
	hub := hfoauthtest.NewServer(t)
	for appURL, redirectURL := range map[string]string{
		"http://localhost:7860":        "http://localhost:7860/login/callback",
		"https://app.example/tools/":   "https://app.example/tools/login/callback",
		"https://app.example/tools/v2": "https://app.example/tools/v2/login/callback",
	} {
		app := hub.Setenv(t, appURL, "email", "jobs")
		for name, want := range map[string]string{
			"OAUTH_CLIENT_ID": app.ClientID, "OAUTH_CLIENT_SECRET": app.ClientSecret, "OAUTH_SCOPES": "email jobs",
			"OPENID_PROVIDER_URL": hub.URL, "OAUTH_REDIRECT_URL": redirectURL, "SPACE_HOST": "",
		} {
			if got := os.Getenv(name); got != want {
				t.Errorf("%s: %s is %q, want %q", appURL, name, got, want)
			}
		}
		if len(app.RedirectURIs) != 1 || app.RedirectURIs[0] != redirectURL {
			t.Errorf("%s: redirect URIs %q", appURL, app.RedirectURIs)
		}
	}
	hub.Setenv(t, "http://localhost:7860")
	if got := os.Getenv("OAUTH_SCOPES"); got != "" {
		t.Errorf("OAUTH_SCOPES is %q, want none", got)
	}
}

// Setenv restores the variables when the test ends.
func TestSetenvEnds(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	t.Setenv("OAUTH_CLIENT_ID", "before")
	t.Run("test", func(t *testing.T) { hub.Setenv(t, "http://localhost:7860") })
	if got := os.Getenv("OAUTH_CLIENT_ID"); got != "before" {
		t.Errorf("OAUTH_CLIENT_ID is %q", got)
	}
}
