package hfoauthtest

import (
	"html/template"
	"net/http"
	"net/url"

	"github.com/hfoauth/hfoauth/internal/guard"
)

const (
	// accountCookie contains the username of the person who is signed in at the
	// provider.
	accountCookie = "hfoauthtest-account"

	// personHeader contains the username of the Person of a Server.Browser.
	personHeader = "Hfoauthtest-Person"
)

// signedIn returns the username of the person who is signed in at the provider in
// the browser that sent a request, or "". A [Server.Browser] is never signed in
// as anyone but its [Person].
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
	http.SetCookie(w, &http.Cookie{Name: accountCookie, Value: url.QueryEscape(username), Path: "/",
		HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// startPage shows who is signed in at the provider, and forms to switch the
// person.
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
		s.refusePage(w, "Unknown user", "User "+username+" does not exist.")
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

// isForeign reports whether a request was sent by a page of another site. If so,
// it writes the response: only the person may make decisions.
func (s *Server) isForeign(w http.ResponseWriter, r *http.Request) bool {
	err := guard.Check(s.host, r)
	if err != nil {
		s.forbidPage(w, err.Error())
	}
	return err != nil
}
