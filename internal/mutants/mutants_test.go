package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestTestsOfAMutant(t *testing.T) {
	mutants, err := parse("x.txt", `file: x.go
tests: . TestAll

== one
-a
+b

== two
tests: ./internal/e2e TestOwn
-a
+b
`)
	if err != nil {
		t.Fatal(err)
	}
	all, own := suite{".", "TestAll"}, suite{"./internal/e2e", "TestOwn"}
	for i, want := range [][]suite{{all}, {all, own}} {
		if got := mutants[i].tests; !slices.Equal(got, want) {
			t.Errorf("%s: tests %q, want %q", mutants[i].rule, got, want)
		}
	}
	if _, err := parse("x.txt", "file: x.go\n\n== none\n-a\n+b\n"); err == nil {
		t.Error("no error for a mutant without tests")
	}
}

func TestCause(t *testing.T) {
	for out, want := range map[string]string{
		"--- FAIL: TestA (0.01s)\n    --- FAIL: TestA/b (0.00s)\n":    "TestA/b",
		"panic: test timed out after 1m0s\n\trunning tests:\n":        timeout,
		"--- FAIL: TestA (9.00s)\npanic: test timed out after 1m0s\n": timeout,
		"panic: runtime error: index out of range\n":                  "panic",
		"exit status 2\n": "failed",
	} {
		if got := cause(out); got != want {
			t.Errorf("the cause of %q is %s, want %s", out, got, want)
		}
	}
}

// A mutant killed by a timeout counts as killed, and is listed.
func TestReportOfATimeout(t *testing.T) {
	mutants := []mutant{
		{rule: "it ends", file: "x.go", place: "x.txt:3"},
		{rule: "it adds", file: "x.go", place: "x.txt:7"},
	}
	results := []result{
		{Key: "1", Dead: true, By: timeout, Seconds: 60},
		{Key: "2", Dead: true, By: "TestAdd"},
	}
	var out strings.Builder
	if err := report(&out, mutants, results, false); err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		"killed by a timeout: x.txt:3: it ends (60 s)\n",
		fmt.Sprintf("%-34s %6d %6d %11d %9d\n", "x.go", 2, 2, 1, 0),
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "it adds") {
		t.Errorf("a mutant that a test killed is listed in\n%s", &out)
	}
}
