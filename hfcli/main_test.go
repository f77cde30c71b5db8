package hfcli_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth/hfcli"
)

// TestMain lets the test binary act as another process of the tool (see child)
// and as a browser's command, which reports its arguments.
func TestMain(m *testing.M) {
	switch report := os.Getenv("HFCLI_BROWSER"); {
	case report != "":
		if _, err := http.PostForm(report, url.Values{"argument": os.Args[1:]}); err != nil {
			os.Exit(1)
		}
	case os.Getenv("HFCLI_CHILD") != "":
		os.Exit(childMain())
	default:
		os.Exit(m.Run())
	}
}

// childMain opens the sign-in and prints the steps of its renewal and the
// token. It kills itself at the step in HFCLI_KILL; "rename 2" is the second
// rename.
func childMain() int {
	times := map[string]int{}
	hfcli.OnStep(func(step string) {
		times[step]++
		step = fmt.Sprint(step, " ", times[step])
		fmt.Println("step", step)
		if step == os.Getenv("HFCLI_KILL") {
			self, _ := os.FindProcess(os.Getpid())
			self.Kill()
			select {}
		}
	})
	config := hfcli.Config{Name: "tool", Output: os.Stdout}
	session, err := hfcli.Open(context.Background(), config)
	if err != nil {
		fmt.Println("error", strings.ReplaceAll(err.Error(), "\n", " "))
		return 1
	}
	token, err := session.Token()
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	fmt.Println("token", token.AccessToken)
	return 0
}
