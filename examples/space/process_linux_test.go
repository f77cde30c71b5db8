package main

import (
	"os/exec"
	"syscall"
)

// endWithTest makes a process end with the test, however the test ends.
func endWithTest(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
