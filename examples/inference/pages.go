package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"html/template"
	"io"
	"log"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/hfoauth/hfoauth"
)

// maxPrompt is the length of a question in letters.
const maxPrompt = 8000

// app asks a model at the router's address for chat completions.
type app struct {
	client      *hfoauth.Client
	completions string
	model       string
}

//go:embed page.html style.css
var files embed.FS

var pages = template.Must(template.ParseFS(files, "page.html"))

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	a.client.Mount(mux)
	billed := a.client.RequireScope(hfoauth.ScopeInferenceAPI)
	mux.HandleFunc("GET /{$}", a.home)
	mux.Handle("GET /chat", billed(http.HandlerFunc(a.form)))
	mux.Handle("POST /chat", billed(http.HandlerFunc(a.answer)))
	mux.Handle("GET /style.css", http.FileServerFS(files))
	return mux
}

// page is what page.html shows; only the chat has a Prompt and a Problem.
type page struct {
	User           *hfoauth.User
	Assets, Button template.HTML
	Model          string
	Prompt         string
	Problem        string
}

func (a *app) show(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Model, p.Assets, p.Button = a.model, a.client.ButtonAssets(), a.client.Button(r, hfoauth.ButtonOptions{Next: "/"})
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; "+
		"script-src 'self'; connect-src 'self'; img-src https: http://127.0.0.1:* http://localhost:*; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'self' https://huggingface.co")
	w.WriteHeader(status)
	if err := pages.ExecuteTemplate(w, name, p); err != nil {
		log.Print(err)
	}
}

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	user, err := a.client.UserFromRequest(r)
	if err != nil && !errors.Is(err, hfoauth.ErrNotSignedIn) {
		http.Error(w, "Sessions cannot be read right now.", hfoauth.HTTPStatus(err))
		return
	}
	a.show(w, r, http.StatusOK, "home", page{User: user})
}

func (a *app) form(w http.ResponseWriter, r *http.Request) {
	a.show(w, r, http.StatusOK, "form", page{User: hfoauth.UserFromContext(r.Context())})
}

// answer streams the model's answer into the page, which needs no script: a browser
// shows what has arrived.
func (a *app) answer(w http.ResponseWriter, r *http.Request) {
	p := page{User: hfoauth.UserFromContext(r.Context())}
	r.Body = http.MaxBytesReader(w, r.Body, 16*maxPrompt) // escaped, a letter takes up to 12 bytes
	p.Prompt = strings.TrimSpace(r.PostFormValue("prompt"))
	if p.Prompt == "" || utf8.RuneCountInString(p.Prompt) > maxPrompt {
		p.Problem = "Ask something, in no more than 8,000 letters."
		a.show(w, r, http.StatusBadRequest, "form", p)
		return
	}
	api := hfoauth.SessionFromContext(r.Context()).HTTPClient()
	stream, problem, status := a.ask(r, api, p.Prompt)
	if problem != "" {
		p.Problem = problem
		a.show(w, r, status, "form", p)
		return
	}
	defer stream.Close()
	a.show(w, r, http.StatusOK, "answer", p)
	end := ""
	for text, err := range deltas(stream) {
		if err != nil {
			log.Print(err)
			end = "The answer broke off."
			break
		}
		template.HTMLEscape(w, []byte(text))
		http.NewResponseController(w).Flush()
	}
	pages.ExecuteTemplate(w, "end", end)
}

// ask posts the prompt to the router. If that fails, problem tells the user why.
func (a *app) ask(r *http.Request, api *http.Client, prompt string) (stream io.ReadCloser,
	problem string, status int) {
	body, err := json.Marshal(completionRequest{Model: a.model, Messages: []message{{"user", prompt}}, Stream: true})
	if err != nil {
		return nil, "This cannot be asked.", http.StatusBadRequest
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, a.completions, bytes.NewReader(body))
	if err != nil {
		return nil, "This cannot be asked.", http.StatusBadRequest
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := api.Do(req)
	if err != nil {
		log.Print(err)
		return nil, "The model cannot be reached. Try again in a minute.", http.StatusBadGateway
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, "", http.StatusOK
	}
	resp.Body.Close()
	log.Printf("the router responded with %s", resp.Status)
	return nil, explain(resp.StatusCode), http.StatusBadGateway
}

func explain(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "Hugging Face does not let this app ask on your behalf any more. Sign out and in again."
	case http.StatusPaymentRequired:
		return "Your credits for inference are used up. Your billing settings at Hugging Face tell more."
	case http.StatusTooManyRequests:
		return "Too many questions at once. Try again in a minute."
	}
	return "The model did not answer. Try again in a minute."
}
