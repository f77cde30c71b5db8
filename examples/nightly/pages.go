package main

import (
	"html/template"
	"log"
	"net/http"
	"net/url"
	"sync"

	"github.com/hfoauth/hfoauth"
)

type app struct {
	client *hfoauth.Client
	hub    *url.URL

	mu      sync.Mutex
	allowed map[string]report // by Sub
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	a.client.Mount(mux)
	mux.HandleFunc("GET /{$}", a.home)
	mux.Handle("POST /allow", a.client.RequireUser(http.HandlerFunc(a.allow)))
	mux.Handle("POST /withdraw", a.client.RequireUser(http.HandlerFunc(a.withdraw)))
	return mux
}

func (a *app) allow(w http.ResponseWriter, r *http.Request) {
	sub := hfoauth.UserFromContext(r.Context()).Sub
	a.mu.Lock()
	if _, ok := a.allowed[sub]; !ok {
		a.allowed[sub] = report{}
	}
	a.mu.Unlock()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *app) withdraw(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	delete(a.allowed, hfoauth.UserFromContext(r.Context()).Sub)
	a.mu.Unlock()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

var homePage = template.Must(template.New("").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Nightly</title>{{.Assets}}</head>
<body><main>
<h1>Nightly</h1>
{{.Button}}
{{with .User}}
{{if $.Allowed}}
<p>{{if $.Report.Err}}The last job failed: {{$.Report.Err}}.
{{else if $.Report.Time.IsZero}}The first job runs tonight.
{{else}}Last night you had {{$.Report.Models}} models.{{end}}</p>
<form method="post" action="/withdraw"><button>Stop counting my models</button></form>
{{else}}
<p>Shall I count your models each night, {{.Name}}? I can as long as you are signed in here.</p>
<form method="post" action="/allow"><button>Count my models each night</button></form>
{{end}}
{{end}}
</main></body>
</html>
`))

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	page := struct {
		User           *hfoauth.User
		Allowed        bool
		Report         report
		Assets, Button template.HTML
	}{Assets: a.client.ButtonAssets(), Button: a.client.Button(r, hfoauth.ButtonOptions{})}
	if session, err := a.client.SessionFromRequest(w, r); err == nil {
		page.User = session.User
		a.mu.Lock()
		page.Report, page.Allowed = a.allowed[session.User.Sub]
		a.mu.Unlock()
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "private, no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; "+
		"script-src 'self'; connect-src 'self'; img-src 'self' https:; form-action 'self'; "+
		"base-uri 'none'; frame-ancestors 'self' https://huggingface.co")
	if err := homePage.Execute(w, page); err != nil {
		log.Print(err)
	}
}
