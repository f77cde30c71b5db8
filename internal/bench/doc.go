// Package bench compares hfoauth with the libraries that Go developers use for the
// same job. Everything is in its tests: benchmarks of reading the user of a request,
// of the login redirect and of a whole sign-in, and tests that every contender does
// what is measured. Command report renders the results as docs/benchmarks.md.
package bench
