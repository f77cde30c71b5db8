package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

var sentence = regexp.MustCompile(`(?:\bsay|\bwords\(r\)|\btranslate\(r,) ?\(?("(?:[^"\\]|\\.)*")`)

// Every sentence that the library and the app say has a translation with the
// same parts.
func TestEverySentence(t *testing.T) {
	sources, err := filepath.Glob("../../*.go")
	if err != nil {
		t.Fatal(err)
	}
	sentences := map[string]bool{}
	for _, path := range append(sources, "main.go") {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range sentence.FindAllStringSubmatch(string(source), -1) {
			text, err := strconv.Unquote(match[1])
			if err != nil {
				t.Fatal(err)
			}
			sentences[text] = true
		}
	}
	script, err := os.ReadFile("../../pages/hfoauth.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile(`inWords\(("[^"]*")\)`).FindAllStringSubmatch(string(script), -1) {
		text, err := strconv.Unquote(match[1])
		if err != nil {
			t.Fatal(err)
		}
		sentences[text] = true
	}
	if len(sentences) < 50 {
		t.Fatalf("only %d sentences found", len(sentences))
	}
	for _, language := range []language{french, arabic} {
		for text := range sentences {
			translated, ok := language.sentences[text]
			if !ok {
				t.Errorf("%s: %q is missing", language.tag, text)
			}
			if got, want := strings.Count(translated, "%s"), strings.Count(text, "%s"); got != want {
				t.Errorf("%s: %q has %d parts, want %d", language.tag, translated, got, want)
			}
		}
		for text := range language.sentences {
			if !sentences[text] {
				t.Errorf("%s: %q is not used", language.tag, text)
			}
		}
	}
}

// Pages, button and script are in the user's language.
func TestLanguages(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	server := httptest.NewUnstartedServer(nil)
	hub.Setenv(t, "http://"+server.Listener.Addr().String())
	client, err := hfoauth.New(hfoauth.Config{AppName: "Languages", Translate: translate})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = routes(client)
	server.Start()
	defer server.Close()
	for accept, wants := range map[string][]string{
		"fr-CA, en;q=0.5": {`lang="fr" dir="ltr"`, "Se connecter avec Hugging Face",
			"Ce lien de connexion a expiré", "Rouvrez-le."},
		"ar": {`lang="ar" dir="rtl"`, "تسجيل الدخول عبر Hugging Face", "انتهت صلاحية رابط", "افتحها من جديد."},
		"de, en;q=0.9": {`lang="en" dir="ltr"`, "Sign in with Hugging Face",
			"This sign-in link has expired", "Open it again."},
	} {
		said := ""
		for _, path := range []string{"/", "/login/callback", "/login/frame/text"} {
			req, err := http.NewRequest("GET", server.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept-Language", accept)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			if path == "/login/frame/text" && resp.Header.Get("Cache-Control") != "private, no-store" {
				t.Errorf("%s: %v", path, resp.Header)
			}
			said += string(body)
		}
		for _, want := range wants {
			if !strings.Contains(said, want) {
				t.Errorf("%s: lacks %q", accept, want)
			}
		}
	}
}
