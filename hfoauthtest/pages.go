package hfoauthtest

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

//go:embed pages/consent.html
var consentHTML string

//go:embed pages/device.html
var deviceHTML string

//go:embed pages/start.html
var startHTML string

//go:embed pages/space.html
var spaceHTML string

//go:embed pages/message.html
var messageHTML string

//go:embed pages/style.css
var style string

var (
	consentTemplate = template.Must(template.New("consent").Parse(consentHTML))
	deviceTemplate  = template.Must(template.New("device").Parse(deviceHTML))
	startTemplate   = template.Must(template.New("start").Parse(startHTML))
	spaceTemplate   = template.Must(template.New("space").Parse(spaceHTML))
	messageTemplate = template.Must(template.New("message").Parse(messageHTML))

	styleHash = hashSource(style)
)

// hashSource returns the hash-source of an inline style for a
// Content-Security-Policy (CSP Level 3 section 2.3.1).
func hashSource(text string) string {
	hash := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(hash[:])
}

func (s *Server) consentPage(w http.ResponseWriter, query url.Values, app *App, signedIn string) {
	page := struct {
		App      string
		Users    []User
		SignedIn string
		Scopes   []scope
		OrgIDs   []string
		Action   string
		Style    template.CSS

		OrgField func(username string) string
	}{
		app.Name, s.allUsers(), orElse(signedIn, s.firstUsername()),
		explain(strings.Fields(query.Get("scope"))), query["orgIds"],
		string(AuthorizeEndpoint) + "?" + query.Encode(), template.CSS(style), orgField,
	}
	pageHeaders(w)
	consentTemplate.Execute(w, page)
}

// refusePage shows an error that must not be returned to the app (RFC 6749
// section 4.1.2.1).
func (s *Server) refusePage(w http.ResponseWriter, title, text string) {
	pageHeaders(w)
	w.WriteHeader(http.StatusBadRequest)
	writeMessage(w, title, text)
}

// forbidPage refuses a request that was not sent by a page of this Server.
func (s *Server) forbidPage(w http.ResponseWriter, text string) {
	pageHeaders(w)
	w.WriteHeader(http.StatusForbidden)
	writeMessage(w, "Not allowed", text)
}

func writeMessage(w http.ResponseWriter, title, text string) {
	messageTemplate.Execute(w, struct {
		Title, Text string
		Style       template.CSS
	}{title, text, template.CSS(style)})
}

// pageHeaders sets the headers of the Hub's pages, which cannot be framed and are
// isolated from the window that opened them. There is no form-action: browsers
// apply it to all redirects after the form, and the app may redirect anywhere.
func pageHeaders(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy",
		"default-src 'none'; style-src '"+styleHash+"'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
}
