package main

import (
	"log"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/hfoauth/hfoauth"
)

// chiApp needs no adapters: chi speaks net/http.
func chiApp(client *hfoauth.Client) http.Handler {
	router := chi.NewRouter()
	router.Use(client.Handler)

	show := func(page string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if err := pages.ExecuteTemplate(w, page, newView(client, r)); err != nil {
				log.Print(err)
			}
		}
	}
	router.Get("/", show("home"))
	router.With(client.RequireUser).Get("/private", show("private"))
	router.Handle("/style.css", http.FileServerFS(files))
	return router
}
