//go:build linux

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documentation returns docs/hfhub.md.
func documentation(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/hfhub.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// The curl examples of the control API work as they are, except for the user
// code.
func TestCurlExamples(t *testing.T) {
	h := newControlled(t)
	_, text := h.send("POST", h.url()+"/oauth/device", "", h.asApp)
	var device struct {
		UserCode string `json:"user_code"`
	}
	if err := json.Unmarshal([]byte(text), &device); err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, block := range shellBlock.FindAllStringSubmatch(documentation(t), -1) {
		if !strings.Contains(block[1], "$HFHUB_CONTROL_URL") {
			continue
		}
		cmd := exec.Command("sh", "-eu", "-c", strings.ReplaceAll(block[1], "A6MY-0314", device.UserCode))
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HFHUB_CONTROL_URL=" + h.env["HFHUB_CONTROL_URL"],
			"HFHUB_CONTROL_TOKEN=" + h.env["HFHUB_CONTROL_TOKEN"]}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s\n%s", err, out, block[1])
		}
		examples += strings.Count(block[1], "curl ")
		answers := strings.Count(strings.TrimSpace(string(out)), "\n") + 1
		if answers != strings.Count(block[1], "curl ") {
			t.Errorf("%d responses: %s", answers, out)
		}
	}
	if examples == 0 {
		t.Error("the page has no examples")
	}
	resp, _ := h.send("POST", h.url()+"/oauth/token", "grant_type=refresh_token&refresh_token=x", h.asApp)
	if resp.StatusCode != 503 {
		t.Errorf("after the examples set a fault: %s, want 503", resp.Status)
	}
}

// The flags in all command lines of the page exist.
func TestDocumentedFlags(t *testing.T) {
	lines := 0
	for _, block := range shellBlock.FindAllStringSubmatch(documentation(t), -1) {
		for line := range strings.Lines(block[1]) {
			_, rest, ok := strings.Cut(line, "hfhub ")
			if !ok {
				continue
			}
			lines++
			own, _, _ := strings.Cut(" "+rest, " -- ")
			own, _, _ = strings.Cut(own, ">")
			out, err := exec.Command("sh", "-c", `set -- `+own+`; printf '%s\n' "$@"`).Output()
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			var args []string
			if text := strings.TrimSpace(string(out)); text != "" {
				args = strings.Split(text, "\n")
			}
			if i := slices.Index(args, "-users"); i >= 0 {
				args[i+1] = "users.example.json"
			}
			if _, err := parse(args, noEnvironment); err != nil {
				t.Errorf("%s: %v", strings.TrimSpace(line), err)
			}
		}
	}
	if lines < 8 {
		t.Errorf("only %d command lines were found", lines)
	}
}

// The page names all endpoints and all actions of the control API.
func TestDocumentedNames(t *testing.T) {
	text := documentation(t)
	for name := range endpoints {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("the endpoint %s is not documented", name)
		}
	}
	for pattern := range (&control{}).actions() {
		if !strings.Contains(text, "| `"+pattern+"` |") {
			t.Errorf("%s is not documented", pattern)
		}
	}
}
