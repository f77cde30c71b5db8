package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/redis/go-redis/v9"

	"github.com/hfoauth/hfoauth"
)

// serveReplica runs one of the processes. It prints its address, and ends with ctx
// or with the process that started it, which holds its standard input open.
func serveReplica(ctx context.Context) error {
	options, err := redis.ParseURL(cmp.Or(os.Getenv("REDIS_URL"), "redis://127.0.0.1:6379"))
	if err != nil {
		return err
	}
	// all that replicas need
	client, err := hfoauth.New(hfoauth.Config{Store: goredisstore.New(redis.NewClient(options))})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())

	ctx, stop := context.WithCancel(ctx)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	return serve(ctx, listener, routes(client))
}

//go:embed home.html
var homeHTML string

//go:embed style.css
var styleCSS []byte

var homePage = template.Must(template.New("home").Parse(homeHTML))

func routes(client *hfoauth.Client) http.Handler {
	mux := http.NewServeMux()
	client.Mount(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { home(w, r, client) })
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Write(styleCSS)
	})
	return mux
}

// home shows the user and the process that responds.
func home(w http.ResponseWriter, r *http.Request, client *hfoauth.Client) {
	user, err := client.UserFromRequest(r)
	if err != nil && !errors.Is(err, hfoauth.ErrNotSignedIn) {
		http.Error(w, "Sessions cannot be read right now.", hfoauth.HTTPStatus(err))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; "+
		"script-src 'self'; connect-src 'self'; img-src https: http://127.0.0.1:* http://localhost:*; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'self' https://huggingface.co")
	err = homePage.Execute(w, struct {
		User           *hfoauth.User
		Process        int
		Assets, Button template.HTML
	}{user, os.Getpid(), client.ButtonAssets(), client.Button(r, hfoauth.ButtonOptions{})})
	if err != nil {
		log.Print(err)
	}
}
