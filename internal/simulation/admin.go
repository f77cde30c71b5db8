package simulation

import (
	"context"
	"time"
)

// call makes a process, or any if p is nil, do something outside of a request.
// It returns when that is done or the process has died. The driver calls begins
// and returns.
func (f *flow) call(p *process, what string, begins func(), do func(context.Context, *process),
	returns func(*process)) {
	w := f.w
	w.driver.do(context.Background(), &call{name: f.id + " " + what, arrive: func(c *call) {
		if p == nil {
			p = w.pick(c.id)
		}
		if p.dead {
			w.driver.answer(c)
			return
		}
		w.driver.log("%s at %s", c.id, p.name)
		begins()
		p.waiting = append(p.waiting, c)
		back := &call{name: f.id + " " + what + " done", proc: p, arrive: func(*call) {
			if !p.dead {
				returns(p)
				w.driver.answer(c)
			}
		}}
		ctx := context.WithValue(context.Background(), callerKey{}, f.id+" "+what)
		go func() {
			do(ctx, p)
			w.driver.enter(back)
		}()
	}})
}

// logoutUser ends all sessions of a user.
func (f *flow) logoutUser(person string) {
	var began time.Time
	var err error
	f.call(nil, "logout of "+person,
		func() {
			began = time.Now()
			f.w.oracle.logoutUserBegins(person)
		},
		func(ctx context.Context, p *process) { err = p.app.LogoutUser(ctx, subOf(person)) },
		func(*process) {
			f.w.driver.log("%s: all sessions of %s are ended: %v", f.id, person, err)
			f.w.oracle.logoutUserReturned(person, began, err)
		})
}

// devices lists the sessions of a user, takes the token of one, and may end it.
// The result of a call is only read in its returns function: a call at a process
// that died continues.
func (f *flow) devices(person string) {
	o := f.w.oracle
	var at *process
	var before map[*session]bool
	var devices, found []Device
	var err error
	f.call(nil, "devices of "+person,
		func() { before = o.known(person) },
		func(ctx context.Context, p *process) { found, err = p.app.Devices(ctx, subOf(person)) },
		func(p *process) {
			at, devices = p, found
			f.w.driver.log("%s: %d devices: %v", f.id, len(found), err)
			if err == nil {
				o.devices(f, person, before, found)
			}
		})
	if len(devices) == 0 {
		return
	}
	chosen := devices[f.w.dice.below(len(devices), f.id+" device")]
	var token string
	var s *session
	f.call(at, "token", func() {},
		func(context.Context, *process) { token, _ = chosen.Token() },
		func(*process) {
			o.tokenOf(f, person, token)
			s = o.byID[chosen.ID]
		})
	if s == nil || f.w.dice.chance(0.5, f.id+" keeps it") {
		return
	}
	var failed error
	f.call(at, "end",
		func() { s.ending++ },
		func(ctx context.Context, _ *process) { failed = chosen.End(ctx) },
		func(*process) {
			f.w.driver.log("%s: ends %s: %v", f.id, f.w.driver.alias("device", chosen.ID), failed)
			if failed == nil {
				o.end(s, "sign-out")
			}
		})
}

// known returns those sessions of a user whose ID is known, and whether each
// must be in the list of devices.
func (o *oracle) known(person string) map[*session]bool {
	known := map[*session]bool{}
	for _, s := range o.sessions {
		if s.user == person && s.id != "" {
			known[s] = s.listed()
		}
	}
	return known
}

// listed reports whether a session must be in the list of a user's devices.
func (s *session) listed() bool {
	now := time.Now()
	return s.ending == 0 && s.ended.IsZero() && s.excused == "" && len(s.endedAt) == 0 &&
		!s.grant.revoked && s.grant.heard() &&
		now.Before(earlier(s.started.Add(s.maxAge), s.grant.issued.Add(idleLifetime)).Add(-slack)) &&
		(s.grant.current != "" || now.Before(s.grant.expiry.Add(-slack)))
}

// devices checks a list of devices.
func (o *oracle) devices(f *flow, person string, before map[*session]bool, devices []Device) {
	for _, d := range devices {
		switch s := o.byID[d.ID]; {
		case d.User != person || s != nil && s.user != person:
			o.violated("other user", "%s: the devices of %s include one of %s", f.id, person, d.User)
		case s == nil:
		case before[s]:
			delete(before, s)
		default:
			if _, known := before[s]; known && !s.ended.IsZero() {
				o.violated("devices", "%s: session %d has ended but is listed", f.id, s.n)
			}
		}
	}
	if o.w.setup.Store != "swap" || o.listLost {
		return
	}
	for _, s := range o.sessions {
		if before[s] && s.listed() {
			o.violated("devices", "%s: session %d is not listed", f.id, s.n)
		}
	}
}

// tokenOf checks that a token obtained outside of a request is the user's.
func (o *oracle) tokenOf(f *flow, person, token string) {
	if t := o.w.provider.access[token]; token != "" && (t == nil || t.grant == nil || t.grant.user != person) {
		o.violated("other user", "%s: a token of a device of %s is another user's", f.id, person)
	}
}

// names records the session ID that a page shows.
func (o *oracle) names(x *exchange, s *session) {
	if x.id == "" {
		return
	}
	if known := o.byID[x.id]; known != nil && known != s {
		o.violated("other user", "%s shows the ID of session %d for session %d", x.name, known.n, s.n)
	}
	o.byID[x.id], s.id = s, x.id
}
