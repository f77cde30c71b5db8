//go:build !darwin && !dragonfly && !freebsd && !illumos && !linux && !netbsd && !openbsd && !windows

package hfcli

import (
	"errors"
	"os"
)

// tryLock fails: without locks, two processes could renew at once.
func tryLock(*os.File) (bool, error) { return false, errors.ErrUnsupported }

func unsupported(err error) bool { return errors.Is(err, errors.ErrUnsupported) }
