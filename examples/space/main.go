// Space is a Docker Space that signs users in with Hugging Face. All its
// configuration is the front matter of README.md.
package main

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"html/template"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/hfoauth/hfoauth"
)

// defaultPort is app_port of README.md.
const defaultPort = "7860"

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

// run serves until the Hub stops the Space by SIGTERM.
func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	client, err := hfoauth.New(hfoauth.Config{})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", ":"+cmp.Or(os.Getenv("PORT"), defaultPort))
	if err != nil {
		return err
	}
	return serve(ctx, listener, routes(client))
}

//go:embed home.html style.css
var files embed.FS

var homePage = template.Must(template.ParseFS(files, "home.html"))

func routes(client *hfoauth.Client) http.Handler {
	mux := http.NewServeMux()
	client.Mount(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { home(w, r, client) })
	mux.Handle("GET /style.css", http.FileServerFS(files))
	return mux
}

func home(w http.ResponseWriter, r *http.Request, client *hfoauth.Client) {
	user, err := client.UserFromRequest(r) // nil if nobody is signed in
	if err != nil && !errors.Is(err, hfoauth.ErrNotSignedIn) {
		http.Error(w, "Sessions cannot be read right now.", hfoauth.HTTPStatus(err))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	hub := os.Getenv("OPENID_PROVIDER_URL") // https://huggingface.co in a Space, a stand-in on a laptop
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; "+
		"script-src 'self'; connect-src 'self'; img-src https: "+hub+
		"; form-action 'self'; base-uri 'none'; frame-ancestors 'self' https://huggingface.co "+hub)
	err = homePage.Execute(w, struct {
		User           *hfoauth.User
		Assets, Button template.HTML
	}{user, client.ButtonAssets(), client.Button(r, hfoauth.ButtonOptions{Size: "xl"})})
	if err != nil {
		log.Print(err)
	}
}
