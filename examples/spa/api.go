package main

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/hfoauth/hfoauth"
)

// newAPI returns the JSON API for the front end. It is behind RequireUser, so every
// request has a user.
func newAPI() http.Handler {
	notes := newNotebooks()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/me", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, hfoauth.UserFromContext(r.Context()))
	})
	mux.HandleFunc("GET /api/notes", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, notes.list(sub(r)))
	})
	mux.HandleFunc("POST /api/notes", func(w http.ResponseWriter, r *http.Request) {
		var input note
		r.Body = http.MaxBytesReader(w, r.Body, 16*maxText) // escaped, a character takes up to 12 bytes
		if err := json.NewDecoder(r.Body).Decode(&input); err != nil {
			refuse(w, http.StatusBadRequest, `Send JSON such as {"text": "…"}.`)
			return
		}
		added, err := notes.add(sub(r), input.Text)
		switch {
		case errors.Is(err, errText):
			refuse(w, http.StatusUnprocessableEntity, "Write something, in no more than 500 characters.")
		case errors.Is(err, errFull):
			refuse(w, http.StatusConflict, "You have 100 notes. Delete one to write another.")
		default:
			answer(w, http.StatusCreated, added)
		}
	})
	mux.HandleFunc("GET /api/events", notes.events)
	mux.HandleFunc("GET /api/socket", notes.socket)
	mux.HandleFunc("DELETE /api/notes/{id}", func(w http.ResponseWriter, r *http.Request) {
		notes.remove(sub(r), r.PathValue("id")) // the note is gone in any case
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// sub returns the user's stable ID. The username can change and pass to another user.
func sub(r *http.Request) string { return hfoauth.UserFromContext(r.Context()).Sub }

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}

func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]string{"error": message})
}
