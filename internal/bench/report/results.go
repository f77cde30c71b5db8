package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// results are what one run of go test -bench printed.
type results struct {
	os, arch, cpu string
	cpus          string // GOMAXPROCS
	modules       []string
	rows          []*row // in the order of their first appearance
}

// row is one benchmark, with a value from each of its runs.
type row struct {
	table  string // "BenchmarkRead/orgs=3"
	name   string // "hfoauth, first request of a session"
	values map[string][]float64
}

// median returns the median of a unit over the runs, and false if the
// benchmark did not report it.
func (r *row) median(unit string) (float64, bool) {
	values := slices.Sorted(slices.Values(r.values[unit]))
	if len(values) == 0 {
		return 0, false
	}
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2, true
}

// spread returns the largest distance of a run from the median, as a part of
// the median.
func (r *row) spread(unit string) float64 {
	median, ok := r.median(unit)
	if !ok || median == 0 {
		return 0
	}
	return max(slices.Max(r.values[unit])-median, median-slices.Min(r.values[unit])) / median
}

// benchmarkName splits a name as go test prints it into table, row and
// GOMAXPROCS, which go test leaves out where it is 1.
var benchmarkName = regexp.MustCompile(`^(Benchmark\w+(?:/orgs=\d+)?)/(.+?)(?:-(\d+))?$`)

// parse reads the output of go test -bench. A failed benchmark is an error: a
// table without it would look complete.
func parse(in io.Reader) (*results, error) {
	r := &results{cpus: "1"}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		line := lines.Text()
		if strings.Contains(line, "FAIL") {
			return nil, fmt.Errorf("a benchmark failed: %s", line)
		}
		if strings.HasPrefix(line, "Benchmark") {
			if err := r.addRun(strings.Fields(line)); err != nil {
				return nil, fmt.Errorf("%w: %s", err, line)
			}
			continue
		}
		switch key, value, _ := strings.Cut(line, ": "); key {
		case "goos":
			r.os = value
		case "goarch":
			r.arch = value
		case "cpu":
			r.cpu = value
		case "module":
			r.modules = append(r.modules, value)
		}
	}
	if len(r.rows) == 0 {
		return nil, errors.New("no benchmarks in the input")
	}
	return r, lines.Err()
}

// addRun adds one line: name, iterations, and pairs of value and unit.
func (r *results) addRun(fields []string) error {
	name := benchmarkName.FindStringSubmatch(fields[0])
	if name == nil || len(fields)%2 != 0 {
		return errors.New("line is not understood")
	}
	if name[3] != "" {
		r.cpus = name[3]
	}
	row := r.row(name[1], strings.ReplaceAll(name[2], "_", " "))
	for pair := range slices.Chunk(fields[2:], 2) {
		value, err := strconv.ParseFloat(pair[0], 64)
		if err != nil {
			return err
		}
		row.values[pair[1]] = append(row.values[pair[1]], value)
	}
	return nil
}

// row returns the row of that name, a new one the first time.
func (r *results) row(table, name string) *row {
	for _, row := range r.rows {
		if row.table == table && row.name == name {
			return row
		}
	}
	added := &row{table: table, name: name, values: map[string][]float64{}}
	r.rows = append(r.rows, added)
	return added
}

// table returns the rows of one table.
func (r *results) table(name string) []*row {
	var rows []*row
	for _, row := range r.rows {
		if row.table == name {
			rows = append(rows, row)
		}
	}
	return rows
}
