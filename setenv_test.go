package hfoauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// newApp is an app as it runs in production.
func newApp() (http.Handler, error) {
	client, err := hfoauth.New(hfoauth.Config{})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	client.Mount(mux)
	mux.Handle("GET /private", client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, hfoauth.UserFromContext(r.Context()).Email)
	})))
	return mux, nil
}

// Without configuration, New says how to run the app on a laptop.
func TestNewNamesTheStandIn(t *testing.T) {
	clearEnv(t)
	_, err := hfoauth.New(hfoauth.Config{})
	want := "go run github.com/hfoauth/hfoauth/cmd/hfhub -- go run ."
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v does not name %q", err, want)
	}
}

// An app that takes everything from the environment runs in its tests as in
// production.
func TestAppFromEnvironment(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	server := httptest.NewUnstartedServer(nil)
	hub.Setenv(t, "http://"+server.Listener.Addr().String(), "email")
	app, err := newApp()
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = app
	server.Start()
	defer server.Close()

	browser := hub.SignIn(t, server.URL+"/login", "ada")
	resp := get(t, browser, server.URL+"/private")
	if resp.StatusCode != http.StatusOK || resp.body != "ada@example.com" {
		t.Errorf("%s: %s", resp.Status, resp.body)
	}
}
