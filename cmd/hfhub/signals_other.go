//go:build !linux && !darwin && !freebsd

package main

import (
	"os"
	"os/exec"
)

// passedOn are the signals that are forwarded to a command.
var passedOn = []os.Signal{os.Interrupt}

// fromTerminal reports whether a signal comes from the terminal, which sends it
// to the command as well.
func fromTerminal(os.Signal) bool { return true }

// group does nothing: these systems have no groups of processes to signal.
func group(*exec.Cmd) bool { return false }

func signalGroup(*os.Process, os.Signal) {}
