// Command reverts shows that the simulation can fail: it takes one fix at a time
// out of the code and counts the seeds until a promise is broken.
//
//	go run ./internal/simulation/reverts
//
// Run it in the root of the repository. It prints a table in Markdown and
// fails if a revert goes unnoticed.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	seeds = flag.Int("seeds", 10_000, "after how many seeds a revert counts as unnoticed")
	only  = flag.String("only", "", "take out only fixes with this in their description")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	fmt.Println("| point | taken out | seeds until it fails | promise |\n| --- | --- | --- | --- |")
	unnoticed := 0
	for _, r := range reverts {
		if !strings.Contains(r.what, *only) {
			continue
		}
		seed, rule, err := r.try()
		if err != nil {
			log.Fatalf("%s: %v", r.what, err)
		}
		if rule == "" {
			unnoticed++
			seed, rule = fmt.Sprintf("more than %d", *seeds), "none"
		}
		fmt.Printf("| %d | %s | %s | %s |\n", r.point, r.what, seed, rule)
	}
	if unnoticed > 0 {
		log.Fatalf("%d reverts go unnoticed", unnoticed)
	}
}

var found = regexp.MustCompile(`broken by seed (\d+): ([\w -]+):`)

// try runs the simulation without a fix.
func (r *revert) try() (seed, rule string, err error) {
	dir, err := os.MkdirTemp("", "reverts")
	if err != nil {
		return "", "", err
	}
	defer os.RemoveAll(dir)
	replaced, err := r.apply(dir)
	if err != nil {
		return "", "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		return "", "", err
	}
	binary := filepath.Join(dir, "simulation.test")
	build := exec.Command("go", "test", "-vet=off", "-overlay", filepath.Join(dir, "overlay.json"),
		"-c", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("%w\n%s", err, out)
	}
	out, err := exec.Command(binary, "-test.run", "^TestSimulation$", "-test.timeout", "0", "-first",
		"-seeds", fmt.Sprint(*seeds)).CombinedOutput()
	match := found.FindSubmatch(out)
	switch {
	case match != nil:
		return string(match[1]), string(match[2]), nil
	case err != nil:
		return "", "", fmt.Errorf("%w\n%s", err, out)
	}
	return "", "", nil
}

// apply writes the files without the fix into dir, and returns them by the paths
// of those that they replace.
func (r *revert) apply(dir string) (map[string]string, error) {
	replaced := map[string]string{}
	for i, c := range r.changes {
		path, err := filepath.Abs(c.file)
		if err != nil {
			return nil, err
		}
		from := path
		if earlier, ok := replaced[path]; ok {
			from = earlier
		}
		code, err := os.ReadFile(from)
		if err != nil {
			return nil, err
		}
		if n := strings.Count(string(code), c.old); n != 1 {
			return nil, fmt.Errorf("%s contains the text to replace %d times:\n%s", c.file, n, c.old)
		}
		to := filepath.Join(dir, fmt.Sprint(i, ".go"))
		if err := os.WriteFile(to, []byte(strings.Replace(string(code), c.old, c.new, 1)), 0o600); err != nil {
			return nil, err
		}
		replaced[path] = to
	}
	return replaced, nil
}
