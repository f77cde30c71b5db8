package main

import (
	"embed"
	"html/template"
	"log"
	"net/http"

	"github.com/hfoauth/hfoauth"
)

//go:embed index.html app.js style.css
var files embed.FS

var indexPage = template.Must(template.ParseFS(files, "index.html"))

func routes(client *hfoauth.Client) http.Handler {
	mux := http.NewServeMux()
	client.Mount(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { index(w, client) })
	mux.Handle("GET /app.js", http.FileServerFS(files))
	mux.Handle("GET /style.css", http.FileServerFS(files))
	// The browser also adds the session's cookie to requests that another site makes
	// it send (CSRF; inside the Hub's iframe the cookie must be SameSite=None). The
	// browser says where they come from (Sec-Fetch-Site, Origin), so RequireUser
	// refuses them unless they are GET, HEAD or OPTIONS: the front end needs no CSRF
	// token. The API only has to change nothing on GET.
	mux.Handle("/api/", client.RequireUser(newAPI()))
	return mux
}

// index is the same page for everyone: the front end gets the user from the API.
func index(w http.ResponseWriter, client *hfoauth.Client) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; "+
		"script-src 'self'; connect-src 'self'; "+
		"img-src 'self' https: http://127.0.0.1:* http://localhost:*; form-action 'self'; "+
		"base-uri 'none'; frame-ancestors 'self' https://huggingface.co")
	if err := indexPage.Execute(w, client.ButtonAssets()); err != nil {
		log.Print(err)
	}
}
