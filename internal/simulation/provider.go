package simulation

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

var errNetwork = errors.New("simulation: connection reset by peer")

// provider is the OpenID provider.
type provider struct {
	w       *world
	serial  int
	codes   map[string]*grant
	access  map[string]*accessToken
	refresh map[string]*grant
}

// grant is the consent that a user gave the app at one sign-in, with everything
// issued for it.
type grant struct {
	user, nonce, challenge, scope string

	revoked bool      // by the user, or for reuse
	current string    // refresh token
	expiry  time.Time // of the latest access token
	issued  time.Time // of the latest tokens
	lastUse *use      // the use for which the latest tokens were issued
	saved   bool      // the latest tokens are kept outside the process that got them
	uses    map[string][]*use
	sent    []*use // all of them

	doubled time.Time // when two processes last sent the same one

	issues     int            // how often tokens were issued
	generation map[string]int // of each refresh token: the number of its issue

	claimable bool     // by an iframe
	answered  bool     // a callback signed in with it
	session   *session // that began with it
}

type accessToken struct {
	grant  *grant
	expiry time.Time
	own    string // the user, of a user access token
}

// use is one use of a code or a refresh token by a process.
type use struct {
	proc       *process
	call       *call
	at         time.Time
	status     int // that the process received, 0 if none
	grant      *grant
	generation int // of what was issued
}

// signingKey is small: a run makes many ID tokens.
var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	return key
})

func newProvider(w *world) *provider {
	return &provider{w: w, codes: map[string]*grant{}, access: map[string]*accessToken{}, refresh: map[string]*grant{}}
}

// token returns a secret that is the same in every run.
func (p *provider) token(prefix string) string {
	p.serial++
	return fmt.Sprintf("%s%032d", prefix, p.serial)
}

// authorize is the browser at the provider: the person consents and is sent back
// with a code.
func (p *provider) authorize(address *url.URL, person string) (back string, g *grant) {
	query := address.Query()
	code := p.token("code")
	g = &grant{
		user: person, nonce: query.Get("nonce"), challenge: query.Get("code_challenge"), scope: query.Get("scope"),
		uses: map[string][]*use{}, generation: map[string]int{},
	}
	p.codes[code] = g
	return query.Get("redirect_uri") + "?" + url.Values{"code": {code}, "state": {query.Get("state")}}.Encode(), g
}

// revoke ends all grants that a user gave the app.
func (p *provider) revoke(person string) {
	for _, grants := range []map[string]*grant{p.codes, p.refresh} {
		for _, g := range grants {
			if g.user == person {
				g.revoked = true
			}
		}
	}
}

// transport connects a process to the provider.
type transport struct{ proc *process }

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	var form url.Values
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		req.Body.Close()
		if err != nil {
			return nil, err
		}
		if form, err = url.ParseQuery(string(body)); err != nil {
			return nil, err
		}
	}
	w, proc := t.proc.w, t.proc
	var status int
	var answer string
	var sent *use
	caller := callerOf(req.Context())
	c := &call{name: fmt.Sprintf("%s %s provider %s", caller, proc.name, req.URL.Path), proc: proc}
	c.arrive = func(c *call) {
		sent = &use{proc: proc, call: c, at: time.Now()}
		proc.asks(caller)
		if form.Get("grant_type") == "refresh_token" {
			w.oracle.refreshSent(form.Get("refresh_token"), sent)
		}
		f := w.provider.fate(c.id)
		w.counts["provider "+req.URL.Path]++
		if f.what != "" {
			w.counts["provider "+f.what]++
			w.driver.log("%s: %s", c.id, f.what)
		}
		w.driver.service(c, f, func() {
			if strings.HasPrefix(f.what, "status") {
				status, answer = http.StatusServiceUnavailable, `{}`
				return
			}
			var told string
			status, answer, told = w.provider.answer(sent, req, form)
			w.driver.log("%s: %d %s", c.id, status, told)
		}, func() {
			if c.err == nil {
				w.oracle.heard(sent, status)
			}
		})
	}
	if err := w.driver.do(req.Context(), c); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(answer)), ContentLength: int64(len(answer)), Request: req,
	}, nil
}

// fate decides what happens to a request.
func (p *provider) fate(id string) fate {
	d := p.w.dice
	quick := fate{effect: d.between(0, 50*time.Millisecond, id+" effect"),
		answer: d.between(0, 50*time.Millisecond, id+" answer")}
	f := p.w.faults
	if !p.w.faulty(id) {
		return quick
	}
	kinds := []struct {
		p    float64
		fate fate
	}{
		{f.Provider5xx, fate{quick.effect, quick.answer, nil, "status 503"}},
		{f.ProviderError, fate{never, quick.answer, errNetwork, "error before"}},
		{f.ProviderLost, fate{quick.effect, quick.answer, errNetwork, "answer lost"}},
		{f.ProviderSlow, fate{d.between(50*time.Millisecond, 9*time.Second, id+" slow"),
			d.between(0, 5*time.Second, id+" slow answer"), nil, "slow"}},
		{f.ProviderSilent, fate{never, never, nil, "silence"}},
	}
	at := d.fraction(id + " fault")
	for _, k := range kinds {
		if at < k.p {
			return k.fate
		}
		at -= k.p
	}
	return quick
}

// answer returns the provider's response to a request.
func (p *provider) answer(u *use, req *http.Request, form url.Values) (status int, body, told string) {
	switch req.URL.Path {
	case "/.well-known/openid-configuration":
		issuer := p.w.site.Provider
		return 200, fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,`+
			`"userinfo_endpoint":%q,"jwks_uri":%q,"id_token_signing_alg_values_supported":["RS256"]}`,
			issuer, issuer+"/oauth/authorize", issuer+"/oauth/token", issuer+"/oauth/userinfo",
			issuer+"/oauth/jwks"), "metadata"
	case "/oauth/jwks":
		public := signingKey().PublicKey
		return 200, fmt.Sprintf(`{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"1","n":%q,"e":%q}]}`,
			encode(public.N.Bytes()), encode(big.NewInt(int64(public.E)).Bytes())), "keys"
	case "/oauth/token":
		return p.tokenEndpoint(u, form)
	case "/oauth/userinfo", "/api/whoami-v2":
		return p.user(req)
	}
	return 404, `{}`, "unknown"
}

func (p *provider) user(req *http.Request) (status int, body, told string) {
	t := p.access[strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")]
	if t == nil || !time.Now().Before(t.expiry) || t.grant != nil && t.grant.revoked {
		return 401, `{"error":"invalid_token"}`, "refused"
	}
	name := t.own
	if t.grant != nil {
		name = t.grant.user
	}
	if req.URL.Path == "/api/whoami-v2" {
		return 200, fmt.Sprintf(`{"type":"user","id":%q,"name":%q,"fullname":%q,"orgs":[]}`, subOf(name), name, name), name
	}
	return 200, fmt.Sprintf(`{"sub":%q,"preferred_username":%q,"name":%q,"orgs":[%s]}`, subOf(name),
		name, name, p.orgsOf(name)), name
}

// tokenEndpoint implements RFC 6749 sections 4.1.3 and 6: a code and a refresh
// token work once. If the provider detects reuse (RFC 9700 section 4.14.2), a
// refresh token that is sent again ends everything issued for its grant.
func (p *provider) tokenEndpoint(u *use, form url.Values) (status int, body, told string) {
	const dead = `{"error":"invalid_grant"}`
	switch form.Get("grant_type") {
	case "authorization_code":
		code := form.Get("code")
		g := p.codes[code]
		challenge := sha256.Sum256([]byte(form.Get("code_verifier")))
		if g == nil || g.revoked || encode(challenge[:]) != g.challenge {
			return 400, dead, "code refused"
		}
		delete(p.codes, code)
		return p.issue(u, g, g.nonce)
	case "refresh_token":
		token := form.Get("refresh_token")
		g := p.refresh[token]
		switch {
		case g == nil || g.revoked:
			return 400, dead, "refresh token refused"
		case g.current != token:
			if p.w.setup.Reuse {
				g.revoked = true
				return 400, dead, "refresh token used again, family revoked"
			}
			return 400, dead, "refresh token used again"
		}
		return p.issue(u, g, "")
	}
	return 400, `{"error":"unsupported_grant_type"}`, "unsupported"
}

func (p *provider) issue(u *use, g *grant, nonce string) (status int, body, told string) {
	now := time.Now()
	lifetime := p.w.setup.Lifetime
	access := p.token("hf_oauth_")
	p.access[access] = &accessToken{grant: g, expiry: now.Add(lifetime)}
	g.expiry, g.issued = now.Add(lifetime), now
	refresh := ""
	if !p.w.setup.NoRefresh {
		g.current = p.token("hf_refresh_")
		p.refresh[g.current] = g
		refresh = fmt.Sprintf(`,"refresh_token":%q`, g.current)
	}
	u.grant = g
	p.w.oracle.issued(g, u)
	return 200, fmt.Sprintf(`{"access_token":%q,"token_type":"bearer","expires_in":%d,"scope":%q,"id_token":%q%s}`,
		access, int(lifetime/time.Second), g.scope, p.idToken(g, nonce), refresh), "tokens of " + g.user
}

func (p *provider) idToken(g *grant, nonce string) string {
	now := time.Now().Unix()
	if nonce != "" {
		nonce = fmt.Sprintf(`,"nonce":%q`, nonce)
	}
	payload := encode([]byte(`{"alg":"RS256","kid":"1"}`)) + "." + encode(fmt.Appendf(nil,
		`{"iss":%q,"aud":%q,"sub":%q,"iat":%d,"exp":%d%s}`, p.w.site.Provider, p.w.site.ClientID,
		subOf(g.user), now, now+3600, nonce))
	hash := sha256.Sum256([]byte(payload))
	signature, err := rsa.SignPKCS1v15(nil, signingKey(), crypto.SHA256, hash[:])
	if err != nil {
		panic(err)
	}
	return payload + "." + encode(signature)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// subOf is the stable ID of a user.
func subOf(name string) string {
	hash := sha256.Sum256([]byte(name))
	return fmt.Sprintf("%x", hash[:12])
}

// crowd is a user in so many organizations that the session may not fit in a
// cookie.
const crowd = "crowd"

func (p *provider) orgsOf(name string) string {
	n := p.w.setup.Band
	if name == crowd {
		n = p.w.setup.Crowd
	}
	var orgs []string
	for i := range n {
		orgs = append(orgs, fmt.Sprintf(`{"sub":"%024d","name":"Organization number %d",`+
			`"preferred_username":"organization-%d","picture":"https://hub.example/avatars/%d.png",`+
			`"roleInOrg":"write"}`, i, i, i, i))
	}
	return strings.Join(orgs, ",")
}

type callerKey struct{}

// nobody is the caller if a process calls outside of a request, or does not pass
// the request's context.
const nobody = "background"

// callerOf returns the name of the operation that a call is part of.
func callerOf(ctx context.Context) string {
	if name, ok := ctx.Value(callerKey{}).(string); ok {
		return name
	}
	return nobody
}
