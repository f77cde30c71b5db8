package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// An MCP client opens the browser for its user, who consents there.
func TestExampleMCP(t *testing.T) {
	q := newProgram(t, "mcp")
	b := newBrowser(t, browserOptions{})
	returned := make(chan url.Values, 1)
	desktop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/callback" {
			w.WriteHeader(http.StatusNoContent) // the browser's request for an icon
			return
		}
		returned <- r.URL.Query()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write([]byte(`<!DOCTYPE html><title>Done</title><p>Go back to your client.`))
	}))
	defer desktop.Close()
	handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
			ClientName: "An MCP client", RedirectURIs: []string{desktop.URL + "/callback"},
			TokenEndpointAuthMethod: "none",
		}},
		AuthorizationCodeFetcher: func(_ context.Context,
			args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			b.run(b.ctx, chromedp.Navigate(args.URL))
			b.says(b.ctx, "An MCP client")
			b.approve(b.ctx)
			b.says(b.ctx, "Go back to your client.")
			query := <-returned
			return &auth.AuthorizationResult{Code: query.Get("code"), State: query.Get("state"),
				Iss: query.Get("iss")}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "1"}, nil)
	session, err := client.Connect(t.Context(),
		&mcp.StreamableClientTransport{Endpoint: q.URL + "/mcp", OAuthHandler: handler}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := result.Content[0].(*mcp.TextContent); !ok || text.Text != "ada" {
		t.Errorf("whoami says %+v, want ada", result)
	}
}
