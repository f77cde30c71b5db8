package hfcli_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfcli"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestRenewal(t *testing.T) {
	for name, tt := range map[string]struct {
		age  time.Duration
		want int
	}{
		"good for six minutes":  {6 * time.Minute, 0},
		"good for four minutes": {4 * time.Minute, 1},
		"expired":               {-time.Hour, 1},
	} {
		t.Run(name, func(t *testing.T) {
			tl := newTool(t)
			tl.mustLogin("ada")
			tl.age(tt.age)
			tl.token(tl.mustOpen("ada"))
			if got := tl.renewals(); got != tt.want {
				t.Errorf("%d renewals, want %d", got, tt.want)
			}
			token, err := tl.mustOpen("ada").Token()
			if err != nil || time.Until(token.Expiry) < 5*time.Minute {
				t.Errorf("the token is valid for %s, %v", time.Until(token.Expiry), err)
			}
			if got := tl.renewals(); got != tt.want {
				t.Errorf("%d renewals after one more Open, want %d", got, tt.want)
			}
		})
	}
}

// An open session renews its token as well, once for all concurrent callers.
func TestTokenRenews(t *testing.T) {
	tl := newTool(t)
	session := tl.mustLogin("ada")
	before := tl.token(session)
	tl.later(7*time.Hour + 56*time.Minute)
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			if tl.token(session) == before {
				t.Error("the token was not renewed")
			}
		})
	}
	asking.Wait()
	if got := tl.renewals(); got != 1 {
		t.Errorf("%d renewals, want 1", got)
	}
}

// A renewal by Open updates the user.
func TestRenewalUpdatesTheUser(t *testing.T) {
	tl := newTool(t)
	tl.mustLogin("ada")
	tl.age(time.Minute)
	ada := hfoauthtest.DefaultUsers()[0]
	ada.Name = "Augusta Ada King"
	tl.hub.AddUser(ada)
	for range 2 {
		if got := tl.mustOpen("ada").User.Name; got != ada.Name {
			t.Errorf("the user's name is %q, want %q", got, ada.Name)
		}
	}
}

func TestRenewalOfAnotherUser(t *testing.T) {
	tl := newTool(t)
	tl.mustLogin("ada")
	tl.age(time.Minute)
	tl.hub.Configure(func(s *hfoauthtest.Settings) {
		s.TokenResponse = func(response map[string]any) { delete(response, "id_token") }
		s.UserInfo = func(claims map[string]any) { claims["sub"] = "another" }
	})
	tl.openFails(hfoauth.ErrNotSignedIn)
	if _, err := os.Stat(tl.keptPath()); err == nil {
		t.Error("the sign-in is still stored")
	}
}

func TestRevokedSignIn(t *testing.T) {
	tl := newTool(t)
	tl.mustLogin("ada")
	tl.age(time.Minute)
	tl.hub.Revoke("ada")
	tl.openFails(hfoauth.ErrNotSignedIn)
	if _, err := os.Stat(tl.keptPath()); err == nil {
		t.Error("the sign-in is still stored")
	}
}

// Only invalid_grant means that the sign-in has ended: after any other refusal, such
// as that of an app that was changed by mistake, it is still stored.
func TestRefusalsThatKeepTheSignIn(t *testing.T) {
	tl := newTool(t)
	tl.mustLogin("ada")
	tl.age(-time.Minute)
	for code, status := range map[string]int{
		"invalid_client": 401, "unauthorized_client": 400, "unsupported_grant_type": 400, "invalid_scope": 400,
	} {
		tl.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Answer(status, `{"error":"`+code+`"}`))
		_, err := hfcli.Open(t.Context(), tl.config)
		refused, ok := errors.AsType[*hfoauth.ProviderError](err)
		if !ok || refused.Code != code {
			t.Errorf("%s: Open: %v, want that code", code, err)
		}
		if errors.Is(err, hfoauth.ErrNotSignedIn) {
			t.Errorf("%s: %v leads to a sign-in", code, err)
		}
	}
	tl.hub.SetFault(hfoauthtest.TokenEndpoint, nil)
	tl.token(tl.mustOpen("ada"))
}

// A session that has ended does not become the sign-in that follows.
func TestEndedSessionStaysEnded(t *testing.T) {
	tl := newTool(t)
	ended := tl.mustLogin("ada")
	tl.hub.Revoke("ada")
	tl.later(9 * time.Hour)
	if _, err := ended.Token(); !errors.Is(err, hfoauth.ErrNotSignedIn) {
		t.Errorf("the session of a revoked token: %v, want %v", err, hfoauth.ErrNotSignedIn)
	}
	tl.mustLogin("ada")
	if _, err := ended.Token(); !errors.Is(err, hfoauth.ErrNotSignedIn) {
		t.Errorf("after another sign-in: %v, want %v", err, hfoauth.ErrNotSignedIn)
	}
	if err := ended.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	tl.mustOpen("ada")
}

// If the context is canceled during a renewal, the provider's response is still
// stored.
func TestCancelledRenewal(t *testing.T) {
	tl := newTool(t)
	tl.mustLogin("ada")
	tl.age(time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	tl.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Times(1, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			held := httptest.NewRecorder()
			next.ServeHTTP(held, r)
			cancel()
			select {
			case <-r.Context().Done(): // the response would be lost
			case <-time.After(100 * time.Millisecond): // real time: it is not lost
			}
			w.Header().Set("Content-Type", "application/json")
			w.Write(held.Body.Bytes())
		})
	}))
	hfcli.Open(ctx, tl.config)
	tl.token(tl.mustOpen("ada"))
	if got := tl.renewals(); got != 1 {
		t.Errorf("%d renewals, want 1", got)
	}
}

// No user is signed out while the provider is down.
func TestProviderDown(t *testing.T) {
	tl := newTool(t)
	tl.mustLogin("ada")
	tl.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Answer(503, ""))
	tl.age(-time.Minute)
	tl.openFails(hfoauth.ErrProviderUnavailable)
	tl.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Aborted()) // the Hub's own timeout
	tl.openFails(hfoauth.ErrProviderUnavailable)
	tl.age(time.Minute)
	session := tl.mustOpen("ada")
	tl.token(session)
	calls := tl.hub.Calls(hfoauthtest.TokenEndpoint)
	tl.token(session)
	if got := tl.hub.Calls(hfoauthtest.TokenEndpoint); got != calls {
		t.Errorf("the renewal was retried at once while the provider is down")
	}
	tl.hub.SetFault(hfoauthtest.TokenEndpoint, nil)
	tl.age(-time.Minute)
	tl.token(tl.mustOpen("ada"))
}

// Without a refresh token a sign-in ends with its access token.
func TestNoRefreshToken(t *testing.T) {
	tl := newTool(t)
	tl.hub.Configure(func(s *hfoauthtest.Settings) { s.NoRefreshTokens = true })
	tl.mustLogin("ada")
	tl.age(time.Minute)
	tl.token(tl.mustOpen("ada"))
	tl.age(-time.Minute)
	tl.openFails(hfoauth.ErrNotSignedIn)
}

// If another user has signed in, a session opened before neither uses their
// token nor signs them out.
func TestAnotherUserSignsIn(t *testing.T) {
	tl := newTool(t)
	before := tl.mustLogin("ada")
	tl.mustLogin("grace")
	if err := before.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	tl.mustOpen("grace")

	before = tl.mustOpen("grace")
	tl.mustLogin("ada")
	tl.later(9 * time.Hour)
	if _, err := before.Token(); !errors.Is(err, hfoauth.ErrNotSignedIn) {
		t.Errorf("Token of a session that was replaced by another user's: %v", err)
	}
	tl.token(tl.mustOpen("ada"))
}

// keeper stores the sign-in in memory, and fails with err unless that is nil.
type keeper struct {
	mu   sync.Mutex
	kept []byte
	err  error
}

func (k *keeper) Update(_ context.Context, change func([]byte) ([]byte, error)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	next, err := change(k.kept)
	if err != nil {
		return err
	}
	if k.err != nil {
		return k.err
	}
	k.kept = next
	return nil
}

// expire makes the stored token expired.
func (k *keeper) expire() {
	lastCentury := strings.NewReplacer(`"expiry": "20`, `"expiry": "19`, `"issued": "20`, `"issued": "19`)
	k.kept = []byte(lastCentury.Replace(string(k.kept)))
}

// newExpired returns a tool with a keeper in which ada's token has expired.
func newExpired(t *testing.T) (*tool, *keeper) {
	t.Helper()
	tl, k := newTool(t), &keeper{}
	tl.config.Keep = k
	tl.mustLogin("ada")
	k.expire()
	return tl, k
}

// watched is a keeper that calls before ahead of each Update.
type watched struct {
	keeper
	before func(context.Context)
}

func (k *watched) Update(ctx context.Context, change func([]byte) ([]byte, error)) error {
	if k.before != nil {
		k.before(ctx)
	}
	return k.keeper.Update(ctx, change)
}

// A renewal, with the wait for other processes, takes at most 45 seconds.
func TestRenewalEnds(t *testing.T) {
	tl := newTool(t)
	k := &watched{}
	tl.config.Keep = k
	session := tl.mustLogin("ada")
	tl.later(7*time.Hour + 56*time.Minute)
	k.before = func(ctx context.Context) {
		deadline, ok := ctx.Deadline()
		if !ok {
			t.Error("Keeper.Update has no deadline")
		}
		left := time.Until(deadline)
		if left > 45*time.Second {
			t.Errorf("Keeper.Update has %s, want at most 45s", left)
		}
		if left < 40*time.Second {
			t.Errorf("Keeper.Update has %s, want nearly 45s", left)
		}
	}
	tl.token(session)
}

// If another process renews between a renewal and the update of its user, its tokens
// stay.
func TestUpdateOfTheUserLeavesNewerTokens(t *testing.T) {
	tl := newTool(t)
	k := &watched{}
	tl.config.Keep = k
	tl.mustLogin("ada")
	k.expire()
	updates := 0
	k.before = func(context.Context) {
		if updates++; updates == 2 {
			token := regexp.MustCompile(`"access_token": "[^"]*"`)
			k.kept = token.ReplaceAll(k.kept, []byte(`"access_token": "hf_oauth_of_another_process"`))
		}
	}
	tl.mustOpen("ada")
	if updates != 2 {
		t.Errorf("%d updates, want those of the tokens and the user", updates)
	}
	if !strings.Contains(string(k.kept), "hf_oauth_of_another_process") {
		t.Errorf("the tokens of another process are lost: %s", k.kept)
	}
}

func TestKeeper(t *testing.T) {
	tl, k := newExpired(t)
	session := tl.mustOpen("ada")
	tl.token(session)
	if _, err := os.Stat(tl.dir); err == nil {
		t.Error("files were written despite the Keeper")
	}
	if err := session.Logout(t.Context()); err != nil {
		t.Errorf("Logout: %v", err)
	}
	if k.kept != nil {
		t.Errorf("after Logout %q is stored", k.kept)
	}
	tl.openFails(hfoauth.ErrNotSignedIn)
}

// Tokens that cannot be stored are not lost as long as the process runs.
func TestKeeperFails(t *testing.T) {
	tl, k := newExpired(t)
	k.err = errors.New("no space left on device")
	session := tl.mustOpen("ada")
	token := tl.token(session)
	if !strings.Contains(tl.screen.String(), "tool: cannot store the renewed sign-in: no space left on device") {
		t.Errorf("the output is %q", tl.screen)
	}
	k.err = nil
	if got := tl.token(session); got != token {
		t.Error("the token was renewed again")
	}
	if got := tl.token(tl.mustOpen("ada")); got != token {
		t.Error("the tokens were not stored later")
	}
	if got := tl.renewals(); got != 1 {
		t.Errorf("%d renewals, want 1", got)
	}
	locked := errors.New("locked")
	_, err := tl.login(func() {
		tl.screen.find(loginAddress) // Login has seen that it can store a sign-in
		k.mu.Lock()
		k.err = locked
		k.mu.Unlock()
		tl.inBrowser(hfoauthtest.Person{Username: "ada"})
	})
	if !errors.Is(err, locked) {
		t.Errorf("Login: %v, want %v", err, locked)
	}
	if err := session.Logout(t.Context()); !errors.Is(err, k.err) {
		t.Errorf("Logout: %v", err)
	}
}

// The tool may change the fields of its Session.
func TestFieldsOfASessionAreNotStored(t *testing.T) {
	tl, k := newExpired(t)
	k.err = errors.New("no space left on device")
	session := tl.mustOpen("ada")
	session.User.Username, session.Scopes[0] = "somebody", "changed"
	k.err = nil
	tl.token(session) // stores what could not be stored before
	opened := tl.mustOpen("ada")
	if got, want := fmt.Sprint(opened.Scopes), "[openid profile]"; got != want {
		t.Errorf("the stored scopes are %s, want %s", got, want)
	}
	if got := tl.renewals(); got != 1 {
		t.Errorf("%d renewals, want 1", got)
	}
}

// If the directory cannot be created, Open does not return ErrNotSignedIn.
func TestOpenCannotRead(t *testing.T) {
	tl := newTool(t)
	if err := os.WriteFile(tl.dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := hfcli.Open(t.Context(), tl.config)
	if err == nil || !strings.Contains(err.Error(), tl.dir) {
		t.Errorf("error %v, want one that names %s", err, tl.dir)
	}
	if errors.Is(err, hfoauth.ErrNotSignedIn) {
		t.Errorf("error %v leads to a sign-in, which cannot be kept either", err)
	}
}

// Files that a killed process left do not get in the way.
func TestLeftovers(t *testing.T) {
	tl := newTool(t)
	tl.mustLogin("ada")
	leftover := filepath.Join(tl.dir, "sign-in.json.tmp")
	if err := os.WriteFile(leftover, []byte("torn"), 0o644); err != nil {
		t.Fatal(err)
	}
	tl.age(time.Minute)
	session := tl.mustOpen("ada")
	tl.token(session)
	if err := os.WriteFile(leftover, []byte("tokens"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := session.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(leftover); err == nil {
		t.Error("Logout left a file with tokens")
	}
}

func TestHTTPClient(t *testing.T) {
	tl := newTool(t)
	var seen []string // Authorization headers
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	session := tl.mustLogin("ada")
	client := session.HTTPClient()

	resp, err := client.Get(tl.hub.URL + "/api/whoami-v2")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("whoami: %s", resp.Status)
	}
	for _, address := range []string{
		elsewhere, other.URL, "https://huggingface.co.evil.example/", "http://router.huggingface.co/",
	} {
		_, err := client.Get(address)
		if err == nil || !strings.Contains(err.Error(), "hfcli: the user's token is not sent to") {
			t.Errorf("%s: %v", address, err)
		}
	}
	tl.hub.SetFault(hfoauthtest.WhoAmIEndpoint, hfoauthtest.Answer(http.StatusFound, "", "Location", elsewhere))
	resp, err = client.Get(tl.hub.URL + "/api/whoami-v2")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if len(seen) != 1 || seen[0] != "" {
		t.Errorf("Authorization headers at the other host: %q, want one request without the token", seen)
	}
	if err := session.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := client.Get(tl.hub.URL + "/api/whoami-v2"); !errors.Is(err, hfoauth.ErrNotSignedIn) {
		t.Errorf("after Logout: %v", err)
	}
}

// Config.TokenHosts get the token as well, such as the tool's own API.
func TestTokenHosts(t *testing.T) {
	tl := newTool(t)
	var seen string
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter,
		r *http.Request) {
		seen = r.Header.Get("Authorization")
	}))
	defer api.Close()
	tl.config.TokenHosts = []string{"127.0.0.1"}
	session := tl.mustLogin("ada")
	resp, err := session.HTTPClient().Get(api.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if want := "Bearer " + tl.token(session); seen != want {
		t.Errorf("the tool's own API got %q, want %q", seen, want)
	}
}
