package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hfoauth/hfoauth"
)

const (
	maxPicture = 5 << 20  // bytes
	maxForm    = 64 << 10 // bytes of an upload beside the picture
	maxCaption = 500      // letters
)

// gallery shows users the pictures that they may see.
type gallery struct {
	client *hfoauth.Client
	store  *store
}

//go:embed pages
var files embed.FS

var pages = template.Must(template.ParseFS(files, "pages/*.html"))

func (g *gallery) routes() http.Handler {
	mux := http.NewServeMux()
	g.client.Mount(mux)
	mux.HandleFunc("GET /{$}", g.home)
	mux.Handle("POST /pictures", g.forUser(g.upload))
	mux.Handle("GET /pictures/{id}", g.forUser(g.picture))
	mux.Handle("POST /pictures/{id}/delete", g.forUser(g.delete))
	mux.Handle("GET /albums/{org}", g.forMember(g.album))
	mux.Handle("POST /albums/{org}", g.forMember(g.upload))
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, files, "pages/style.css")
	})
	return mux
}

// visit is the user of a request and the organization whose album is open, if any.
type visit struct {
	User *hfoauth.User
	Org  *hfoauth.Org
}

type handler func(w http.ResponseWriter, r *http.Request, v visit)

func (g *gallery) forUser(next handler) http.Handler {
	return g.client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next(w, r, visit{User: hfoauth.UserFromContext(r.Context())})
	}))
}

// forMember lets members of the organization in the path through.
func (g *gallery) forMember(next handler) http.Handler {
	return g.forUser(func(w http.ResponseWriter, r *http.Request, v visit) {
		name := r.PathValue("org")
		if !v.User.HasRole(name, hfoauth.RoleRead) {
			g.client.Error(w, r, &hfoauth.ForbiddenError{Org: name, Role: hfoauth.RoleRead})
			return
		}
		v.Org = v.User.Org(name)
		if v.Org.Sub == "" { // not known by an ID: nothing to keep an album under
			http.NotFound(w, r)
			return
		}
		next(w, r, v)
	})
}

// page is what gallery.html shows; Caption and Problem are those of a refused
// upload.
type page struct {
	visit
	Pictures       []picture
	Caption        string
	Problem        string
	Assets, Button template.HTML
}

// Path is where the page is.
func (v visit) Path() string {
	if v.Org == nil {
		return "/"
	}
	return "/albums/" + url.PathEscape(v.Org.Username)
}

func (g *gallery) home(w http.ResponseWriter, r *http.Request) {
	user, err := g.client.UserFromRequest(r)
	if err != nil && !errors.Is(err, hfoauth.ErrNotSignedIn) {
		http.Error(w, "Sessions cannot be read right now.", hfoauth.HTTPStatus(err))
		return
	}
	g.show(w, r, http.StatusOK, page{visit: visit{User: user}})
}

func (g *gallery) album(w http.ResponseWriter, r *http.Request, v visit) {
	g.show(w, r, http.StatusOK, page{visit: v})
}

func (g *gallery) show(w http.ResponseWriter, r *http.Request, status int, p page) {
	var err error
	switch {
	case p.Org != nil:
		p.Pictures, err = g.store.ofOrg(r.Context(), p.Org.Sub)
	case p.User != nil:
		p.Pictures, err = g.store.ofOwner(r.Context(), p.User.Sub)
	}
	if err != nil {
		unavailable(w, err)
		return
	}
	p.Assets, p.Button = g.client.ButtonAssets(), g.client.Button(r, hfoauth.ButtonOptions{Next: "/"})
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; "+
		"script-src 'self'; connect-src 'self'; "+
		"img-src 'self' https: http://127.0.0.1:* http://localhost:*; form-action 'self'; "+
		"base-uri 'none'; frame-ancestors 'self' https://huggingface.co")
	w.WriteHeader(status)
	if err := pages.ExecuteTemplate(w, "gallery.html", p); err != nil {
		log.Print(err)
	}
}

// picture serves an uploaded picture, and makes sure that a browser treats it only
// as a picture.
func (g *gallery) picture(w http.ResponseWriter, r *http.Request, v visit) {
	p, err := g.store.get(r.Context(), r.PathValue("id"), v.User.Sub, albums(v.User))
	if err != nil {
		noPicture(w, err)
		return
	}
	w.Header().Set("Content-Type", p.Type)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Disposition", "inline")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	w.Header().Set("Cache-Control", "private, no-cache") // validated each time: this browser's next user may be another
	w.Header().Set("ETag", `"`+p.ID+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.Data))
}

// albums returns the IDs of the organizations whose albums the user may open.
func albums(user *hfoauth.User) []string {
	subs := []string{}
	for _, org := range user.Orgs {
		if user.HasRole(org.Sub, hfoauth.RoleRead) {
			subs = append(subs, org.Sub)
		}
	}
	return subs
}

func (g *gallery) delete(w http.ResponseWriter, r *http.Request, v visit) {
	if err := g.store.delete(r.Context(), v.User.Sub, r.PathValue("id")); err != nil {
		noPicture(w, err)
		return
	}
	http.Redirect(w, r, v.Path(), http.StatusSeeOther)
}

// upload stores a picture for the user, or for the album that is open.
func (g *gallery) upload(w http.ResponseWriter, r *http.Request, v visit) {
	p, err := readUpload(w, r)
	if err == nil {
		p.Owner = v.User.Sub
		if v.Org != nil {
			p.Org = v.Org.Sub
		}
		err = g.store.add(r.Context(), p)
	}
	if errors.Is(err, errFull) {
		err = &refusal{http.StatusConflict,
			fmt.Sprintf("You have %d pictures, and there is no room for more. Delete one first.", maxPictures)}
	}
	if refused, ok := errors.AsType[*refusal](err); ok {
		g.show(w, r, refused.status, page{visit: v, Caption: p.Caption, Problem: refused.text})
		return
	}
	if err != nil {
		unavailable(w, err)
		return
	}
	http.Redirect(w, r, v.Path(), http.StatusSeeOther)
}

// refusal is why an upload was refused, in words for the user.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

var (
	errIncomplete = &refusal{http.StatusBadRequest, "The upload did not arrive complete. Try again."}
	errNoFile     = &refusal{http.StatusBadRequest, "Choose a picture."}
	errCaption    = &refusal{http.StatusBadRequest, fmt.Sprintf("Write a caption of up to %d letters.", maxCaption)}
	errTooLarge   = &refusal{http.StatusRequestEntityTooLarge,
		fmt.Sprintf("A picture may have no more than %d MiB.", maxPicture>>20)}
	errType = &refusal{http.StatusUnsupportedMediaType, "This is not a PNG, JPEG, GIF or WebP picture."}
)

var pictureTypes = map[string]bool{"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true}

// readUpload reads the form; its error is a *refusal.
func readUpload(w http.ResponseWriter, r *http.Request) (picture, error) {
	const limit = maxPicture + maxForm
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	err := r.ParseMultipartForm(limit) // all in memory: nothing is left on a disk
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return picture{}, errTooLarge
	}
	if err != nil {
		return picture{}, errIncomplete
	}
	p := picture{Caption: strings.TrimSpace(r.PostFormValue("caption"))}
	file, header, err := r.FormFile("picture")
	if err != nil {
		return p, errNoFile
	}
	defer file.Close()
	if header.Size > maxPicture {
		return p, errTooLarge
	}
	if p.Data, err = io.ReadAll(file); err != nil {
		return p, errIncomplete
	}
	p.Type = http.DetectContentType(p.Data) // the browser's Content-Type proves nothing
	switch {
	case !pictureTypes[p.Type]:
		return p, errType
	case p.Caption == "" || !utf8.ValidString(p.Caption) || utf8.RuneCountInString(p.Caption) > maxCaption:
		return p, errCaption
	}
	return p, nil
}

// noPicture responds in the same way for a missing picture and for one that the
// user may not see.
func noPicture(w http.ResponseWriter, err error) {
	if !errors.Is(err, errNotFound) {
		unavailable(w, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, "There is no such picture.", http.StatusNotFound)
}

func unavailable(w http.ResponseWriter, err error) {
	log.Print(err)
	http.Error(w, "The pictures cannot be reached right now.", http.StatusInternalServerError)
}
