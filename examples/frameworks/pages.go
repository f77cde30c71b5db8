package main

import (
	"embed"
	"html/template"
	"net/http"

	"github.com/hfoauth/hfoauth"
)

//go:embed pages.html style.css
var files embed.FS

var pages = template.Must(template.ParseFS(files, "pages.html"))

// view is what pages.html shows; on the home page User is nil.
type view struct {
	User           *hfoauth.User
	Assets, Button template.HTML
}

func newView(client *hfoauth.Client, r *http.Request) view {
	return view{
		User:   hfoauth.UserFromContext(r.Context()),
		Assets: client.ButtonAssets(),
		Button: client.Button(r, hfoauth.ButtonOptions{Next: "/"}),
	}
}

// withHeaders sets the headers of all pages. The handlers of hfoauth replace them
// with their own.
func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; "+
			"script-src 'self'; connect-src 'self'; "+
			"img-src 'self' https: http://127.0.0.1:* http://localhost:*; form-action 'self'; "+
			"base-uri 'none'; frame-ancestors 'self' https://huggingface.co")
		next.ServeHTTP(w, r)
	})
}
