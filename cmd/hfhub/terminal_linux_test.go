package main

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// openTerminal returns both ends of a pseudo-terminal.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	control := func(request uintptr, value *int32) {
		_, _, failed := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(value)))
		if failed != 0 {
			t.Fatal(failed)
		}
	}
	var unlocked, number int32
	control(syscall.TIOCSPTLCK, &unlocked)
	control(syscall.TIOCGPTN, &number)
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// countInterrupts is the command of TestInterruptFromTerminal: it counts
// interrupts until it is terminated.
func countInterrupts() int {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	fmt.Println("ready")
	n := 0
	for s := range signals {
		if s == syscall.SIGTERM {
			break
		}
		n++
		fmt.Println("caught", n)
	}
	fmt.Println("interrupts:", n)
	return 9
}

// Ctrl-C reaches the command once, from the terminal: hfhub does not forward it
// again. It waits for the command and exits with its exit code.
func TestInterruptFromTerminal(t *testing.T) {
	master, slave := openTerminal(t)
	test, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := command([]string{"HFHUB_TEST_COUNTS=1"}, "--", test)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, nil
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close() // so that reading ends when the command exits
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := bufio.NewScanner(master)
	says := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.HasSuffix(strings.TrimRight(lines.Text(), "\r"), want) {
				return
			}
		}
		t.Fatalf("the command does not print %q", want)
	}
	says("ready")
	const presses = 5
	for i := range presses {
		if _, err := master.WriteString("\x03"); err != nil {
			t.Fatal(err)
		}
		says(fmt.Sprint("caught ", i+1))
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	says(fmt.Sprint("interrupts: ", presses))
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 9 {
		t.Errorf("exit code %d, want 9", code)
	}
}
