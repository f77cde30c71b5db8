package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// The JavaScript of docs/hfhub.md runs as it is: each printed address leads the user
// to the stand-in, which accepts the request.
func TestRecipes(t *testing.T) {
	text, err := os.ReadFile("../../docs/hfhub.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```js\n(.*?)```").FindAllSubmatch(text, -1)
	if len(blocks) == 0 {
		t.Fatal("no recipes found")
	}
	hub := hfoauthtest.NewServer(t)
	app := hub.RegisterApp(hfoauthtest.App{})
	dir, err := os.MkdirTemp(".", "recipe") // where node finds the packages
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, block := range blocks {
		program := filepath.Join(dir, "recipe.mjs")
		if err := os.WriteFile(program, block[1], 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("node", program)
		cmd.Env = append(os.Environ(), "OPENID_PROVIDER_URL="+hub.URL, "OAUTH_CLIENT_ID="+app.ClientID,
			"OAUTH_CLIENT_SECRET="+app.ClientSecret, "OAUTH_SCOPES="+scopes)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s\n%s", err, out, block[1])
			continue
		}
		if !strings.Contains(string(block[1]), "console.log(url") {
			continue
		}
		address := strings.TrimSpace(string(out))
		if !strings.HasPrefix(address, hub.URL+"/oauth/authorize?") {
			t.Errorf("leads to %s\n%s", address, block[1])
			continue
		}
		resp, err := hub.Browser(hfoauthtest.Person{}).Head(address)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("the stand-in answers %s\n%s", resp.Status, block[1])
		}
	}
}
