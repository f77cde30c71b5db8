package hfoauth_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test that SECURITY.md names exists: a defence without a test does not
// count.
func TestSecurityTableNamesTests(t *testing.T) {
	text, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	var sources strings.Builder
	for _, pattern := range []string{
		"*_test.go", "internal/*/*_test.go", "hfoauthtest/*_test.go", "hfcli/*_test.go",
		"cmd/*/*_test.go", "examples/*/*_test.go",
	} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sources.Write(source)
		}
	}
	rows := map[string]bool{}
	for _, row := range conformanceTests {
		rows[row.name] = true
	}
	names := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)(/[a-zA-Z0-9_-]+)?`").FindAllStringSubmatch(string(text), -1)
	if len(names) < 50 {
		t.Fatalf("only %d tests named", len(names))
	}
	for _, name := range names {
		if !strings.Contains(sources.String(), "func "+name[1]+"(") {
			t.Errorf("%s does not exist", name[1])
		}
		if row := strings.TrimPrefix(name[2], "/"); row != "" && !rows[row] {
			t.Errorf("%s has no row %s", name[1], row)
		}
	}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		isHead := strings.HasPrefix(line, "| threat ") || strings.HasPrefix(line, "| ---")
		if len(cells) != 6 || isHead {
			continue
		}
		if !strings.Contains(cells[4], "`") {
			t.Errorf("no test: %s", line)
		}
	}
}
