package hfoauth_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestEnvironment(t *testing.T) {
	clearEnv(t)
	t.Setenv("OAUTH_CLIENT_ID", " id\n")
	t.Setenv("OAUTH_CLIENT_SECRET", clientSecret)
	t.Setenv("OAUTH_SCOPES", "email, read-repos  email")
	t.Setenv("OPENID_PROVIDER_URL", "https://hub.example/")
	t.Setenv("OAUTH_REDIRECT_URL", "https://app.example/cb")
	t.Setenv("SPACE_HOST", "user-app.hf.space,app.example")
	got := hfoauth.ConfigFrom(os.Getenv)
	for _, value := range []struct{ name, got, want string }{
		{"ClientID", got.ClientID, "id"},
		{"ClientSecret", got.ClientSecret, clientSecret},
		{"Scopes", got.Scopes.Param(), "email read-repos"},
		{"ProviderURL", got.ProviderURL, "https://hub.example/"},
		{"RedirectURL", got.RedirectURL, "https://app.example/cb"},
		{"SpaceHost", got.SpaceHost, "user-app.hf.space,app.example"},
	} {
		if value.got != value.want {
			t.Errorf("%s from the environment is %q, want %q", value.name, value.got, value.want)
		}
	}
	if _, err := hfoauth.New(hfoauth.Config{}); err != nil {
		t.Errorf("New with all of it in the environment: %v", err)
	}
}

func TestNewNamesEveryProblem(t *testing.T) {
	key := testKey("one")
	good := hfoauth.Config{ClientID: "id", ClientSecret: clientSecret,
		RedirectURL: "https://app.example/login/callback"}
	tests := []struct {
		name   string
		change func(*hfoauth.Config)
		want   []string // parts of the error; none means no error
	}{
		{"complete", func(c *hfoauth.Config) {}, nil},
		{"no client ID", func(c *hfoauth.Config) { c.ClientID = "" },
			[]string{"ClientID", "OAUTH_CLIENT_ID", "hf_oauth: true"}},
		{"client ID beyond ASCII", func(c *hfoauth.Config) { c.ClientID = "idé" }, []string{"ClientID", "appendix A.1"}},
		{"odd client ID", func(c *hfoauth.Config) { c.ClientID = "a\nb" },
			[]string{"ClientID", "OAUTH_CLIENT_ID", "copy it again"}},
		{"no secret, no keys", func(c *hfoauth.Config) { c.ClientSecret = "" },
			[]string{"SessionKeys", "OAUTH_CLIENT_SECRET", "openssl rand -base64 32"}},
		{"no secret but keys", func(c *hfoauth.Config) { c.ClientSecret = ""; c.SessionKeys = [][]byte{key} }, nil},
		{"short key", func(c *hfoauth.Config) { c.SessionKeys = [][]byte{key, key[:16]} },
			[]string{"SessionKeys", "key 1 has 16 bytes", "openssl"}},
		{"long key", func(c *hfoauth.Config) { c.SessionKeys = [][]byte{append(testKey("two"), 'x')} },
			[]string{"SessionKeys", "key 0 has 33 bytes", "openssl"}},
		{"unregistered with a secret and a key", func(c *hfoauth.Config) {
			c.ClientID, c.SessionKeys = "https://app.example/.well-known/oauth-cimd", [][]byte{key}
		}, []string{"ClientSecret", "is not registered"}},
		{"key of one byte", func(c *hfoauth.Config) { c.SessionKeys = [][]byte{bytes.Repeat([]byte{1}, 32)} },
			[]string{"SessionKeys", "key 0", "openssl"}},
		{"key of few bytes", func(c *hfoauth.Config) {
			c.SessionKeys = [][]byte{[]byte("0123456789a0123456789a0123456789")}
		}, []string{"SessionKeys", "key 0", "openssl"}},
		{"key of just enough bytes", func(c *hfoauth.Config) {
			c.SessionKeys = [][]byte{[]byte("0123456789ab0123456789ab01234567")}
		}, nil},
		{"short secret", func(c *hfoauth.Config) { c.ClientSecret = "0123456789abcdefghijklm" },
			[]string{"ClientSecret", "OAUTH_CLIENT_SECRET", "SessionKeys", "openssl"}},
		{"secret of few bytes", func(c *hfoauth.Config) { c.ClientSecret = strings.Repeat("1234567", 8) },
			[]string{"ClientSecret", "OAUTH_CLIENT_SECRET", "SessionKeys", "openssl"}},
		{"shortest secret", func(c *hfoauth.Config) { c.ClientSecret = "012345670123456701234567" }, nil},
		{"short secret and a key", func(c *hfoauth.Config) { c.ClientSecret = "x"; c.SessionKeys = [][]byte{key} }, nil},
		{"http provider", func(c *hfoauth.Config) { c.ProviderURL = "http://hub.example" },
			[]string{"ProviderURL", "OPENID_PROVIDER_URL", "use https"}},
		{"http provider on loopback", func(c *hfoauth.Config) { c.ProviderURL = "http://127.0.0.1:8080" }, nil},
		{"unparsable provider", func(c *hfoauth.Config) { c.ProviderURL = "https://hub example" },
			[]string{"ProviderURL", "absolute URL"}},
		{"provider's metadata", func(c *hfoauth.Config) {
			c.ProviderURL = "https://hub.example/.well-known/openid-configuration"
		}, []string{"ProviderURL", "OPENID_PROVIDER_URL", "leave out /.well-known"}},
		{"relative provider", func(c *hfoauth.Config) { c.ProviderURL = "huggingface.co" },
			[]string{"ProviderURL", "https://host"}},
		{"provider with user", func(c *hfoauth.Config) { c.ProviderURL = "https://u:p@hub.example" },
			[]string{"ProviderURL", "leave them out"}},
		{"http redirect", func(c *hfoauth.Config) { c.RedirectURL = "http://app.example/cb" },
			[]string{"RedirectURL", "OAUTH_REDIRECT_URL", "use https"}},
		{"http redirect on localhost",
			func(c *hfoauth.Config) { c.RedirectURL = "http://localhost:7860/login/callback" }, nil},
		{"http redirect on ::1", func(c *hfoauth.Config) { c.RedirectURL = "http://[::1]:7860/login/callback" }, nil},
		{"http redirect on a lookalike",
			func(c *hfoauth.Config) { c.RedirectURL = "http://localhost.evil.example/cb" }, []string{"RedirectURL"}},
		{"no redirect", func(c *hfoauth.Config) { c.RedirectURL = "" },
			[]string{"RedirectURL", "OAUTH_REDIRECT_URL", "SPACE_HOST"}},
		{"redirect with fragment", func(c *hfoauth.Config) { c.RedirectURL = "https://app.example/cb#x" },
			[]string{"RedirectURL", "fragment"}},
		{"bad scope", func(c *hfoauth.Config) { c.Scopes = hfoauth.Scopes{"em ail"} }, []string{"Scopes", "OAUTH_SCOPES"}},
		{"bad login path", func(c *hfoauth.Config) { c.LoginPath = "//login" }, []string{"LoginPath", "/path"}},
		{"bad logout path", func(c *hfoauth.Config) { c.LogoutPath = "logout" }, []string{"LogoutPath", "/path"}},
		{"home at sign-in", func(c *hfoauth.Config) { c.HomePath = "/login" }, []string{"HomePath", "where users start"}},
		{"home at sign-out", func(c *hfoauth.Config) { c.HomePath = "/logout/" }, []string{"HomePath", "where users start"}},
		{"home at the callback", func(c *hfoauth.Config) { c.HomePath = "/login/callback" },
			[]string{"HomePath", "where users start"}},
		{"sign-out at sign-in", func(c *hfoauth.Config) { c.LogoutPath = "/login" },
			[]string{"LogoutPath", "choose another"}},
		{"sign-out in the frame's paths", func(c *hfoauth.Config) { c.LogoutPath = "/login/frame/logout" },
			[]string{"LogoutPath", "choose another"}},
		{"several", func(c *hfoauth.Config) {
			*c = hfoauth.Config{ProviderURL: "ftp://x", ClientSecret: "weak", RedirectURL: "http://x/cb"}
		}, []string{"ClientID", "ClientSecret", "ProviderURL", "RedirectURL"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clearEnv(t)
			config := good
			tt.change(&config)
			_, err := hfoauth.New(config)
			if (err != nil) != (tt.want != nil) {
				t.Fatalf("New: %v, want an error: %v", err, tt.want != nil)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "u:p@") {
				t.Errorf("error %q shows a password", err)
			}
		})
	}
}

// Each common mistake with a variable yields one message, which names the field,
// the variable and the fix.
func TestOneMessageForOneMistake(t *testing.T) {
	const space, redirect, provider = "SPACE_HOST", "OAUTH_REDIRECT_URL", "OPENID_PROVIDER_URL"
	for _, tt := range []struct{ variable, value, want string }{
		{space, "https://user-app.hf.space", "write it as user-app.hf.space"},
		{space, "user-app.hf.space/", "write it as user-app.hf.space"},
		{space, "user-app.hf.space/tools", "write it as user-app.hf.space"},
		{space, `"user-app.hf.space"`, "write it as user-app.hf.space"},
		{space, "user-app.hf.space:99999", "write it as user-app.hf.space"},
		{space, "user-app.hf.space,https://app.example", "write it as user-app.hf.space"},
		{space, ",", "write it as user-app.hf.space"},
		{redirect, "https://app.example", "write it as https://host/login/callback"},
		{redirect, "https://app.example/", "write it as https://host/login/callback"},
		{redirect, "https://app.example/login", "give the callback another"},
		{redirect, "https://app.example/login/", "give the callback another"},
		{redirect, "https://app.example/logout", "give the callback another"},
		{redirect, "https://app.example/login/frame/done", "choose another path"},
		{redirect, "https://app.example/.well-known/oauth-protected-resource", "choose another path"},
		{redirect, `"https://app.example/login/callback"`, "leave them out"},
		{redirect, "'https://app.example/login/callback'", "leave them out"},
		{redirect, "app.example/login/callback", "write it as https://host/path"},
		{redirect, "https://app.example/login/callback?", "leave them out"},
		{redirect, "https://app.example/login/callback#", "leave them out"},
		{redirect, "https://app.example:/login/callback", "write the URL as https://host/path"},
		{redirect, "https://app.example:99999/login/callback", "write the URL as https://host/path"},
		{redirect, "https://*.example/login/callback", "write the URL as https://host/path"},
		{redirect, "https://app.example/my tools/login/callback", "leave it out"},
		{redirect, "https://app.example//login/callback", "write it as /login/callback"},
		{redirect, "https://app.example/tools//login/callback", "write it as /login/callback"},
		{redirect, "https://app.example/../login/callback", "write it as /login/callback"},
		{redirect, "https://app.example/{user}/login/callback", "write it as /login/callback"},
		{redirect, "https://app.example/é/login/callback", "write it as /login/callback"},
		{redirect, "https://app.example/%7Buser%7D/login/callback", "write it as /login/callback"},
		{provider, `"https://hub.example"`, "leave them out"},
		{provider, "hub.example", "write it as https://host/path"},
		{provider, "https://hub.example/.well-known/openid-configuration", "leave out /.well-known"},
		{provider, "https://hub.example/my realm", "leave it out"},
		{provider, "http://hub.example", "use https"},
		{"OAUTH_CLIENT_ID", `"id"`, "leave them out"},
		{"OAUTH_CLIENT_SECRET", `"` + clientSecret + `"`, "leave them out"},
		{"OAUTH_CLIENT_SECRET", "'" + clientSecret + "'", "leave them out"},
		{"OAUTH_CLIENT_SECRET", clientSecret + "\n" + clientSecret, "copy it again"},
		{"OAUTH_CLIENT_SECRET", "", "OAUTH_CLIENT_SECRET"},
		{"OAUTH_SCOPES", `"email"`, "quotes"},
		{"OAUTH_CLIENT_ID", "", "OAUTH_CLIENT_ID"},
	} {
		clearEnv(t)
		t.Setenv("OAUTH_CLIENT_ID", "id")
		t.Setenv("OAUTH_CLIENT_SECRET", clientSecret)
		t.Setenv(space, "user-app.hf.space")
		t.Setenv(tt.variable, tt.value)
		_, err := hfoauth.New(hfoauth.Config{})
		if err == nil {
			t.Errorf("%s=%s: no error", tt.variable, tt.value)
			continue
		}
		if lines := strings.Count(err.Error(), "\n") + 1; lines != 1 {
			t.Errorf("%s=%s: %d messages, want one:\n%v", tt.variable, tt.value, lines, err)
		}
		for _, want := range []string{tt.variable, tt.want} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s=%s: %v: does not say %q", tt.variable, tt.value, err, want)
			}
		}
		if strings.Contains(err.Error(), clientSecret) {
			t.Errorf("%s=%s: the error shows the secret", tt.variable, tt.value)
		}
	}
}

// With nothing set, New names everything to set in one message.
func TestNothingSet(t *testing.T) {
	clearEnv(t)
	_, err := hfoauth.New(hfoauth.Config{})
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Fatalf("error %v, want one message", err)
	}
	for _, want := range []string{
		"cmd/hfhub", "hf_oauth: true", "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_REDIRECT_URL",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}

// White space around a value that was copied or read from a file does not matter.
func TestWhiteSpaceAroundValues(t *testing.T) {
	clearEnv(t)
	config := hfoauth.Config{
		ClientID: "id\n", ClientSecret: " " + clientSecret + "\r\n", ProviderURL: "\thttps://hub.example/ ",
		RedirectURL: "https://app.example/login/callback\n", SpaceHost: " user-app.hf.space\n",
	}
	client, err := hfoauth.New(config)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(client)
	want := `hfoauth.Client{ClientID: "id", RedirectURL: "https://app.example/login/callback"}`
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// If the issuer has a path, its origin may frame the app.
func TestIssuerWithPathInSpace(t *testing.T) {
	clearEnv(t)
	_, err := hfoauth.New(hfoauth.Config{ClientID: "id", ClientSecret: clientSecret,
		ProviderURL: "https://hub.example/realms/one", SpaceHost: "user-app.hf.space"})
	if err != nil {
		t.Error(err)
	}
}

// Hosts that a token could never be sent to are a mistake.
func TestTokenHostsAreHosts(t *testing.T) {
	for host, ok := range map[string]bool{
		"api.example.com": true, "*.example.com": true, "localhost": true, "127.0.0.1": true, "::1": true,
		"": false, "https://api.example.com": false, "api.example.com/": false,
		"api.example.com:8080": false, "*": false, "*.": false, "api.*.com": false,
	} {
		clearEnv(t)
		_, err := hfoauth.New(hfoauth.Config{ClientID: "id", ClientSecret: clientSecret,
			RedirectURL: "https://app.example/cb", TokenHosts: []string{host}})
		if (err == nil) != ok {
			t.Errorf("TokenHosts %q: error %v, want none: %v", host, err, ok)
		}
	}
}

// Mount can register whatever New accepts: all combinations of paths.
func TestMountTakesWhatNewAccepts(t *testing.T) {
	clearEnv(t)
	paths := []string{
		"", "/", "/login", "/login/", "/login/callback", "/logout", "/login/frame", "/login/frame/x",
		"/a/login", "/a/login/callback", "/a/login/frame/x",
		"/.well-known/oauth-protected-resource", "/.well-known/oauth-cimd", "/a//b", "/é", "/{x}", "/a%2Fb",
	}
	accepted := 0
	for _, callback := range paths {
		for _, login := range paths {
			for _, logout := range paths {
				config := hfoauth.Config{
					ClientID: "https://app.example/.well-known/oauth-cimd", SessionKeys: [][]byte{testKey("one")},
					RedirectURL: "https://app.example" + callback, LoginPath: login, LogoutPath: logout,
				}
				client, err := hfoauth.New(config)
				if err != nil {
					continue
				}
				accepted++
				if problem := mountPanics(client); problem != nil {
					t.Errorf("callback %q, login %q, logout %q: %v", callback, login, logout, problem)
				}
			}
		}
	}
	if accepted < 50 {
		t.Errorf("%d combinations were accepted, want 50 or more", accepted)
	}
}

func mountPanics(client *hfoauth.Client) (problem any) {
	defer func() { problem = recover() }()
	mux := http.NewServeMux()
	client.Mount(mux)
	client.Handler(mux)
	return nil
}

func FuzzEnvironment(f *testing.F) {
	const hub, callback = "https://huggingface.co", "https://app.example/cb"
	f.Add("id", clientSecret, "openid", hub, callback, "a.hf.space,b.example")
	f.Add("id", clientSecret, "opnid, made-up", "http://127.0.0.1:9200/", "", "a.hf.space")
	f.Add("", "", "a,\x00", "http://x", "::", ",")
	f.Add("id\x7f", "short", "\"", hub+"/.well-known/openid-configuration", "https://app.example", "")
	f.Add("id", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "", "https://u:p@x", "https://app.example/login", "/")
	f.Add("https://app.example/.well-known/oauth-cimd", "", "", "ftp://x", "https://app.example/logout", "")
	f.Add("https://app.example/.well-known/oauth-cimd", clientSecret, "", hub+"?x", "http://app.example/cb#x", "")
	f.Fuzz(func(t *testing.T, id, secret, scopes, providerURL, redirect, space string) {
		env := map[string]string{"OAUTH_CLIENT_ID": id, "OAUTH_CLIENT_SECRET": secret, "OAUTH_SCOPES": scopes,
			"OPENID_PROVIDER_URL": providerURL, "OAUTH_REDIRECT_URL": redirect, "SPACE_HOST": space}
		config := hfoauth.ConfigFrom(func(name string) string { return env[name] })
		client, err := hfoauth.New(config)
		if err != nil {
			if len(secret) > 8 && strings.Contains(err.Error(), secret) {
				t.Errorf("error shows the secret: %v", err)
			}
			return
		}
		if problem := mountPanics(client); problem != nil {
			t.Errorf("Mount: %v", problem)
		}
		if next := client.LoginURL("/x"); !strings.HasPrefix(next, "/login?") {
			t.Errorf("LoginURL = %q", next)
		}
	})
}

type roundTripper struct{ http.RoundTripper }

func TestWrappedDefaultTransport(t *testing.T) {
	original := http.DefaultTransport
	http.DefaultTransport = roundTripper{original}
	defer func() { http.DefaultTransport = original }()
	newClient(t, hfoauth.Config{})
}

// setFirstApp puts an app into the environment that requests an email address.
func setFirstApp(t *testing.T) {
	t.Helper()
	clearEnv(t)
	t.Setenv("OAUTH_CLIENT_ID", "first")
	t.Setenv("OAUTH_CLIENT_SECRET", clientSecret)
	t.Setenv("OAUTH_SCOPES", "email")
	t.Setenv("OAUTH_REDIRECT_URL", "https://app.example/login/callback")
	t.Setenv("OPENID_PROVIDER_URL", hfoauthtest.NewServer(t).URL)
}

// A second client takes neither the secret nor the scopes of the app in the
// environment.
func TestEnvironmentIsOfOneApp(t *testing.T) {
	setFirstApp(t)
	for name, tt := range map[string]struct {
		config        hfoauth.Config
		client, scope string
	}{
		"first":  {hfoauth.Config{}, "first", "openid profile email"},
		"second": {hfoauth.Config{ClientID: "second", ClientSecret: "second_" + clientSecret}, "second", "openid profile"},
	} {
		client, err := hfoauth.New(tt.config)
		if err != nil {
			t.Fatal(err)
		}
		query := requested(t, client)
		if got := query.Get("client_id"); got != tt.client {
			t.Errorf("%s signs in as the app %q, want %q", name, got, tt.client)
		}
		if got := query.Get("scope"); got != tt.scope {
			t.Errorf("%s asks for %q, want %q", name, got, tt.scope)
		}
	}
	_, err := hfoauth.New(hfoauth.Config{ClientID: "second"})
	if err == nil || !strings.Contains(err.Error(), "without a client secret") {
		t.Errorf("a second client takes the first one's secret: %v", err)
	}
}

// The app cannot set parameters that the protocol sets.
func TestReservedParameters(t *testing.T) {
	s := newSite(t, nil)
	for _, name := range []string{
		"client_id", "client_secret", "code_challenge", "code_challenge_method", "nonce", "redirect_uri",
		"request", "request_uri", "response_mode", "response_type", "scope", "state",
	} {
		w := httptest.NewRecorder()
		s.client.Login(w, httptest.NewRequest("GET", "/x", nil), hfoauth.LoginOptions{Params: url.Values{name: {"x"}}})
		if w.Code != http.StatusInternalServerError {
			t.Errorf("LoginOptions with %s: status %d, want 500", name, w.Code)
		}
		if location := w.Header().Get("Location"); location != "" {
			t.Errorf("LoginOptions with %s leads to %s", name, location)
		}
	}
}

// A host that only looks like this machine's is refused for a redirect by http.
func TestLoopbackRedirects(t *testing.T) {
	clearEnv(t)
	for host, ok := range map[string]bool{
		"localhost": true, "LOCALHOST:7860": true, "x.localhost": true, "127.0.0.1:80": true,
		"127.1.2.3": true, "[::1]:7860": true,
		"localhost.example": false, "mylocalhost": false, "127.0.0.1.example": false, "0.0.0.0": false,
		"10.0.0.1": false, "[::2]": false,
	} {
		_, err := hfoauth.New(hfoauth.Config{ClientID: "id", ClientSecret: clientSecret,
			RedirectURL: "http://" + host + "/login/callback"})
		if (err == nil) != ok {
			t.Errorf("http://%s: error %v, want none: %v", host, err, ok)
		}
	}
}

// warnings returns what New logs about config, without time and message.
func warnings(t *testing.T, config hfoauth.Config) string {
	t.Helper()
	var log strings.Builder
	options := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.MessageKey {
			return slog.Attr{}
		}
		return a
	}}
	config.Logger = slog.New(slog.NewTextHandler(&log, options))
	newClient(t, config)
	return strings.TrimSpace(log.String())
}

// A misspelled scope is named at start, with the likely one.
func TestUnknownScopesAreWarnedOf(t *testing.T) {
	for scope, want := range map[hfoauth.Scope]string{
		"inference_api": "level=WARN scope=inference_api likely=inference-api",
		"Email":         "level=WARN scope=Email likely=email",
		"something-new": `level=WARN scope=something-new likely=""`, hfoauth.ScopeReadMCP: "", hfoauth.ScopeJobs: "",
	} {
		if got := warnings(t, hfoauth.Config{Scopes: hfoauth.Scopes{scope}}); got != want {
			t.Errorf("New with the scope %s logs %q, want %q", scope, got, want)
		}
	}
}

// Requests from another site's origin carry no cookie with SameSite=Lax. New warns
// of an origin that certainly belongs to another site.
func TestOriginsOfOtherSitesAreWarnedOf(t *testing.T) {
	const app, local = "https://api.example.com/login/callback", "http://localhost:7860/login/callback"
	for _, tt := range []struct {
		redirectURL, origin string
		ancestors           []string
		warned              bool
	}{
		{app, "https://app.example.com", nil, false},
		{app, "https://example.com", nil, false},
		{app, "https://APP.Example.com:8443", nil, false},
		{app, "https://deep.api.example.com", nil, false},
		{app, "https://app.example.org", nil, true},
		{app, "https://myexample.com", nil, true},
		{app, "https://com", nil, true},
		{app, "http://localhost:5173", nil, true},
		{app, "https://app.example.org", []string{"https://app.example.org"}, false},
		{app, "https://app.example.org", []string{}, true},
		// New does not know that co.uk is not a site
		{"https://app.example.co.uk/login/callback", "https://other.co.uk", nil, false},
		{local, "http://localhost:5173", nil, false},
		{local, "http://127.0.0.1:5173", nil, true},
		{local, "https://localhost:5173", nil, true},
		{local, "http://app.localhost:5173", nil, true},
		{"https://10.0.0.1/login/callback", "https://192.0.0.1", nil, true},
		{"https://10.0.0.1/login/callback", "https://10.0.0.1:8443", nil, false},
	} {
		want := ""
		if tt.warned {
			want = "level=WARN origin=" + tt.origin
		}
		config := hfoauth.Config{RedirectURL: tt.redirectURL, TrustedOrigins: []string{tt.origin},
			FrameAncestors: tt.ancestors}
		if got := warnings(t, config); got != want {
			t.Errorf("%s trusts %s, framed by %q: logs %q, want %q", tt.redirectURL, tt.origin, tt.ancestors, got, want)
		}
	}
}

// If ClientID is in Config, the variable of the secret is ignored; the error says
// so.
func TestSecretOfTheEnvironmentDoesNotCount(t *testing.T) {
	clearEnv(t)
	t.Setenv("OAUTH_CLIENT_SECRET", clientSecret)
	_, err := hfoauth.New(hfoauth.Config{ClientID: "id", RedirectURL: "https://app.example/cb"})
	want := "set Config.ClientSecret (OAUTH_CLIENT_SECRET counts only if ClientID comes from the environment, too)"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want it to contain %s", err, want)
	}
}

// Scopes that the code sets to none are not those of the environment.
func TestNoScopesInCode(t *testing.T) {
	setFirstApp(t)
	client, err := hfoauth.New(hfoauth.Config{Scopes: hfoauth.Scopes{}})
	if err != nil {
		t.Fatal(err)
	}
	if got := requested(t, client).Get("scope"); got != "openid profile" {
		t.Errorf("asks for %q, want openid profile", got)
	}
}

// The pages of sign-in inside an iframe are at LoginPath/frame and below.
func TestCallbackIsNotAtTheFrame(t *testing.T) {
	clearEnv(t)
	for _, path := range []string{"/login/frame", "/login/frame/callback"} {
		_, err := hfoauth.New(hfoauth.Config{ClientID: "client", ClientSecret: clientSecret,
			RedirectURL: "https://app.example" + path})
		if err == nil || !strings.Contains(err.Error(), "RedirectURL") {
			t.Errorf("%s: %v, want an error about RedirectURL", path, err)
		}
	}
}
