//go:build !linux && !darwin && !freebsd

package main

import "os"

// passedOn are the signals that a command gets.
var passedOn = []os.Signal{os.Interrupt}

// fromTerminal reports whether a signal is of the keyboard, which sends it to
// the command as well.
func fromTerminal(os.Signal) bool { return true }
