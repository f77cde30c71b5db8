package hfcli_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfcli"
)

// A disk that is full or fails does not cost the user the sign-in that is stored.
func TestDiskFails(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	reader, pipe, err := os.Pipe() // cannot be synced
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer pipe.Close()
	for failing, tt := range map[string]struct {
		file *os.File
		want string
	}{
		"write": {full, "no space left on device"},
		"sync":  {pipe, "invalid argument"},
	} {
		t.Run(failing, func(t *testing.T) {
			tl := newTool(t)
			tl.mustLogin("ada")
			tl.age(time.Minute)
			before, err := os.ReadFile(tl.keptPath())
			if err != nil {
				t.Fatal(err)
			}
			hfcli.OnStep(func(step string) {
				if step == failing {
					redirect(t, "sign-in.json.tmp", tt.file)
				}
			})
			defer hfcli.OnStep(func(string) {})
			tl.token(tl.mustOpen("ada"))
			if !strings.Contains(tl.screen.String(), tt.want) {
				t.Errorf("the tool prints %q, want %q", tl.screen, tt.want)
			}
			after, err := os.ReadFile(tl.keptPath())
			if err != nil {
				t.Fatal(err)
			}
			if string(after) != string(before) {
				t.Errorf("the file has %d bytes, want the %d of the sign-in that was stored", len(after), len(before))
			}
		})
	}
}

// Some file systems cannot sync a directory: fsync(2) returns EINVAL.
func TestFileSystemWithoutSync(t *testing.T) {
	for err, want := range map[syscall.Errno]bool{
		syscall.EINVAL: true, syscall.ENOSYS: true, syscall.EOPNOTSUPP: true, syscall.EIO: false, syscall.ENOSPC: false,
	} {
		if got := hfcli.Unsupported(&os.PathError{Op: "sync", Path: "directory", Err: err}); got != want {
			t.Errorf("%v means that it is unsupported: %v, want %v", err, got, want)
		}
	}
}

// A file that is much too large is not read into memory.
func TestHugeFileIsNotRead(t *testing.T) {
	tl := newTool(t)
	tl.mustLogin("ada")
	if err := os.Truncate(tl.keptPath(), 64<<20); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	tl.openFails(hfoauth.ErrNotSignedIn)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 32<<20 {
		t.Errorf("Open allocates %d bytes for a file of 64 MiB, want at most 32 MiB", n)
	}
}

// redirect makes the open file of a name write to another one.
func redirect(t *testing.T, name string, to *os.File) {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if target, _ := os.Readlink(link); filepath.Base(target) != name {
			continue
		}
		fd, err := strconv.Atoi(filepath.Base(link))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Dup3(int(to.Fd()), fd, syscall.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("no open file has the name %s", name)
}
