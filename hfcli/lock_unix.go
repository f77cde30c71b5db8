//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package hfcli

import (
	"errors"
	"os"
	"syscall"
)

// tryLock locks a file until it is closed, and reports whether no one else
// holds its lock.
func tryLock(file *os.File) (bool, error) {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}

// unsupported reports whether a file system cannot do what was asked of it.
func unsupported(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL)
}
