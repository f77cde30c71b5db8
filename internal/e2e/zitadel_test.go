package e2e

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"github.com/hfoauth/hfoauth"
)

// The provider of these tests is made from the OpenID-certified library
// github.com/zitadel/oidc: nobody here wrote it.

var lifetime = regexp.MustCompile(`"expires_in":\d+`)

// zitadelSite is an app that signs in with it.
type zitadelSite struct {
	issuer string
	app    string
	client *hfoauth.Client
	tokens atomic.Int64 // calls to its token endpoint
}

func newZitadelSite(t *testing.T, secret string) *zitadelSite {
	t.Helper()
	s := &zitadelSite{}
	providerMux := http.NewServeMux()
	provider := httptest.NewServer(providerMux)
	t.Cleanup(provider.Close)
	s.issuer = strings.Replace(provider.URL, "127.0.0.1", "localhost", 1)
	appMux := http.NewServeMux()
	app := httptest.NewServer(appMux)
	t.Cleanup(app.Close)
	s.app = strings.Replace(app.URL, "127.0.0.1", "localhost", 1)

	storage.RegisterClients(storage.WebClient("web", "the secret", s.app+"/login/callback"))
	router := exampleop.SetupServer(s.issuer, storage.NewStorage(storage.NewUserStore(s.issuer)), slog.New(slog.DiscardHandler), false)
	providerMux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/oauth/token" {
			router.ServeHTTP(w, r)
			return
		}
		s.tokens.Add(1)
		answer := httptest.NewRecorder()
		router.ServeHTTP(answer, r)
		w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
		w.WriteHeader(answer.Code)
		w.Write(lifetime.ReplaceAll(answer.Body.Bytes(), []byte(`"expires_in":2`))) // so that it is soon to be renewed
	})

	var err error
	s.client, err = hfoauth.New(hfoauth.Config{
		ClientID:     "web",
		ClientSecret: secret,
		ProviderURL:  s.issuer,
		RedirectURL:  s.app + "/login/callback",
		Scopes:       hfoauth.Scopes{"email", "offline_access"},
		Logger:       slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.client.Mount(appMux)
	appMux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		session, err := s.client.SessionFromRequest(r)
		if err != nil {
			http.Error(w, err.Error(), hfoauth.HTTPStatus(err))
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"user": session.User, "refresh": session.Token.RefreshToken != "", "expiry": session.Token.Expiry})
	})
	appMux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.client.TokenSource(w, r); err != nil {
			http.Error(w, err.Error(), hfoauth.HTTPStatus(err))
		}
	})
	return s
}

// signIn types name and password into the provider's form.
func (s *zitadelSite) signIn(t *testing.T, password string) (*http.Client, int, string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	form, err := browser.Get(s.app + "/login")
	if err != nil {
		t.Fatal(err)
	}
	form.Body.Close()
	resp, err := browser.PostForm(s.issuer+"/login/username", url.Values{
		"id":       {form.Request.URL.Query().Get("authRequestID")},
		"username": {"test-user@localhost"},
		"password": {password},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return browser, resp.StatusCode, string(body)
}

func TestZitadelSignIn(t *testing.T) {
	s := newZitadelSite(t, "the secret")
	browser, status, body := s.signIn(t, "verysecure")
	var page struct {
		User    hfoauth.User
		Refresh bool
		Expiry  time.Time
	}
	if status != http.StatusOK || json.Unmarshal([]byte(body), &page) != nil {
		t.Fatalf("%d %s", status, body)
	}
	if page.User.Sub == "" || page.User.Email != "test-user@zitadel.ch" || !page.Refresh {
		t.Errorf("%s", body)
	}

	calls := s.tokens.Load()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(10 * time.Second); s.tokens.Load() == calls && time.Now().Before(deadline); <-ticker.C {
		resp, err := browser.Get(s.app + "/token")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("refresh: %s", resp.Status)
		}
	}
	if s.tokens.Load() != calls+1 {
		t.Errorf("%d refreshes", s.tokens.Load()-calls)
	}
	resp, err := browser.Get(s.app + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("after the refresh: %s", resp.Status)
	}
}

func TestZitadelRefusesTheClient(t *testing.T) {
	s := newZitadelSite(t, "another secret")
	if _, status, body := s.signIn(t, "verysecure"); status != http.StatusBadRequest || !strings.Contains(body, "invalid_client") {
		t.Errorf("%d %s", status, body)
	}
}

func TestZitadelRefusesTheUser(t *testing.T) {
	s := newZitadelSite(t, "the secret")
	browser, _, _ := s.signIn(t, "wrong")
	resp, err := browser.Get(s.app + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("%s", resp.Status)
	}
}
