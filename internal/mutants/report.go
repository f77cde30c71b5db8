package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// goal is the share of mutants that must be killed.
const goal = 0.95

// report prints the mutants that survived, those whose tests were stopped, and how
// many were killed in each file.
// It returns an error below the goal, or if a mutant that weakens a defence in
// SECURITY.md survived.
func report(w io.Writer, mutants []mutant, results []result, listDead bool) error {
	type count struct{ all, dead, timeouts, accepted int }
	files := map[string]count{}
	var total count
	rows := 0
	seconds := 0.0
	for i, m := range mutants {
		r := results[i]
		if r.Key == "" {
			continue // it could not be tested
		}
		seconds += r.Seconds
		c := files[m.file]
		c.all, total.all = c.all+1, total.all+1
		switch {
		case r.Dead:
			c.dead, total.dead = c.dead+1, total.dead+1
			if r.By == timeout {
				c.timeouts, total.timeouts = c.timeouts+1, total.timeouts+1
				fmt.Fprintf(w, "killed by a timeout: %s: %s (%.0f s)\n", m.place, m.rule, r.Seconds)
			}
			if m.accepted != "" {
				fmt.Fprintf(w, "killed, although accepted: %s: %s (%s)\n", m.place, m.rule, r.By)
			} else if listDead {
				fmt.Fprintf(w, "killed: %s: %s (%s, %.1f s)\n", m.place, m.rule, r.By, r.Seconds)
			}
		case m.accepted != "":
			c.accepted, total.accepted = c.accepted+1, total.accepted+1
			fmt.Fprintf(w, "survived, accepted: %s: %s: %s\n", m.place, m.rule, m.accepted)
		default:
			fmt.Fprintf(w, "SURVIVED: %s: %s\n", m.place, m.rule)
			if m.row != "" {
				rows++
				fmt.Fprintf(w, "          it weakens a defence in SECURITY.md: %s\n", m.row)
			}
		}
		files[m.file] = c
	}
	fmt.Fprintf(w, "\n%-34s %6s %6s %11s %9s\n", "file", "all", "killed", "by timeout", "accepted")
	for _, name := range slices.Sorted(maps.Keys(files)) {
		c := files[name]
		fmt.Fprintf(w, "%-34s %6d %6d %11d %9d\n", name, c.all, c.dead, c.timeouts, c.accepted)
	}
	meaningful := total.all - total.accepted
	share := float64(total.dead) / float64(max(1, meaningful))
	fmt.Fprintf(w, "%-34s %6d %6d %11d %9d  %.1f %% of %d, in %.0f seconds of testing\n",
		"all", total.all, total.dead, total.timeouts, total.accepted, 100*share, meaningful, seconds)
	var err error
	if share < goal {
		err = fmt.Errorf("%.1f %% were killed, want %.0f %%", 100*share, 100*goal)
	}
	if rows > 0 {
		err = errors.Join(err, fmt.Errorf("%d mutants that weaken a defence in SECURITY.md survived", rows))
	}
	return err
}
