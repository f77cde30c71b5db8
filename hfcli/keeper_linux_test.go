package hfcli_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfcli"
)

// A full disk does not cost the user the sign-in that is stored.
func TestFullDisk(t *testing.T) {
	tl := newTool(t)
	tl.mustLogin("ada")
	tl.age(time.Minute)
	before, err := os.ReadFile(tl.keptPath())
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	hfcli.OnStep(func(step string) {
		if step == "write" {
			redirect(t, "sign-in.json.tmp", full)
		}
	})
	defer hfcli.OnStep(func(string) {})
	tl.token(tl.mustOpen("ada"))
	if want := "no space left on device"; !strings.Contains(tl.screen.String(), want) {
		t.Errorf("the tool prints %q, want %q", tl.screen, want)
	}
	after, err := os.ReadFile(tl.keptPath())
	if err != nil {
		t.Fatal(err)
	}
	if string(after) != string(before) {
		t.Errorf("the file has %d bytes, want the %d of the sign-in that was stored", len(after), len(before))
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
