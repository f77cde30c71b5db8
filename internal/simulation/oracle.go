package simulation

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// oracle knows which sessions exist, whose they are, and which of them must be
// accepted or refused.
type oracle struct {
	w          *world
	violations []Violation
	sessions   []*session
	values     map[string]*copied // by the value of a cookie
	claims     map[string]*grant  // by the challenge of an iframe
	logouts    map[string]*logouts
	accepted   map[string]int
	byID       map[string]*session
	lastDeath  time.Time // of a process
	lastLoss   time.Time // of writes
	listLost   bool      // the store lost the list of a user's sessions
}

func newOracle(w *world) *oracle {
	o := &oracle{w: w, values: map[string]*copied{}, claims: map[string]*grant{},
		logouts: map[string]*logouts{}, accepted: map[string]int{}, byID: map[string]*session{}}
	for _, person := range append(people, crowd) {
		o.logouts[person] = &logouts{}
	}
	return o
}

func (o *oracle) violated(rule, format string, args ...any) {
	v := Violation{rule, fmt.Sprintf(format, args...), o.w.driver.elapsed()}
	o.violations = append(o.violations, v)
	o.w.driver.log("VIOLATED %s", v)
}

// started records what is expected of a request when it reaches its replica.
func (o *oracle) started(x *exchange) {
	x.cookies = slices.DeleteFunc(x.cookies, func(c sent) bool {
		return c.name != x.proc.app.SessionCookie && c.name != x.proc.app.FrameCookie
	})
	for i := range x.cookies {
		c := &x.cookies[i]
		if c.copied = o.values[c.value]; c.copied != nil {
			c.session = c.copied.session
			c.must = c.session.must(x.proc)
			c.good = c.session.grant.good(x.proc)
			c.live, _ = c.copied.live(c.value, x.proc)
		}
	}
	for _, s := range x.mayEnd() {
		s.ending++
	}
}

// mayEnd returns the sessions that a request may end: by a sign-out, or because
// another session replaces them.
func (x *exchange) mayEnd() (sessions []*session) {
	for _, c := range x.cookies {
		switch {
		case c.session == nil:
		case x.path == logoutPath, x.replaces(c):
			sessions = append(sessions, c.session)
		}
	}
	return sessions
}

// replaces reports whether a new session of a request replaces that of a cookie.
// In an iframe it replaces the iframe's; in a tab, all except one that is shared
// with an iframe on another site.
func (x *exchange) replaces(c sent) bool {
	switch x.path {
	case callbackPath:
		return !c.session.shared || slices.ContainsFunc(x.cookies, func(other sent) bool {
			return other.session == c.session && other.name == x.proc.app.FrameCookie
		})
	case framePath + "claim":
		return c.name == x.proc.app.FrameCookie
	}
	return false
}

// endsNothing reports whether a response says that nothing was changed.
func (x *exchange) endsNothing() bool {
	return x.path == callbackPath && x.status >= 400 && x.status < 500 ||
		x.path == framePath+"claim" && x.status == 200 && !strings.Contains(x.body, `"signedIn":true`)
}

// signedOut reports whether a response says that no user is signed in.
func (x *exchange) signedOut() bool {
	switch x.path {
	case "/", "/program":
		return x.status == 200 && x.user == "" || x.status == 401
	case "/private", "/token", streamPath:
		return x.status == 401 || x.status == 303 && strings.HasPrefix(x.location, loginPath)
	case framePath + "check":
		return x.status == 200 && strings.Contains(x.body, "false")
	}
	return false
}

// handled checks the promises on a response.
func (o *oracle) handled(x *exchange) {
	switch {
	case x.panicked != nil:
		o.violated("status", "%s panicked: %v", x.name, x.panicked)
	case x.streams:
		o.streamed(x)
	default:
		o.answered(x)
	}
}

// answered checks the promises on the header of a response.
func (o *oracle) answered(x *exchange) {
	o.bound(x)
	o.waits(x)
	o.status(x)
	o.newCookies(x)
	switch {
	case x.bearer != "":
		o.program(x)
	case x.user != "":
		o.letIn(x)
	case x.signedOut():
		o.refused(x)
	}
	if x.endsNothing() {
		for _, s := range x.mayEnd() {
			s.ending--
		}
	}
	if x.path == logoutPath {
		o.logout(x)
	}
	if x.path == callbackPath && x.status == 303 ||
		x.path == framePath+"claim" && strings.Contains(x.body, `"signedIn":true`) {
		o.superseded(x)
	}
	o.w.counts[fmt.Sprintf("answer %s %d", x.path, x.status)]++
}

// refused checks that a response may say that no user is signed in.
func (o *oracle) refused(x *exchange) {
	for _, c := range x.cookies {
		s := c.session
		if s == nil {
			continue
		}
		live, accepted := c.copied.live(c.value, x.proc)
		if accepted != "" {
			o.accept(accepted)
		}
		switch {
		case c.live && live:
			rule := "lost"
			if last := o.logouts[s.user].last; !last.IsZero() && s.started.After(last) {
				rule = "stillborn"
			}
			switch {
			case x.path == framePath+"check":
				rule = "check"
			case slices.ContainsFunc(x.cookies,
				func(other sent) bool { return other.session != nil && other.session != s && !other.live }):
				rule = "shadowed"
			}
			o.violated(rule, "%s at %s: session %d of %s is refused", x.name, x.proc.name, s.n, s.user)
		case s.grant.revoked && len(x.cookies) == 1 && time.Now().After(s.grant.expiry.Add(slack)) && o.w.setup.Store != "":
			s.endedAt[x.proc.name] = "refused"
		}
	}
}

// letIn checks that the user of a response may be shown.
func (o *oracle) letIn(x *exchange) {
	problem := ""
	if len(x.cookies) == 1 && x.cookies[0].session != nil {
		o.names(x, x.cookies[0].session)
	}
	for _, c := range x.cookies {
		switch {
		case c.session == nil || c.session.user != x.user:
		case c.must == "":
			o.fresh(x, c.session)
			o.latest(x)
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

// latest checks that a place shows the user who signed in there last.
func (o *oracle) latest(x *exchange) {
	for _, c := range x.cookies {
		if s := x.expected; s != nil && c.session == s && c.live && s.ending == 0 && s.user != x.user {
			o.violated("hidden", "%s in the %s shows %s, but %s signed in there later", x.name, x.at, x.user, s.user)
			return
		}
	}
}

// fresh checks that the access token an app gets is valid and its user's.
func (o *oracle) fresh(x *exchange, s *session) {
	if x.token == "" {
		return
	}
	t := o.w.provider.access[x.token]
	switch {
	case t == nil || t.grant == nil || t.grant.user != x.user:
		o.violated("other user", "%s has a token that is not %s's", x.name, x.user)
	case time.Now().After(t.expiry.Add(slack)):
		o.violated("token", "%s has a token that expired %s ago", x.name, time.Since(t.expiry))
	}
}

// program checks a request with a bearer token.
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
		o.violated("token", "%s is accepted with a token that expired %s ago", x.name, time.Since(t.expiry))
	}
}

// newCookies records the sessions that a response sets cookies for.
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
	case g.session == nil: // otherwise the iframe was faster
		o.begin(g, x, value)
	default:
		o.copy(x, value, g.session)
	}
	g.answered = true
	o.lifetime(x, value, g.session)
}

// begin adds a session.
func (o *oracle) begin(g *grant, x *exchange, value string) {
	s := &session{n: len(o.sessions) + 1, user: g.user, grant: g, started: time.Now(),
		maxAge: o.w.site.MaxAge, value: value, endedAt: map[string]string{}}
	g.session = s
	s.shared = g.claimable
	l := o.logouts[s.user]
	if l.running > 0 || x.started.Before(l.last) {
		s.ending++
	}
	if x.started.Before(l.until) {
		s.excused = l.why
	}
	if x.started.Before(o.lastLoss) {
		s.excused = writeLost
	}
	if g.issues == 1 && o.w.setup.Store != "" {
		g.saved = true
	}
	o.sessions = append(o.sessions, s)
	o.copy(x, value, s)
	o.w.storeKeys[x.proc.app.StoreKey(value)] = s
	o.w.driver.log("session %d of %s begins", s.n, s.user)
	if o.w.setup.Store == "" && g.claimable { // two copies, of which only the iframe's is renewed
		s.copies = true
	}
}

// copy adds a cookie of a session.
func (o *oracle) copy(x *exchange, value string, s *session) {
	if o.values[value] == nil {
		o.values[value] = &copied{s, time.Now(), x.proc, s.grant.issues}
	}
}

// lifetime checks that a cookie lasts as long as its session may, if sessions are
// in the store: then nothing renews the cookie.
func (o *oracle) lifetime(x *exchange, value string, s *session) {
	if o.w.setup.Store == "" {
		return
	}
	end := s.started.Add(o.w.site.MaxAge)
	if s.grant.current == "" {
		end = s.grant.expiry
	}
	for _, line := range x.set {
		if c, err := http.ParseSetCookie(line); err == nil && c.Value == value {
			if until := time.Now().Add(time.Duration(c.MaxAge) * time.Second); until.Before(end.Add(-slack)) {
				o.violated("lifetime", "%s sets a cookie that ends %s before its session", x.name, end.Sub(until))
			}
		}
	}
}

// expectClaim records that an iframe may claim the session of a grant.
func (o *oracle) expectClaim(challenge string, g *grant) {
	o.claims[challenge] = g
	g.claimable = true
}

func (o *oracle) claim(x *exchange, value string) {
	g := o.claims[challengeOf(x.form.Get("verifier"))]
	if g == nil {
		o.violated("other user", "%s: no session was parked there", x.name)
		return
	}
	if g.session == nil { // the tab has no response yet, or a failure
		o.begin(g, x, value)
	}
	s := g.session
	switch {
	case s.claimedBy == nil:
	case s.claimedBy != x.proc && o.w.setup.Store == "plain":
		o.accept(doubleTake)
	case s.claimedBy == x.proc && o.w.setup.Tight:
		o.accept(forgotten)
	default:
		o.violated("claim", "%s: session %d was claimed before", x.name, s.n)
	}
	s.claimedBy = x.proc
	if time.Since(s.started) > parkedLifetime+slack {
		o.violated("claim", "%s: session %d waited for %s", x.name, s.n, time.Since(s.started))
	}
	o.copy(x, value, s)
	o.lifetime(x, value, s)
}

// renewed records a cookie that replaces another one.
func (o *oracle) renewed(x *exchange, name, value string) {
	for _, c := range x.cookies {
		if c.name == name && c.session != nil {
			if known := o.values[value]; known != nil && known.session != c.session {
				o.violated("other user", "%s sets a cookie of another session", x.name)
			}
			o.copy(x, value, c.session)
			if rule := c.session.must(x.proc); rule != "" {
				o.violated("crossed", "%s sets a cookie of session %d, which has ended", x.name, c.session.n)
			}
			return
		}
	}
	o.violated("other user", "%s sets a session cookie without a session", x.name)
}

// logout records what a sign-out promises: the session has ended, on all replicas
// if it succeeded and otherwise on this one; the cookies are removed in any case.
func (o *oracle) logout(x *exchange) {
	for _, c := range x.cookies {
		if !slices.ContainsFunc(x.set, func(line string) bool { return strings.HasPrefix(line, c.name+"=;") }) {
			o.violated("sign-out", "%s does not remove a cookie", x.name)
		}
		s := c.session
		if s == nil || o.lastLoss.After(x.started) {
			continue
		}
		if x.status == 303 && o.w.setup.Store != "" {
			o.end(s, "sign-out")
		} else {
			s.endedAt[x.proc.name] = "sign-out"
		}
		if s.ending == 1 && !o.w.setup.Tight { // otherwise another request may have ended it
			o.streamsEnd(s, x.proc, 100*time.Millisecond)
		}
	}
}

func (o *oracle) end(s *session, rule string) {
	if s.ended.IsZero() {
		s.ended, s.endedBy = time.Now(), rule
		if !o.w.broken {
			o.streamsEnd(s, nil, streamCheck)
		}
		o.w.driver.log("session %d must have ended: %s", s.n, rule)
	}
}

// superseded ends the sessions that a new one replaced.
func (o *oracle) superseded(x *exchange) {
	g := x.grant
	if x.path != callbackPath {
		g = o.claims[challengeOf(x.form.Get("verifier"))]
	}
	for _, c := range x.cookies {
		if c.session == nil || c.session == g.session || !x.replaces(c) || o.w.setup.Store == "" ||
			o.lastLoss.After(x.started) {
			continue
		}
		if o.w.broken { // then the process may have to retry
			c.session.endedAt[x.proc.name] = "superseded"
		} else {
			o.end(c.session, "superseded")
		}
	}
}

// kept checks what happened to a cookie in the browser.
func (o *oracle) kept(x *exchange, name, before string, now *cookie) {
	if now == nil || name != x.proc.app.SessionCookie && name != x.proc.app.FrameCookie {
		return
	}
	kept, old := o.values[now.value], o.values[before]
	if kept == nil {
		return
	}
	s := kept.session
	if kept.issue == s.grant.issues {
		s.grant.saved = true
	}
	if x.path == callbackPath || x.path == framePath+"claim" {
		x.browser.current[x.at.partition()] = s
		return
	}
	switch {
	case o.w.setup.Store == "": // only a store handles responses that cross on their way
	case old != nil && old.session != s && old.session.started.After(s.started):
		o.violated("crossed", "%s: session %d comes back and replaces session %d", x.name, s.n, old.session.n)
	case !s.ended.IsZero():
		o.violated("crossed", "%s: the cookie of session %d, which has ended, comes back", x.name, s.n)
	}
}

// header checks the size of the Cookie header.
func (o *oracle) header(x *exchange, line string) {
	if len(line) > maxHeader {
		o.violated("header", "%s sends %d bytes of cookies", x.name, len(line))
	}
}

// bound checks how long a request took: at most a second for its store calls, and
// longer only to sign in or to renew tokens that it needs.
func (o *oracle) bound(x *exchange) {
	const margin = 50 * time.Millisecond
	took, limit := time.Since(x.started), time.Second
	switch x.path {
	case loginPath, callbackPath, framePath + "popup", "/program":
		limit = 13 * time.Second
	case "/private", "/token", streamPath:
		if !x.goodTokens() {
			limit = 13 * time.Second
		}
	}
	if took > limit+margin {
		o.violated("bound", "%s took %s, more than %s", x.name, took, limit)
	}
}

// waits checks that a request whose access tokens are good waits only for a store
// without faults, even if another process or request is renewing them.
func (o *oracle) waits(x *exchange) {
	const limit = 250 * time.Millisecond // half of it for the slowest program without a fault
	switch {
	case x.path != "/private" && x.path != "/token" || !x.goodTokens():
	case o.w.broken || o.w.setup.Store == "" || x.asked || x.proc.asked.After(x.started.Add(-15*time.Second)):
	case time.Since(x.started) > limit:
		o.violated("waits", "%s took %s though its access token is good", x.name, time.Since(x.started))
	}
}

// goodTokens reports whether the access tokens of a request's sessions were good
// when it arrived.
func (x *exchange) goodTokens() bool {
	return !slices.ContainsFunc(x.cookies, func(c sent) bool { return c.session != nil && !c.good })
}

// good reports whether a process can use the latest access token and it does not
// expire within a minute. Tokens that are not stored yet may still have to be
// verified, with keys that the provider may take ten seconds to send.
func (g *grant) good(p *process) bool {
	usable := g.saved || time.Since(g.issued) > 20*time.Second
	return usable && p.knows[g] == g.issues && time.Now().Before(g.expiry.Add(-time.Minute))
}

// statuses are the documented statuses of each address.
var statuses = map[string][]int{
	"/":                 {200, 503},
	"/private":          {200, 303, 401, 502, 503},
	"/token":            {200, 303, 401, 502, 503},
	streamPath:          {200, 303, 401, 502, 503},
	"/program":          {200, 401, 403, 502, 503},
	loginPath:           {200, 303, 401, 502, 503}, // 200 inside iframes
	callbackPath:        {303, 400, 403, 502, 503},
	logoutPath:          {303, 503},
	framePath + "popup": {200, 502, 503},
	framePath + "claim": {200, 503},
	framePath + "check": {200, 503},
	framePath + "done":  {200},
}

// status checks for a documented status and, without faults, for success.
func (o *oracle) status(x *exchange) {
	if !slices.Contains(statuses[x.path], x.status) {
		o.violated("status", "%s: %d %s", x.name, x.status, x.title())
	}
	if o.w.calm() && (x.status >= 500 || x.status != 303 &&
		(x.path == callbackPath || x.path == logoutPath || x.path == loginPath && x.at == tab)) {
		o.violated("calm", "%s: %d without a fault: %s", x.name, x.status, x.title())
	}
}

// title returns the title of a page, or the whole body of any other response.
func (x *exchange) title() string {
	if _, rest, ok := strings.Cut(x.body, "<title>"); ok {
		title, _, _ := strings.Cut(rest, "</title>")
		return title
	}
	return x.body
}

// unclaimed reports an iframe that gets no session although its tab is signed in.
func (o *oracle) unclaimed(f *flow, challenge string, since time.Time) {
	g := o.claims[challenge]
	if g == nil || g.session == nil || g.session.claimedBy != nil || g.session.ending > 0 || g.session.excused != "" ||
		since.After(g.session.started.Add(parkedLifetime/2)) {
		return
	}
	if o.w.store.out() || o.w.setup.NoContexts && o.w.broken { // then the last look may fail as well
		return
	}
	if o.lastDeath.After(g.session.started) {
		o.accept(takenDead)
		return
	}
	o.violated("unclaimed", "%s: the tab is signed in, but the iframe gets no session", f.id)
}

// accept counts an accepted exception.
func (o *oracle) accept(what string) {
	if _, ok := Accepted[what]; !ok {
		panic("simulation: not in the list: " + what)
	}
	o.accepted[what]++
}

// settled is called when all faults have ended and there was time to recover.
func (o *oracle) settled() {
	for _, x := range o.openStreams(nil) {
		o.streamEnds(x)
	}
	if o.w.setup.Store == "" {
		return
	}
	o.saved()
	for _, s := range o.sessions {
		for range s.endedAt {
			if s.ended.IsZero() {
				o.accept(diedEarly)
			}
		}
		for _, p := range o.w.replicas {
			rule, ok := s.endedAt[p.name]
			switch {
			case ok && o.w.setup.Tight:
				o.accept(crowded)
			case ok:
				o.end(s, rule)
			}
		}
	}
}

// died excuses the sessions whose tokens only this process had.
func (o *oracle) died(p *process) {
	o.lastDeath = time.Now()
	for _, s := range o.sessions {
		if u := s.grant.lastUse; u != nil && u.proc == p && !s.grant.saved {
			o.excuse(s, tokensDied)
		}
	}
}

func (o *oracle) excuse(s *session, why string) {
	if s.excused == "" {
		s.excused = why
		o.w.driver.log("session %d may be lost: %s", s.n, why)
	}
}

// failedOver drops the promises: acknowledged writes are lost.
func (o *oracle) failedOver() {
	o.lastLoss = time.Now()
	for _, s := range o.sessions {
		s.excused, s.ended = writeLost, time.Time{}
		clear(s.endedAt)
		o.listLost = true
	}
}

// logoutUserBegins and logoutUserReturned record what ending all sessions of a
// user promises: those that began before have ended, those that begin after have
// not. A call that failed may still take effect if its writes land late.
func (o *oracle) logoutUserBegins(person string) {
	o.logouts[person].running++
	for _, s := range o.sessions {
		if s.user == person {
			s.ending++
		}
	}
}

func (o *oracle) logoutUserReturned(person string, began time.Time, err error) {
	l := o.logouts[person]
	l.running--
	if err != nil {
		l.until, l.why = time.Now().Add(time.Minute), logoutLate
		return
	}
	l.last = time.Now()
	for _, s := range o.sessions {
		if s.user == person && s.started.Before(began) && began.After(o.lastLoss) {
			o.end(s, "logout user")
		}
	}
}
