package hfoauth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
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
		t.Errorf("%s", resp.body)
	}
	resp := get(t, browser, app.URL+"/.well-known/oauth-cimd")
	var document map[string]any
	if err := json.Unmarshal([]byte(resp.body), &document); err != nil || document["client_id"] != app.URL+"/.well-known/oauth-cimd" || document["client_name"] != "My <app>" {
		t.Errorf("%s", resp.body)
	}
	if _, err := hfoauth.New(hfoauth.Config{ClientID: "https://app.example/.well-known/oauth-cimd", ClientSecret: "y", RedirectURL: "https://app.example/cb"}); err == nil || !strings.Contains(err.Error(), "ClientSecret") {
		t.Errorf("a secret for an app without registration: %v", err)
	}
}

// A registered app does not describe itself as one that is not.
func TestMetadataOfRegisteredApp(t *testing.T) {
	mux := http.NewServeMux()
	newClient(t, hfoauth.Config{AppName: "App"}).Mount(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/oauth-cimd", nil))
	if w.Code != 404 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
