package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// slack is how far clocks may be apart, and how exactly ends are asked for.
const slack = 3 * time.Minute

const (
	idleLifetime = 30 * 24 * time.Hour // of a session with a refresh token
	maxHeader    = 8000
)

// oracle knows what should be: which sessions there are, whose they are, and
// which of them must be let in, or must not.
type oracle struct {
	w          *world
	violations []Violation
	sessions   []*session
	values     map[string]*session // by the value of a cookie
	claims     map[string]*grant   // by the challenge of an iframe
	loggedOut  map[string]time.Time
}

// session is a sign-in that the app told a browser of.
type session struct {
	n       int
	user    string
	grant   *grant
	started time.Time
	value   string // of the first cookie
	shared  bool   // with an iframe
	claimed bool

	ending  bool                 // somebody began to end it
	ended   time.Time            // by when it must be over, everywhere
	endedBy string               // the rule that demands it
	endedAt map[string]time.Time // by when it must be over at a process
	excused string               // why it may be lost
}

func newOracle(w *world) *oracle {
	return &oracle{w: w, values: map[string]*session{}, claims: map[string]*grant{}, loggedOut: map[string]time.Time{}}
}

func (o *oracle) violated(rule, format string, args ...any) {
	v := Violation{rule, fmt.Sprintf(format, args...), o.w.driver.elapsed()}
	o.violations = append(o.violations, v)
	o.w.driver.log("VIOLATED %s", v)
}

// must returns the rule by which a session must not be let in by a process,
// or "".
func (s *session) must(p *process) string {
	now := time.Now()
	if !s.ended.IsZero() {
		return s.endedBy
	}
	if at, ok := s.endedAt[p.name]; ok && !at.After(now) {
		return "sign-out"
	}
	maxAge := p.w.site.MaxAge
	if maxAge > 0 && now.After(s.started.Add(maxAge+slack)) {
		return "age"
	}
	if s.grant.current == "" && now.After(s.grant.expiry.Add(slack)) {
		return "age"
	}
	return ""
}

// live reports whether a session must be let in by a process.
func (s *session) live(p *process) bool {
	now := time.Now()
	if s.ending || s.excused != "" || !s.ended.IsZero() || s.grant.revoked {
		return false
	}
	if _, ok := s.endedAt[p.name]; ok {
		return false
	}
	if p.w.setup.Store == "" && len(p.w.replicas) > 1 {
		return false // accepted: cookie-only sessions on several replicas
	}
	if maxAge := p.w.site.MaxAge; maxAge > 0 && !now.Before(s.started.Add(maxAge-slack)) {
		return false
	}
	if s.grant.current == "" {
		return now.Before(s.grant.expiry.Add(-slack))
	}
	return now.Before(s.grant.issued.Add(idleLifetime-slack)) && s.grant.heard()
}

// heard reports whether the tokens that the provider issued last have
// reached a process.
func (g *grant) heard() bool { return g.lastUse == nil || g.lastUse.status == 200 }

// started notes what is expected of a request when it reaches its replica.
func (o *oracle) started(x *exchange) {
	x.cookies = slices.DeleteFunc(x.cookies, func(c sent) bool {
		return c.name != x.proc.app.SessionCookie && c.name != x.proc.app.FrameCookie
	})
	for i := range x.cookies {
		c := &x.cookies[i]
		if c.session = o.values[c.value]; c.session != nil {
			c.must, c.live = c.session.must(x.proc), c.session.live(x.proc)
		}
	}
	if x.path == logoutPath {
		for _, c := range x.cookies {
			if c.session != nil {
				c.session.ending = true
			}
		}
	}
	if x.path == callbackPath || x.path == framePath+"claim" {
		for _, c := range x.cookies {
			if c.session != nil && !c.session.shared {
				c.session.ending = true // it may be replaced
			}
		}
	}
}

// signedOut reports whether an answer says that nobody is signed in.
func (x *exchange) signedOut() bool {
	switch x.path {
	case "/", "/program":
		return x.status == 200 && x.user == "" || x.status == 401
	case "/private", "/token":
		return x.status == 401 || x.status == 303 && strings.HasPrefix(x.location, loginPath)
	case framePath + "check":
		return x.status == 200 && strings.Contains(x.body, "false")
	}
	return false
}

// handled asks the promises about an answer.
func (o *oracle) handled(x *exchange) {
	w := o.w
	if x.panicked != nil {
		o.violated("status", "%s panicked: %v", x.name, x.panicked)
		return
	}
	o.bound(x)
	o.status(x)
	o.newCookies(x)
	switch {
	case x.bearer != "":
		o.program(x)
	case x.user != "":
		o.letIn(x)
	case x.signedOut():
		for _, c := range x.cookies {
			if c.live && c.session.live(x.proc) {
				rule := "lost"
				if at, ok := o.loggedOut[c.session.user]; ok && c.session.started.After(at) {
					rule = "stillborn"
				}
				o.violated(rule, "%s at %s: session %d of %s is refused", x.name, x.proc.name, c.session.n, c.session.user)
			}
		}
	}
	if x.path == logoutPath {
		o.logout(x)
	}
	if x.path == callbackPath && x.status == 303 || x.path == framePath+"claim" && strings.Contains(x.body, "true") {
		o.superseded(x)
	}
	w.counts[fmt.Sprintf("answer %s %d", x.path, x.status)]++
}

// letIn asks whether the user of an answer may be shown.
func (o *oracle) letIn(x *exchange) {
	problem := ""
	for _, c := range x.cookies {
		switch {
		case c.session == nil || c.session.user != x.user:
		case c.must == "":
			o.fresh(x, c.session)
			return
		default:
			problem = c.must
		}
	}
	if problem == "" {
		o.violated("other user", "%s shows %s", x.name, x.user)
		return
	}
	o.violated(problem, "%s at %s lets %s in: %s", x.name, x.proc.name, x.user, o.describe(x))
}

// fresh asks whether the access token that an app gets is its user's and good.
func (o *oracle) fresh(x *exchange, s *session) {
	if x.token == "" {
		return
	}
	t := o.w.provider.access[x.token]
	switch {
	case t == nil || t.grant == nil || t.grant.user != x.user:
		o.violated("other user", "%s has a token that is not of %s", x.name, x.user)
	case time.Now().After(t.expiry.Add(slack)):
		o.violated("token", "%s has a token that expired %s ago", x.name, time.Since(t.expiry))
	}
}

// program asks about a request with a bearer token.
func (o *oracle) program(x *exchange) {
	t := o.w.provider.access[x.bearer]
	owner := ""
	if t != nil {
		owner = t.own
		if t.grant != nil {
			owner = t.grant.user
		}
	}
	if x.user != "" && x.user != owner {
		o.violated("other user", "%s with a token of %s shows %s", x.name, owner, x.user)
	}
	if x.user != "" && time.Now().After(t.expiry.Add(slack)) {
		o.violated("token", "%s is let in with a token that expired %s ago", x.name, time.Since(t.expiry))
	}
}

// newCookies learns of the sessions that an answer sets cookies for.
func (o *oracle) newCookies(x *exchange) {
	for _, line := range x.set {
		pair, _, _ := strings.Cut(line, ";")
		name, value, _ := strings.Cut(pair, "=")
		if value == "" || name != x.proc.app.SessionCookie && name != x.proc.app.FrameCookie {
			continue
		}
		switch x.path {
		case callbackPath:
			o.signIn(x, value)
		case framePath + "claim":
			o.claim(x, value)
		default:
			o.renewed(x, name, value)
		}
	}
}

func (o *oracle) signIn(x *exchange, value string) {
	g := x.grant
	if g == nil {
		o.violated("other user", "%s signs in without the provider", x.name)
		return
	}
	switch {
	case g.answered:
		o.violated("state", "%s signs in twice with one state", x.name)
	case g.session == nil: // else the iframe was faster
		o.begin(g, x, value)
	default:
		o.values[value] = g.session
	}
	g.answered = true
}

// begin adds a session.
func (o *oracle) begin(g *grant, x *exchange, value string) {
	s := &session{n: len(o.sessions) + 1, user: g.user, grant: g, started: time.Now(), value: value, endedAt: map[string]time.Time{}}
	g.session = s
	s.shared = g.claimable
	o.sessions = append(o.sessions, s)
	o.values[value] = s
	o.w.storeKeys[x.proc.app.StoreKey(value)] = s
	o.w.driver.log("session %d of %s begins", s.n, s.user)
	if o.w.setup.Store == "" && g.claimable { // two copies, of which the iframe's is renewed
		s.excused = "in the tab it ends with its access token"
	}
}

// expectClaim notes that an iframe may claim what a grant leads to.
func (o *oracle) expectClaim(challenge string, g *grant) {
	o.claims[challenge] = g
	g.claimable = true
}

func (o *oracle) claim(x *exchange, value string) {
	g := o.claims[challengeOf(x.form.Get("verifier"))]
	if g == nil {
		o.violated("other user", "%s: nobody parked a session there", x.name)
		return
	}
	if g.session == nil { // the tab has no answer, or that of a failure
		o.begin(g, x, value)
	}
	s := g.session
	if s.claimed {
		o.violated("claim", "%s: session %d was claimed before", x.name, s.n)
	}
	s.claimed = true
	o.values[value] = s
}

// renewed learns of a cookie that comes in place of another one.
func (o *oracle) renewed(x *exchange, name, value string) {
	for _, c := range x.cookies {
		if c.name == name && c.session != nil {
			if known := o.values[value]; known != nil && known != c.session {
				o.violated("other user", "%s sets a cookie of another session", x.name)
			}
			o.values[value] = c.session
			if rule := c.session.must(x.proc); rule != "" {
				o.violated("crossed", "%s sets a cookie of session %d, which has ended", x.name, c.session.n)
			}
			return
		}
	}
	o.violated("other user", "%s sets a session cookie for nobody", x.name)
}

// logout notes what a sign-out promises.
func (o *oracle) logout(x *exchange) {
	for _, c := range x.cookies {
		s := c.session
		if s == nil {
			continue
		}
		if x.status == 303 && o.w.setup.Store != "" {
			o.end(s, "sign-out")
		} else {
			s.endedAt[x.proc.name] = time.Now()
		}
	}
}

func (o *oracle) end(s *session, rule string) {
	if s.ended.IsZero() && s.excused != "the store lost writes" {
		s.ended, s.endedBy = time.Now(), rule
		o.w.driver.log("session %d must be over: %s", s.n, rule)
	}
}

// superseded ends the sessions in whose place a new one came.
func (o *oracle) superseded(x *exchange) {
	for _, c := range x.cookies {
		s := c.session
		switch {
		case s == nil || o.w.setup.Store == "":
		case x.path == callbackPath && (s.shared || c.name == x.proc.app.FrameCookie):
		case x.path != callbackPath && c.name != x.proc.app.FrameCookie:
		case x.grant != nil && x.grant.session == s:
		case x.path == framePath+"claim" && o.claims[challengeOf(x.form.Get("verifier"))].session == s:
		default:
			o.end(s, "superseded")
		}
	}
}

// kept looks at what became of a cookie in the browser.
func (o *oracle) kept(x *exchange, name, before string, now *cookie) {
	if now == nil || name != x.proc.app.SessionCookie && name != x.proc.app.FrameCookie {
		return
	}
	s := o.values[now.value]
	if s == nil || x.path == callbackPath || x.path == framePath+"claim" {
		return
	}
	s.grant.saved = true
	old := o.values[before]
	switch {
	case old != nil && old != s && old.started.After(s.started):
		o.violated("crossed", "%s: session %d comes back in place of session %d", x.name, s.n, old.n)
	case o.w.setup.Store != "" && !s.ended.IsZero():
		o.violated("crossed", "%s: the cookie of session %d, which has ended, comes back", x.name, s.n)
	}
}

// header asks for the size of the header Cookie.
func (o *oracle) header(x *exchange, line string) {
	if len(line) > maxHeader {
		o.violated("header", "%s sends %d bytes of cookies", x.name, len(line))
	}
}

// bound asks how long a request took.
func (o *oracle) bound(x *exchange) {
	const margin = 50 * time.Millisecond
	took, limit := time.Since(x.started), 13*time.Second
	switch x.path {
	case "/", logoutPath, framePath + "claim", framePath + "check", framePath + "done":
		limit = time.Second
	}
	if took > limit+margin {
		o.violated("bound", "%s took %s, more than %s", x.name, took, limit)
	}
}

// statuses are those that are documented for each address.
var statuses = map[string][]int{
	"/":                 {200, 503},
	"/private":          {200, 303, 401, 502, 503},
	"/token":            {200, 303, 401, 502, 503},
	"/program":          {200, 401, 403, 502, 503},
	loginPath:           {200, 303, 401, 502, 503}, // 200 inside iframes
	callbackPath:        {303, 400, 403, 502, 503},
	logoutPath:          {303, 503},
	framePath + "popup": {200, 502, 503},
	framePath + "claim": {200, 503},
	framePath + "check": {200, 503},
	framePath + "done":  {200},
}

// status asks for a documented status, and without faults for success.
func (o *oracle) status(x *exchange) {
	if !slices.Contains(statuses[x.path], x.status) {
		o.violated("status", "%s: %d %s", x.name, x.status, x.body)
	}
	if x.status >= 500 && o.w.calm() {
		o.violated("calm", "%s: %d without a fault: %s", x.name, x.status, x.body)
	}
}

// unclaimed is an iframe that gets no session though its tab is signed in.
func (o *oracle) unclaimed(f *flow, challenge string) {
	if g := o.claims[challenge]; g != nil && g.session != nil && !g.session.claimed && !g.session.ending && g.session.excused == "" {
		o.violated("unclaimed", "%s: the tab is signed in, the iframe gets nothing", f.id)
	}
}

// refreshSent notes that a process sends a refresh token, and asks whether it
// may.
func (o *oracle) refreshSent(token string, u *use) {
	g := o.w.provider.refresh[token]
	if g == nil {
		return
	}
	p, c := u.proc, u.call
	for _, before := range g.uses[token] {
		open := !before.call.answered && !before.call.abandoned
		switch {
		case before.proc == p && (open || before.status != 0 && before.status < 500):
			o.violated("refresh twice", "%s sends a refresh token of %s again", c.id, g.user)
		case before.proc != p && !before.proc.dead && (open || before.status == 200 && g.saved):
			o.w.counts["races"]++
			if o.w.setup.Store == "swap" {
				o.violated("race", "%s sends a refresh token of %s that %s has sent", c.id, g.user, before.proc.name)
			}
		}
	}
	g.uses[token] = append(g.uses[token], u)
}

// issued notes that the provider issued tokens to a process.
func (o *oracle) issued(g *grant, u *use) {
	g.lastUse, g.saved = u, false
	o.w.counts["issued"]++
}

// stored notes that a process wrote something.
func (o *oracle) stored(p *process, key string) {
	if s := o.w.storeKeys[key]; s != nil && s.grant.lastUse != nil && s.grant.lastUse.proc == p && s.grant.lastUse.status == 200 {
		s.grant.saved = true
	}
}

// settled is when all faults are over and had time to be made good for.
func (o *oracle) settled() {
	for _, s := range o.sessions {
		for _, p := range o.w.replicas {
			if _, ok := s.endedAt[p.name]; ok && o.w.setup.Store != "" {
				o.end(s, "sign-out")
			}
		}
	}
}

// died excuses the sessions whose tokens were in a process alone.
func (o *oracle) died(p *process) {
	for _, s := range o.sessions {
		if u := s.grant.lastUse; u != nil && u.proc == p && !s.grant.saved {
			o.excuse(s, "tokens died with a process")
		}
	}
}

func (o *oracle) excuse(s *session, why string) {
	if s.excused == "" {
		s.excused = why
		o.w.driver.log("session %d may be lost: %s", s.n, why)
	}
}

// failedOver forgets what was promised: an acknowledged write is lost.
func (o *oracle) failedOver() {
	for _, s := range o.sessions {
		s.excused, s.ended = "the store lost writes", time.Time{}
	}
}

func (o *oracle) logoutUserBegins(person string) {
	for _, s := range o.sessions {
		if s.user == person {
			s.ending = true
		}
	}
}

func (o *oracle) logoutUserReturned(person string, began time.Time, err error) {
	if err != nil {
		return
	}
	o.loggedOut[person] = time.Now()
	for _, s := range o.sessions {
		if s.user == person && s.started.Before(began) {
			o.end(s, "logout user")
		}
	}
}

// describe lists the sessions in a request.
func (o *oracle) describe(x *exchange) string {
	var texts []string
	for _, c := range x.cookies {
		kind := "session"
		if x.proc != nil && c.name == x.proc.app.FrameCookie {
			kind = "frame"
		}
		switch {
		case c.session != nil:
			state := ""
			if c.must != "" {
				state = ", over by " + c.must
			} else if c.live {
				state = ", live"
			}
			texts = append(texts, fmt.Sprintf("%s cookie %s of session %d%s", kind, o.w.driver.alias("cookie", c.value), c.session.n, state))
		default:
			texts = append(texts, kind+" cookie of nothing")
		}
	}
	if x.bearer != "" {
		texts = append(texts, o.w.driver.alias("token", x.bearer))
	}
	if len(texts) == 0 {
		return "no session"
	}
	return strings.Join(texts, "; ")
}

// outcome describes an answer.
func (o *oracle) outcome(x *exchange) string {
	text := fmt.Sprint(x.status)
	if x.location != "" {
		path, _, _ := strings.Cut(x.location, "?")
		text += " to " + path
	}
	if x.user != "" {
		text += " as " + x.user
	}
	if x.path == framePath+"claim" || x.path == framePath+"check" {
		text += " " + strings.TrimSpace(x.body)
	}
	for _, line := range x.set {
		pair, attributes, _ := strings.Cut(line, ";")
		name, value, _ := strings.Cut(pair, "=")
		kind := ""
		switch {
		case name == x.proc.app.SessionCookie:
			kind = "session cookie"
		case name == x.proc.app.FrameCookie:
			kind = "frame cookie"
		default:
			kind = "other cookie"
		}
		age, _, _ := strings.Cut(strings.TrimPrefix(attributes, " Max-Age="), ";")
		if value == "" {
			text += ", removes " + kind
		} else {
			text += fmt.Sprintf(", sets %s %s for %ss", kind, o.w.driver.alias("cookie", value), age)
		}
	}
	return text
}
