package clients

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// startMCPExample builds and runs examples/mcp at a provider, and returns its
// address.
func startMCPExample(t *testing.T, hub *hfoauthtest.Server) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "mcp")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir, build.Env = "../../examples/mcp", append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	address := "http://localhost:" + port
	app := hub.RegisterApp(hfoauthtest.App{Name: "MCP server",
		RedirectURIs: []string{address + "/login/callback"}})
	server := exec.Command(program)
	server.Env = append(os.Environ(), "PORT="+port, "OAUTH_CLIENT_ID="+app.ClientID,
		"OAUTH_CLIENT_SECRET="+app.ClientSecret,
		"OAUTH_REDIRECT_URL="+address+"/login/callback", "OPENID_PROVIDER_URL="+hub.URL, "OAUTH_SCOPES=",
		"SPACE_HOST=")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
	})
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for range 1000 {
		if resp, err := http.Get(address + "/"); err == nil {
			resp.Body.Close()
			return address
		}
		<-ticker.C
	}
	t.Fatal("examples/mcp does not respond")
	return ""
}

// The MCP SDK's client gets from the 401 of examples/mcp to a tool that knows the
// user, renews its token, and requests a missing scope.
func TestMCPExample(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	mcpURL := startMCPExample(t, hub) + "/mcp"
	narrow := hub.AccessToken("ada", hub.RegisterApp(hfoauthtest.App{Public: true}).ClientID)
	for name, env := range map[string][]string{
		"signs in":           {"MCP_URL=" + mcpURL},
		"has too few scopes": {"MCP_URL=" + mcpURL, "NARROW_TOKEN=" + narrow},
	} {
		t.Run(name, func(t *testing.T) {
			env = append(env, "OPENID_PROVIDER_URL="+hub.URL)
			driver := startDriver(t, env, interpreted("drivers/mcpexample.mjs")...).line()
			for _, user := range []string{"ada", "grace"} { // both at one server
				app := &web{t, driver}
				browser := hub.Browser(hfoauthtest.Person{Username: user})
				defer browser.CloseIdleConnections()
				checkMCP(t, app.account(browser, "GET", "/login"), user)
				before := app.account(browser, "GET", "/me")
				after := app.account(browser, "POST", "/refresh")
				checkMCP(t, after, user)
				if after.AccessToken == before.AccessToken {
					t.Error("the token is not renewed")
				}
			}
		})
	}
	if got := hub.Calls(hfoauthtest.RegisterEndpoint); got != 4 {
		t.Errorf("%d registrations, want one for each sign-in", got)
	}
}

func checkMCP(t *testing.T, got account, user string) {
	t.Helper()
	if got.Whoami["name"] != user {
		t.Errorf("the tool says %v, want %s", got.Whoami, user)
	}
	if !strings.Contains(got.Scope, "inference-api") {
		t.Errorf("the client is granted %q, want inference-api", got.Scope)
	}
}
