package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// cache stores the results of mutants in a file, so that an interrupted run can
// be resumed and only mutants whose sources changed are tested again.
type cache struct {
	mu      sync.Mutex
	path    string
	results map[string]result
}

// result is the result of testing a mutant.
type result struct {
	Key     string
	Dead    bool    // a test failed
	By      string  // the first test that failed, or another cause
	Seconds float64 // duration of all tests that ran
}

func openCache(path string) (*cache, error) {
	c := &cache{path: path, results: map[string]result{}}
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	for line := range bytes.Lines(text) {
		var r result
		if json.Unmarshal(line, &r) == nil { // the last line may be truncated
			c.results[r.Key] = r
		}
	}
	return c, nil
}

func (c *cache) get(key string) (result, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, found := c.results[key]
	return r, found
}

func (c *cache) put(r result) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.results[r.Key] = r
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(c.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = fmt.Fprintf(file, "\n%s\n", line)
	return err
}

// sourceHash hashes all files of this repository that the tests in a folder are
// compiled from.
func sourceHash(root, dir string) (string, error) {
	list := exec.Command("go", "list", "-deps", "-test", "-json=Standard,Dir,GoFiles,CgoFiles,"+
		"TestGoFiles,XTestGoFiles,EmbedFiles,TestEmbedFiles,XTestEmbedFiles", ".")
	list.Dir = filepath.Join(root, dir)
	list.Env = append(os.Environ(), "GOWORK=off")
	out, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("go list in %s: %w", dir, err)
	}
	files := map[string]bool{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var pkg struct {
			Standard                   bool
			Dir                        string
			GoFiles, CgoFiles          []string
			TestGoFiles, XTestGoFiles  []string
			EmbedFiles, TestEmbedFiles []string
			XTestEmbedFiles            []string
		}
		if err := decoder.Decode(&pkg); err != nil {
			return "", err
		}
		if pkg.Standard || !strings.HasPrefix(pkg.Dir, root) {
			continue
		}
		for _, names := range [][]string{pkg.GoFiles, pkg.CgoFiles, pkg.TestGoFiles, pkg.XTestGoFiles,
			pkg.EmbedFiles, pkg.TestEmbedFiles, pkg.XTestEmbedFiles} {
			for _, name := range names {
				if !filepath.IsAbs(name) { // not the generated main of a test
					files[filepath.Join(pkg.Dir, name)] = true
				}
			}
		}
	}
	hash := sha256.New()
	fmt.Fprintln(hash, runtime.Version())
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %x\n", strings.TrimPrefix(name, root), sha256.Sum256(text))
	}
	return fmt.Sprintf("%x", hash.Sum(nil)), nil
}
