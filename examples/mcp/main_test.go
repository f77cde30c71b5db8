package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// site is the server, with a provider and an API in place of the Hub.
type site struct {
	t   *testing.T
	hub *hfoauthtest.Server
	URL string // of the MCP server

	mu   sync.Mutex
	seen []string // tokens that the API saw
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, hub: hfoauthtest.NewServer(t)}
	api := httptest.NewServer(http.HandlerFunc(s.api))
	t.Cleanup(api.Close)
	address, err := url.Parse(api.URL)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	s.URL = "http://" + server.Listener.Addr().String()
	s.hub.Setenv(t, s.URL)
	client, err := hfoauth.New(hfoauth.Config{TokenHosts: []string{address.Hostname()}})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = routes(client, (&tools{address, address.JoinPath("v1"), "a-model"}).server())
	server.Start()
	t.Cleanup(server.Close)
	return s
}

// api is the API that the tools call. It identifies users only by their tokens.
func (s *site) api(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	s.seen = append(s.seen, token)
	s.mu.Unlock()
	req, _ := http.NewRequest(http.MethodGet, s.hub.URL+"/api/whoami-v2", nil)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer resp.Body.Close()
	var user struct{ Name string }
	if json.NewDecoder(resp.Body).Decode(&user); user.Name == "" {
		http.Error(w, "who?", http.StatusUnauthorized)
		return
	}
	switch r.URL.Path {
	case "/api/models":
		fmt.Fprintf(w, `[{"id":"%s/engine"},{"id":"%s/loom of %s"}]`, r.FormValue("author"),
			r.FormValue("author"), user.Name)
	case "/v1/chat/completions":
		var asked struct {
			Model    string
			Messages []message
		}
		json.NewDecoder(r.Body).Decode(&asked)
		fmt.Fprintf(w, `{"choices":[{"message":{"role":"assistant","content":"%s says to %s: %s"}}]}`,
			asked.Model, user.Name, asked.Messages[0].Content)
	}
}

// person is a user with an MCP client, which registers itself at the provider.
type person struct {
	*site
	name      string
	consents  [][]string // the scopes that each consent asks for
	withoutAt int        // the consent at which the client requests too few scopes
	session   *mcp.ClientSession
}

func (s *site) person(name string) *person { return &person{site: s, name: name, withoutAt: -1} }

// connect signs the person in and begins an MCP session.
func (p *person) connect() error {
	p.t.Helper()
	const redirect = "http://127.0.0.1/callback"
	handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
			ClientName: "An MCP client", RedirectURIs: []string{redirect},
			GrantTypes: []string{"authorization_code", "refresh_token"}, TokenEndpointAuthMethod: "none",
		}},
		AuthorizationCodeFetcher: p.consent,
		ScopeFilter: func(scopes []string) []string {
			if len(p.consents) == p.withoutAt {
				return slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return scope == "inference-api" })
			}
			return scopes
		},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "1"}, nil)
	p.session, err = client.Connect(p.t.Context(),
		&mcp.StreamableClientTransport{Endpoint: p.URL + "/mcp", OAuthHandler: handler}, nil)
	if err == nil {
		p.t.Cleanup(func() { p.session.Close() })
	}
	return err
}

// consent consents on the provider's page as the person.
func (p *person) consent(_ context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	asked, err := url.Parse(args.URL)
	if err != nil {
		return nil, err
	}
	p.consents = append(p.consents, strings.Fields(asked.Query().Get("scope")))
	browser := p.hub.Browser(hfoauthtest.Person{Username: p.name})
	defer browser.CloseIdleConnections()
	var callback *url.URL
	browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/callback" {
			callback = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	resp, err := browser.Get(args.URL)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	if callback == nil {
		return nil, fmt.Errorf("the provider does not send the browser back: %s", resp.Status)
	}
	query := callback.Query()
	return &auth.AuthorizationResult{Code: query.Get("code"), State: query.Get("state"),
		Iss: query.Get("iss")}, nil
}

// tool calls a tool, which must succeed, and returns its text.
func (p *person) tool(name string, arguments map[string]any) string {
	p.t.Helper()
	result, err := p.session.CallTool(p.t.Context(), &mcp.CallToolParams{Name: name, Arguments: arguments})
	if err != nil {
		p.t.Fatalf("%s of %s: %v", name, p.name, err)
	}
	if result.IsError || len(result.Content) != 1 {
		p.t.Fatalf("%s of %s: %+v", name, p.name, result)
	}
	return result.Content[0].(*mcp.TextContent).Text
}

func (p *person) says(want, name string, arguments map[string]any) {
	p.t.Helper()
	if got := p.tool(name, arguments); got != want {
		p.t.Errorf("%s of %s says %q, want %q", name, p.name, got, want)
	}
}

func (p *person) mustConnect() {
	p.t.Helper()
	if err := p.connect(); err != nil {
		p.t.Fatal(err)
	}
}

// The client finds the provider by the 401, registers itself, has the person
// consent to all scopes that the server names, and calls tools.
func TestTools(t *testing.T) {
	s := newSite(t)
	ada := s.person("ada")
	ada.mustConnect()
	ada.says("ada", "whoami", nil)
	ada.says("ada/engine\nada/loom of ada", "my_models", nil)
	ada.says("a-model says to ada: Who wove it?", "ask", map[string]any{"prompt": "Who wove it?"})
	ada.says("b-model says to ada: x", "ask", map[string]any{"prompt": "x", "model": "b-model"})
	if len(ada.consents) != 1 {
		t.Fatalf("consents for %v, want one", ada.consents)
	}
	for _, want := range []string{"inference-api", "openid"} {
		if !slices.Contains(ada.consents[0], want) {
			t.Errorf("consent for %v, want %s among it", ada.consents[0], want)
		}
	}
	if got := s.hub.Calls(hfoauthtest.RegisterEndpoint); got != 1 {
		t.Errorf("%d registrations, want 1", got)
	}
}

// Two users of one server, each in their own MCP session, call tools at the same
// time.
func TestTwoUsers(t *testing.T) {
	s := newSite(t)
	ada, grace := s.person("ada"), s.person("grace")
	ada.mustConnect()
	grace.mustConnect()
	var calling sync.WaitGroup
	for _, p := range []*person{ada, grace} {
		for range 10 {
			calling.Go(func() {
				p.says(p.name, "whoami", nil)
				p.says(p.name+"/engine\n"+p.name+"/loom of "+p.name, "my_models", nil)
			})
		}
	}
	calling.Wait()
}

// post sends a JSON-RPC message with a token, as a dishonest client could.
func (s *site) post(token, mcpSession, body string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.URL+"/mcp", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if mcpSession != "" {
		req.Header.Set("Mcp-Session-Id", mcpSession)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

const (
	initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize",` +
		`"params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`
	callWhoAmI = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`
)

// A user who knows the ID of another user's MCP session is not that user.
func TestMCPSessionOfAnother(t *testing.T) {
	s := newSite(t)
	scopes := []string{"openid", "profile", "inference-api"}
	adas := s.hub.AccessToken("ada", "any-app", scopes...)
	graces := s.hub.AccessToken("grace", "another-app", scopes...)
	begun := s.post(adas, "", initialize)
	id := begun.Header.Get("Mcp-Session-Id")
	if begun.StatusCode != http.StatusOK || id == "" {
		t.Fatalf("initialize: %s with the session %q", begun.Status, id)
	}
	if resp := s.post(graces, id, callWhoAmI); resp.StatusCode != http.StatusForbidden {
		t.Errorf("another user's call: %s", resp.Status)
	}
	if resp := s.post("", id, callWhoAmI); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a call without a token: %s", resp.Status)
	}
	if resp := s.post(adas, id, callWhoAmI); resp.StatusCode != http.StatusOK {
		t.Errorf("the user's own call: %s", resp.Status)
	}
}

// A tool acts with the token of its call, not with that of the request that began
// the MCP session, which may have expired.
func TestTokenOfTheCall(t *testing.T) {
	s := newSite(t)
	scopes := []string{"openid", "profile", "inference-api"}
	first, second := s.hub.AccessToken("ada", "any-app", scopes...), s.hub.AccessToken("ada", "any-app", scopes...)
	id := s.post(first, "", initialize).Header.Get("Mcp-Session-Id")
	resp := s.post(second, id, strings.Replace(callWhoAmI, "whoami", "my_models", 1))
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), "ada/engine") {
		t.Errorf("my_models: %s, %v", body, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) != 1 || s.seen[0] != second {
		t.Errorf("the API sees the token of another request")
	}
}

// A client that requested too few scopes learns what is missing, has the person
// consent to it, and retries.
func TestMissingScope(t *testing.T) {
	s := newSite(t)
	ada := s.person("ada")
	ada.withoutAt = 0
	ada.mustConnect()
	ada.says("ada", "whoami", nil)
	if len(ada.consents) != 2 {
		t.Fatalf("consents for %v, want two", ada.consents)
	}
	for i, want := range []bool{false, true} {
		if got := slices.Contains(ada.consents[i], "inference-api"); got != want {
			t.Errorf("consent %d is for %v, want inference-api among it: %v", i+1, ada.consents[i], want)
		}
	}
	resp := s.post(s.hub.AccessToken("ada", "any-app"), "", initialize)
	challenge := resp.Header.Get("WWW-Authenticate")
	if resp.StatusCode != http.StatusForbidden ||
		!strings.Contains(challenge, `error="insufficient_scope", scope="openid profile inference-api"`) {
		t.Errorf("%s with the challenge %s", resp.Status, challenge)
	}
}

// A token that expires is renewed by the client, without the person.
func TestRenewal(t *testing.T) {
	s := newSite(t)
	// expired at once, for x/oauth2
	s.hub.Configure(func(c *hfoauthtest.Settings) { c.AccessTokenLifetime = 5 * time.Second })
	ada := s.person("ada")
	ada.mustConnect()
	ada.says("ada", "whoami", nil)
	ada.says("ada/engine\nada/loom of ada", "my_models", nil)
	if len(ada.consents) != 1 {
		t.Errorf("%d consents, want 1", len(ada.consents))
	}
	renewals := 0
	for _, request := range s.hub.Requests(hfoauthtest.TokenEndpoint) {
		if request.Form.Get("grant_type") == "refresh_token" {
			renewals++
		}
	}
	if renewals == 0 {
		t.Error("the client does not renew its token")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, token := range s.seen {
		if !strings.HasPrefix(token, "hf_oauth_") {
			t.Errorf("the API sees the token %q", token)
		}
	}
}

// Requests without a valid token get 401 with the address of the metadata.
func TestUnauthorized(t *testing.T) {
	s := newSite(t)
	for name, token := range map[string]string{
		"none":                   "",
		"invented":               "hf_oauth_x",
		"of the user's settings": s.hub.UserToken("ada"),
	} {
		resp := s.post(token, "", initialize)
		challenge := resp.Header.Get("WWW-Authenticate")
		want := `resource_metadata="` + s.URL + `/.well-known/oauth-protected-resource/mcp"`
		if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(challenge, want) {
			t.Errorf("%s: %s with the challenge %s, want %s", name, resp.Status, challenge, want)
		}
	}
	browser := s.hub.SignIn(t, s.URL+"/login?next=/", "ada")
	resp, err := browser.Post(s.URL+"/mcp", "application/json", strings.NewReader(initialize))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode/100 != 4 {
		t.Errorf("a browser's cookie is enough: %s", resp.Status)
	}
}
