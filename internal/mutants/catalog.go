package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mutant is a change of a source file that breaks a rule.
type mutant struct {
	rule     string // the rule that the code no longer follows
	row      string // the threat in SECURITY.md whose defence is weakened, if any
	accepted string // why no test can fail, for the few that must survive
	file     string // relative to the root of the repository
	tests    []suite
	hunks    []hunk
	place    string // file and line in the catalog
}

// hunk replaces one text, which occurs exactly once in the file.
type hunk struct{ before, after string }

// suite is a set of tests that may fail: those of a package whose names match
// run, or all of them if it is empty.
type suite struct{ dir, run string }

func (s suite) String() string {
	if s.run == "" {
		return s.dir
	}
	return s.dir + " " + s.run
}

// readCatalog reads the files in a folder. Each contains the mutants of one
// source file.
func readCatalog(folder string) ([]mutant, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil {
		return nil, err
	}
	var mutants []mutant
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		some, err := parse(filepath.Base(name), string(text))
		if err != nil {
			return nil, err
		}
		mutants = append(mutants, some...)
	}
	return mutants, nil
}

// parse reads one file of the catalog:
//
//	# a comment
//	file: state.go
//	tests: ./internal/provider
//	tests: . TestSign|TestState
//
//	== a rule that the mutant breaks
//	row: login CSRF
//	tests: ./internal/e2e TestSignIn
//	 a line that stays
//	-a line, or a part of one, that is removed
//	+its replacement
//
// The tests named at the top and then the mutant's own are run in order until one
// fails. A second hunk in the same file begins with @@.
func parse(name, text string) ([]mutant, error) {
	var head mutant
	var mutants []mutant
	number := 0
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		number++
		line := lines.Text()
		place := fmt.Sprintf("%s:%d", name, number)
		current := &head
		if len(mutants) > 0 {
			current = &mutants[len(mutants)-1]
		}
		key, value, _ := strings.Cut(line, ": ")
		switch {
		case strings.HasPrefix(line, "== "):
			next := head
			next.rule, next.place, next.hunks = line[3:], place, []hunk{{}}
			next.tests = slices.Clone(head.tests)
			mutants = append(mutants, next)
		case line == "" || strings.HasPrefix(line, "#"):
		case key == "file" && len(mutants) == 0:
			head.file = value
		case key == "tests":
			dir, run, _ := strings.Cut(value, " ")
			current.tests = append(current.tests, suite{dir, run})
		case key == "row" && len(mutants) > 0:
			current.row = value
		case key == "accepted" && len(mutants) > 0:
			current.accepted = value
		case line == "@@" && len(mutants) > 0:
			current.hunks = append(current.hunks, hunk{})
		case strings.ContainsRune(" -+", rune(line[0])) && len(mutants) > 0:
			h := &current.hunks[len(current.hunks)-1]
			if line[0] != '+' {
				h.before += line[1:] + "\n"
			}
			if line[0] != '-' {
				h.after += line[1:] + "\n"
			}
		default:
			return nil, fmt.Errorf("%s: unexpected %q", place, line)
		}
	}
	if head.file == "" {
		return nil, fmt.Errorf("%s: name a file before the first mutant", name)
	}
	for i := range mutants {
		if len(mutants[i].tests) == 0 {
			return nil, fmt.Errorf("%s: name tests of the mutant, or some for all at the top", mutants[i].place)
		}
		for j := range mutants[i].hunks {
			h := &mutants[i].hunks[j]
			h.before = strings.TrimSuffix(h.before, "\n")
			h.after = strings.TrimSuffix(h.after, "\n")
			if h.before == "" || h.before == h.after {
				return nil, fmt.Errorf("%s: the mutant changes nothing", mutants[i].place)
			}
		}
	}
	return mutants, lines.Err()
}

// apply returns the source with the mutant applied.
func (m *mutant) apply(source string) (string, error) {
	for _, h := range m.hunks {
		if n := strings.Count(source, h.before); n != 1 {
			return "", fmt.Errorf("%s: %q: the old text occurs %d times in %s, want once:\n%s",
				m.place, m.rule, n, m.file, h.before)
		}
		source = strings.Replace(source, h.before, h.after, 1)
	}
	return source, nil
}
