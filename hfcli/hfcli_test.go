package hfcli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfcli"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// tool is a command-line tool, its provider, and its user's machine.
type tool struct {
	t      *testing.T
	hub    *hfoauthtest.Server
	config hfcli.Config
	screen *screen
	dir    string // where the sign-in is stored
}

func newTool(t *testing.T) *tool {
	t.Helper()
	home := t.TempDir()
	for name, value := range map[string]string{
		"XDG_CONFIG_HOME": home, "HOME": home, "XDG_CACHE_HOME": "",
		"BROWSER": "true", "SSH_CONNECTION": "", "DISPLAY": "", "WAYLAND_DISPLAY": "",
		"OAUTH_CLIENT_ID": "", "OPENID_PROVIDER_URL": "",
		"HF_TOKEN": "", "HUGGING_FACE_HUB_TOKEN": "", "HF_TOKEN_PATH": "", "HF_HOME": "", "HF_ENDPOINT": "",
	} {
		t.Setenv(name, value)
	}
	tl := &tool{t: t, hub: hfoauthtest.NewServer(t), screen: newScreen(), dir: filepath.Join(home, "tool")}
	tl.hub.Configure(func(s *hfoauthtest.Settings) { s.DeviceInterval = time.Second })
	app := tl.hub.RegisterApp(hfoauthtest.App{Public: true,
		RedirectURIs: []string{"http://127.0.0.1/login/callback"}})
	tl.config = hfcli.Config{Name: "tool", ClientID: app.ClientID, ProviderURL: tl.hub.URL, Output: tl.screen}
	return tl
}

// screen records what a tool prints.
type screen struct {
	mu   sync.Mutex
	more *sync.Cond
	text bytes.Buffer
}

func newScreen() *screen {
	s := &screen{}
	s.more = sync.NewCond(&s.mu)
	return s
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.more.Broadcast()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// find waits until the output matches pattern and returns its first group.
func (s *screen) find(pattern string) string {
	expression := regexp.MustCompile(pattern)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if match := expression.FindStringSubmatch(s.text.String()); match != nil {
			return match[1]
		}
		s.more.Wait()
	}
}

const (
	loginAddress = `(http://127\.0\.0\.1:\d+/login/[A-Z2-7]{52})\n`
	userCode     = `(?m)^  ([A-Z0-9]{4}-[A-Z0-9]{4})$`
)

// login calls Login and act, which plays the user, concurrently.
func (tl *tool) login(act func()) (*hfcli.Session, error) {
	tl.t.Helper()
	var acting sync.WaitGroup
	acting.Go(act)
	session, err := hfcli.Login(tl.t.Context(), tl.config)
	acting.Wait()
	return session, err
}

// inBrowser opens the URL that the tool printed and signs in at the provider.
func (tl *tool) inBrowser(person hfoauthtest.Person) {
	browser := tl.hub.Browser(person)
	defer browser.CloseIdleConnections()
	resp, err := browser.Get(tl.screen.find(loginAddress))
	if err != nil {
		tl.t.Error(err)
		return
	}
	resp.Body.Close()
}

// mustLogin signs a user in with the browser.
func (tl *tool) mustLogin(username string) *hfcli.Session {
	tl.t.Helper()
	session, err := tl.login(func() { tl.inBrowser(hfoauthtest.Person{Username: username}) })
	if err != nil {
		tl.t.Fatal(err)
	}
	tl.screen.text.Reset()
	return session
}

// mustOpen calls Open, which must find the sign-in of a user.
func (tl *tool) mustOpen(username string) *hfcli.Session {
	tl.t.Helper()
	session, err := hfcli.Open(tl.t.Context(), tl.config)
	if err != nil {
		tl.t.Fatalf("Open: %v", err)
	}
	if session.User.Username != username {
		tl.t.Fatalf("Open returned the sign-in of %s, want %s", session.User.Username, username)
	}
	return session
}

// openFails calls Open, which must fail with want.
func (tl *tool) openFails(want error) {
	tl.t.Helper()
	session, err := hfcli.Open(tl.t.Context(), tl.config)
	if !errors.Is(err, want) {
		tl.t.Errorf("Open: %v, %v, want %v", session, err, want)
	}
}

// token calls Session.Token, whose token the provider must accept.
func (tl *tool) token(session *hfcli.Session) string {
	tl.t.Helper()
	token, err := session.Token()
	if err != nil {
		tl.t.Fatalf("Token: %v", err)
	}
	if token.RefreshToken != "" {
		tl.t.Errorf("Token includes a refresh token")
	}
	req, _ := http.NewRequest(http.MethodGet, tl.hub.URL+"/oauth/userinfo", nil)
	token.SetAuthHeader(req)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		tl.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		tl.t.Errorf("the provider does not accept the token: %s", resp.Status)
	}
	return token.AccessToken
}

func (tl *tool) keptPath() string { return filepath.Join(tl.dir, "sign-in.json") }

// kept decodes the file with the sign-in.
func (tl *tool) kept() map[string]any {
	tl.t.Helper()
	content, err := os.ReadFile(tl.keptPath())
	if err != nil {
		tl.t.Fatal(err)
	}
	var kept map[string]any
	if err := json.Unmarshal(content, &kept); err != nil {
		tl.t.Fatalf("the file is torn: %v: %s", err, content)
	}
	return kept
}

// change modifies the file with the sign-in.
func (tl *tool) change(change func(kept map[string]any)) {
	tl.t.Helper()
	kept := tl.kept()
	change(kept)
	content, err := json.Marshal(kept)
	if err != nil {
		tl.t.Fatal(err)
	}
	if err := os.WriteFile(tl.keptPath(), content, 0o600); err != nil {
		tl.t.Fatal(err)
	}
}

// age makes the stored access token expire in d, after a lifetime of eight hours.
func (tl *tool) age(d time.Duration) {
	tl.t.Helper()
	tl.change(func(kept map[string]any) {
		kept["issued"], kept["expiry"] = time.Now().Add(d-8*time.Hour), time.Now().Add(d)
	})
}

// later moves all clocks forward by d.
func (tl *tool) later(d time.Duration) {
	now := func() time.Time { return time.Now().Add(d) }
	hfcli.SetClock(tl.t, now)
	tl.hub.Configure(func(s *hfoauthtest.Settings) { s.Now = now })
}

// renewals returns how many refresh requests the provider received.
func (tl *tool) renewals() int {
	n := 0
	for _, request := range tl.hub.Requests(hfoauthtest.TokenEndpoint) {
		if request.Form.Get("grant_type") == "refresh_token" {
			n++
		}
	}
	return n
}

func TestLoginAndOpen(t *testing.T) {
	tl := newTool(t)
	tl.config.Scopes = hfoauth.Scopes{hfoauth.ScopeEmail, hfoauth.ScopeProfile}
	tl.openFails(hfoauth.ErrNotSignedIn)
	session := tl.mustLogin("ada")
	if session.User.Name != "Ada Lovelace" || session.User.Email != "ada@example.com" {
		t.Errorf("user %+v", session.User)
	}
	if got, want := fmt.Sprint(session.Scopes), "[openid profile email]"; got != want {
		t.Errorf("scopes %q, want %q", got, want)
	}
	token := tl.token(session)
	opened := tl.mustOpen("ada")
	if got := tl.token(opened); got != token {
		t.Error("Open returned another token than Login")
	}
	if len(opened.User.Orgs) != 2 || !opened.Scopes.Has(hfoauth.ScopeEmail) {
		t.Errorf("Open returned the user %+v with scopes %v", opened.User, opened.Scopes)
	}
	if err := opened.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	tl.openFails(hfoauth.ErrNotSignedIn)
	if _, err := opened.Token(); !errors.Is(err, hfoauth.ErrNotSignedIn) {
		t.Errorf("Token after Logout: %v", err)
	}
	if err := opened.Logout(t.Context()); err != nil {
		t.Errorf("second Logout: %v", err)
	}
}

// Logout works if Open does not: the provider is down and the token has expired,
// the app has another ID, or the file cannot be read.
func TestLogoutWithoutOpen(t *testing.T) {
	for name, breakIt := range map[string]func(*tool){
		"expired, provider down": func(tl *tool) {
			tl.age(-time.Minute)
			tl.config.ProviderURL = "http://127.0.0.1:1"
		},
		"another app":            func(tl *tool) { tl.config.ClientID = "other" },
		"no app":                 func(tl *tool) { tl.config.ClientID = "" },
		"another version's file": func(tl *tool) { tl.change(func(kept map[string]any) { kept["version"] = 9 }) },
	} {
		t.Run(name, func(t *testing.T) {
			tl := newTool(t)
			tl.mustLogin("ada")
			breakIt(tl)
			if _, err := hfcli.Open(t.Context(), tl.config); err == nil {
				t.Fatal("Open succeeded")
			}
			for range 2 {
				if err := hfcli.Logout(t.Context(), tl.config); err != nil {
					t.Error(err)
				}
			}
			if _, err := os.Stat(tl.keptPath()); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the sign-in is still stored: %v", err)
			}
		})
	}
}

// Login finds out that it cannot store the sign-in before the user signs in.
func TestLoginThatCannotBeStored(t *testing.T) {
	tl := newTool(t)
	if err := os.WriteFile(tl.dir, nil, 0o600); err != nil { // where the directory belongs
		t.Fatal(err)
	}
	_, err := hfcli.Login(t.Context(), tl.config)
	if err == nil || !strings.Contains(err.Error(), "hfcli: cannot store a sign-in") {
		t.Errorf("error %v", err)
	}
	if got := tl.screen.String(); got != "" {
		t.Errorf("the user was asked to sign in: %s", got)
	}
}

// A sign-in is valid only for one app at one provider.
func TestOpenElsewhere(t *testing.T) {
	tl := newTool(t)
	tl.mustLogin("ada")
	other := *tl
	other.config.ClientID = "other"
	other.openFails(hfoauth.ErrNotSignedIn)
	other = *tl
	other.config.ProviderURL = "http://127.0.0.1:1"
	other.openFails(hfoauth.ErrNotSignedIn)
	other = *tl
	other.config.Name = "other"
	other.openFails(hfoauth.ErrNotSignedIn)
	tl.mustOpen("ada")
}

// A file that a person, a backup or another version wrote leads to a new sign-in.
func TestOpenOfWhatIsNoSignIn(t *testing.T) {
	tl := newTool(t)
	tl.mustLogin("ada")
	good, err := os.ReadFile(tl.keptPath())
	if err != nil {
		t.Fatal(err)
	}
	set := func(member string, value any) func(string) string {
		return func(string) string {
			tl.change(func(kept map[string]any) { kept[member] = value })
			changed, _ := os.ReadFile(tl.keptPath())
			return string(changed)
		}
	}
	for name, tt := range map[string]struct {
		change func(good string) string
		want   error
	}{
		"as it was": {func(good string) string { return good }, nil},
		"empty":     {func(string) string { return "" }, hfoauth.ErrNotSignedIn},
		"null":      {func(string) string { return "null" }, hfoauth.ErrNotSignedIn},
		"no JSON":   {func(string) string { return "hello" }, hfoauth.ErrNotSignedIn},
		"torn":      {func(good string) string { return good[:len(good)/2] }, hfoauth.ErrNotSignedIn},
		"huge": {func(good string) string { return good + strings.Repeat(" ", 2<<20) },
			hfoauth.ErrNotSignedIn},
		"other version":       {set("version", 2), hfoauth.ErrNotSignedIn},
		"no user":             {set("user", nil), hfoauth.ErrNotSignedIn},
		"a user without sub":  {set("user", map[string]any{"preferred_username": "ada"}), hfoauth.ErrNotSignedIn},
		"no token":            {set("access_token", ""), hfoauth.ErrNotSignedIn},
		"header injection":    {set("access_token", "a\r\nb"), hfoauth.ErrNotSignedIn},
		"expired before born": {set("issued", time.Now().Add(24*time.Hour)), hfoauth.ErrNotSignedIn},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(tl.keptPath(), good, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(tl.keptPath(), []byte(tt.change(string(good))), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := hfcli.Open(t.Context(), tl.config); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
	tl.mustLogin("grace")
	tl.mustOpen("grace")
}

func TestPermissions(t *testing.T) {
	tl := newTool(t)
	if err := os.Mkdir(tl.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	tl.mustLogin("ada")
	for path, want := range map[string]os.FileMode{
		tl.dir: 0o700, tl.keptPath(): 0o600, filepath.Join(tl.dir, "sign-in.lock"): 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
	if err := os.Chmod(tl.keptPath(), 0o644); err != nil {
		t.Fatal(err)
	}
	tl.age(time.Minute)
	tl.mustOpen("ada")
	info, err := os.Stat(tl.keptPath())
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("after a renewal the file has mode %o, want 600", got)
	}
}

func TestSessionPrintsNoSecret(t *testing.T) {
	tl := newTool(t)
	session := tl.mustLogin("ada")
	encoded, err := json.Marshal(session)
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v %s", session, session, *session, encoded)
	for _, secret := range tl.hub.Secrets() {
		if strings.Contains(printed, secret) {
			t.Errorf("a session prints a secret: %s", printed)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for name, change := range map[string]func(*hfcli.Config){
		"Name: \"\"":       func(c *hfcli.Config) { c.Name = "" },
		"Name: \".\"":      func(c *hfcli.Config) { c.Name = "." },
		"Name: \"..\"":     func(c *hfcli.Config) { c.Name = ".." },
		"Name: \"a/b\"":    func(c *hfcli.Config) { c.Name = "a/b" },
		"Name: \"a\\\\b\"": func(c *hfcli.Config) { c.Name = `a\b` },
		"ClientID is empty, and OAUTH_CLIENT_ID is not set": func(c *hfcli.Config) { c.ClientID = "" },
		"http://hub.example": func(c *hfcli.Config) { c.ProviderURL = "http://hub.example" },
		"https://user@hub.example": func(c *hfcli.Config) {
			c.ProviderURL = "https://user@hub.example"
		},
		"https://hub.example?query":    func(c *hfcli.Config) { c.ProviderURL = "https://hub.example?query" },
		"https://hub.example#fragment": func(c *hfcli.Config) { c.ProviderURL = "https://hub.example#fragment" },
		"TokenHosts: \"https://api.example\"": func(c *hfcli.Config) {
			c.TokenHosts = []string{"https://api.example"}
		},
		"leave out /.well-known/openid-configuration": func(c *hfcli.Config) {
			c.ProviderURL += "/.well-known/openid-configuration"
		},
		"Scopes: \"bad scope\"": func(c *hfcli.Config) {
			c.Scopes = hfoauth.Scopes{"bad scope"}
		},
		"is not an https": func(c *hfcli.Config) { c.ProviderURL = "hub.example" },
	} {
		tl := newTool(t)
		change(&tl.config)
		_, loginErr := hfcli.Login(t.Context(), tl.config)
		_, openErr := hfcli.Open(t.Context(), tl.config)
		for call, err := range map[string]error{"Login": loginErr, "Open": openErr} {
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: error %v, want one with %s", call, err, name)
			}
			if errors.Is(err, hfoauth.ErrNotSignedIn) {
				t.Errorf("%s: %v would start a sign-in, which must fail as well", call, err)
			}
		}
	}
}

func TestConfigFromEnvironment(t *testing.T) {
	tl := newTool(t)
	t.Setenv("OAUTH_CLIENT_ID", tl.config.ClientID)
	t.Setenv("OPENID_PROVIDER_URL", tl.config.ProviderURL+"/")
	tl.config.ClientID, tl.config.ProviderURL = "", ""
	tl.mustLogin("ada")
	tl.mustOpen("ada")
}

// If the provider does not name the granted scopes, they are the requested ones (RFC
// 6749 section 5.1).
func TestScopesThatAreNotNamed(t *testing.T) {
	tl := newTool(t)
	tl.config.Scopes = hfoauth.Scopes{hfoauth.ScopeEmail}
	tl.hub.Configure(func(s *hfoauthtest.Settings) {
		s.TokenResponse = func(response map[string]any) { delete(response, "scope") }
	})
	tl.mustLogin("ada")
	if got, want := fmt.Sprint(tl.mustOpen("ada").Scopes), "[openid profile email]"; got != want {
		t.Errorf("scopes %s, want %s", got, want)
	}
}

// If the provider does not say how long a token lives, it is as long as on the Hub.
func TestLifetimeThatIsNotNamed(t *testing.T) {
	tl := newTool(t)
	tl.hub.Configure(func(s *hfoauthtest.Settings) {
		s.TokenResponse = func(response map[string]any) { delete(response, "expires_in") }
	})
	token, err := tl.mustLogin("ada").Token()
	if err != nil {
		t.Fatal(err)
	}
	if got := time.Until(token.Expiry).Round(time.Minute); got != 8*time.Hour {
		t.Errorf("the token expires in %s, want 8h", got)
	}
}

// If the userinfo stays unavailable, Login ends after a minute.
func TestLoginDuringALongOutage(t *testing.T) {
	tl := newTool(t)
	var late atomic.Int64
	hfcli.SetClock(t, func() time.Time { return time.Now().Add(time.Duration(late.Load())) })
	tl.hub.SetFault(hfoauthtest.UserInfoEndpoint, hfoauthtest.Times(2, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			late.Store(int64(61 * time.Second))
			w.WriteHeader(http.StatusServiceUnavailable)
		})
	}))
	_, err := tl.login(func() { tl.inBrowser(hfoauthtest.Person{Username: "ada"}) })
	if !errors.Is(err, hfoauth.ErrProviderUnavailable) {
		t.Errorf("error %v, want %v", err, hfoauth.ErrProviderUnavailable)
	}
	if got := tl.hub.Calls(hfoauthtest.UserInfoEndpoint); got != 1 {
		t.Errorf("the user was fetched %d times, want once: the minute had passed", got)
	}
}
