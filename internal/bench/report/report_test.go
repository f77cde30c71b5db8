package main

import (
	"strings"
	"testing"
)

const output = `module: example.com/peer v1.2.3
goos: linux
goarch: amd64
cpu: A CPU
BenchmarkRead/orgs=0/hfoauth-2         1000      500.0 ns/op    1257 cookie-B   240 B/op   2 allocs/op
BenchmarkRead/orgs=0/hfoauth-2         1000      700.0 ns/op    1257 cookie-B   240 B/op   2 allocs/op
BenchmarkRead/orgs=0/hfoauth-2         1000      600.0 ns/op    1257 cookie-B   240 B/op   2 allocs/op
BenchmarkRead/orgs=0/gorilla/sessions,_gob-2   1000   39000 ns/op   2391 cookie-B   22056 B/op   334 allocs/op
BenchmarkRead/orgs=3/hfoauth-2         1000      600.0 ns/op    1257 cookie-B   240 B/op   2 allocs/op
BenchmarkRead/orgs=3/hfoauth,_first_request_of_a_session-2  1000  7000 ns/op  1257 cookie-B  240 B/op  2 allocs/op
BenchmarkRead/orgs=3/scs_memstore,_gob-2   1000   21000 ns/op   50 cookie-B   240 B/op   2 allocs/op
BenchmarkRead/orgs=3/scs_memstore,_JSON-2  1000   20000 ns/op   50 cookie-B   240 B/op   2 allocs/op
BenchmarkRead/orgs=100/hfoauth-2       1000      600.0 ns/op      66 cookie-B   240 B/op   2 allocs/op
BenchmarkRead/orgs=100/gorilla/sessions,_gob-2   1000000000   37027 cookie-B   1.000 does-not-fit   0 B/op   0 allocs/op
BenchmarkLogin/hfoauth-2               1000     4000 ns/op     270 cookie-B   240 B/op   2 allocs/op
BenchmarkSignIn/two_calls_to_the_provider-2  1000   150000 ns/op   2.000 calls/op   240 B/op   2 allocs/op
BenchmarkSignIn/hfoauth-2              1000   1500000 ns/op   2.000 calls/op   240 B/op   2 allocs/op
BenchmarkCores/hfoauth,_GOMAXPROCS=1-2    1000   400 ns/op
BenchmarkCores/hfoauth,_GOMAXPROCS=2-2    1000   210 ns/op
BenchmarkFirstSignIn/hfoauth-2         5   102000000 ns/op   2.000 calls/op
PASS
`

func TestRender(t *testing.T) {
	results, err := parse(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	text, err := render(results, "go1.99")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"A CPU, 2 CPUs, linux/amd64, go1.99. Each number is the median of 3 runs",
		"Compared: example.com/peer v1.2.3.",
		"| hfoauth | 600 ns ±17 % | 1.00 | 2 | 240 | 1257 |",
		"| gorilla/sessions, gob | 39.0 µs ±0 % | 65.0 | 334 | 22056 | 2391 |",
		"| gorilla/sessions, gob | does not fit in a cookie |  |  |  | 37027 |",
		"| two calls to the provider | 150 µs ±0 % | 1.00 | 2 | 240 | 2 |",
		"| hfoauth | 1.50 ms ±0 % | 10.0 | 2 | 240 | 2 |",
		"| hfoauth, GOMAXPROCS=2 | 210 ns ±0 % | 0.53 |",
		"| hfoauth | 102 ms ±0 % | 1.00 | 2 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestSummary(t *testing.T) {
	results, err := parse(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	text, err := summary(results)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| the user of a request, in 3 organizations | 600 ns | 20.0 µs |  |  |  |  |",
		"| … the first request of a session | 7.00 µs | 20.0 µs |",
		"| … in 100 organizations | 600 ns |  | too large |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestIncompleteInput(t *testing.T) {
	for name, input := range map[string]string{
		"empty":         "",
		"failed":        output + "--- FAIL: BenchmarkRead/orgs=3/scs\n",
		"odd line":      "BenchmarkLogin/hfoauth-2 1000 12\n",
		"no number":     "BenchmarkLogin/hfoauth-2 1000 x ns/op\n",
		"missing table": "BenchmarkLogin/hfoauth-2 1000 12 ns/op\n",
	} {
		t.Run(name, func(t *testing.T) {
			results, err := parse(strings.NewReader(input))
			if err == nil {
				_, err = render(results, "go1.99")
			}
			if err == nil {
				t.Error("no error")
			}
		})
	}
}
