package main

import (
	"fmt"
	"strconv"
	"strings"
)

// section is a part of the document: some words, then tables.
type section struct {
	title  string
	text   string
	tables []table
}

type table struct {
	title   string // empty for none
	source  string // benchmark behind it
	columns []column
}

// column is a unit of go test and what to call it.
type column struct {
	unit, title string
}

var (
	allocations = column{"allocs/op", "allocations"}
	memory      = column{"B/op", "bytes allocated"}
	cookie      = column{"cookie-B", "cookie bytes"}
	calls       = column{"calls/op", "calls"}
)

var sections = []section{
	{
		title: "Reading the signed-in user of a request",
		text: "From the cookie to the user, which is what every request of a signed-in user costs. The " +
			"session has the user, an access token of 500 bytes and a refresh token of 80 bytes. An " +
			"hfoauth client remembers the sessions that it opened recently, as its first row shows; " +
			"in its second row the client has not seen the session before. Browsers keep cookies of " +
			"up to 4096 bytes, name and value together: beyond that gorilla/sessions and zitadel/oidc " +
			"refuse the session, hfoauth keeps it on the server, as scs always does (then the second " +
			"row reads from a `Store` in memory).\n",
		tables: []table{
			{"No organizations", "BenchmarkRead/orgs=0", []column{allocations, memory, cookie}},
			{"3 organizations", "BenchmarkRead/orgs=3", []column{allocations, memory, cookie}},
			{"100 organizations", "BenchmarkRead/orgs=100", []column{allocations, memory, cookie}},
		},
	},
	{
		title: "On several cores",
		text: "The time from the start of one such request to that of the next, with as many goroutines " +
			"as cores. Twice as many cores halve it at best.\n",
		tables: []table{{"", "BenchmarkCores", nil}},
	},
	{
		title:  "The redirect to the provider",
		text:   "The response to a click on \"sign in\". Cookie bytes are those of all cookies that it sets.\n",
		tables: []table{{"", "BenchmarkLogin", []column{allocations, memory, cookie}}},
	},
	{
		title: "A whole sign-in",
		text: "The redirect and the callback of a user in 3 organizations, with a provider on loopback " +
			"in the same process whose share of the work is in all rows. The first row is only a " +
			"token request and a userinfo request. The libraries differ in what they check: all " +
			"compare state; hfoauth and zitadel/oidc use PKCE; hfoauth and the hand-written app check " +
			"a nonce; goth does not verify the signature of the ID token (`TestSignInChecks`).\n",
		tables: []table{{"", "BenchmarkSignIn", []column{allocations, memory, calls}}},
	},
	{
		title: "The first sign-in after a start",
		text: "Only the callback, with 50 ms for each response of the provider. hfoauth fetches the " +
			"provider's keys while the user is at the provider; goth needs none, because it does not " +
			"verify the ID token.\n",
		tables: []table{{"", "BenchmarkFirstSignIn", []column{calls}}},
	},
}

// render writes the document. Each time is followed by its multiple of the time in
// the table's first row.
func render(r *results, goVersion string) (string, error) {
	var out strings.Builder
	runs := len(r.rows[0].values["B/op"])
	fmt.Fprintf(&out, "# Benchmarks\n\n"+
		"Measured with `make bench`, which also writes this file: %s, %s CPUs, %s/%s, %s. Each number "+
		"is the median of %d runs; ± is the run farthest from it. × compares with the first row of a table.\n",
		r.cpu, r.cpus, r.os, r.arch, goVersion, runs)
	if len(r.modules) > 0 {
		fmt.Fprintf(&out, "\nCompared: %s.\n", strings.Join(r.modules, ", "))
	}
	table, err := summary(r)
	if err != nil {
		return "", err
	}
	out.WriteString(table)
	for _, s := range sections {
		fmt.Fprintf(&out, "\n## %s\n\n%s", s.title, s.text)
		for _, t := range s.tables {
			rows := r.table(t.source)
			if len(rows) == 0 {
				return "", fmt.Errorf("%s is not in the input", t.source)
			}
			renderTable(&out, t, rows)
		}
	}
	return out.String(), nil
}

func renderTable(out *strings.Builder, t table, rows []*row) {
	if t.title != "" {
		fmt.Fprintf(out, "\n### %s\n", t.title)
	}
	header, line := "\n| | time | × |", "\n| --- | --- | ---: |"
	for _, c := range t.columns {
		header += " " + c.title + " |"
		line += " ---: |"
	}
	out.WriteString(header + line + "\n")
	for _, row := range rows {
		fmt.Fprintf(out, "| %s | %s | %s |", row.name, timeOf(row), ratio(row, rows[0]))
		for _, c := range t.columns {
			fmt.Fprintf(out, " %s |", cell(row, c.unit))
		}
		out.WriteString("\n")
	}
}

func timeOf(r *row) string {
	if _, tooLarge := r.median("does-not-fit"); tooLarge {
		return "does not fit in a cookie"
	}
	ns, _ := r.median("ns/op")
	return fmt.Sprintf("%s ±%.0f %%", duration(ns), 100*r.spread("ns/op"))
}

func ratio(r, first *row) string {
	ns, ok := r.median("ns/op")
	base, known := first.median("ns/op")
	if !ok || !known || base == 0 {
		return ""
	}
	return threeDigits(ns / base)
}

// cell returns a number of a row. If there is no time, nothing was allocated either.
func cell(r *row, unit string) string {
	_, timed := r.median("ns/op")
	value, ok := r.median(unit)
	if !ok || !timed && unit != cookie.unit {
		return ""
	}
	return strconv.FormatFloat(value, 'f', 0, 64)
}

func duration(ns float64) string {
	switch {
	case ns < 1e3:
		return threeDigits(ns) + " ns"
	case ns < 1e6:
		return threeDigits(ns/1e3) + " µs"
	default:
		return threeDigits(ns/1e6) + " ms"
	}
}

func threeDigits(value float64) string {
	switch {
	case value < 10:
		return fmt.Sprintf("%.2f", value)
	case value < 100:
		return fmt.Sprintf("%.1f", value)
	default:
		return fmt.Sprintf("%.0f", value)
	}
}
