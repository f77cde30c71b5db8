package hfoauth_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
)

// snippetImports are the packages that snippets may use without importing them.
var snippetImports = map[string]string{
	"bytes": "bytes", "cmp": "cmp", "context": "context", "errors": "errors", "fmt": "fmt",
	"html": "html", "httptest": "net/http/httptest", "http": "net/http",
	"io": "io", "json": "encoding/json", "log": "log", "os": "os", "slog": "log/slog", "template": "html/template",
	"testing": "testing", "time": "time", "url": "net/url", "strings": "strings", "oauth2": "golang.org/x/oauth2",
	"hfoauth": "github.com/hfoauth/hfoauth", "hfoauthtest": "github.com/hfoauth/hfoauth/hfoauthtest",
}

// snippetScope declares what the text around a snippet provides.
const snippetScope = `
var client *hfoauth.Client
var mux = http.NewServeMux()
var store hfoauth.Store
func private(http.ResponseWriter, *http.Request) {}
func start(*testing.T) (hub *hfoauthtest.Server, url string) { return nil, "" }
`

// Every Go snippet of the documentation compiles.
func TestSnippets(t *testing.T) {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, "README.md")
	module := t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(module, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(module, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	gomod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	gosum, err := os.ReadFile("go.sum")
	if err != nil {
		t.Fatal(err)
	}
	write("go.mod", strings.Replace(string(gomod), "module github.com/hfoauth/hfoauth", "module snippets", 1)+
		"\nrequire github.com/hfoauth/hfoauth v0.0.0\n\nreplace github.com/hfoauth/hfoauth => "+root+"\n")
	write("go.sum", string(gosum))
	count := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, snippet := range regexp.MustCompile("(?ms)^```go\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
			name := fmt.Sprintf("%s_%d", strings.NewReplacer("/", "_", ".md", "", "-",
				"_").Replace(strings.ToLower(file)), i)
			write(filepath.Join(name, "snippet.go"), completeSnippet(snippet[1]))
			count++
		}
	}
	if count < 3 {
		t.Fatalf("only %d snippets found", count)
	}
	command := exec.Command("go", "vet", "-unusedresult=false", "./...")
	command.Dir = module
	command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// completeSnippet turns a snippet into a file: it may be a file, declarations or
// statements.
func completeSnippet(code string) string {
	if strings.HasPrefix(code, "package ") {
		return code
	}
	body := code
	scope := ""
	for line := range strings.Lines(snippetScope) {
		name := strings.Fields(line + " . .")[1]
		if !strings.Contains(code, "func "+strings.Split(name, "(")[0]+"(") {
			scope += line
		}
	}
	if !regexp.MustCompile(`(?m)^(func|type|var|const) `).MatchString(code) {
		var uses []string
		for _, match := range regexp.MustCompile(`(?m)^([\w, ]+) :?= `).FindAllStringSubmatch(code, -1) {
			for name := range strings.SplitSeq(match[1], ",") {
				uses = append(uses, "_ = "+strings.TrimSpace(name))
			}
		}
		body = "func snippet(ctx context.Context, w http.ResponseWriter, r *http.Request) {\n" + code +
			strings.Join(uses, "\n") + "\n}\n"
	}
	var imports []string
	for name, path := range snippetImports {
		if regexp.MustCompile(`\b` + name + `\.[A-Z]`).MatchString(scope + body) {
			imports = append(imports, fmt.Sprintf("%q", path))
		}
	}
	sort.Strings(imports)
	return "package snippet\n\nimport (\n" + strings.Join(imports, "\n") + "\n)\n" + scope + body
}
