package hfoauth_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The examples start and stop in the same way, which the quickstart tests.
func TestExamplesServeAlike(t *testing.T) {
	for _, name := range []string{"serve.go", "local.go"} {
		want, err := os.ReadFile(filepath.Join("examples/quickstart", name))
		if err != nil {
			t.Fatal(err)
		}
		copies, err := filepath.Glob(filepath.Join("examples/*", name))
		if err != nil {
			t.Fatal(err)
		}
		if len(copies) < 6 {
			t.Errorf("%d examples have %s, want six or more", len(copies), name)
		}
		for _, path := range copies {
			if got, err := os.ReadFile(path); err != nil || string(got) != string(want) {
				t.Errorf("%s differs from the quickstart's: %v", path, err)
			}
		}
	}
}

// No example, nor the README's program, serves without timeouts, can be framed by
// any site, or writes HTML without escaping it.
func TestExamplesAreHardened(t *testing.T) {
	sources, err := filepath.Glob("examples/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	sources = append(sources, "README.md")
	policies := regexp.MustCompile(`"default-src 'none'; style-src[^)]*\)`)
	for _, path := range sources {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := string(source)
		if strings.Contains(text, "http.Server{") && !strings.Contains(text, "ReadHeaderTimeout") {
			t.Errorf("%s has a server without ReadHeaderTimeout", path)
		}
		if strings.Contains(text, "http.ListenAndServe") {
			t.Errorf("%s has http.ListenAndServe, which sets no timeouts: use an http.Server", path)
		}
		if strings.Contains(text, `"text/template"`) {
			t.Errorf("%s imports text/template, which does not escape HTML: use html/template", path)
		}
		if strings.Contains(text, "Fprint") && strings.Contains(text, `w, "<`) {
			t.Errorf("%s prints HTML with fmt: use html/template", path)
		}
		for _, policy := range policies.FindAllString(text, -1) {
			if !strings.Contains(policy, "frame-ancestors") {
				t.Errorf("%s: no frame-ancestors: %s", path, policy)
			}
		}
	}
}
