package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// trial tests mutants in a repository.
type trial struct {
	root   string
	temp   string
	cache  *cache
	hashes map[string]string // of the sources, by folder of the tests

	variants map[string]*variants // by folder of the package
	building sync.Mutex
	binaries map[build]string
	limits   map[build]time.Duration // how long the tests of a mutant may take
}

// build identifies the tests of a folder compiled with the variants of a package,
// or without any if pkg is empty.
type build struct{ pkg, dir string }

// buildOf returns the build in which a suite runs with a mutant.
func (t *trial) buildOf(m *mutant, s suite) build {
	pkg := filepath.Dir(m.file)
	if v := t.variants[pkg]; v != nil && v.numbers[m] > 0 {
		return build{pkg, s.dir}
	}
	return build{"", s.dir}
}

// overlayOf returns the overlay with which a build is compiled.
func (t *trial) overlayOf(b build) string {
	if b.pkg == "" {
		return ""
	}
	return t.variants[b.pkg].overlay
}

// binary returns the compiled tests of a build.
func (t *trial) binary(ctx context.Context, b build) (string, error) {
	t.building.Lock()
	defer t.building.Unlock()
	if t.binaries[b] != "" {
		return t.binaries[b], nil
	}
	work, err := os.MkdirTemp(t.temp, "")
	if err != nil {
		return "", err
	}
	binary, err := t.compile(ctx, work, b.dir, t.overlayOf(b))
	if err == nil {
		t.binaries[b] = binary
	}
	return binary, err
}

// key identifies a mutant together with the sources of its tests.
func (t *trial) key(m *mutant) string {
	hash := sha256.New()
	fmt.Fprintln(hash, m.file, m.hunks)
	for _, s := range m.tests {
		fmt.Fprintln(hash, s, t.hashes[s.dir])
	}
	return fmt.Sprintf("%x", hash.Sum(nil))
}

// try tests a mutant until a test fails, unless its result is stored.
func (t *trial) try(ctx context.Context, m *mutant) (result, error) {
	key := t.key(m)
	if r, found := t.cache.get(key); found {
		return r, nil
	}
	work, err := os.MkdirTemp(t.temp, "")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(work)
	overlay, err := t.overlay(work, m)
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	r := result{Key: key}
	alone := map[string]string{} // binaries for this mutant, by folder
	for _, s := range m.tests {
		binary, number := "", 0
		b := t.buildOf(m, s)
		if b.pkg != "" {
			if binary, err = t.binary(ctx, b); err != nil {
				return result{}, err
			}
			number = t.variants[b.pkg].numbers[m]
		} else if binary = alone[s.dir]; binary == "" {
			if binary, err = t.compile(ctx, work, s.dir, overlay); err != nil {
				return result{}, fmt.Errorf("%s: %q does not compile: %w", m.place, m.rule, err)
			}
			alone[s.dir] = binary
		}
		out, err := t.test(ctx, s, binary, number, overlay, t.limits[b])
		if ctx.Err() != nil {
			return result{}, ctx.Err()
		}
		if err != nil {
			r.Dead, r.By = true, cause(out)
			break
		}
	}
	r.Seconds = time.Since(began).Seconds()
	return r, t.cache.put(r)
}

// overlay writes the changed file and a description for the flag -overlay of the
// go command, and returns the path of the description.
func (t *trial) overlay(work string, m *mutant) (string, error) {
	original := filepath.Join(t.root, m.file)
	source, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	changed, err := m.apply(string(source))
	if err != nil {
		return "", err
	}
	replacement := filepath.Join(work, filepath.Base(m.file))
	if err := os.WriteFile(replacement, []byte(changed), 0o644); err != nil {
		return "", err
	}
	description, err := json.Marshal(map[string]any{"Replace": map[string]string{original: replacement}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(work, "overlay.json")
	return overlay, os.WriteFile(overlay, description, 0o644)
}

// compile builds the tests of a folder, with an overlay unless it is empty.
func (t *trial) compile(ctx context.Context, work, dir, overlay string) (string, error) {
	binary := filepath.Join(work, strings.NewReplacer("/", "_", ".", "_").Replace(dir)+".test")
	out, err := t.run(ctx, dir, overlay, 0, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-o", binary, ".")
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return binary, nil
}

// test runs a suite until a test fails or the limit expires, with the variant that
// number names.
func (t *trial) test(ctx context.Context, s suite, binary string, number int, overlay string,
	limit time.Duration) (string, error) {
	return t.run(ctx, s.dir, overlay, number, binary, "-test.failfast", "-test.run="+s.run,
		fmt.Sprint("-test.timeout=", limit))
}

// run runs a program in a folder. Go commands that it starts use the overlay as
// well.
func (t *trial) run(ctx context.Context, dir, overlay string, number int,
	program string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, program, args...)
	command.Dir = filepath.Join(t.root, dir)
	command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", fmt.Sprint(numberVariable, "=", number))
	if overlay != "" {
		command.Env = append(command.Env, "GOFLAGS=-overlay="+overlay)
	}
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	return out.String(), err
}

// timeout is the cause of a failure by which tests did not end.
const timeout = "timeout"

var failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// cause returns the name of the innermost test that failed first, or another
// cause of the failure.
func cause(out string) string {
	var name string
	for _, match := range failedTest.FindAllStringSubmatch(out, -1) {
		if !strings.HasPrefix(match[1], name) {
			break
		}
		name = match[1]
	}
	switch {
	case strings.Contains(out, "panic: test timed out"):
		return timeout
	case name != "":
		return name
	case strings.Contains(out, "panic:"), strings.Contains(out, "fatal error:"):
		return "panic"
	}
	return "failed"
}
