//go:build linux || darwin || freebsd

package main

import (
	"os"
	"os/exec"
	"syscall"
	"unsafe"
)

// passedOn are the signals that are forwarded to a command.
var passedOn = []os.Signal{
	syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH,
}

// fromTerminal reports whether a signal comes from the terminal, which sends it
// to the command as well. If hfhub forwarded it, the command would receive it
// twice, and many programs quit at once on the second.
func fromTerminal(s os.Signal) bool {
	if s != syscall.SIGINT && s != syscall.SIGQUIT && s != syscall.SIGWINCH && s != syscall.SIGHUP {
		return false
	}
	terminal, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer terminal.Close()
	group, ok := foreground(terminal)
	return ok && group == syscall.Getpgrp()
}

// foreground returns the group of processes that may read a file, if that is the
// terminal of hfhub's session.
func foreground(file *os.File) (group int, ok bool) {
	var id int32
	_, _, failed := syscall.Syscall(syscall.SYS_IOCTL, file.Fd(), syscall.TIOCGPGRP, uintptr(unsafe.Pointer(&id)))
	return int(id), failed == 0
}

// group makes the command the first of a new group of processes, and reports
// whether it did. A command that may read the terminal stays in hfhub's group,
// because other groups cannot read it; there the terminal signals all processes.
func group(cmd *exec.Cmd) bool {
	if _, ok := foreground(os.Stdin); ok {
		return false
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return true
}

// signalGroup sends a signal to the group of the command.
func signalGroup(first *os.Process, s os.Signal) { syscall.Kill(-first.Pid, s.(syscall.Signal)) }
