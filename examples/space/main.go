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
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hfoauth/hfoauth"
)

// defaultPort is app_port of README.md.
const defaultPort = "7860"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	client, err := hfoauth.New(hfoauth.Config{})
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Addr:              ":" + cmp.Or(os.Getenv("PORT"), defaultPort),
		Handler:           routes(client),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
	}
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		// The Hub stops a Space by SIGTERM: requests under way may end.
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		stopped <- server.Shutdown(ctx)
	})
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	if err := <-stopped; err != nil {
		log.Fatal(err)
	}
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
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src https:; form-action 'self'; base-uri 'none'; frame-ancestors 'self' https://huggingface.co")
	err = homePage.Execute(w, struct {
		User           *hfoauth.User
		Assets, Button template.HTML
	}{user, client.ButtonAssets(), client.Button(r, hfoauth.ButtonOptions{Size: "lg"})})
	if err != nil {
		log.Print(err)
	}
}
