package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// event is a line of go test -json (cmd/test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string // of build output, instead of Package
	Test       string
	Elapsed    float64
	Output     string
}

// results are the outcomes of tests.
type results struct {
	tests  map[testName]*test
	builds map[string]*strings.Builder // compiler output by import path
}

type testName struct{ pkg, name string }

// test is a test, a subtest or, if its name is empty, a whole package.
type test struct {
	outcome string // pass, fail or skip
	elapsed time.Duration
	parent  bool // has subtests
	output  strings.Builder
}

func newResults() *results {
	return &results{tests: map[testName]*test{}, builds: map[string]*strings.Builder{}}
}

// read reads the events of go test -json and prints the outcome of each package.
func (r *results) read(events io.Reader) error {
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("go test -json: %w: %q", err, lines.Text())
		}
		r.add(e)
	}
	return lines.Err()
}

func (r *results) add(e event) {
	if e.Action == "build-output" {
		if r.builds[e.ImportPath] == nil {
			r.builds[e.ImportPath] = &strings.Builder{}
		}
		r.builds[e.ImportPath].WriteString(e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	t := r.test(testName{e.Package, e.Test})
	switch e.Action {
	case "run":
		for i, letter := range e.Test { // a slash may be part of a name
			if parent := r.tests[testName{e.Package, e.Test[:i]}]; letter == '/' && parent != nil {
				parent.parent = true
			}
		}
	case "output":
		t.output.WriteString(e.Output)
	case "pass", "fail", "skip":
		t.outcome, t.elapsed = e.Action, time.Duration(e.Elapsed*float64(time.Second))
		if e.Test == "" {
			r.printPackage(e.Package, t)
		} else if e.Action == "pass" {
			t.output.Reset()
		}
	}
}

func (r *results) test(name testName) *test {
	if r.tests[name] == nil {
		r.tests[name] = &test{}
	}
	return r.tests[name]
}

func (r *results) printPackage(pkg string, t *test) {
	switch t.outcome {
	case "skip": // it has no tests
	case "fail":
		fmt.Printf("FAIL %s\n", pkg)
	default:
		fmt.Printf("ok   %s (%s)\n", pkg, t.elapsed.Round(100*time.Millisecond))
	}
}

// failed returns the tests that failed or did not end, in order.
func (r *results) failed() []testName {
	var names []testName
	for name, t := range r.tests {
		if t.outcome == "fail" || t.outcome == "" {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b testName) int {
		return strings.Compare(a.pkg+"\x00"+a.name, b.pkg+"\x00"+b.name)
	})
	return names
}

// report prints the failed tests with their output, the skipped ones and the
// slowest ones.
func (r *results) report(w io.Writer, slowest int) {
	for path, output := range r.builds {
		fmt.Fprintf(w, "\n--- %s does not compile\n%s", path, output)
	}
	for _, name := range r.failed() {
		fmt.Fprintf(w, "\n--- FAIL %s %s\n%s", name.pkg, name.name, r.tests[name].output.String())
	}
	type timed struct {
		name testName
		test *test
	}
	var leaves []timed
	skipped := 0
	for name, t := range r.tests {
		if name.name == "" {
			continue
		}
		if t.outcome == "skip" {
			skipped++
			fmt.Fprintf(w, "skipped: %s %s\n%s", name.pkg, name.name, t.output.String())
		}
		if !t.parent {
			leaves = append(leaves, timed{name, t})
		}
	}
	slices.SortFunc(leaves, func(a, b timed) int { return int(b.test.elapsed - a.test.elapsed) })
	fmt.Fprintf(w, "\nthe slowest of %d tests:\n", len(leaves))
	for _, t := range leaves[:min(slowest, len(leaves))] {
		fmt.Fprintf(w, "%7.1f s  %s %s\n", t.test.elapsed.Seconds(), t.name.pkg, t.name.name)
	}
	fmt.Fprintf(w, "\nskipped tests: %d\n", skipped)
}
