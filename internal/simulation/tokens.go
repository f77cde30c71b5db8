package simulation

import "time"

// turn is how long a process that renews keeps others from doing so if it cannot
// store the result.
const turn = 14 * time.Second

// heard reports whether the latest tokens that the provider issued have reached a
// process.
func (g *grant) heard() bool { return g.lastUse == nil || g.lastUse.status == 200 }

// refreshSent records that a process sends a refresh token, and checks that it
// may.
func (o *oracle) refreshSent(token string, u *use) {
	g := o.w.provider.refresh[token]
	if g == nil {
		return
	}
	p, c := u.proc, u.call
	o.w.counts["refreshes with store "+o.w.setup.Store]++
	defer func() {
		g.uses[token] = append(g.uses[token], u)
		g.sent = append(g.sent, u)
	}()
	if g.session != nil && g.session.excused == writeLost {
		o.accept(writeLost)
		return
	}
	if p.knows[g] > g.generation[token] {
		o.violated("refresh twice", "%s sends a refresh token of %s whose successor it knows", c.id, g.user)
	}
	for _, before := range g.uses[token] {
		open := !before.call.answered && !before.call.abandoned
		switch {
		case before.proc == p && (open || before.status != 0 && before.status < 500):
			o.violated("refresh twice", "%s sends a refresh token of %s again", c.id, g.user)
		case before.proc != p && !before.proc.dead &&
			(open || before.status == 200 && (g.saved || time.Since(before.at) < turn)):
			if o.w.setup.Store == "swap" {
				o.violated("race", "%s sends a refresh token of %s that %s has sent", c.id, g.user, before.proc.name)
			} else {
				o.accept(doubleUse)
				o.w.counts["double refreshes with store "+o.w.setup.Store]++
				g.doubled = time.Now()
			}
		}
	}
}

// issued records that the provider issued tokens to a process.
func (o *oracle) issued(g *grant, u *use) {
	g.lastUse, g.saved = u, false
	g.issues++
	g.generation[g.current] = g.issues
	u.generation = g.issues
	o.w.counts["issued"]++
}

// heard records that a process has the response to a code or a refresh token.
func (o *oracle) heard(u *use, status int) {
	u.status = status
	if status == 200 && u.grant != nil {
		u.proc.knows[u.grant] = max(u.proc.knows[u.grant], u.generation)
	}
}

// stored records that a process wrote an entry, and returns which tokens it
// contains: the latest that the process knows.
func (o *oracle) stored(p *process, key string, known int) {
	if s := o.w.storeKeys[key]; s != nil && known == s.grant.issues {
		s.grant.saved = true
	}
}

// holds returns which tokens of the session under a key a process knows.
func (o *oracle) holds(p *process, key string) int {
	if s := o.w.storeKeys[key]; s != nil {
		return p.knows[s.grant]
	}
	return 0
}

// read records that a process has read tokens from the store.
func (o *oracle) read(p *process, key string, known int) {
	if s := o.w.storeKeys[key]; s != nil {
		p.knows[s.grant] = max(p.knows[s.grant], known)
	}
}

// saved checks that the store has the latest tokens of every session for which a
// process received some, once there was time to store them.
func (o *oracle) saved() {
	if o.w.setup.Tight { // a process may forget what it could not store
		return
	}
	for _, s := range o.sessions {
		if g := s.grant; s.listed() && !g.saved && g.lastUse != nil && g.lastUse.status == 200 && !g.lastUse.proc.dead {
			o.violated("saved", "the tokens of session %d are only in %s", s.n, g.lastUse.proc.name)
		}
	}
}
