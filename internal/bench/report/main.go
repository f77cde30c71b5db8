// Command report reads the output of go test -bench from its standard input
// and writes it as the text of docs/benchmarks.md. Lines "module: path
// version" before it name the versions that were measured.
package main

import (
	"log"
	"os"
	"runtime"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("report: ")
	results, err := parse(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	text, err := render(results, runtime.Version())
	if err != nil {
		log.Fatal(err)
	}
	if _, err := os.Stdout.WriteString(text); err != nil {
		log.Fatal(err)
	}
}
