// Mutants breaks one rule of this repository's sources at a time and lists the
// changes that make no test fail. The changes are in the folder catalog. Results
// are stored in .mutants, so that a run can be interrupted, and a later one tests
// only mutants whose sources changed.
//
//	go run ./internal/mutants [-j jobs] [-check] [regexp]
//
// A regexp selects mutants by "file rule row:threat". -check only checks that the
// mutants apply.
//
// Tests that have not ended in four times the time that they take without a mutant,
// or in a minute if that is longer, are stopped. Their mutant counts as killed and
// is listed: it may loop for ever, or the machine was too slow.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	jobs := flag.Int("j", 2*runtime.NumCPU(), "number of mutants to test at a time (many tests mostly wait)")
	check := flag.Bool("check", false, "check only that the mutants apply")
	list := flag.Bool("dead", false, "also list the mutants that were killed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *jobs, *check, *list, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, jobs int, check, list bool, selection string) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	mutants, err := readCatalog(filepath.Join(root, "internal/mutants/catalog"))
	if err != nil {
		return err
	}
	selected, err := regexp.Compile(selection)
	if err != nil {
		return err
	}
	if selection == "" {
		if err := checkRows(root, mutants); err != nil {
			return err
		}
	}
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool {
		return !selected.MatchString(m.file + " " + m.rule + " row:" + m.row)
	})
	if err := applyAll(root, mutants); err != nil {
		return err
	}
	if check {
		fmt.Printf("%d mutants apply\n", len(mutants))
		return nil
	}
	t, err := newTrial(ctx, root, jobs, mutants)
	if err != nil {
		return err
	}
	defer os.RemoveAll(t.temp)
	results, err := t.tryAll(ctx, jobs, mutants)
	return errors.Join(report(os.Stdout, mutants, results, list), err)
}

// applyAll returns an error for every mutant that no longer applies.
func applyAll(root string, mutants []mutant) error {
	var errs []error
	for i := range mutants {
		source, err := os.ReadFile(filepath.Join(root, mutants[i].file))
		if err == nil {
			_, err = mutants[i].apply(string(source))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// checkRows returns an error for every row of SECURITY.md that no mutant weakens,
// and for every mutant whose row does not exist.
func checkRows(root string, mutants []mutant) error {
	text, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		return err
	}
	rows := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || strings.Contains(cells[1], "---") {
			continue
		}
		if threat := strings.TrimSpace(cells[1]); threat != "threat" {
			rows[threat] = false
		}
	}
	var errs []error
	for _, m := range mutants {
		if _, exists := rows[m.row]; m.row != "" && !exists {
			errs = append(errs, fmt.Errorf("%s: SECURITY.md has no row %q", m.place, m.row))
		}
		rows[m.row] = true
	}
	for row, weakened := range rows {
		if !weakened {
			errs = append(errs, fmt.Errorf("no mutant weakens the defence against %q of SECURITY.md", row))
		}
	}
	return errors.Join(errs...)
}

// newTrial opens the stored results, and checks that the tests of mutants without
// one pass.
func newTrial(ctx context.Context, root string, jobs int, mutants []mutant) (*trial, error) {
	kept, err := openCache(filepath.Join(root, ".mutants"))
	if err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return nil, err
	}
	t := &trial{root: root, temp: temp, cache: kept, hashes: map[string]string{},
		variants: map[string]*variants{}, binaries: map[build]string{}, limits: map[build]time.Duration{}}
	var untested []*mutant
	packages := map[string][]*mutant{}
	for i := range mutants {
		m := &mutants[i]
		for _, s := range m.tests {
			if t.hashes[s.dir] == "" {
				if t.hashes[s.dir], err = sourceHash(root, s.dir); err != nil {
					return nil, err
				}
			}
		}
		if _, known := kept.get(t.key(m)); known {
			continue
		}
		untested = append(untested, m)
		if filepath.Ext(m.file) == ".go" {
			packages[filepath.Dir(m.file)] = append(packages[filepath.Dir(m.file)], m)
		}
	}
	for dir, some := range packages {
		if t.variants[dir], err = newVariants(root, temp, dir, some); err != nil {
			return nil, err
		}
	}
	return t, t.checkUnchanged(ctx, jobs, untested)
}

// checkUnchanged checks that the tests that mutants name pass without any mutant,
// and sets how long they may take with one.
func (t *trial) checkUnchanged(ctx context.Context, jobs int, mutants []*mutant) error {
	runs := map[build][]string{}
	for _, m := range mutants {
		for _, s := range m.tests {
			b := t.buildOf(m, s)
			runs[b] = append(runs[b], s.run)
		}
	}
	builds := slices.Collect(maps.Keys(runs))
	took := make([]time.Duration, len(builds))
	err := parallel(ctx, jobs, len(builds), func(i int) error {
		b := builds[i]
		names := slices.Compact(slices.Sorted(slices.Values(runs[b])))
		s := suite{b.dir, strings.Join(names, "|")}
		if names[0] == "" {
			s.run = ""
		}
		fmt.Printf("without a mutant: %s, compiled with those of %q\n", b.dir, b.pkg)
		binary, err := t.binary(ctx, b)
		if err != nil {
			return err
		}
		began := time.Now()
		if out, err := t.test(ctx, s, binary, 0, t.overlayOf(b), 10*time.Minute); err != nil {
			return fmt.Errorf("the tests in %s fail without any mutant:\n%s", s, out)
		}
		took[i] = time.Since(began)
		return nil
	})
	for i, b := range builds {
		t.limits[b] = max(time.Minute, 4*took[i])
	}
	return err
}

// tryAll tests mutants, jobs at a time. If one cannot be tested, it continues with
// the others.
func (t *trial) tryAll(ctx context.Context, jobs int, mutants []mutant) ([]result, error) {
	results := make([]result, len(mutants))
	err := parallel(ctx, jobs, len(mutants), func(i int) (err error) {
		results[i], err = t.try(ctx, &mutants[i])
		return err
	})
	return results, err
}

// parallel calls do for 0 to n-1, jobs at a time, until ctx ends, and returns all
// errors.
func parallel(ctx context.Context, jobs, n int, do func(int) error) error {
	errs := make([]error, n)
	next := make(chan int)
	var wg sync.WaitGroup
	for range jobs {
		wg.Go(func() {
			for i := range next {
				errs[i] = do(i)
			}
		})
	}
	for i := range n {
		if ctx.Err() != nil {
			errs[i] = ctx.Err()
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	return errors.Join(errs...)
}
