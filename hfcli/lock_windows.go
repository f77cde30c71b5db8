package hfcli

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

var lockFileEx = syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx")

// The flags and the error of LockFileEx, see
// https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-lockfileex.
const (
	lockfileFailImmediately = 1
	lockfileExclusiveLock   = 2
	errorLockViolation      = syscall.Errno(33)
)

// tryLock locks a file until it is closed. It reports false if another process
// holds the lock.
func tryLock(file *os.File) (bool, error) {
	var start syscall.Overlapped
	ok, _, err := lockFileEx.Call(file.Fd(), lockfileExclusiveLock|lockfileFailImmediately, 0, 1, 0,
		uintptr(unsafe.Pointer(&start)))
	if ok != 0 {
		return true, nil
	}
	if errors.Is(err, errorLockViolation) || errors.Is(err, syscall.ERROR_IO_PENDING) {
		return false, nil
	}
	return false, err
}

func unsupported(error) bool { return false }
