package hfoauth

import (
	"net/http"
	"slices"
	"time"

	"github.com/hfoauth/hfoauth/internal/codec"
	"github.com/hfoauth/hfoauth/internal/sessions"
)

// denial is what the user of a session was asked for and did not grant, so that
// no page asks for it again until the user clicks. It is sealed in a cookie
// beside the session's and not part of the session, because another replica may
// be renewing that at this moment: the older of two refresh tokens must not
// come back.
type denial struct {
	session sessions.ID
	scopes  Scopes
	orgs    []string // IDs
}

func (d *denial) fields(c *codec.Coder) {
	c.Version(1)
	c.Array(d.session[:])
	codec.Texts(c, (*[]Scope)(&d.scopes))
	codec.Texts(c, &d.orgs)
}

// denialOf returns what the user of a session denied.
func (t *attempts) denialOf(r *http.Request, e *entry) *denial {
	left := maxSameName
	for name, value := range requestCookies(r) {
		if name != t.cookies.denial {
			continue
		}
		if left--; left < 0 {
			break
		}
		sealed, err := decodeCookie(value)
		if err != nil {
			continue
		}
		plain, err := t.sealer.Open(sealed, name)
		d := &denial{}
		if err == nil && codec.Decode(plain, d.fields) == nil && d.session == e.ID {
			return d
		}
	}
	return &denial{session: e.ID}
}

// keepDenial remembers that the user of a request's session, if there is one,
// denied what an attempt asked for.
func (c *Client) keepDenial(w http.ResponseWriter, r *http.Request, a *attempt) {
	e, err := c.session(r)
	if err != nil || e.Started.Sub(a.started) >= time.Millisecond { // the attempt was of the session before
		return
	}
	d := c.attempts.denialOf(r, e)
	d.scopes = d.scopes.with(a.scopes.without(e.Data.scopes...)...)
	for _, org := range a.askedOrgs {
		if !slices.Contains(d.orgs, org) {
			d.orgs = append(d.orgs, org)
		}
	}
	name := c.cookies.denial
	value := encodeCookie(c.attempts.sealer.Seal(codec.Encode(256, d.fields), name))
	for len(value) > maxDenial && len(d.orgs)+len(d.scopes) > 0 { // forget the oldest
		if len(d.orgs) > 0 {
			d.orgs = d.orgs[1:]
		} else {
			d.scopes = d.scopes[1:]
		}
		value = encodeCookie(c.attempts.sealer.Seal(codec.Encode(256, d.fields), name))
	}
	c.cookies.set(w, name, value, e.End.Sub(c.now()))
}

// maxDenial bounds the value of a denial's cookie.
const maxDenial = 360

// denialSize is how much of a request's header denials take.
func (c *cookieRules) denialSize(r *http.Request) int {
	size := 0
	for name, value := range requestCookies(r) {
		if name == c.denial {
			size += cookieSize(name, value)
		}
	}
	return size
}
