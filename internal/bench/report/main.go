// Command report reads the output of go test -bench from its standard input and
// writes it as docs/benchmarks.md below the given directory. Lines "module: path
// version" in the input name the versions that were measured.
package main

import (
	"io"
	"log"
	"os"
	"path/filepath"
	"runtime"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("report: ")
	if len(os.Args) != 2 {
		log.Fatal("usage: report directory <results")
	}
	if err := report(os.Stdin, os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func report(in io.Reader, directory string) error {
	results, err := parse(in)
	if err != nil {
		return err
	}
	document, err := render(results, runtime.Version())
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(directory, "docs", "benchmarks.md"), []byte(document), 0o644)
}
