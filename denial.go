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

// keepDenial remembers that the user of a session denied what an attempt asked
// for.
func (t *attempts) keepDenial(w http.ResponseWriter, r *http.Request, e *entry, a *attempt) {
	if e.Started.Sub(a.started) >= time.Millisecond { // an earlier session was asked
		return
	}
	d := t.denialOf(r, e)
	d.scopes = d.scopes.with(a.scopes.without(e.Data.scopes...)...)
	for _, org := range a.askedOrgs {
		if !slices.Contains(d.orgs, org) {
			d.orgs = append(d.orgs, org)
		}
	}
	t.cookies.set(w, t.cookies.denial, t.sealDenial(d), e.End.Sub(t.now()))
}

// maxDenial bounds the value of a denial's cookie, in bytes.
const maxDenial = 360

// sealDenial returns the value of a denial's cookie. If it would be too long, the
// oldest entries are dropped, so that pages may ask for them again.
func (t *attempts) sealDenial(d *denial) string {
	for {
		value := encodeCookie(t.sealer.Seal(codec.Encode(256, d.fields), t.cookies.denial))
		switch {
		case len(value) <= maxDenial:
			return value
		case len(d.orgs) > 0:
			d.orgs = d.orgs[1:]
		default:
			d.scopes = d.scopes[1:]
		}
	}
}

// denialSize returns how many bytes of a request's header denials take.
func (c *cookieRules) denialSize(r *http.Request) int {
	size := 0
	for name, value := range requestCookies(r) {
		if name == c.denial {
			size += cookieSize(name, value)
		}
	}
	return size
}
