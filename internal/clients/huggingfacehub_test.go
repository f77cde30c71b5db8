package clients

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// These tests imitate "hf auth login" of Python's huggingface_hub with our own script,
// because Debian does not have that library.

// event is a line that the script prints.
type event struct {
	Event string
	Code  string // that the user types
	URI   string // where
	Error string // of the token endpoint, while the script waits
	account
}

// newHubLogin starts the script with a public app, like the Hub's own, and returns
// the provider and a function that reads the next event.
func newHubLogin(t *testing.T) (hub *hfoauthtest.Server, next func() event) {
	t.Helper()
	hub = hfoauthtest.NewServer(t)
	hub.Configure(func(s *hfoauthtest.Settings) { s.DeviceInterval = time.Second })
	app := hub.RegisterApp(hfoauthtest.App{Name: "hf", Public: true, Scopes: strings.Fields(scopes)})
	d := newDriver(t, "drivers/huggingface_hub.py", hub.URL, app)
	return hub, func() event {
		t.Helper()
		var e event
		if line := d.line(); json.Unmarshal([]byte(line), &e) != nil {
			t.Fatalf("not an event: %s", line)
		}
		return e
	}
}

func TestHubLogin(t *testing.T) {
	for _, user := range hfoauthtest.DefaultUsers() {
		t.Run(user.Username, func(t *testing.T) {
			hub, next := newHubLogin(t)
			code := next()
			if code.URI == "" {
				t.Error("no verification_uri")
			}
			waiting := next()
			equal(t, "the first answer", waiting.Error, "authorization_pending")
			if err := hub.ApproveDevice(code.Code, user.Username); err != nil {
				t.Fatal(err)
			}
			signedIn, refreshed := next(), next()
			for name, e := range map[string]event{"account": signedIn, "refreshed": refreshed} {
				equal(t, "event", e.Event, name)
				equal(t, name+": scope", e.Scope, scopes) // all of the app, since the script names none
				checkWhoami(t, user, e.Whoami)
			}
			if signedIn.AccessToken == refreshed.AccessToken {
				t.Error("the refresh brought the same access token")
			}
		})
	}
}

func TestHubLoginDenied(t *testing.T) {
	hub, next := newHubLogin(t)
	code := next()
	next()
	if err := hub.DenyDevice(code.Code); err != nil {
		t.Fatal(err)
	}
	equal(t, "the answer", next().Error, "access_denied")
}
