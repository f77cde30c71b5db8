package hfoauth_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
)

func TestResourceMetadata(t *testing.T) {
	s := newSite(t, func(c *hfoauth.Config) { c.Scopes = hfoauth.Scopes{hfoauth.ScopeEmail} })
	s.client.AcceptBearer(hfoauth.BearerOptions{})
	s.client.AcceptBearer(hfoauth.BearerOptions{
		Resource: "/mcp", AnyApp: true, Scopes: hfoauth.Scopes{hfoauth.ScopeInferenceAPI},
	})
	s.client.AcceptBearer(hfoauth.BearerOptions{Resource: "/api/v1", Scopes: hfoauth.Scopes{}})
	for path, want := range map[string]struct {
		resource string
		scopes   []any
	}{
		"":        {s.URL, []any{"openid", "profile", "email"}},
		"/mcp":    {s.URL + "/mcp", []any{"openid", "profile", "inference-api"}},
		"/api/v1": {s.URL + "/api/v1", []any{"openid", "profile"}},
	} {
		resp := get(t, s.browser(), s.URL+"/.well-known/oauth-protected-resource"+path)
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s: %s, %s", path, resp.Status, resp.Header.Get("Content-Type"))
		}
		if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "*" {
			t.Errorf("%s: Access-Control-Allow-Origin %q", path, got)
		}
		if got, want := resp.Header.Get("X-Content-Type-Options"), "nosniff"; got != want {
			t.Errorf("%s: X-Content-Type-Options %q, want %q", path, got, want)
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(resp.body), &got); err != nil {
			t.Fatal(err)
		}
		if want := map[string]any{
			"resource": want.resource, "authorization_servers": []any{s.hub.URL},
			"scopes_supported": want.scopes, "bearer_methods_supported": []any{"header"},
		}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	for _, path := range []string{"/other", "/mcp/x", "/api", "/mcpx", "/"} {
		resp := get(t, s.browser(), s.URL+"/.well-known/oauth-protected-resource"+path)
		if want := map[bool]int{true: 200, false: 404}[path == "/"]; resp.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, resp.Status, want)
		}
	}
}

// Programs in browsers send a custom header, so the browser sends a preflight.
func TestResourceMetadataPreflight(t *testing.T) {
	s := newSite(t, nil)
	req, err := http.NewRequest(http.MethodOptions, s.URL+"/.well-known/oauth-protected-resource/mcp", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://inspector.example")
	req.Header.Set("Access-Control-Request-Method", "GET")
	req.Header.Set("Access-Control-Request-Headers", "mcp-protocol-version")
	resp := do(t, s.browser(), req)
	checkStatus(t, "the preflight", resp, 204)
	for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Headers"} {
		if got := resp.Header.Get(name); got != "*" {
			t.Errorf("%s is %q, want *", name, got)
		}
	}
	if got, want := resp.Header.Get("Access-Control-Max-Age"), "86400"; got != want {
		t.Errorf("the preflight is remembered for %q seconds, want %q", got, want)
	}
}

// On routes that accept tokens, a failure names the address of the metadata and
// the scopes that the next token needs.
func TestChallenges(t *testing.T) {
	s := newSite(t, nil)
	mcp := s.client.AcceptBearer(hfoauth.BearerOptions{
		Resource: "/mcp", UserTokens: true, Scopes: hfoauth.Scopes{hfoauth.ScopeReadMCP},
	})
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	user, chat := s.client.RequireUser(page), s.client.RequireScope(hfoauth.ScopeInferenceAPI)(page)
	admins := s.client.RequireOrg("engines", hfoauth.RoleAdmin)(page)
	strangers := s.client.RequireOrg("strangers", hfoauth.RoleRead)(page)
	good := "Bearer " + s.hub.AccessToken("ada", s.app.ClientID)
	email := "bearer " + s.hub.AccessToken("ada", s.app.ClientID, "openid", "profile", "email")
	metadata := `Bearer realm="Hugging Face", resource_metadata="` + s.URL +
		`/.well-known/oauth-protected-resource/mcp"`
	insufficient := metadata + `, error="insufficient_scope", scope="`
	for name, tt := range map[string]struct {
		handler       http.Handler
		authorization string
		status        int
		want          string
	}{
		"no token": {mcp(user), "", 401, metadata},
		"bad token": {mcp(user), "Bearer hf_bad", 401, metadata + `, error="invalid_token", ` +
			`error_description="The token has expired, was revoked, or never existed."`},
		"good token":     {mcp(user), good, 204, ""},
		"another scheme": {mcp(user), "Basic " + strings.TrimPrefix(good, "Bearer "), 401, metadata},
		"missing scope":  {mcp(chat), good, 403, insufficient + `openid profile read-mcp inference-api"`},
		"other scopes":   {mcp(chat), email, 403, insufficient + `openid profile read-mcp email inference-api"`},
		"user token": {mcp(chat), "Bearer " + s.hub.UserToken("ada"), 403,
			insufficient + `openid profile read-mcp inference-api"`},
		"unknown role":        {mcp(admins), good, 403, insufficient + `openid profile read-mcp read-memberships"`},
		"no member":           {mcp(strangers), good, 403, metadata},
		"for browsers":        {user, "", 401, `Bearer realm="Hugging Face"`},
		"for browsers, token": {user, good, 401, `Bearer realm="Hugging Face"`},
	} {
		r := httptest.NewRequest("GET", "/mcp", nil)
		if tt.authorization != "" {
			r.Header.Set("Authorization", tt.authorization)
		}
		w := httptest.NewRecorder()
		tt.handler.ServeHTTP(w, r)
		if w.Code != tt.status {
			t.Errorf("%s: %d, want %d", name, w.Code, tt.status)
		}
		if got := w.Header().Get("Access-Control-Expose-Headers") != ""; got != (tt.want != "") {
			t.Errorf("%s: WWW-Authenticate is shown to scripts: %v", name, got)
		}
		if got := strings.Join(w.Header()["Www-Authenticate"], "; "); got != tt.want {
			t.Errorf("%s: WWW-Authenticate %s, want %s", name, got, tt.want)
		}
	}
}

// authParam is an auth-param of RFC 9110 section 11.2, its value a
// quoted-string of section 5.6.4.
var authParam = regexp.MustCompile(`^([!#$%&'*+.^_|~0-9A-Za-z-]+)="((?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*)"(?:, |$)`)

// parseChallenge reads a WWW-Authenticate header with one challenge, or returns
// nil.
func parseChallenge(header string) map[string]string {
	rest, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		return nil
	}
	params := map[string]string{}
	for rest != "" {
		param := authParam.FindStringSubmatch(rest)
		if param == nil || params[param[1]] != "" {
			return nil
		}
		params[param[1]] = param[2]
		rest = rest[len(param[0]):]
	}
	return params
}

// anyoneHub is a provider for which all tokens hf_oauth_e30.… belong to ada, a
// member of engines, hf_ada is her user token, and hf_robot is not a user's.
func anyoneHub(r *http.Request) (*http.Response, error) {
	answers := map[string]string{
		"/.well-known/openid-configuration": `{"issuer":"https://hub.example",` +
			`"authorization_endpoint":"https://hub.example/a",` +
			`"token_endpoint":"https://hub.example/t","userinfo_endpoint":"https://hub.example/u",` +
			`"jwks_uri":"https://hub.example/j"}`,
		"/u Bearer hf_oauth_e30.": `{"sub":"5dd9","preferred_username":"ada","orgs":[{"sub":"6a",` +
			`"preferred_username":"engines"}]}`,
		"/api/whoami-v2 Bearer hf_ada":   `{"type":"user","id":"5dd9","name":"ada"}`,
		"/api/whoami-v2 Bearer hf_robot": `{"type":"app","id":"6b","name":"robot"}`,
	}
	authorization := r.Header.Get("Authorization")
	if strings.HasPrefix(authorization, "Bearer hf_oauth_e30.") {
		authorization = "Bearer hf_oauth_e30."
	}
	body, ok := answers[strings.TrimSpace(r.URL.Path+" "+authorization)]
	status := http.StatusOK
	if !ok {
		status = http.StatusUnauthorized
	}
	return &http.Response{StatusCode: status, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(body))}, nil
}

// anyoneClient is a client of anyoneHub that logs nothing.
func anyoneClient(t testing.TB) *hfoauth.Client {
	t.Helper()
	return newClient(t, hfoauth.Config{
		ProviderURL: "https://hub.example", Transport: transportFunc(anyoneHub),
		Logger: slog.New(slog.DiscardHandler),
	})
}

// tokenWith returns a token with a payload that anyoneHub accepts.
func tokenWith(payload string) string {
	return "hf_oauth_e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".x"
}

// Whatever Authorization contains and whatever a token says about itself, no user
// is let in unless the provider confirms it.
func FuzzBearer(f *testing.F) {
	for _, seed := range []string{
		"", "Bearer", "Bearer ", "bearer hf_x", "Bearer hf_ada", "Bearer hf_robot",
		"Bearer hf_oauth__refresh_x", "Basic eDp5",
		"Bearer hf_\x00", "Bearer  hf_oauth_a.b.c", "Bearer hf_oauth_opaque", "Bearer gh_x",
		"Bearer " + strings.Repeat("hf_", 3000),
	} {
		f.Add(seed, `{"oauthApp":"client","scope":"openid profile inference-api"}`)
	}
	for _, payload := range []string{
		`{"azp":"client","scope":["openid","profile","inference-api"],"exp":1e300}`,
		`{"oauthApp":["client"],"scope":{"a":1},"exp":"never"}`,
		`{"scope":"gated-repos"}`, `{"exp":0,"scope":"openid profile inference-api"}`, `{}`, `[]`, `%`,
	} {
		f.Add("", payload)
	}
	client := anyoneClient(f)
	programs := client.AcceptBearer(hfoauth.BearerOptions{AnyApp: true, UserTokens: true})
	handler := programs(client.RequireScope(hfoauth.ScopeInferenceAPI)(http.HandlerFunc(letIn)))
	f.Fuzz(func(t *testing.T, header, payload string) {
		vouched := strings.Contains(strings.ToLower(header), "bearer") && strings.Contains(header, "hf_oauth_e30.")
		if status := statusWith(handler, header); status == http.StatusOK && !vouched {
			t.Errorf("%q is let in", header)
		}
		var claims map[string]any
		json.Unmarshal([]byte(payload), &claims)
		says := fmt.Sprint(claims["scope"])
		status := statusWith(handler, "Bearer "+tokenWith(payload))
		if status == http.StatusOK && !strings.Contains(says, "inference-api") {
			t.Errorf("a token that says %q is let in", payload)
		}
	})
}

// statusWith returns the status of the response to a request with a token.
func statusWith(handler http.Handler, authorization string) int {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", authorization)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Code
}

// Whatever the header contains, the token says and the app requires,
// WWW-Authenticate is one well-formed challenge (RFC 9110 section 11.6.1).
func FuzzChallenge(f *testing.F) {
	f.Add("", `{"scope":"openid profile"}`, "jobs", "engines")
	f.Add("hf_ada", "", "read-repos jobs", "")
	f.Add("hf_bad\"\r\nX: y", `{"scope":["openid","profile","a\"b","c\\d","\r\nX: y"]}`, "a\"b,c\\d é", "a\"b")
	client := anyoneClient(f)
	programs := client.AcceptBearer(hfoauth.BearerOptions{AnyApp: true, UserTokens: true, Resource: "/mcp"})
	f.Fuzz(func(t *testing.T, token, payload, missing, org string) {
		refuse := func(err error) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { client.Error(w, r, err) })
		}
		for _, authorization := range []string{"Bearer " + token, "Bearer " + tokenWith(payload)} {
			scope := hfoauth.Scopes{hfoauth.Scope(missing)}
			for name, handler := range map[string]http.Handler{
				"a scope":         client.RequireUser(refuse(&hfoauth.ForbiddenError{Scopes: scope})),
				"scopes":          client.RequireUser(refuse(&hfoauth.ForbiddenError{Scopes: hfoauth.ParseScopes(missing)})),
				"an organization": client.RequireUser(refuse(&hfoauth.ForbiddenError{Org: org, Message: missing})),
				"a role":          client.RequireOrg("engines", hfoauth.RoleRead)(http.HandlerFunc(letIn)),
			} {
				r := httptest.NewRequest("GET", "/", nil)
				r.Header.Set("Authorization", authorization)
				w := httptest.NewRecorder()
				programs(handler).ServeHTTP(w, r)
				header := w.Header().Get("WWW-Authenticate")
				challenge := parseChallenge(header)
				want := "https://app.example/.well-known/oauth-protected-resource/mcp"
				if challenge["resource_metadata"] != want {
					t.Errorf("%q that lacks %s %q: %d with the challenge %q", authorization, name, missing, w.Code, header)
				}
			}
		}
	})
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A user with a cookie cannot get more by sending another token.
func TestNoChallengeForACookie(t *testing.T) {
	s := newSite(t, nil)
	cookie := s.newSession(ada)
	accept := s.client.AcceptBearer(hfoauth.BearerOptions{Resource: "/mcp"})
	handler := accept(s.client.RequireScope(hfoauth.ScopeInferenceAPI)(http.NotFoundHandler()))
	r := httptest.NewRequest("GET", "/mcp", nil)
	r.Header.Set("Cookie", cookie.Name+"="+cookie.Value)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("%d, want 403", w.Code)
	}
	if got := w.Header().Get("WWW-Authenticate"); got != "" {
		t.Errorf("WWW-Authenticate %s, want none", got)
	}
}

// The headers that the app's CORS exposes stay exposed.
func TestExposedHeadersAreAdded(t *testing.T) {
	s := newSite(t, nil)
	w := httptest.NewRecorder()
	w.Header().Set("Access-Control-Expose-Headers", "X-App")
	s.client.RequireUser(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	got := strings.Join(w.Header()["Access-Control-Expose-Headers"], ", ")
	if got != "X-App, WWW-Authenticate" {
		t.Errorf("exposed: %s, want X-App, WWW-Authenticate", got)
	}
}
