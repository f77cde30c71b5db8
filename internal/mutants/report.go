package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// goal is the part of the mutants that must die.
const goal = 0.95

// report prints what lived, and how many died by file. It fails below the
// goal, or if a defence of SECURITY.md can be weakened without notice.
func report(w io.Writer, mutants []mutant, results []result, listDead bool) error {
	type count struct{ all, dead, accepted int }
	files := map[string]count{}
	var total count
	rows := 0
	seconds := 0.0
	for i, m := range mutants {
		r := results[i]
		if r.Key == "" {
			continue // it could not be tried
		}
		seconds += r.Seconds
		c := files[m.file]
		c.all, total.all = c.all+1, total.all+1
		switch {
		case r.Dead:
			c.dead, total.dead = c.dead+1, total.dead+1
			if m.accepted != "" {
				fmt.Fprintf(w, "died, though accepted: %s: %s (%s)\n", m.place, m.rule, r.By)
			} else if listDead {
				fmt.Fprintf(w, "died: %s: %s (%s, %.1f s)\n", m.place, m.rule, r.By, r.Seconds)
			}
		case m.accepted != "":
			c.accepted, total.accepted = c.accepted+1, total.accepted+1
			fmt.Fprintf(w, "lives, accepted: %s: %s: %s\n", m.place, m.rule, m.accepted)
		default:
			fmt.Fprintf(w, "LIVES: %s: %s\n", m.place, m.rule)
			if m.row != "" {
				rows++
				fmt.Fprintf(w, "       it weakens a defence of SECURITY.md: %s\n", m.row)
			}
		}
		files[m.file] = c
	}
	fmt.Fprintf(w, "\n%-34s %6s %6s %9s\n", "file", "all", "died", "accepted")
	for _, name := range slices.Sorted(maps.Keys(files)) {
		c := files[name]
		fmt.Fprintf(w, "%-34s %6d %6d %9d\n", name, c.all, c.dead, c.accepted)
	}
	meaningful := total.all - total.accepted
	share := float64(total.dead) / float64(max(1, meaningful))
	fmt.Fprintf(w, "%-34s %6d %6d %9d  %.1f %% of %d, in %.0f seconds of testing\n",
		"all", total.all, total.dead, total.accepted, 100*share, meaningful, seconds)
	var err error
	if share < goal {
		err = fmt.Errorf("%.1f %% died, want %.0f %%", 100*share, 100*goal)
	}
	if rows > 0 {
		err = errors.Join(err, fmt.Errorf("%d that weaken a defence of SECURITY.md live", rows))
	}
	return err
}
