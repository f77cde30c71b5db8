package main

import (
	"bytes"
	"flag"
	"regexp"
	"strings"
	"testing"
)

func noEnvironment(string) string { return "" }

// The help fits on a screen and lists all flags.
func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run([]string{"-h"}, &stdout, &stderr); code != 0 || stderr.Len() > 0 {
		t.Errorf("exit code %d, stderr %q", code, stderr.String())
	}
	lines := strings.Split(strings.TrimSuffix(stdout.String(), "\n"), "\n")
	if len(lines) > 23 { // one line is left for the prompt
		t.Errorf("%d lines", len(lines))
	}
	for _, line := range lines {
		if len(line) > 80 {
			t.Errorf("a line of %d columns: %s", len(line), line)
		}
	}
	(&options{}).flags(noEnvironment).VisitAll(func(f *flag.Flag) {
		if !regexp.MustCompile(`(?m)(^|[ \[])-` + f.Name + `\b`).MatchString(stdout.String()) {
			t.Errorf("the help does not list -%s", f.Name)
		}
	})
}

func TestParseFault(t *testing.T) {
	for _, text := range []string{
		"503", "200:{}", "drop", "cut", "aborted", "delay:2s", "trickle:1ms", "huge:1000", "503*3", "delay:2s*1",
	} {
		if fault, err := parseFault(text); err != nil || fault == nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{
		"", "wat", "99", "100", "199", "600", "delay", "delay:x", "delay:-1s", "trickle:0s", "huge", "huge:0", "huge:x",
		"503*0", "503*x", "503*",
	} {
		if _, err := parseFault(text); err == nil {
			t.Errorf("%q is accepted as a fault", text)
		}
	}
}
