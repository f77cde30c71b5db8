package hfcli

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// errNoBrowser makes Login show a code instead.
var errNoBrowser = errors.New("hfcli: no browser was found")

// browser is the command that opens a URL: a program and its arguments.
type browser []string

// findBrowser returns the command in BROWSER or else the desktop's, which is not
// used over SSH: the user is at another machine.
func findBrowser() (browser, error) {
	command := browser(strings.Fields(os.Getenv("BROWSER")))
	if len(command) == 0 && os.Getenv("SSH_CONNECTION") == "" {
		command = desktopBrowser()
	}
	if len(command) == 0 {
		return nil, errNoBrowser
	}
	if _, err := exec.LookPath(command[0]); err != nil {
		return nil, errNoBrowser
	}
	return command, nil
}

func desktopBrowser() browser {
	switch {
	case runtime.GOOS == "darwin":
		return browser{"open"}
	case runtime.GOOS == "windows":
		return browser{"rundll32", "url.dll,FileProtocolHandler"}
	case os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != "":
		return browser{"xdg-open"}
	}
	return nil
}

// open starts the command and sends its error when it ends.
func (b browser) open(address string) <-chan error {
	ended := make(chan error, 1)
	command := exec.Command(b[0], append(b[1:], address)...)
	if err := command.Start(); err != nil {
		ended <- err
		return ended
	}
	go func() { ended <- command.Wait() }()
	return ended
}
