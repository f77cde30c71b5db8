package simulation

import "time"

// slack is how far clocks may differ, and how exactly ends are checked.
const slack = 3 * time.Minute

const (
	idleLifetime = 30 * day // of a session with a refresh token
	maxHeader    = 8000

	parkedLifetime = 2 * time.Minute // of a session that waits for its iframe
)

// copied is a cookie of a session. Without a store, it contains the tokens that
// were the latest when it was set.
type copied struct {
	session *session
	made    time.Time
	by      *process
	issue   int
}

// kept reports whether the cookie is the ID of a session that is kept elsewhere;
// an ID is shorter than any session.
func (c *copied) kept(value string) bool { return len(value) < 64 }

// logouts are the calls that ended all sessions of a user.
type logouts struct {
	running int
	last    time.Time // when one last succeeded
	until   time.Time // until when one may still end new sessions
	why     string    // the reason
}

// session is a sign-in for which the app gave a browser a cookie.
type session struct {
	n         int
	user      string
	grant     *grant
	started   time.Time
	maxAge    time.Duration
	value     string // of the first cookie
	id        string // that the app shows, if it did
	shared    bool   // with an iframe
	copies    bool   // there is one in the tab, which ends with its access token, and one in the iframe
	claimedBy *process

	ending  int               // how many requests may have ended it
	ended   time.Time         // by when it must have ended, everywhere
	endedBy string            // the rule that requires it
	endedAt map[string]string // the same in one process: the rule, by the process's name
	excused string            // why it may be lost
}

// must returns the rule by which a process must refuse a session, or "".
func (s *session) must(p *process) string {
	now := time.Now()
	if !s.ended.IsZero() {
		return s.endedBy
	}
	if rule, ok := s.endedAt[p.name]; ok {
		return rule
	}
	if now.After(s.started.Add(p.w.site.MaxAge + slack)) {
		return "age"
	}
	if s.grant.current == "" && now.After(s.grant.expiry.Add(slack)) {
		return "age"
	}
	return ""
}

// live reports whether a process must accept a cookie, and if it need not because
// of an accepted exception, which.
func (c *copied) live(value string, p *process) (live bool, accepted string) {
	now, s, g := time.Now(), c.session, c.session.grant
	until := earlier(s.started.Add(p.w.site.MaxAge), g.issued.Add(idleLifetime))
	if g.current == "" {
		until = g.expiry
	} else if p.w.setup.Store == "" {
		until = earlier(until, c.made.Add(idleLifetime))
	}
	_, ended := s.endedAt[p.name]
	switch {
	case s.copies || s.ending > 0 || ended || !s.ended.IsZero() || !now.Before(until.Add(-slack)):
		return false, ""
	case s.excused != "":
		return false, s.excused
	case g.revoked:
		return false, familyDead
	case now.Before(g.doubled.Add(time.Minute)):
		return false, doubleUse
	case g.current != "" && !g.heard():
		return false, answerLost
	case p.w.setup.Store == "" && c.kept(value) && c.by != p, // it was too large for a cookie
		p.w.setup.Store == "" && c.issue != g.issues && g.lastUse.proc != p:
		return false, noStore
	}
	return true, ""
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
