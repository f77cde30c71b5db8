package main

import (
	"fmt"
	"strings"
)

// The part of README.md between these lines is written here.
const (
	summaryStart = "<!-- written by make bench -->\n"
	summaryEnd   = "<!-- end of what make bench writes -->\n"
)

// task is a row of the summary.
type task struct {
	title  string
	source string // benchmark behind it
	ours   string // hfoauth's row there
}

var tasks = []task{
	{"the user of a request, in 3 organizations", "BenchmarkRead/orgs=3", "hfoauth"},
	{"… the first request of a session", "BenchmarkRead/orgs=3", "hfoauth, first request of a session"},
	{"… in 100 organizations", "BenchmarkRead/orgs=100", "hfoauth"},
	{"the redirect to the provider", "BenchmarkLogin", "hfoauth"},
	{"a whole sign-in", "BenchmarkSignIn", "hfoauth"},
}

// peers are the other columns; where one has several rows, its fastest counts.
var peers = []string{"scs memstore", "gorilla/sessions", "zitadel/oidc", "x/oauth2 + go-oidc + gorilla/sessions", "goth"}

// replaceSummary returns the README with the summary of r in its place.
func replaceSummary(readme string, r *results, goVersion string) (string, error) {
	before, rest, started := strings.Cut(readme, summaryStart)
	_, after, ended := strings.Cut(rest, summaryEnd)
	if !started || !ended {
		return "", fmt.Errorf("the lines %q and %q are missing", summaryStart, summaryEnd)
	}
	text, err := summary(r, goVersion)
	if err != nil {
		return "", err
	}
	return before + summaryStart + text + summaryEnd + after, nil
}

func summary(r *results, goVersion string) (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "\n| | hfoauth | %s |\n| --- | ---: |%s\n", strings.Join(peers, " | "), strings.Repeat(" ---: |", len(peers)))
	for _, t := range tasks {
		ours := fastest(r.table(t.source), t.ours, true)
		if ours == "" {
			return "", fmt.Errorf("%s has no row %s", t.source, t.ours)
		}
		fmt.Fprintf(&out, "| %s | %s |", t.title, ours)
		for _, peer := range peers {
			fmt.Fprintf(&out, " %s |", fastest(r.table(t.source), peer, false))
		}
		out.WriteString("\n")
	}
	fmt.Fprintf(&out, "\nBy `make bench` on %s, %s CPUs, %s/%s, %s; medians. All rows, with spread and allocations: [docs/benchmarks.md](docs/benchmarks.md).\n\n",
		r.cpu, r.cpus, r.os, r.arch, goVersion)
	return out.String(), nil
}

// fastest returns the time of the fastest row whose name is, or begins with,
// name; empty if there is none.
func fastest(rows []*row, name string, exact bool) string {
	best, text := 0.0, ""
	for _, row := range rows {
		if row.name != name && (exact || !strings.HasPrefix(row.name, name)) {
			continue
		}
		if _, tooLarge := row.median("does-not-fit"); tooLarge {
			return "too large"
		}
		if ns, ok := row.median("ns/op"); ok && (text == "" || ns < best) {
			best, text = ns, duration(ns)
		}
	}
	return text
}
