package hfoauth

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
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

// pages writes what users see. It reads no session: the caller knows whether the
// user is signed in.
type pages struct {
	paths     *paths
	attempts  *attempts // to seal what a form requests
	app       string    // Config.AppName
	provider  string    // its name for users
	settings  string    // where users can change what the app may do and see there
	template  *template.Template
	ancestors []string // the sites that may frame a page
	script    asset
	style     asset
	translate func(r *http.Request, format string, args ...any) string
	logger    *slog.Logger
}

func newPages(config *Config, paths *paths, attempts *attempts) (*pages, error) {
	script, err := newScript(config, paths.frame())
	return &pages{
		paths:     paths,
		attempts:  attempts,
		app:       config.AppName,
		provider:  config.providerName(),
		settings:  config.ProviderURL + "/settings/connected-applications",
		template:  config.PageTemplate,
		ancestors: config.FrameAncestors,
		script:    script,
		style:     newStyle(paths.frame()),
		translate: config.Translate,
		logger:    config.Logger,
	}, err
}

// fail answers a request that failed: with a page, or JSON for programs. From the
// page the user can continue to next. Some pages differ for a user who is known to
// be signed in.
func (p *pages) fail(w http.ResponseWriter, r *http.Request, err error, next string, signedIn bool) {
	say := p.words(r)
	m := p.explain(say, err, next, signedIn)
	if failed, ok := errors.AsType[*attemptError](err); ok && failed.attempt.challenge != "" { // in the tab of an iframe
		m.Form, m.Action, m.Home = p.retryForm(say, failed.attempt), nil, nil
		m.Close, m.Script = say("Close this tab"), true
	}
	status := HTTPStatus(err)
	if acceptsHTML(r) || r.URL.Path == p.paths.callback() || r.URL.Path == p.paths.login {
		p.write(w, say, status, m)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(p.jsonFailure(err, m))
}

// jsonFailure is the JSON for an error.
func (p *pages) jsonFailure(err error, m page) map[string]any {
	body := map[string]any{"error": m.Title}
	if errors.Is(err, ErrNotSignedIn) {
		body["login"] = p.paths.login
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
func (p *pages) explain(say sayer, err error, next string, signedIn bool) page {
	m := page{
		Err:    err,
		Action: &link{p.paths.loginURL(next), say("Try again")},
		Home:   &link{p.paths.home, say("Back to the start page")},
	}
	with := func(title string, text ...string) page {
		m.Title, m.Text = title, text
		return m
	}
	again := say("Try again. If it happens again, contact the owner of this app.")
	forbidden, isForbidden := errors.AsType[*ForbiddenError](err)
	answer, isAnswer := errors.AsType[*ProviderError](err)
	switch {
	case errors.Is(err, ErrNotSignedIn):
		m.Action.Label = say("Sign in with %s", p.provider)
		return with(say("Sign in to view this page"))
	case errors.Is(err, ErrState):
		if signedIn { // Back, or a second tab
			m.Action, m.Home = &link{p.paths.home, say("Continue")}, &link{p.paths.loginURL(next), say("Sign in again")}
			return with(say("You are already signed in"), say("This sign-in link has expired or was already used."))
		}
		m.Action.Label = say("Sign in again")
		return with(say("This sign-in link has expired or was already used"),
			say("If you started in another browser, continue there. Otherwise, sign in again."))
	case errors.Is(err, ErrDenied):
		if failed, ok := errors.AsType[*attemptError](err); ok && signedIn {
			m.Action, m.Form, m.Home = m.Home, p.retryForm(say, failed.attempt), nil
			text := say("You did not give this app the permission that it asked for. You are still signed in.")
			if p.app != "" {
				text = say("You did not give %s the permission that it asked for. You are still signed in.", p.app)
			}
			return with(say("Permission not granted"), text)
		}
		if p.app == "" {
			return with(say("Sign-in cancelled"), say("You did not authorize this app."))
		}
		return with(say("Sign-in cancelled"), say("You did not authorize %s.", p.app))
	case errors.Is(err, ErrCrossSite):
		m.Action = &link{p.paths.returnTo(next), say("Continue")}
		return with(say("This request came from another site"), say("Nothing was changed."))
	case isForbidden:
		m.Action.Label = say("Sign in again")
		if forbidden.grantable() {
			m.Settings = &link{p.settings, say("Your connected applications on %s", p.provider)}
		}
		return with(say("You do not have access to this page"), forbidden.text(say, p.provider)...)
	case isAnswer:
		return with(say("%s could not sign you in", p.provider), say("It returned the error “%s”.", answer.Code), again)
	case errors.Is(err, ErrProviderUnavailable):
		return with(say("%s is unavailable right now", p.provider), say("Wait a moment, then try again."))
	case unexpectedStatus(err):
		return with(say("%s returned an unexpected response", p.provider), say("You are not signed in."), again)
	case errors.Is(err, ErrProviderInvalid):
		return with(say("We could not verify %s's response", p.provider), say("You are not signed in."), again)
	case isA[*logoutError](err):
		m.Action = &link{p.paths.returnTo(next), say("Continue")}
		return with(say("Signed out in this browser"),
			say("We could not reach all servers. If you are still signed in elsewhere, sign out there in a few minutes."))
	case errors.Is(err, ErrStoreUnavailable):
		m.Action.URL = p.paths.returnTo(next)
		return with(say("We can't check your sign-in right now"), say("Wait a moment, then try again."))
	}
	return with(say("Something went wrong"), again)
}

// retryForm begins an attempt again, for the same iframe if it was for one.
func (p *pages) retryForm(say sayer, a *attempt) *form {
	return &form{p.paths.frame() + "popup", say("Try again"), map[string]string{
		"challenge": a.challenge, "next": a.next, "options": p.attempts.sealOptions(a.options()),
	}}
}

// logout is for users who open the address of sign-out: a link must not sign them
// out.
func (p *pages) logout(w http.ResponseWriter, r *http.Request, signedIn bool) {
	say := p.words(r)
	m := page{
		Title:  say("You are signed out"),
		Action: &link{p.paths.home, say("Back to the start page")},
	}
	if signedIn {
		m = page{
			Title: say("Sign out?"),
			Form:  &form{p.paths.logout, say("Sign out"), nil},
			Home:  &link{p.paths.home, say("Back to the start page")},
		}
	}
	w.Header().Set("Allow", http.MethodPost)
	p.write(w, say, http.StatusMethodNotAllowed, m)
}

// write writes a page that loads nothing but our script, if it needs that, and
// that only Config.FrameAncestors may frame.
func (p *pages) write(w http.ResponseWriter, say sayer, status int, m page) {
	data := Page{
		Err:      m.Err,
		AppName:  p.app,
		Lang:     say.language(),
		Title:    m.Title,
		Text:     m.Text,
		Controls: render(controlsTemplate, m),
	}
	templ := p.template
	if templ == nil {
		templ = pageTemplate
		data.Head = render(styleTemplate, template.CSS(style))
	}
	if m.Script {
		data.Head += render(scriptTemplate, p.script.path)
	}
	if m.Script || m.Form != nil {
		// With no-referrer, browsers post forms without their Origin.
		w.Header().Set("Referrer-Policy", "same-origin")
	}
	var html bytes.Buffer
	if err := templ.Execute(&html, data); err != nil {
		p.logger.Error("hfoauth: Config.PageTemplate failed", "error", err)
		http.Error(w, m.Title, status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", p.policy(m))
	w.WriteHeader(status)
	w.Write(html.Bytes())
}

// policy returns the Content-Security-Policy of a page. A page that navigates to
// the provider is never framed.
func (p *pages) policy(m page) string {
	policy := "default-src 'none'; style-src " + p.styleSource() + "; base-uri 'none'; form-action 'self'"
	if m.Script {
		policy += "; script-src 'self'; connect-src 'self'"
	}
	if len(p.ancestors) == 0 || m.Continue != nil {
		return policy + "; frame-ancestors 'none'"
	}
	return policy + "; frame-ancestors 'self' " + strings.Join(p.ancestors, " ")
}

func (p *pages) styleSource() string {
	if p.template != nil {
		return "'self'; img-src 'self'; font-src 'self'"
	}
	hash := sha256.Sum256(style)
	return "'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"
}
