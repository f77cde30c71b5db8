package hfoauthtest

import (
	"html/template"
	"net"
	"net/http"
	"net/url"
	"strings"
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
	if problem := s.foreignForm(r); problem != "" {
		s.forbidPage(w, problem)
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
	if problem := s.foreignForm(r); problem != "" {
		s.forbidPage(w, problem)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: accountCookie, Path: "/", MaxAge: -1})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// foreignForm says why a form was not sent from a page of this Server, or
// returns "": pages of other sites, and those whose name was made to lead here
// (DNS rebinding), decide nothing.
func (s *Server) foreignForm(r *http.Request) string {
	if !s.answersTo(r.Host) {
		return "This server is " + s.URL + ", and does not answer to " + r.Host + "."
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return "The form was sent by a page of another site."
	}
	return ""
}

// answersTo reports whether host is that of the issuer. All names of loopback
// are one.
func (s *Server) answersTo(host string) bool {
	issuer, err := url.Parse(s.URL)
	if err != nil || strings.EqualFold(host, issuer.Host) {
		return err == nil
	}
	name, port := splitPort(strings.ToLower(host))
	own, ownPort := splitPort(issuer.Host)
	return loopback(own) && loopback(name) && port == ownPort
}

// splitPort is net.SplitHostPort for a host that may have no port.
func splitPort(host string) (name, port string) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return strings.Trim(host, "[]"), ""
	}
	return name, port
}
