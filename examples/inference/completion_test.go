package main

import (
	"strings"
	"testing"
)

func collect(stream string) (text string, err error) {
	for piece, pieceErr := range deltas(strings.NewReader(stream)) {
		text += piece
		err = pieceErr
	}
	return text, err
}

func TestDeltas(t *testing.T) {
	piece := func(text string) string {
		return `data: {"choices":[{"index":0,"delta":{"content":"` + text + `"}}]}` + "\n\n"
	}
	for _, test := range []struct {
		name, stream, want string
		complete           bool
	}{
		{"complete", piece("One, ") + piece("two") + "data: [DONE]\n\n", "One, two", true},
		{"comments, events and usage",
			": ping\n\nevent: x\n" + piece("One") + `data: {"choices":[],"usage":{}}` + "\n\ndata: [DONE]\n\n",
			"One", true},
		{"carriage returns, no space", strings.ReplaceAll(piece("One"), "\n", "\r\n") + "data:[DONE]\r\n\r\n", "One", true},
		{"after the end", piece("One") + "data: [DONE]\n\n" + piece("two"), "One", true},
		{"cut", piece("One, ") + `data: {"choi`, "One, ", false},
		{"no end", piece("One"), "One", false},
		{"no JSON", "data: <html>\n\n", "", false},
		{"other JSON", `data: {"choices":"none"}` + "\n\n", "", false},
		{"empty", "", "", false},
		{"long line", "data: " + strings.Repeat(" ", 2<<20), "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if text, err := collect(test.stream); text != test.want || (err == nil) != test.complete {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
}

func FuzzDeltas(f *testing.F) {
	f.Add("data: {\"choices\":[{\"delta\":{\"content\":\"One\"}}]}\n\ndata: [DONE]\n\n")
	f.Fuzz(func(t *testing.T, stream string) {
		text, err := collect(stream)
		if err == nil && !strings.Contains(stream, "[DONE]") {
			t.Errorf("complete without an end: %q", text)
		}
	})
}
