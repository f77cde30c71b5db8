package stores

import (
	"os"
	"os/exec"
	"syscall"
)

// prepare makes a process end with the test, and run as a user if uid is not 0.
func prepare(command *exec.Cmd, uid, gid uint32) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if uid != 0 {
		command.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
}

func pause(process *os.Process)  { process.Signal(syscall.SIGSTOP) }
func resume(process *os.Process) { process.Signal(syscall.SIGCONT) }
