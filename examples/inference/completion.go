package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"iter"
)

// completionRequest is the body of a chat completion in the OpenAI-compatible
// form that the router takes
// (https://huggingface.co/docs/inference-providers/tasks/chat-completion).
type completionRequest struct {
	Model    string    `json:"model"`
	Messages []message `json:"messages"`
	Stream   bool      `json:"stream"`
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

var errBrokenOff = errors.New("the answer broke off")

// deltas returns the pieces of a streamed answer. The last error is not nil if the
// stream is incomplete.
func deltas(stream io.Reader) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		lines := bufio.NewScanner(stream)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			data, isData := bytes.CutPrefix(lines.Bytes(), []byte("data:"))
			data = bytes.TrimSpace(data)
			switch {
			case !isData:
				continue
			case string(data) == "[DONE]":
				return
			}
			var chunk struct {
				Choices []struct {
					Delta struct {
						Content string `json:"content"`
					} `json:"delta"`
				} `json:"choices"`
			}
			if json.Unmarshal(data, &chunk) != nil {
				break
			}
			if len(chunk.Choices) > 0 && !yield(chunk.Choices[0].Delta.Content, nil) {
				return
			}
		}
		yield("", errBrokenOff)
	}
}
