package main

// revert is a mend that is taken out.
type revert struct {
	point   int // of the list in the issue that asked for the mend
	what    string
	changes []change
}

type change struct{ file, old, new string }

var reverts = []revert{}
