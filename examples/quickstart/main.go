// Quickstart is a web server that signs users in with Hugging Face. Without
// configuration it starts its own stand-in provider, so that you can try sign-in at
// once; in a Space, or with OAUTH_CLIENT_ID set, it uses the real one.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"html/template"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/hfoauth/hfoauth"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	port := cmp.Or(os.Getenv("PORT"), "7860")
	endStandIn, err := setenv("Quickstart", port)
	if err != nil {
		return err
	}
	defer endStandIn()
	var config hfoauth.Config
	if weak(os.Getenv("OAUTH_CLIENT_SECRET")) {
		log.Print("no client secret, or one that is too weak to make a key of: " +
			"sessions are sealed with a key that lasts until this program ends")
		key := make([]byte, 32)
		rand.Read(key)
		config.SessionKeys = [][]byte{key}
	}
	client, err := hfoauth.New(config)
	if err != nil {
		return err
	}
	listener, err := listen(port)
	if err != nil {
		return err
	}
	return serve(ctx, listener, routes(client))
}

// weak reports whether a client secret is too weak for hfoauth to derive keys from.
// The Hub's secrets are strong enough.
func weak(secret string) bool {
	different := map[byte]bool{}
	for i := range len(secret) {
		different[secret[i]] = true
	}
	return len(secret) < 24 || len(different) < 8
}

func routes(client *hfoauth.Client) http.Handler {
	mux := http.NewServeMux()
	client.Mount(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { home(w, r, client) })
	mux.Handle("GET /style.css", http.FileServerFS(files))
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) { me(w, r, client) })
	mux.Handle("GET /private",
		client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { private(w, r, client) })))
	return mux
}

//go:embed home.html style.css
var files embed.FS

var homePage = template.Must(template.ParseFS(files, "home.html"))

// home greets the user, if signed in.
func home(w http.ResponseWriter, r *http.Request, client *hfoauth.Client) {
	user, err := client.UserFromRequest(r)
	if err != nil && !errors.Is(err, hfoauth.ErrNotSignedIn) {
		http.Error(w, "Sessions cannot be read right now.", hfoauth.HTTPStatus(err))
		return
	}
	show(w, r, client, user, "")
}

// private is behind RequireUser, so the request always has a user.
func private(w http.ResponseWriter, r *http.Request, client *hfoauth.Client) {
	show(w, r, client, hfoauth.UserFromContext(r.Context()), "Only signed-in users see this page.")
}

func show(w http.ResponseWriter, r *http.Request, client *hfoauth.Client, user *hfoauth.User, note string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; "+
		"script-src 'self'; connect-src 'self'; img-src https: http://127.0.0.1:* http://localhost:*; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'self' https://huggingface.co")
	err := homePage.Execute(w, struct {
		User   *hfoauth.User
		Note   string
		Assets template.HTML
		Button template.HTML
	}{user, note, client.ButtonAssets(), client.Button(r, hfoauth.ButtonOptions{Size: "xl"})})
	if err != nil {
		log.Print(err)
	}
}

// me responds with the signed-in user as JSON.
func me(w http.ResponseWriter, r *http.Request, client *hfoauth.Client) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	user, err := client.UserFromRequest(r)
	if err != nil {
		w.WriteHeader(hfoauth.HTTPStatus(err))
		json.NewEncoder(w).Encode(map[string]string{"error": strings.TrimPrefix(err.Error(), "hfoauth: ")})
		return
	}
	json.NewEncoder(w).Encode(user)
}
