package hfoauth

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"
)

//go:embed pages/page.html
var pageHTML string

//go:embed pages/controls.html
var controlsHTML string

var (
	pageTemplate     = template.Must(template.New("page").Parse(pageHTML))
	controlsTemplate = template.Must(template.New("controls").Parse(controlsHTML))
	styleTemplate    = template.Must(template.New("style").Parse(`<style>{{.}}</style>`))
	scriptTemplate   = template.Must(template.New("script").Parse(`<script src="{{.}}" defer></script>`))
)

// Page is what Config.PageTemplate is executed with: a failure, or a step of
// signing in inside an iframe.
type Page struct {
	Title    string        // what happened, in a few words
	Text     []string      // paragraphs that say more
	Head     template.HTML // belongs into the head: our style sheet, unless there is a PageTemplate, and script
	Controls template.HTML // belongs below the text: the next step
}

// page is a Page in the making.
type page struct {
	Title    string
	Text     []string
	Button   template.HTML // a sign-in button
	Continue string        // where the page leads by itself
	Home     string        // the start page
	Action   *link         // the next step
	Settings string        // where the user changes what the app may do and see
	Script   bool          // the page needs hfoauth.js
}

type link struct{ URL, Label string }

// fail answers a request that failed: by the app's ErrorHandler, else with a
// page, or with JSON for programs. The person can go on to next.
func (c *Client) fail(w http.ResponseWriter, r *http.Request, err error, next string) {
	status := HTTPStatus(err)
	c.log(r, err)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(int((retryAfter(err)+time.Second-1)/time.Second)))
	}
	if challenge := c.challenge(r, err); challenge != "" {
		w.Header().Set("WWW-Authenticate", challenge)
		w.Header().Add("Access-Control-Expose-Headers", "WWW-Authenticate") // to scripts of the sites that the app allows
	}
	m := c.explain(err, next)
	if errors.Is(err, ErrDenied) {
		if s, _ := c.session(r); s != nil { // it was about a further permission
			m.Action = &link{c.returnTo(next), "Go back"}
		}
	}
	if isA[*popupError](err) {
		m.Text = append(m.Text, "Close this tab and begin again where you were.")
		m.Action = nil
	}
	switch {
	case c.config.ErrorHandler != nil && c.config.ErrorHandler(w, r, err):
	case acceptsHTML(r) || r.URL.Path == c.callbackPath() || r.URL.Path == c.config.LoginPath:
		c.writePage(w, status, m)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(jsonFailure(err, m))
	}
}

// jsonFailure is the JSON for an error.
func jsonFailure(err error, m page) map[string]any {
	body := map[string]any{"error": m.Title}
	if forbidden, ok := errors.AsType[*ForbiddenError](err); ok {
		body["reason"] = strings.Join(m.Text, " ")
		if len(forbidden.Scopes) > 0 {
			body["scopes"] = forbidden.Scopes
		}
		if forbidden.Org != "" {
			body["org"], body["role"] = forbidden.Org, forbidden.Role
		}
	}
	return body
}

// explain puts an error into words for the person it happened to.
func (c *Client) explain(err error, next string) page {
	m := page{Action: &link{c.loginURL(next), "Try again"}}
	say := func(title string, text ...string) page {
		m.Title, m.Text = title, text
		return m
	}
	forbidden, isForbidden := errors.AsType[*ForbiddenError](err)
	answer, isAnswer := errors.AsType[*ProviderError](err)
	switch {
	case errors.Is(err, ErrNotSignedIn):
		m.Action.Label = "Sign in with Hugging Face"
		return say("Not signed in", "This page is for signed-in users.")
	case errors.Is(err, ErrState):
		return say("This sign-in cannot be finished here",
			"It was begun in another browser, took longer than ten minutes, or was finished already.",
			"Nothing is lost: start again from here.")
	case errors.Is(err, ErrDenied):
		return say("You did not give access", "Hugging Face told us that you said no, so nothing has changed.", "If that was a slip, try again.")
	case errors.Is(err, ErrCrossSite):
		m.Action = &link{c.returnTo(next), "Go on"}
		return say("This request came from another site", "A page of another site sent it, so nothing was changed.")
	case isForbidden:
		m.Action.Label = "Sign in again"
		if forbidden.grantable() {
			m.Settings = c.config.ProviderURL + "/settings/connected-applications"
		}
		return say("You do not have access to this page", forbidden.text()...)
	case isAnswer:
		return say("Hugging Face did not sign you in", "It answered with the error “"+answer.Code+"”.", "Try again; if it happens again, tell the owner of this app.")
	case errors.Is(err, ErrProviderUnavailable):
		return say("Hugging Face cannot be reached right now", "You are not signed in. Wait a moment, then try again.")
	case unexpectedStatus(err):
		return say("Hugging Face gave an unexpected response", "You are not signed in. Try again; if it happens again, tell the owner of this app.")
	case errors.Is(err, ErrProviderInvalid):
		return say("The answer of Hugging Face cannot be trusted", "It failed a security check, so you are not signed in.", "Try again; if it happens again, tell the owner of this app.")
	case isA[*logoutError](err):
		m.Action = &link{c.returnTo(next), "Continue"}
		return say("Signed out in this browser", "We could not reach all servers. If you are still signed in elsewhere, sign out there in a few minutes.")
	case errors.Is(err, ErrStoreUnavailable):
		m.Action.URL = c.returnTo(next)
		return say("Sessions cannot be read right now", "Nothing is lost. Wait a moment, then try again.")
	}
	return say("Something went wrong", "You are not signed in. Try again; if it happens again, tell the owner of this app.")
}

// writePage writes a page that loads nothing but our script where it needs
// that, and is framed by nobody but the Hub that shows the Space.
func (c *Client) writePage(w http.ResponseWriter, status int, p page) {
	p.Home = c.config.HomePath
	data := Page{Title: p.Title, Text: p.Text, Controls: render(controlsTemplate, p)}
	templ := c.config.PageTemplate
	if templ == nil {
		templ = pageTemplate
		data.Head = render(styleTemplate, template.CSS(style))
	}
	if p.Script {
		data.Head += render(scriptTemplate, c.script.path)
		// With no-referrer, browsers post forms without their Origin.
		w.Header().Set("Referrer-Policy", "same-origin")
	}
	var html bytes.Buffer
	if err := templ.Execute(&html, data); err != nil {
		c.config.Logger.Error("hfoauth: Config.PageTemplate failed", "error", err)
		http.Error(w, p.Title, status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", c.pagePolicy(p))
	w.WriteHeader(status)
	w.Write(html.Bytes())
}

// pagePolicy is the Content-Security-Policy of a page. The one that leads on
// to the provider is never framed.
func (c *Client) pagePolicy(p page) string {
	policy := "default-src 'none'; style-src " + c.styleSource() + "; base-uri 'none'; form-action 'self'"
	if p.Script {
		policy += "; script-src 'self'; connect-src 'self'"
	}
	if len(c.config.FrameAncestors) == 0 || p.Continue != "" {
		return policy + "; frame-ancestors 'none'"
	}
	return policy + "; frame-ancestors 'self' " + strings.Join(c.config.FrameAncestors, " ")
}

func (c *Client) styleSource() string {
	if c.config.PageTemplate != nil {
		return "'self'; img-src 'self'; font-src 'self'"
	}
	hash := sha256.Sum256(style)
	return "'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"
}
