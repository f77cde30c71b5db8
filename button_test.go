package hfoauth_test

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
)

func TestButton(t *testing.T) {
	s := newSite(t, nil)
	r := httptest.NewRequest("GET", "/page?a=b", nil)
	button := string(s.client.Button(r, hfoauth.ButtonOptions{}))
	for _, want := range []string{
		`href="/login?next=%2Fpage%3Fa%3Db" hx-boost="false" data-turbo="false"`,
		`class="hfoauth-button hfoauth-lg hfoauth-auto"`, "Sign in with Hugging Face", "🤗",
		`data-hfoauth-login="/login"`, `data-hfoauth-next="/page?a=b"`,
	} {
		if !strings.Contains(button, want) {
			t.Errorf("button lacks %s: %s", want, button)
		}
	}
	for _, unwanted := range []string{"_blank", "style=", "onclick"} {
		if strings.Contains(button, unwanted) {
			t.Errorf("button has %s: %s", unwanted, button)
		}
	}
	button = string(s.client.Button(r,
		hfoauth.ButtonOptions{Size: "xl", Theme: "dark", Label: "Se connecter <3", Next: "//evil.example"}))
	for _, want := range []string{`hfoauth-xl hfoauth-dark`, "Se connecter &lt;3", `href="/login"`} {
		if !strings.Contains(button, want) {
			t.Errorf("button lacks %s: %s", want, button)
		}
	}
	if strings.Contains(button, "evil.example") {
		t.Errorf("button names another site: %s", button)
	}
	r.Header.Set("Sec-Fetch-Dest", "iframe")
	button = string(s.client.Button(r, hfoauth.ButtonOptions{}))
	if !strings.Contains(button, `target="_blank" rel="noopener"`) {
		t.Errorf("button in a frame opens no tab without an opener: %s", button)
	}

	r.AddCookie(s.newSession(ada))
	button = string(s.client.Button(r, hfoauth.ButtonOptions{LogoutLabel: "Bye", LogoutNext: "//evil.example"}))
	for _, want := range []string{
		`<form method="post" action="/logout" hx-boost="false" data-turbo="false">`, ">ada<", ">Bye<", `value="/"`,
	} {
		if !strings.Contains(button, want) {
			t.Errorf("user lacks %s: %s", want, button)
		}
	}
}

func TestButtonAssets(t *testing.T) {
	s := newSite(t, nil)
	assets := string(s.client.ButtonAssets())
	paths := regexp.MustCompile(`(?:href|src)="([^"]+)"`).FindAllStringSubmatch(assets, -1)
	if len(paths) != 2 {
		t.Fatal(assets)
	}
	for _, path := range paths {
		resp := get(t, s.browser(), s.URL+path[1])
		if resp.StatusCode != 200 {
			t.Errorf("%s: %s, want 200", path[1], resp.Status)
		}
		if len(resp.body) < 1000 || len(resp.body) > 10<<10 {
			t.Errorf("%s: %d bytes, want some thousand", path[1], len(resp.body))
		}
		for name, want := range map[string]string{
			"Cache-Control":          "public, max-age=31536000, immutable",
			"X-Content-Type-Options": "nosniff",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path[1], name, got, want)
			}
		}
	}
	// A script that receives messages could receive them from other sites.
	script := get(t, s.browser(), s.URL+paths[1][1]).body
	checkLacks(t, "the script", script, "postMessage", `"message"`, "window.opener", "window.open(", `"opener"`)
	if resp := get(t, s.browser(), s.URL+"/login/frame/hfoauth-000000000000.js"); resp.StatusCode != 404 {
		t.Errorf("another version's script: %s", resp.Status)
	}
}

// At another provider the button has neither the name nor the sign of the Hub.
func TestButtonOfAnotherProvider(t *testing.T) {
	client := newClient(t, hfoauth.Config{ProviderURL: "https://id.example"})
	button := string(client.Button(httptest.NewRequest("GET", "/", nil), hfoauth.ButtonOptions{}))
	if want := "Sign in with id.example"; !strings.Contains(button, want) {
		t.Errorf("button lacks %q: %s", want, button)
	}
	if strings.Contains(button, "🤗") {
		t.Errorf("button has the sign of the Hub: %s", button)
	}
}
