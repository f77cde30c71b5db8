// Runtests checks and tests the modules of go.work, each with the versions in its
// own go.mod, like its importers. It prints failures, counts the cases behind the
// claims in the documentation, and lists the slowest tests.
//
//	go -C internal/tools run ./runtests              # all tests, after make setup
//	go -C internal/tools run ./runtests -check       # what needs only Go
//	go -C internal/tools run ./runtests -providers   # after make providers
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	check := flag.Bool("check", false, "run gofmt, go vet for other systems, and the tests that need only Go")
	providers := flag.Bool("providers", false,
		"run the tests of internal/e2e with the build tag providers, after make providers")
	slowest := flag.Int("slowest", 10, "number of slowest tests to list")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	work := func() error { return run(ctx, *check, *slowest) }
	if *providers {
		work = func() error { return runProviders(ctx) }
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "runtests:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, check bool, slowest int) error {
	began := time.Now()
	root, err := findRoot()
	if err != nil {
		return err
	}
	modules, err := findModules(ctx, root)
	if err != nil {
		return err
	}
	var errs []error
	// -count 1, since go test does not notice changes of programs that tests start.
	args := []string{"-race", "-timeout", "20m", "-count", "1"}
	if check {
		args = []string{"-timeout", "20m"}
		errs = append(errs, checkFormat(ctx, root), vetElsewhere(ctx, modules))
		modules = portable(modules)
	}
	results := newResults()
	for _, m := range modules {
		fmt.Printf("== %s\n", m.Path)
		errs = append(errs, testModule(ctx, m, args, results))
	}
	results.report(os.Stdout, slowest)
	if !check {
		errs = append(errs, countClaims(os.Stdout, root, claims, results))
	}
	fmt.Printf("total time: %s\n", time.Since(began).Round(time.Second))
	return errors.Join(errs...)
}

// runProviders runs the tests behind providerClaims and counts them.
func runProviders(ctx context.Context) error {
	root, err := findRoot()
	if err != nil {
		return err
	}
	names, err := testsBehind(root, providerClaims)
	if err != nil {
		return err
	}
	results := newResults()
	e2e := module{Path: modulePath + "/internal/e2e", Dir: filepath.Join(root, "internal", "e2e")}
	args := []string{"-race", "-tags", "providers", "-count", "1", "-run", "^(" + strings.Join(names, "|") + ")$"}
	err = testModule(ctx, e2e, args, results)
	results.report(os.Stdout, len(names))
	return errors.Join(err, countClaims(os.Stdout, root, providerClaims, results))
}
