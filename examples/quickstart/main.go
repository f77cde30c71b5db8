// Quickstart is a web server that signs users in with Hugging Face. Without
// configuration it brings a stand-in provider of its own, so that sign-in can
// be tried at once; in a Space, or with OAUTH_CLIENT_ID set, it uses the real
// one.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
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
	config := hfoauth.ConfigFromEnv()
	if config.RedirectURL == "" && config.SpaceHost == "" {
		config.RedirectURL = "http://localhost:" + port + "/login/callback"
	}
	if config.ClientID == "" && config.SpaceHost == "" {
		standIn, err := startStandIn(&config)
		if err != nil {
			return err
		}
		defer standIn.Close()
	}
	if config.ClientSecret == "" && config.SessionKeys == nil {
		log.Print("no client secret: sessions are sealed with a key that lasts until this program ends")
		key := make([]byte, 32)
		rand.Read(key)
		config.SessionKeys = [][]byte{key}
	}
	client, err := hfoauth.New(config)
	if err != nil {
		return err
	}
	return serve(ctx, address(config, port), routes(client))
}

// startStandIn starts a provider on a loopback port and makes config use it.
func startStandIn(config *hfoauth.Config) (*hfoauthtest.Server, error) {
	standIn, err := hfoauthtest.Listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	app := standIn.RegisterApp(hfoauthtest.App{Name: "Quickstart", RedirectURIs: []string{config.RedirectURL}})
	config.ClientID, config.ClientSecret, config.ProviderURL = app.ClientID, app.ClientSecret, standIn.URL
	fmt.Printf("OAUTH_CLIENT_ID is not set: signing in with a stand-in for Hugging Face at %s\n", standIn.URL)
	return standIn, nil
}

// address keeps to loopback where users come from this machine anyway.
func address(config hfoauth.Config, port string) string {
	if u, err := url.Parse(config.RedirectURL); err == nil && u.Scheme == "http" {
		return net.JoinHostPort("localhost", port)
	}
	return ":" + port
}

func serve(ctx context.Context, address string, handler http.Handler) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	fmt.Printf("open http://localhost:%s\n", port)

	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute}
	go func() {
		<-ctx.Done()
		shutdown, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		server.Shutdown(shutdown)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func routes(client *hfoauth.Client) http.Handler {
	mux := http.NewServeMux()
	client.Mount(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { home(w, r, client) })
	mux.Handle("GET /style.css", http.FileServerFS(files))
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) { me(w, r, client) })
	mux.Handle("GET /private", client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { private(w, r, client) })))
	return mux
}

//go:embed home.html style.css
var files embed.FS

var homePage = template.Must(template.ParseFS(files, "home.html"))

// home greets whoever is there.
func home(w http.ResponseWriter, r *http.Request, client *hfoauth.Client) {
	user, err := client.UserFromRequest(r)
	if err != nil && !errors.Is(err, hfoauth.ErrNotSignedIn) {
		http.Error(w, "Sessions cannot be read right now.", hfoauth.HTTPStatus(err))
		return
	}
	show(w, r, client, user, "")
}

// private is behind RequireUser: there is always a user.
func private(w http.ResponseWriter, r *http.Request, client *hfoauth.Client) {
	show(w, r, client, hfoauth.UserFromContext(r.Context()), "Only signed-in users see this page.")
}

func show(w http.ResponseWriter, r *http.Request, client *hfoauth.Client, user *hfoauth.User, note string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src https: http://127.0.0.1:* http://localhost:*; form-action 'self'; base-uri 'none'")
	err := homePage.Execute(w, struct {
		User   *hfoauth.User
		Note   string
		Assets template.HTML
		Button template.HTML
	}{user, note, client.ButtonAssets(), client.Button(r, hfoauth.ButtonOptions{Size: "lg"})})
	if err != nil {
		log.Print(err)
	}
}

// me is the signed-in user as JSON.
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
