package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const events = `
{"Action":"build-output","ImportPath":"m/broken","Output":"broken.go:1:1: nonsense\n"}
{"Action":"build-fail","ImportPath":"m/broken"}
{"Action":"start","Package":"m"}
{"Action":"run","Package":"m","Test":"TestTable"}
{"Action":"run","Package":"m","Test":"TestTable/one"}
{"Action":"output","Package":"m","Test":"TestTable/one","Output":"fine\n"}
{"Action":"pass","Package":"m","Test":"TestTable/one","Elapsed":0.5}
{"Action":"run","Package":"m","Test":"TestTable/two"}
{"Action":"output","Package":"m","Test":"TestTable/two","Output":"got 1, want 2\n"}
{"Action":"fail","Package":"m","Test":"TestTable/two","Elapsed":2}
{"Action":"fail","Package":"m","Test":"TestTable","Elapsed":2.5}
{"Action":"run","Package":"m","Test":"TestPlain"}
{"Action":"pass","Package":"m","Test":"TestPlain","Elapsed":1}
{"Action":"run","Package":"m","Test":"TestSkipped"}
{"Action":"output","Package":"m","Test":"TestSkipped","Output":"not here\n"}
{"Action":"skip","Package":"m","Test":"TestSkipped"}
{"Action":"run","Package":"m","Test":"TestHangs"}
{"Action":"output","Package":"m","Test":"TestHangs","Output":"panic: test timed out\n"}
{"Action":"fail","Package":"m","Elapsed":4}
`

func readEvents(t *testing.T) *results {
	t.Helper()
	r := newResults()
	if err := r.read(strings.NewReader(strings.TrimSpace(events))); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReport(t *testing.T) {
	var out strings.Builder
	readEvents(t).report(&out, 2)
	for _, want := range []string{
		"m/broken does not compile\nbroken.go:1:1: nonsense\n", "--- FAIL m TestTable/two\ngot 1, want 2\n",
		"--- FAIL m TestHangs\npanic: test timed out\n", "skipped: m TestSkipped\nnot here\n", "skipped tests: 1\n",
		"the slowest of 5 tests:\n    2.0 s  m TestTable/two\n    1.0 s  m TestPlain\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "fine") {
		t.Errorf("the report contains the output of a test that passed:\n%s", out.String())
	}
}

// Slashes within the name of a subtest do not make further subtests.
func TestNamesWithSlashes(t *testing.T) {
	const events = `{"Action":"run","Package":"m","Test":"TestPaths"}
{"Action":"run","Package":"m","Test":"TestPaths/at_/oauth/token"}
{"Action":"pass","Package":"m","Test":"TestPaths/at_/oauth/token"}
{"Action":"pass","Package":"m","Test":"TestPaths"}
{"Action":"pass","Package":"m"}`
	r := newResults()
	if err := r.read(strings.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	if failed := r.failed(); len(failed) != 0 {
		t.Errorf("failed: %v", failed)
	}
	if got := r.passedCases("m", "TestPaths"); got != 1 {
		t.Errorf("%d cases, want 1", got)
	}
}

func TestCases(t *testing.T) {
	r := readEvents(t)
	for name, want := range map[string]int{
		"TestTable":   1,
		"TestPlain":   1,
		"TestSkipped": 0,
		"TestHangs":   0,
		"TestTab":     0,
	} {
		if got := r.passedCases("m", name); got != want {
			t.Errorf("%s: %d cases, want %d", name, got, want)
		}
	}
	if got := r.passedCases("m/other", "TestPlain"); got != 0 {
		t.Errorf("another package has %d cases", got)
	}
}

func TestClaims(t *testing.T) {
	root := t.TempDir()
	source := "package x\nfunc TestPlain(t *testing.T) {}\nfunc TestMain(m *testing.M) {}\nfunc " +
		"helper() {}\nfunc TestGone(t *testing.T) {}\n"
	if err := os.WriteFile(filepath.Join(root, "a_test.go"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	names, err := testsIn(filepath.Join(root, "a_test.go"))
	if want := []string{"TestPlain", "TestGone"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("tests %q, want %q (%v)", names, want, err)
	}
	r := newResults()
	r.add(event{Action: "pass", Package: modulePath, Test: "TestPlain"})
	var out strings.Builder
	err = countClaims(&out, root, []claim{{"rows", []string{"a_test.go", "b_test.go"}}}, r)
	if out.String() != "rows: 1\n" {
		t.Errorf("%q, want one row", out.String())
	}
	for _, want := range []string{"TestGone in a_test.go", "b_test.go"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want it to name %s", err, want)
		}
	}
}

// The files of all claims exist and have tests.
func TestClaimsOfThisRepository(t *testing.T) {
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range slices.Concat(claims, providerClaims) {
		for _, file := range c.files {
			if names, err := testsIn(filepath.Join(root, file)); err != nil || len(names) == 0 {
				t.Errorf("claim %q: %d tests in %s (%v)", c.name, len(names), file, err)
			}
		}
	}
}

func TestPortable(t *testing.T) {
	modules := []module{{Path: modulePath}, {Path: modulePath + "/internal/e2e"},
		{Path: modulePath + "/examples/gallery"}}
	got := portable(modules)
	if len(got) != 2 || got[1].Path != modulePath+"/examples/gallery" {
		t.Errorf("portable modules: %v", got)
	}
}
