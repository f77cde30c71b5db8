package hfcli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfcli"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func newHubTool(t *testing.T) *tool {
	t.Helper()
	tl := newTool(t)
	tl.config.HubToken = true
	t.Setenv("HF_ENDPOINT", tl.hub.URL+"/")
	return tl
}

func (tl *tool) writeToken(path, token string) {
	tl.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		tl.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
		tl.t.Fatal(err)
	}
}

func TestHubToken(t *testing.T) {
	for name, keep := range map[string]func(tl *tool, home, token string){
		"HF_TOKEN": func(tl *tool, home, token string) { tl.t.Setenv("HF_TOKEN", " "+token+"\n") },
		"the variable before it was renamed": func(tl *tool, home, token string) {
			tl.t.Setenv("HUGGING_FACE_HUB_TOKEN", token)
		},
		"HF_TOKEN before the file": func(tl *tool, home, token string) {
			tl.writeToken(home+"/.cache/huggingface/token", tl.hub.UserToken("grace"))
			tl.t.Setenv("HF_TOKEN", token)
		},
		"the file": func(tl *tool, home, token string) {
			tl.writeToken(home+"/.cache/huggingface/token", token+"\r\n")
		},
		"XDG_CACHE_HOME": func(tl *tool, home, token string) {
			tl.t.Setenv("XDG_CACHE_HOME", home+"/cache")
			tl.writeToken(home+"/cache/huggingface/token", token)
		},
		"HF_HOME": func(tl *tool, home, token string) {
			tl.t.Setenv("HF_HOME", "~/hf")
			tl.writeToken(home+"/hf/token", token)
		},
		"HF_TOKEN_PATH": func(tl *tool, home, token string) {
			tl.t.Setenv("HF_TOKEN_PATH", "$HOME/the token")
			tl.writeToken(home+"/the token", token)
		},
	} {
		t.Run(name, func(t *testing.T) {
			tl := newHubTool(t)
			token := tl.hub.UserToken("ada")
			keep(tl, os.Getenv("HOME"), token)
			session := tl.mustOpen("ada")
			if got, err := session.Token(); err != nil || got.AccessToken != token {
				t.Errorf("Token returned another token, or the error %v", err)
			}
			if session.Scopes != nil || len(session.User.Orgs) != 2 {
				t.Errorf("user %+v with scopes %v", session.User, session.Scopes)
			}
			resp, err := session.HTTPClient().Get(tl.hub.URL + "/api/whoami-v2")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Errorf("whoami: %s", resp.Status)
			}
			if err := session.Logout(t.Context()); err == nil {
				t.Error("Logout of another tool's token succeeded")
			}
			tl.mustOpen("ada")
			tl.config.HubToken = false
			tl.openFails(hfoauth.ErrNotSignedIn)
		})
	}
}

// The stored sign-in takes precedence.
func TestHubTokenIsTheLastResort(t *testing.T) {
	tl := newHubTool(t)
	t.Setenv("HF_TOKEN", tl.hub.UserToken("grace"))
	session := tl.mustLogin("ada")
	tl.mustOpen("ada")
	if err := session.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	tl.mustOpen("grace")
}

// An outage does not make the user somebody else.
func TestHubTokenIsNotForOutages(t *testing.T) {
	tl := newHubTool(t)
	t.Setenv("HF_TOKEN", tl.hub.UserToken("grace"))
	tl.mustLogin("ada")
	tl.age(-time.Minute)
	tl.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Answer(503, ""))
	tl.openFails(hfoauth.ErrProviderUnavailable)
}

func TestHubTokenFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*tool)
		want   error
		calls  int
	}{
		"none":    {func(*tool) {}, hfoauth.ErrNotSignedIn, 0},
		"unknown": {func(tl *tool) { tl.t.Setenv("HF_TOKEN", "hf_unknown") }, hfoauth.ErrNotSignedIn, 1},
		"of an organization": {func(tl *tool) {
			tl.t.Setenv("HF_TOKEN", tl.hub.OrgToken("engines"))
		}, hfoauth.ErrNotSignedIn, 1},
		"another secret":      {func(tl *tool) { tl.t.Setenv("HF_TOKEN", "AKIA0123456789") }, hfoauth.ErrNotSignedIn, 0},
		"a path to something": {func(tl *tool) { tl.t.Setenv("HF_TOKEN_PATH", "/etc/passwd") }, hfoauth.ErrNotSignedIn, 0},
		"in a home of another user": {func(tl *tool) {
			tl.writeToken(os.Getenv("HOME")+"other/token", tl.hub.UserToken("ada"))
			tl.t.Setenv("HF_TOKEN_PATH", "~other/token")
		}, hfoauth.ErrNotSignedIn, 0},
		"forbidden": {func(tl *tool) {
			tl.t.Setenv("HF_TOKEN", tl.hub.UserToken("ada"))
			tl.hub.SetFault(hfoauthtest.WhoAmIEndpoint, hfoauthtest.Answer(403, ""))
		}, hfoauth.ErrNotSignedIn, 1},
		"a file that is too long": {func(tl *tool) {
			path := filepath.Join(tl.t.TempDir(), "token")
			err := os.WriteFile(path, []byte(tl.hub.UserToken("ada")+strings.Repeat("\n", 16<<10)), 0o600)
			if err != nil {
				tl.t.Fatal(err)
			}
			tl.t.Setenv("HF_TOKEN_PATH", path)
		}, hfoauth.ErrNotSignedIn, 0},
		"of another Hub": {func(tl *tool) {
			tl.t.Setenv("HF_TOKEN", tl.hub.UserToken("ada"))
			tl.t.Setenv("HF_ENDPOINT", "")
		}, hfoauth.ErrNotSignedIn, 0},
		"the Hub is down": {func(tl *tool) {
			tl.t.Setenv("HF_TOKEN", tl.hub.UserToken("ada"))
			tl.hub.SetFault(hfoauthtest.WhoAmIEndpoint, hfoauthtest.Answer(503, ""))
		}, hfoauth.ErrProviderUnavailable, 1},
		"the Hub returns something else": {func(tl *tool) {
			tl.t.Setenv("HF_TOKEN", tl.hub.UserToken("ada"))
			tl.hub.SetFault(hfoauthtest.WhoAmIEndpoint, hfoauthtest.Answer(200, "<html>"))
		}, hfoauth.ErrProviderInvalid, 1},
	} {
		t.Run(name, func(t *testing.T) {
			tl := newHubTool(t)
			tt.change(tl)
			tl.openFails(tt.want)
			if got := tl.hub.Calls(hfoauthtest.WhoAmIEndpoint); got != tt.calls {
				t.Errorf("the token was sent %d times, want %d", got, tt.calls)
			}
		})
	}
}

// The error says that HF_ENDPOINT decides which Hub the token is for.
func TestHubTokenOfAnotherHub(t *testing.T) {
	tl := newHubTool(t)
	t.Setenv("HF_TOKEN", tl.hub.UserToken("ada"))
	t.Setenv("HF_ENDPOINT", "")
	_, err := hfcli.Open(t.Context(), tl.config)
	want := "the token in HF_TOKEN is for https://huggingface.co, not for " + tl.hub.URL + ": HF_ENDPOINT decides"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}
