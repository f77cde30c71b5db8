package hfcli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Keeper stores a sign-in, for example in a keyring.
type Keeper interface {
	// Update calls change with the stored sign-in, or nil if there is none, and
	// stores the result; a nil result removes the stored sign-in. If change
	// returns an error, Update returns it and stores nothing. Calls must not
	// overlap, even in different processes: otherwise a refresh token is used
	// twice and the user is signed out. change may make a request to the
	// provider, which takes seconds.
	Update(ctx context.Context, change func(kept []byte) ([]byte, error)) error
}

// fileKeeper stores the sign-in in a file in dir. The file is replaced
// atomically: a process that is killed leaves either the old one or the new one.
type fileKeeper struct{ dir string }

const (
	keptName = "sign-in.json"
	tempName = "sign-in.json.tmp"
	lockName = "sign-in.lock"
)

// lockPause is the pause between attempts to get a lock that another process
// holds.
const lockPause = 20 * time.Millisecond

// reached is called before each step of a renewal, for tests that kill the
// process there.
var reached = func(step string) {}

func newFileKeeper(name string) (*fileKeeper, error) {
	base, err := os.UserConfigDir()
	if err != nil {
		return nil, fmt.Errorf("hfcli: the user has no configuration directory: set HOME or Config.Keep: %w", err)
	}
	return &fileKeeper{filepath.Join(base, name)}, nil
}

// Update implements Keeper.
func (k *fileKeeper) Update(ctx context.Context, change func(kept []byte) ([]byte, error)) error {
	unlock, err := k.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	old, err := k.read()
	if err != nil {
		return err
	}
	kept, err := change(old)
	switch {
	case err != nil:
		return err
	case kept == nil:
		return k.remove()
	case bytes.Equal(kept, old):
		return nil
	}
	return k.replace(kept)
}

// lock waits until no other process has the lock. The operating system releases
// the lock of a process that ends, even after kill -9. The lock file is never
// removed: otherwise two processes could lock two files of the same name.
func (k *fileKeeper) lock(ctx context.Context) (unlock func(), err error) {
	if err := k.makeDir(); err != nil {
		return nil, err
	}
	reached("lock")
	file, err := os.OpenFile(k.path(lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	ticker := time.NewTicker(lockPause)
	defer ticker.Stop()
	for {
		locked, err := tryLock(file)
		if err != nil {
			file.Close()
			return nil, fmt.Errorf("hfcli: cannot lock %s: set Config.Keep: %w", file.Name(), err)
		}
		if locked {
			return func() { file.Close() }, nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("hfcli: another process of this tool is renewing the sign-in: %w", ctx.Err())
		}
	}
}

// makeDir creates the directory, or removes other users' permissions from an
// existing one.
func (k *fileKeeper) makeDir() error {
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(k.dir)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	return os.Chmod(k.dir, 0o700)
}

func (k *fileKeeper) path(name string) string { return filepath.Join(k.dir, name) }

func (k *fileKeeper) read() ([]byte, error) {
	reached("read")
	file, err := os.Open(k.path(keptName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxKept+1))
}

func (k *fileKeeper) remove() error {
	for _, name := range []string{tempName, keptName} {
		if err := os.Remove(k.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return k.syncDir()
}

// replace writes a new file, syncs it, renames it over the old one and syncs the
// directory.
func (k *fileKeeper) replace(kept []byte) error {
	reached("create")
	if err := os.Remove(k.path(tempName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // left by a process that was killed
	}
	file, err := os.OpenFile(k.path(tempName), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	reached("write")
	_, err = file.Write(kept)
	if err == nil {
		reached("sync")
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	reached("rename")
	if err := os.Rename(k.path(tempName), k.path(keptName)); err != nil {
		return err
	}
	reached("sync directory")
	return k.syncDir()
}

// syncDir syncs the directory. Windows and some file systems do not support
// this, and do not need it.
func (k *fileKeeper) syncDir() error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(k.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !unsupported(err) {
		return err
	}
	return nil
}
