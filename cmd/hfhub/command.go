package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// The exit codes of shells for a command that did not start or was ended by a
// signal.
const (
	exitNotStarted = 126
	exitNotFound   = 127
	exitSignal     = 128
)

// runCommand runs a command with env, forwards signals to it, and returns its
// exit code. A command that cannot read a terminal gets the signals together with
// its own children: `go run` would not forward them to the program it runs.
func runCommand(command []string, env []variable) (int, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = environment(env)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	grouped := group(cmd)
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passedOn...)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			return exitNotFound, fmt.Errorf("starting the command: %w", err)
		}
		return exitNotStarted, fmt.Errorf("starting the command: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			if grouped {
				signalGroup(cmd.Process, s)
			} else if !fromTerminal(s) {
				cmd.Process.Signal(s)
			}
		case err := <-ended:
			return exitCode(err)
		}
	}
}

// exitCode returns the exit code for the error of exec.Cmd.Wait.
func exitCode(err error) (int, error) {
	failed, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		if err != nil {
			return 1, fmt.Errorf("waiting for the command: %w", err)
		}
		return 0, nil
	}
	if status, ok := failed.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitSignal + int(status.Signal()), nil
	}
	return failed.ExitCode(), nil
}
