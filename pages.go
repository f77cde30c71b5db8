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
	pageTemplate     = template.Must(template.New("page").Funcs(template.FuncMap{"direction": direction}).Parse(pageHTML))
	controlsTemplate = template.Must(template.New("controls").Parse(controlsHTML))
	styleTemplate    = template.Must(template.New("style").Parse(`<style>{{.}}</style>`))
	scriptTemplate   = template.Must(template.New("script").Parse(`<script src="{{.}}" defer></script>`))
)

// Page is what Config.PageTemplate is executed with.
type Page struct {
	Err      error         // what failed; nil for a step of signing in or out
	AppName  string        // Config.AppName
	Lang     string        // language tag of the page, "en" without Config.Translate
	Title    string        // what happened, in a few words
	Text     []string      // paragraphs that say more
	Head     template.HTML // for the head: our script and, for the default template, style sheet
	Controls template.HTML // for below the text: the next step
}

// page is a Page in the making.
type page struct {
	Err      error
	Title    string
	Text     []string
	Button   template.HTML // a sign-in button
	Continue *link         // where the page navigates by itself
	Settings *link         // where the user can change what the app may do and see
	Action   *link         // the next step
	Form     *form         // the next step, or beside Action
	Home     *link         // beside it: the start page
	Close    string        // label of a button that closes the tab
	Script   bool          // the page needs hfoauth.js
}

type link struct{ URL, Label string }

// form is a button that posts fields.
type form struct {
	URL, Label string
	Fields     map[string]string
}

// fail answers a request that failed: with the app's ErrorHandler or else a
// page, or JSON for programs. From the page the user can continue to next.
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
	if errors.Is(err, ErrNotSignedIn) && byHTMX(r) {
		w.Header().Set("HX-Redirect", c.paths.loginURL(pageOfHTMX(r)))
	}
	say := c.words(r)
	m := c.explain(r, say, err, next)
	if failed, ok := errors.AsType[*attemptError](err); ok && failed.attempt.challenge != "" { // in the tab of an iframe
		m.Form, m.Action, m.Home = c.retryForm(say, failed.attempt), nil, nil
		m.Close, m.Script = say("Close this tab"), true
	}
	switch {
	case c.config.ErrorHandler != nil && c.config.ErrorHandler(w, r, err):
	case acceptsHTML(r) || r.URL.Path == c.paths.callback() || r.URL.Path == c.config.LoginPath:
		c.writePage(w, r, status, m)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(c.jsonFailure(err, m))
	}
}

// jsonFailure is the JSON for an error.
func (c *Client) jsonFailure(err error, m page) map[string]any {
	body := map[string]any{"error": m.Title}
	if errors.Is(err, ErrNotSignedIn) {
		body["login"] = c.config.LoginPath
	}
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

// explain describes an error to the user.
func (c *Client) explain(r *http.Request, say sayer, err error, next string) page {
	m := page{
		Err:    err,
		Action: &link{c.paths.loginURL(next), say("Try again")},
		Home:   &link{c.config.HomePath, say("Back to the start page")},
	}
	with := func(title string, text ...string) page {
		m.Title, m.Text = title, text
		return m
	}
	provider := c.config.providerName()
	again := say("Try again. If it happens again, contact the owner of this app.")
	forbidden, isForbidden := errors.AsType[*ForbiddenError](err)
	answer, isAnswer := errors.AsType[*ProviderError](err)
	switch {
	case errors.Is(err, ErrNotSignedIn):
		m.Action.Label = say("Sign in with %s", provider)
		return with(say("Sign in to view this page"))
	case errors.Is(err, ErrState):
		if c.found(r) != nil { // Back, or a second tab
			m.Action, m.Home = &link{c.config.HomePath, say("Continue")}, &link{c.paths.loginURL(next), say("Sign in again")}
			return with(say("You are already signed in"), say("This sign-in link has expired or was already used."))
		}
		m.Action.Label = say("Sign in again")
		return with(say("This sign-in link has expired or was already used"), say("If you started in another browser, continue there. Otherwise, sign in again."))
	case errors.Is(err, ErrDenied):
		if failed, ok := errors.AsType[*attemptError](err); ok && c.found(r) != nil {
			m.Action, m.Form, m.Home = m.Home, c.retryForm(say, failed.attempt), nil
			text := say("You did not give this app the permission that it asked for. You are still signed in.")
			if c.config.AppName != "" {
				text = say("You did not give %s the permission that it asked for. You are still signed in.", c.config.AppName)
			}
			return with(say("Permission not granted"), text)
		}
		if c.config.AppName == "" {
			return with(say("Sign-in cancelled"), say("You did not authorize this app."))
		}
		return with(say("Sign-in cancelled"), say("You did not authorize %s.", c.config.AppName))
	case errors.Is(err, ErrCrossSite):
		m.Action = &link{c.paths.returnTo(next), say("Continue")}
		return with(say("This request came from another site"), say("Nothing was changed."))
	case isForbidden:
		m.Action.Label = say("Sign in again")
		if forbidden.grantable() {
			m.Settings = &link{c.config.ProviderURL + "/settings/connected-applications", say("Your connected applications on %s", provider)}
		}
		return with(say("You do not have access to this page"), forbidden.text(say, provider)...)
	case isAnswer:
		return with(say("%s could not sign you in", provider), say("It returned the error “%s”.", answer.Code), again)
	case errors.Is(err, ErrProviderUnavailable):
		return with(say("%s is unavailable right now", provider), say("Wait a moment, then try again."))
	case unexpectedStatus(err):
		return with(say("%s returned an unexpected response", provider), say("You are not signed in."), again)
	case errors.Is(err, ErrProviderInvalid):
		return with(say("We could not verify %s's response", provider), say("You are not signed in."), again)
	case isA[*logoutError](err):
		m.Action = &link{c.paths.returnTo(next), say("Continue")}
		return with(say("Signed out in this browser"), say("We could not reach all servers. If you are still signed in elsewhere, sign out there in a few minutes."))
	case errors.Is(err, ErrStoreUnavailable):
		m.Action.URL = c.paths.returnTo(next)
		return with(say("We can't check your sign-in right now"), say("Wait a moment, then try again."))
	}
	return with(say("Something went wrong"), again)
}

// retryForm begins an attempt again, for the same iframe if it was for one.
func (c *Client) retryForm(say sayer, a *attempt) *form {
	options := LoginOptions{Scopes: a.scopes.without(a.optional...), optional: a.optional}
	if len(a.askedOrgs) > 0 {
		options.Org, options.askedOrgs = a.askedOrgs[0], a.askedOrgs[1:]
	}
	return &form{c.paths.frame() + "popup", say("Try again"), map[string]string{
		"challenge": a.challenge, "next": a.next, "options": c.attempts.sealOptions(options),
	}}
}

// writePage writes a page that loads nothing but our script, if it needs that,
// and that only Config.FrameAncestors may frame.
func (c *Client) writePage(w http.ResponseWriter, r *http.Request, status int, p page) {
	data := Page{
		Err:      p.Err,
		AppName:  c.config.AppName,
		Lang:     c.words(r).language(),
		Title:    p.Title,
		Text:     p.Text,
		Controls: render(controlsTemplate, p),
	}
	templ := c.config.PageTemplate
	if templ == nil {
		templ = pageTemplate
		data.Head = render(styleTemplate, template.CSS(style))
	}
	if p.Script {
		data.Head += render(scriptTemplate, c.script.path)
	}
	if p.Script || p.Form != nil {
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

// pagePolicy returns the Content-Security-Policy of a page. A page that navigates
// to the provider is never framed.
func (c *Client) pagePolicy(p page) string {
	policy := "default-src 'none'; style-src " + c.styleSource() + "; base-uri 'none'; form-action 'self'"
	if p.Script {
		policy += "; script-src 'self'; connect-src 'self'"
	}
	if len(c.config.FrameAncestors) == 0 || p.Continue != nil {
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
