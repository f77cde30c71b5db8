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

// Keeper keeps a sign-in, for example in a keyring.
type Keeper interface {
	// Update calls change with what is kept, nil if nothing, and keeps what it
	// returns, nothing if nil. If change returns an error, Update returns that
	// and leaves what is kept as it is. Processes take turns: nothing else may
	// read or write between the call of change and the end of Update, or a
	// refresh token is used twice and the user signed out. change may ask the
	// provider, which takes seconds.
	Update(ctx context.Context, change func(kept []byte) ([]byte, error)) error
}

// fileKeeper keeps the sign-in in a file of a directory. The file is replaced
// as a whole: a process that is killed leaves the old one or the new one.
type fileKeeper struct{ dir string }

const (
	keptName = "sign-in.json"
	tempName = "sign-in.json.tmp"
	lockName = "sign-in.lock"
)

// lockPause is how often a lock that another process holds is tried again.
const lockPause = 20 * time.Millisecond

// reached is called before each step of a renewal, for tests that kill the
// process there.
var reached = func(step string) {}

func newFileKeeper(name string) (*fileKeeper, error) {
	base, err := os.UserConfigDir()
	if err != nil {
		return nil, fmt.Errorf("hfcli: the user has no configuration directory: set HOME, or Config.Keep: %w", err)
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

// lock waits for its turn. The system releases the lock of a process that
// ends, also by kill -9. The file of the lock stays: to remove it would let
// two processes lock two files of the same name.
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
			return nil, fmt.Errorf("hfcli: %s cannot be locked: set Config.Keep: %w", file.Name(), err)
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

// makeDir makes the directory, and takes the permissions from others that one
// made before may have.
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

// replace writes a new file beside the old one, waits until it is on the disk,
// and lets it take the name, which is on the disk once the directory is.
func (k *fileKeeper) replace(kept []byte) error {
	reached("create")
	if err := os.Remove(k.path(tempName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // it is from a process that was killed
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

// syncDir puts the names in the directory on the disk. Windows and some file
// systems cannot, and do not need to.
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
