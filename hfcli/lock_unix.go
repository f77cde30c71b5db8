//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package hfcli

import (
	"errors"
	"os"
	"syscall"
)

// tryLock locks a file until it is closed. It reports false if another process
// holds the lock.
func tryLock(file *os.File) (bool, error) {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}

// unsupported reports whether err means that the file system lacks an operation.
func unsupported(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL)
}
