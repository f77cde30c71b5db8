package hfoauthtest

import (
	"html/template"
	"net/http"
	"net/url"

	"github.com/hfoauth/hfoauth/internal/guard"
)

const (
	// accountCookie says who is signed in at the provider in a browser.
	accountCookie = "hfoauthtest-account"

	// personHeader names whom a [Server.Browser] acts for.
	personHeader = "Hfoauthtest-Person"
)

// signedIn returns who is signed in at the provider in the browser that sent
// a request, or "". The [Person] of a [Server.Browser] is never anybody else.
func (s *Server) signedIn(r *http.Request) string {
	cookie, err := r.Cookie(accountCookie)
	if err != nil {
		return ""
	}
	username, err := url.QueryUnescape(cookie.Value)
	if err != nil {
		return ""
	}
	if person := r.Header.Get(personHeader); person != "" && person != url.QueryEscape(username) {
		return ""
	}
	if _, ok := s.userNamed(username); !ok {
		return ""
	}
	return username
}

func setAccount(w http.ResponseWriter, username string) {
	http.SetCookie(w, &http.Cookie{Name: accountCookie, Value: url.QueryEscape(username), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// startPage shows who is signed in at the provider and switches the person.
func (s *Server) startPage(w http.ResponseWriter, r *http.Request) {
	pageHeaders(w)
	startTemplate.Execute(w, struct {
		Users    []User
		SignedIn string
		Style    template.CSS
	}{s.allUsers(), s.signedIn(r), template.CSS(style)})
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	if s.isForeign(w, r) {
		return
	}
	username := r.PostFormValue("user")
	if _, ok := s.userNamed(username); !ok {
		s.refusePage(w, "Unknown user", "There is no user "+username+".")
		return
	}
	setAccount(w, username)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if s.isForeign(w, r) {
		return
	}
	http.SetCookie(w, &http.Cookie{Name: accountCookie, Path: "/", MaxAge: -1})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// isForeign answers a request that decides something for the person in front
// of the browser, and was not sent from a page of this Server, and reports
// whether it did.
func (s *Server) isForeign(w http.ResponseWriter, r *http.Request) bool {
	err := guard.Check(s.host, r)
	if err != nil {
		s.forbidPage(w, err.Error())
	}
	return err != nil
}
