//go:build !linux

package stores

import (
	"os"
	"os/exec"
)

// The stores are tested on Linux. These let the tests compile elsewhere.

func prepare(*exec.Cmd, uint32, uint32) { panic("the stores are tested on Linux") }
func pause(*os.Process)                 { panic("the stores are tested on Linux") }
func resume(*os.Process)                { panic("the stores are tested on Linux") }
