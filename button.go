package hfoauth

import (
	"cmp"
	"html/template"
	"net/http"
	"strings"
)

// ButtonOptions are the look and the texts of a [Client.Button]. All fields are
// optional.
type ButtonOptions struct {
	Size        string // "sm", "md", "lg" or "xl", as high as the Hub's badges: 20, 24, 36 or 48 pixels; "lg" if empty
	Theme       string // "light" or "dark"; as the browser prefers if empty
	Label       string // "Sign in with Hugging Face" if empty
	LogoutLabel string // "Sign out" if empty

	Next       string // path after sign-in; the page that shows the button if empty
	LogoutNext string // path after sign-out; Config.HomePath if empty
}

// unscripted keeps htmx and Turbo from requesting a link or form by script, which
// the provider's pages do not allow.
const unscripted = `hx-boost="false" data-turbo="false"`

var (
	signInTemplate = template.Must(template.New("sign in").Parse(
		`<a class="{{.Class}}" href="{{.URL}}" ` + unscripted +
			`{{if .NewTab}} target="_blank" rel="noopener"{{end}} data-hfoauth-login="{{.Login}}"` +
			`{{with .Next}} data-hfoauth-next="{{.}}"{{end}}` +
			`{{with .Options}} data-hfoauth-options="{{.}}"{{end}}>` +
			`{{if .Emoji}}<span aria-hidden="true">🤗</span>{{end}}<span>{{.Label}}</span></a>`))
	userTemplate = template.Must(template.New("user").Parse(
		`<div class="hfoauth-user">` +
			`{{with .Picture}}<img src="{{.}}" alt="" width="32" height="32">{{end}}<span>{{.Username}}</span>` +
			`<form method="post" action="{{.URL}}" ` + unscripted + `>` +
			`<input type="hidden" name="next" value="{{.Next}}">` +
			`<button class="{{.Class}}">{{.Label}}</button></form></div>`))
	assetsTemplate = template.Must(template.New("assets").Parse(
		`<link rel="stylesheet" href="{{.Style}}"><script src="{{.Script}}" defer></script>`))
)

// Button returns HTML with a button that signs the user in or, if the request
// is signed in, with the user and a button that signs out: a form, which may
// stand in a div but not in a p. It also works inside an iframe, and without
// JavaScript it is a plain link. The page needs [Client.ButtonAssets] as well.
//
// Any other element becomes such a button with the attribute
// data-hfoauth-login; data-hfoauth-next is the path to return to. With several
// Clients on one page, the value of data-hfoauth-login is Config.LoginPath of
// the one it belongs to; if it is empty, the element belongs to the first Client
// whose assets the page loads. An element that is neither a link nor a button
// must be present when the page loads; a form cannot be one. The Hub's own
// badge, for example:
//
//	<a href="/login" data-hfoauth-login><img alt="Sign in with Hugging Face"
//	  src="https://huggingface.co/datasets/huggingface/badges/resolve/main/sign-in-with-huggingface-lg.svg"></a>
func (c *Client) Button(r *http.Request, options ButtonOptions) template.HTML {
	if options.Next == "" {
		options.Next = c.paths.pageOf(r)
	}
	user, err := c.UserFromRequest(r)
	if err != nil {
		return c.pages.signInButton(r, options, "")
	}
	return c.pages.userButton(r, options, user)
}

// userButton returns the button for a user who is signed in.
func (p *pages) userButton(r *http.Request, options ButtonOptions, user *User) template.HTML {
	return render(userTemplate, map[string]any{
		"Class":    buttonClass(options),
		"Label":    cmp.Or(options.LogoutLabel, p.words(r)("Sign out")),
		"Next":     p.paths.returnTo(options.LogoutNext),
		"Picture":  user.Picture,
		"URL":      p.paths.logout,
		"Username": user.Username,
	})
}

// signInButton returns the button for a visitor who is not signed in; sealed are
// LoginOptions for the tab that signs in for an iframe.
func (p *pages) signInButton(r *http.Request, options ButtonOptions, sealed string) template.HTML {
	return render(signInTemplate, map[string]any{
		"Class":   buttonClass(options),
		"Emoji":   p.provider == huggingFace,
		"Label":   cmp.Or(options.Label, p.words(r)("Sign in with %s", p.provider)),
		"Login":   p.paths.login,
		"NewTab":  framed(r),
		"Next":    p.paths.returnTo(options.Next),
		"Options": sealed,
		"URL":     p.paths.loginURL(options.Next),
	})
}

// ButtonAssets returns the HTML that loads the style sheet and the script of
// buttons, for the head of a page. A page that is not made by Go finds them at
// hfoauth.css and hfoauth.js below LoginPath/frame/. A Content-Security-Policy
// needs script-src, style-src and connect-src 'self' for them, and img-src for
// users' pictures.
func (c *Client) ButtonAssets() template.HTML {
	return render(assetsTemplate, map[string]string{"Style": c.pages.style.path, "Script": c.pages.script.path})
}

func buttonClass(options ButtonOptions) string {
	return "hfoauth-button hfoauth-" + cmp.Or(options.Size, "lg") + " hfoauth-" + cmp.Or(options.Theme, "auto")
}

// render executes one of our own templates, which fit their data.
func render(t *template.Template, data any) template.HTML {
	var html strings.Builder
	if err := t.Execute(&html, data); err != nil {
		return ""
	}
	return template.HTML(html.String())
}
