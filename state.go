package hfoauth

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hfoauth/hfoauth/internal/codec"
	"github.com/hfoauth/hfoauth/internal/expiring"
	"github.com/hfoauth/hfoauth/internal/seal"
)

const (
	attemptLifetime = 10 * time.Minute
	maxAttempts     = 8
	attemptTag      = 16 // hexadecimal digits
	// maxSpent is how many spent attempts are remembered, at about 150 bytes
	// each. One that is forgotten can be used once more.
	maxSpent = 100_000
)

// attempt is one click on "sign in": what the callback needs to know. It is
// sealed in its own cookie, so that tabs do not interfere with each other and
// any replica can finish what another one started.
type attempt struct {
	random  [96]byte // state, nonce and verifier are made from it
	started time.Time
	scopes  Scopes // the requested ones

	// optional are the scopes to leave out if the provider refuses them.
	optional Scopes

	next string // return path

	// askedOrgs are the organizations whose resources are requested now, or
	// were at the earlier sign-ins that led to this one.
	askedOrgs []string

	// challenge is the hash of the secret with which an iframe will claim the
	// session, if the sign-in was started there.
	challenge string

	silent bool // the user must not be asked anything
}

// attemptError is the failure of an attempt that the provider answered.
type attemptError struct {
	error
	attempt *attempt
}

func (e *attemptError) Unwrap() error { return e.error }

func newAttempt(now time.Time, scopes Scopes, next string) *attempt {
	a := &attempt{started: now, scopes: scopes, next: next}
	rand.Read(a.random[:])
	return a
}

func (a *attempt) state() string    { return text(a.random[:32]) }   // RFC 6749 section 10.12
func (a *attempt) nonce() string    { return text(a.random[32:64]) } // OpenID Connect Core section 15.5.2
func (a *attempt) verifier() string { return text(a.random[64:]) }   // RFC 7636 section 4.1

func (a *attempt) fields(c *codec.Coder) {
	c.Version(1)
	c.Array(a.random[:])
	c.Time(&a.started)
	codec.Texts(c, (*[]Scope)(&a.scopes))
	codec.Texts(c, (*[]Scope)(&a.optional))
	codec.Texts(c, &a.askedOrgs)
	c.String(&a.next)
	c.String(&a.challenge)
	c.Bools(&a.silent)
}

// options returns what begins the attempt again.
func (a *attempt) options() LoginOptions {
	options := LoginOptions{Scopes: a.scopes.without(a.optional...), Next: a.next, optional: a.optional}
	if len(a.askedOrgs) > 0 {
		options.Org, options.askedOrgs = a.askedOrgs[0], a.askedOrgs[1:]
	}
	return options
}

// attempts keeps login attempts in cookies.
type attempts struct {
	cookies *cookieRules
	sealer  *seal.Sealer
	spent   *expiring.Map[[32]byte, struct{}] // attempts that were used, by their states
	now     func() time.Time
}

func newAttempts(config *Config, cookies *cookieRules, now func() time.Time) (*attempts, error) {
	sealer, err := config.newSealer("attempt")
	if err != nil {
		return nil, err
	}
	return &attempts{cookies, sealer, expiring.New[[32]byte, struct{}](maxSpent, 0), now}, nil
}

// text encodes state, nonce and verifier as 43 characters that need no
// escaping.
func text(random []byte) string {
	var buffer [43]byte
	return string(base64.RawURLEncoding.AppendEncode(buffer[:0], random))
}

// name returns the name of the cookie of the attempt with this state:
// a hash, so that the name does not reveal the state.
func (t *attempts) name(state string) string {
	hash := sha256.Sum256([]byte(state))
	var buffer [attemptTag]byte
	return t.cookies.attempt + string(hex.AppendEncode(buffer[:0], hash[:attemptTag/2]))
}

// keep puts an attempt into its cookie. If this browser then has too many
// attempts, the oldest are removed.
func (t *attempts) keep(w http.ResponseWriter, r *http.Request, a *attempt) {
	name := t.name(a.state())
	value := encodeCookie(t.sealer.Seal(codec.Encode(256, a.fields), name))
	t.drop(w, r, maxAttempts-1, t.cookies.attemptBytes()-cookieSize(name, value)-t.cookies.denialSize(r))
	t.cookies.set(w, name, value, attemptLifetime)
}

// drop expires the attempt cookies of a request that cannot be used,
// and the oldest of the others beyond the limits.
func (t *attempts) drop(w http.ResponseWriter, r *http.Request, limit, bytes int) {
	type open struct {
		name    string
		size    int
		started time.Time
	}
	var attempts []open
	looked := 0
	for name, value := range requestCookies(r) {
		tag, ok := strings.CutPrefix(name, t.cookies.attempt)
		if !ok || len(tag) != attemptTag || strings.Trim(tag, "0123456789abcdef") != "" {
			continue
		}
		if looked++; looked > 2*maxAttempts {
			break // not a browser's request: do no more work for it
		}
		if a := t.open(name, value); a != nil {
			attempts = append(attempts, open{name, cookieSize(name, value), a.started})
		} else {
			t.cookies.remove(w, name)
		}
	}
	slices.SortFunc(attempts, func(a, b open) int {
		return cmp.Or(b.started.Compare(a.started), cmp.Compare(a.name, b.name))
	})
	for _, a := range attempts {
		limit--
		bytes -= a.size
		if limit < 0 || bytes < 0 {
			t.cookies.remove(w, a.name)
		}
	}
}

// open returns the attempt in a cookie, or nil if the cookie is not ours
// or the attempt has expired.
func (t *attempts) open(name, value string) *attempt {
	sealed, err := decodeCookie(value)
	if err != nil {
		return nil
	}
	plain, err := t.sealer.Open(sealed, name)
	if err != nil {
		return nil
	}
	a := &attempt{}
	if codec.Decode(plain, a.fields) != nil || !t.now().Before(a.started.Add(attemptLifetime)) {
		return nil
	}
	return a
}

// take returns this browser's attempt with the given state, once, and
// removes its cookie; otherwise the error wraps ErrState. A copy of the cookie
// does not bring the attempt back in this process, so that each attempt costs
// the provider one call, however many codes are invented for it.
func (t *attempts) take(w http.ResponseWriter, r *http.Request, state string) (*attempt, error) {
	if state == "" {
		return nil, stateError("the request has no state, or several")
	}
	name := t.name(state)
	found := 0
	for cookie, value := range requestCookies(r) {
		if cookie != name {
			continue
		}
		if found++; found > maxSameName {
			break // not a browser's request: do no more work for it
		}
		t.cookies.remove(w, name)
		a := t.open(name, value)
		if a == nil || subtle.ConstantTimeCompare([]byte(a.state()), []byte(state)) != 1 {
			continue
		}
		if !t.spent.PutNew(sha256.Sum256([]byte(state)), struct{}{}, 0, t.now(), a.started.Add(attemptLifetime)) {
			return nil, stateError("the sign-in was finished already")
		}
		return a, nil
	}
	if found > 0 {
		return nil, stateError("the sign-in was started too long ago, or under other session keys")
	}
	return nil, stateError("this browser did not start this sign-in, or finished it already")
}
