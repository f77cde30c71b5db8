package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// findRoot returns the folder of go.work: the working directory or one above it.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("go.work is neither in the working directory nor above it")
		}
		dir = filepath.Dir(dir)
	}
}

// module is a module of go.work.
type module struct{ Path, Dir string }

func findModules(ctx context.Context, root string) ([]module, error) {
	list := exec.CommandContext(ctx, "go", "list", "-m", "-json=Path,Dir")
	list.Dir = root
	list.Env = append(os.Environ(), "GOWORK=")
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w", err)
	}
	var modules []module
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var m module
		if err := decoder.Decode(&m); err != nil {
			return nil, err
		}
		modules = append(modules, m)
	}
	slices.SortFunc(modules, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return modules, nil
}

// installed are the modules whose tests start browsers, database servers or
// programs in other languages.
var installed = []string{"internal/e2e", "internal/stores", "internal/clients", "examples/replicas", "examples/space"}

// portable returns the modules whose tests need only Go.
func portable(modules []module) []module {
	return slices.DeleteFunc(slices.Clone(modules), func(m module) bool {
		return slices.ContainsFunc(installed, func(name string) bool { return strings.HasSuffix(m.Path, "/"+name) })
	})
}

// goCommand returns a go command in a folder, with the versions in that module's
// go.mod.
func goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOWORK=off")
	return command
}

func checkFormat(ctx context.Context, dir string) error {
	command := exec.CommandContext(ctx, "gofmt", "-l", ".")
	command.Dir = dir
	out, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("gofmt: %w\n%s", err, out)
	}
	if len(out) > 0 {
		return fmt.Errorf("not formatted: run gofmt -w on:\n%s", out)
	}
	return nil
}

// systems are the operating systems that the library and its tests must compile
// for.
var systems = []string{"linux", "darwin", "windows"}

// vetElsewhere runs go vet for all systems, this one first.
func vetElsewhere(ctx context.Context, modules []module) error {
	var errs []error
	order := append([]string{runtime.GOOS},
		slices.DeleteFunc(slices.Clone(systems), func(s string) bool { return s == runtime.GOOS })...)
	for _, system := range order {
		for _, m := range modules {
			command := goCommand(ctx, m.Dir, "vet", "./...")
			command.Env = append(command.Env, "GOOS="+system)
			if system != runtime.GOOS {
				command.Env = append(command.Env, "CGO_ENABLED=0")
			}
			if out, err := command.CombinedOutput(); err != nil {
				errs = append(errs, fmt.Errorf("go vet for %s in %s: %w\n%s", system, m.Path, err, out))
			}
		}
		fmt.Printf("go vet for %s is done\n", system)
	}
	return errors.Join(errs...)
}

// testModule tests all packages of a module and adds the outcomes to results.
func testModule(ctx context.Context, m module, args []string, results *results) error {
	command := goCommand(ctx, m.Dir, append([]string{"test", "-json"}, append(args, "./...")...)...)
	command.Stderr = os.Stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	err = results.read(stdout)
	if err != nil {
		io.Copy(io.Discard, stdout)
	}
	if wait := command.Wait(); err == nil && wait != nil {
		err = fmt.Errorf("tests of %s failed: %w", m.Path, wait)
	}
	return err
}
