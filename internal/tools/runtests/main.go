// Runtests checks and tests the modules of go.work, each with the versions of
// its own go.mod, as its importers get them. It prints what failed, counts the
// cases behind the claims of the documentation, and lists the slowest tests.
//
//	go -C internal/tools run ./runtests          all of it, with the race detector, on a machine that make setup prepared
//	go -C internal/tools run ./runtests -check   what needs nothing but Go, on any system
//	go -C internal/tools run ./runtests -providers   sign-in at the providers that take too long for the rest
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
	check := flag.Bool("check", false, "gofmt, go vet for other systems, and the tests that need nothing but Go")
	providers := flag.Bool("providers", false, "the tests of internal/e2e with the build tag providers, on a machine that make providers prepared")
	slowest := flag.Int("slowest", 10, "how many of the slowest tests to list")
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
	// go test does not see that programs changed which its tests start.
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
	fmt.Printf("all of it took %s\n", time.Since(began).Round(time.Second))
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
