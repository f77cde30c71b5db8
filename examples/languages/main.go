// Languages is an app in English, French and Arabic: every sentence of sign-in
// is in the user's language, on pages, in the button and in the script.
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
	endStandIn, err := setenv("Languages", port)
	if err != nil {
		return err
	}
	defer endStandIn()
	client, err := hfoauth.New(hfoauth.Config{AppName: "Languages", Translate: translate})
	if err != nil {
		return err
	}
	listener, err := listen(port)
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
	mux.Handle("GET /style.css", http.FileServerFS(files))
	mux.Handle("GET /private",
		client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { home(w, r, client) })))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { home(w, r, client) })
	return mux
}

func home(w http.ResponseWriter, r *http.Request, client *hfoauth.Client) {
	user, err := client.UserFromRequest(r)
	if err != nil && !errors.Is(err, hfoauth.ErrNotSignedIn) {
		client.Error(w, r, err)
		return
	}
	greeting := translate(r, "Hello")
	if user != nil {
		greeting = translate(r, "Hello, %s", user.Name)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "private, no-store")
	w.Header().Set("Vary", "Accept-Language")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; "+
		"script-src 'self'; connect-src 'self'; img-src https: http://127.0.0.1:* http://localhost:*; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'self' https://huggingface.co")
	err = homePage.Execute(w, map[string]any{
		"Lang":      languageOf(r).tag,
		"Direction": languageOf(r).direction,
		"Greeting":  greeting,
		"Assets":    client.ButtonAssets(),
		"Button":    client.Button(r, hfoauth.ButtonOptions{Size: "xl"}),
	})
	if err != nil {
		log.Print(err)
	}
}
