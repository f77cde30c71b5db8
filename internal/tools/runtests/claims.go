package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"path"
	"path/filepath"
	"strings"
)

const modulePath = "github.com/hfoauth/hfoauth"

// claim is a number in the documentation: the cases of the tests in some files. A
// case is a test or subtest without subtests.
type claim struct {
	name  string
	files []string // relative to the root of the repository
}

var claims = []claim{
	{"conformance rows passed", []string{"hfoauth_conformance_test.go"}},
	{"fault cases passed", []string{"internal/e2e/faults_test.go"}},
	{"browser cases passed", []string{
		"internal/e2e/back_test.go", "internal/e2e/button_test.go", "internal/e2e/emulation_test.go",
		"internal/e2e/examples_test.go",
		"internal/e2e/frame_test.go", "internal/e2e/looks_test.go", "internal/e2e/mcp_test.go",
		"internal/e2e/quickstart_test.go", "internal/e2e/standin_test.go",
	}},
	{"browser harness cases passed", []string{"internal/e2e/harness_test.go"}},
	{"cases behind shared caches passed", []string{"internal/e2e/sharedcaches_test.go"}},
	{"cases with stores of scs on real servers passed", []string{
		"internal/stores/cluster_test.go", "internal/stores/scs_test.go", "internal/stores/stores_test.go",
	}},
	{"cases behind proxies passed", []string{"internal/e2e/proxies_test.go"}},
	{"cases at other providers passed", []string{
		"internal/e2e/dex_test.go", "internal/e2e/oidcprovider_test.go", "internal/e2e/zitadel_test.go",
	}},
	{"sign-ins and refusals of real clients passed", []string{
		"internal/clients/clients_test.go", "internal/clients/examples_test.go", "internal/clients/huggingfacehub_test.go",
		"internal/clients/mcpexample_test.go",
		"internal/e2e/huggingfacejs_test.go",
	}},
}

// providerClaims are the claims that make providers counts.
var providerClaims = []claim{
	{"cases at further providers passed", []string{
		"internal/e2e/django_test.go", "internal/e2e/glewlwyd_test.go", "internal/e2e/hydra_test.go",
	}},
}

// testsBehind returns the names of all tests behind claims.
func testsBehind(root string, claims []claim) ([]string, error) {
	var all []string
	for _, c := range claims {
		for _, file := range c.files {
			names, err := testsIn(filepath.Join(root, file))
			if err != nil {
				return nil, err
			}
			all = append(all, names...)
		}
	}
	return all, nil
}

// countClaims prints how many cases of each claim passed. It returns an error if
// a file is missing or one of its tests has no case that passed.
func countClaims(w io.Writer, root string, claims []claim, r *results) error {
	var errs []error
	for _, c := range claims {
		passed := 0
		for _, file := range c.files {
			names, err := testsIn(filepath.Join(root, file))
			if err != nil {
				errs = append(errs, fmt.Errorf("claim %q: %w", c.name, err))
			}
			for _, name := range names {
				n := r.passedCases(path.Join(modulePath, path.Dir(file)), name)
				if n == 0 {
					errs = append(errs, fmt.Errorf("claim %q: no case of %s in %s passed", c.name, name, file))
				}
				passed += n
			}
		}
		fmt.Fprintf(w, "%s: %d\n", c.name, passed)
	}
	return errors.Join(errs...)
}

// testsIn returns the names of the tests in a file.
func testsIn(file string) ([]string, error) {
	source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, decl := range source.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") && f.Name.Name != "TestMain" {
			names = append(names, f.Name.Name)
		}
	}
	return names, nil
}

// passedCases counts the cases of a test that passed.
func (r *results) passedCases(pkg, name string) int {
	cases := 0
	for t, result := range r.tests {
		test, _, _ := strings.Cut(t.name, "/")
		if t.pkg == pkg && test == name && !result.parent && result.outcome == "pass" {
			cases++
		}
	}
	return cases
}
