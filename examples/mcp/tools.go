package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// maxAnswer is how much of a response is read.
const maxAnswer = 1 << 20

// tools are what the server can do for a user.
type tools struct {
	hub, router *url.URL
	model       string // the model to ask if the client names none
}

func (t *tools) server() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "hfoauth-example", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami", Description: "Returns the username of the Hugging Face user"}, t.whoAmI)
	mcp.AddTool(server, &mcp.Tool{Name: "my_models", Description: "Lists the user's models on Hugging Face"}, t.myModels)
	mcp.AddTool(server, &mcp.Tool{Name: "ask", Description: "Asks a language model, billed to the user"}, t.ask)
	return server
}

func (t *tools) whoAmI(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
	return text(sessionOf(req).User.Username), nil, nil
}

func (t *tools) myModels(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
	address := t.hub.JoinPath("api/models")
	address.RawQuery = url.Values{"author": {sessionOf(req).User.Username}, "limit": {"100"}}.Encode()
	var models []struct {
		ID string `json:"id"`
	}
	if err := call(ctx, req, http.MethodGet, address, nil, &models); err != nil {
		return nil, nil, err
	}
	var names []string
	for _, model := range models {
		names = append(names, model.ID)
	}
	return text(strings.Join(names, "\n")), nil, nil
}

type question struct {
	Prompt string `json:"prompt" jsonschema:"what to ask"`
	Model  string `json:"model,omitempty" jsonschema:"ID of a model on Hugging Face, such as openai/gpt-oss-20b"`
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func (t *tools) ask(ctx context.Context, req *mcp.CallToolRequest, q question) (*mcp.CallToolResult, any, error) {
	if q.Model == "" {
		q.Model = t.model
	}
	body, err := json.Marshal(map[string]any{"model": q.Model, "messages": []message{{"user", q.Prompt}}})
	if err != nil {
		return nil, nil, err
	}
	var completion struct {
		Choices []struct {
			Message message `json:"message"`
		} `json:"choices"`
	}
	if err := call(ctx, req, http.MethodPost, t.router.JoinPath("chat/completions"), body, &completion); err != nil {
		return nil, nil, err
	}
	if len(completion.Choices) == 0 {
		return nil, nil, errors.New("the model did not answer")
	}
	return text(completion.Choices[0].Message.Content), nil, nil
}

// call sends a request with the token of the user who calls the tool.
func call(ctx context.Context, req *mcp.CallToolRequest, method string, address *url.URL,
	body []byte, answer any) error {
	request, err := http.NewRequestWithContext(ctx, method, address.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	resp, err := sessionOf(req).HTTPClient().Do(request)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s from Hugging Face", resp.Status)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(answer)
}

func text(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}
