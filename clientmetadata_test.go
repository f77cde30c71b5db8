package hfoauth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestUnregisteredApp(t *testing.T) {
	clearEnv(t)
	hub := hfoauthtest.NewServer(t)
	mux := http.NewServeMux()
	app := httptest.NewServer(mux)
	defer app.Close()
	client, err := hfoauth.New(hfoauth.Config{
		AppName:     "My <app>",
		ClientID:    app.URL + "/.well-known/oauth-cimd",
		ProviderURL: hub.URL,
		RedirectURL: app.URL + "/login/callback",
		SessionKeys: [][]byte{testKey("one")},
	})
	if err != nil {
		t.Fatal(err)
	}
	client.Mount(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		user, err := client.UserFromRequest(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		json.NewEncoder(w).Encode(user)
	})
	browser := hub.SignIn(t, app.URL+"/login", "ada")
	if resp := get(t, browser, app.URL+"/"); !strings.Contains(resp.body, "Ada Lovelace") {
		t.Errorf("signed in as %s, want Ada Lovelace", resp.body)
	}
	resp := get(t, browser, app.URL+"/.well-known/oauth-cimd")
	if got := resp.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q, want application/json", got)
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(resp.body), &document); err != nil {
		t.Fatalf("%v: %s", err, resp.body)
	}
	for member, want := range map[string]any{
		"client_id":                  app.URL + "/.well-known/oauth-cimd",
		"client_name":                "My <app>",
		"client_uri":                 app.URL,
		"redirect_uris":              []any{app.URL + "/login/callback"},
		"token_endpoint_auth_method": "none",
	} {
		if got := document[member]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, want %v", member, got, want)
		}
	}
	resp = post(t, browser, app.URL+"/.well-known/oauth-cimd", nil)
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s, want 405", resp.Status)
	}
}

// An app that is not registered has no secret: setting one is a mistake, even if
// keys could be derived from it.
func TestUnregisteredAppHasNoSecret(t *testing.T) {
	clearEnv(t)
	_, err := hfoauth.New(hfoauth.Config{
		ClientID: "https://app.example/.well-known/oauth-cimd", ClientSecret: clientSecret,
		RedirectURL: "https://app.example/cb",
	})
	if err == nil || !strings.Contains(err.Error(), "ClientSecret") {
		t.Errorf("error %v, want one that names ClientSecret", err)
	}
}

// A registered app does not publish metadata as an unregistered one does, nor does
// one whose metadata is on another site.
func TestMetadataOfRegisteredApp(t *testing.T) {
	for _, id := range []string{"app", "https://other.example/.well-known/oauth-cimd"} {
		mux := http.NewServeMux()
		newClient(t, hfoauth.Config{AppName: "App", ClientID: id, ClientSecret: clientSecret}).Mount(mux)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/oauth-cimd", nil))
		if w.Code != 404 {
			t.Errorf("%s: %d, want 404: %s", id, w.Code, w.Body)
		}
	}
}
