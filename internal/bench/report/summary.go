package main

import (
	"fmt"
	"strings"
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
	{"the first callback, 50 ms from the provider", "BenchmarkFirstSignIn", "hfoauth"},
}

// peers are the other columns; where one has several rows, its fastest counts.
var peers = []string{"scs memstore", "gorilla/sessions", "zitadel/oidc",
	"x/oauth2 + go-oidc + gorilla/sessions", "goth"}

// summary returns the table at the head of the document: one row a task, one
// column a library.
func summary(r *results) (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "\n| | hfoauth | %s |\n| --- | ---: |%s\n", strings.Join(peers, " | "),
		strings.Repeat(" ---: |", len(peers)))
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
