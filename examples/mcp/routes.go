package main

import (
	"context"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/hfoauth/hfoauth"
)

// routes serves MCP to programs with a token of any app, as the Hub's own MCP server
// does: MCP clients register themselves, so the tokens cannot be limited to one app.
// A program that got the user's token for another purpose can do no more here than
// at the Hub, which accepts the same token: the tools act only with it.
func routes(client *hfoauth.Client, server *mcp.Server) http.Handler {
	programs := client.AcceptBearer(hfoauth.BearerOptions{
		AnyApp:   true,
		Resource: "/mcp",
		Scopes:   hfoauth.Scopes{hfoauth.ScopeInferenceAPI}, // so that clients request it at once
	})
	billed := client.RequireScope(hfoauth.ScopeInferenceAPI)
	streams := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)

	mux := http.NewServeMux()
	client.Mount(mux) // with /.well-known/oauth-protected-resource/mcp
	mux.Handle("/mcp", programs(billed(withUser(lasting(streams)))))
	mux.HandleFunc("GET /{$}", home)
	return mux
}

// withUser passes the session of each call to the SDK. A tool must take it from
// there: the context of a tool is that of the request that began the MCP session,
// which may have been another user's. With UserID the SDK also refuses other users'
// requests in an MCP session. A browser's cookie does not count: RequireBearerToken
// requires a token.
func withUser(next http.Handler) http.Handler {
	return auth.RequireBearerToken(func(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
		session := hfoauth.SessionFromContext(ctx)
		return &auth.TokenInfo{UserID: session.User.Sub, Expiration: session.Expiry,
			Extra: map[string]any{"hfoauth": session}}, nil
	}, nil)(next)
}

// sessionOf returns the session of the user who calls a tool.
func sessionOf(req *mcp.CallToolRequest) *hfoauth.Session {
	return req.Extra.TokenInfo.Extra["hfoauth"].(*hfoauth.Session)
}

// lasting lets streams outlast the server's ReadTimeout, after which net/http would
// cancel their requests.
func lasting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).SetReadDeadline(time.Time{})
		next.ServeHTTP(w, r)
	})
}
