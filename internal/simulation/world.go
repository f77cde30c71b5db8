package simulation

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing/synctest"
	"time"
)

// world is a run.
type world struct {
	boot   Start
	site   Site
	setup  Setup
	faults Faults
	good   map[string]bool
	dice   dice
	quiet  bool // faults have ended

	driver    *driver
	store     *store
	provider  *provider
	oracle    *oracle
	replicas  []*process
	lives     []int
	keys      []int
	browsers  map[string]*browser
	flows     counter
	streams   []*exchange
	waiting   int  // operations to come
	disturbed bool // a process or the store failed
	broken    bool // the store failed, or a process that may have been using it did
	counts    map[string]int

	storeKeys map[string]*session // by the keys of the store
}

// Run runs a program. It must be called in a bubble of testing/synctest.
func Run(start Start, p *Program) *Result {
	w := &world{
		boot: start, setup: p.Setup, faults: p.Faults, good: p.Good, dice: dice{p.Seed},
		driver: newDriver(), browsers: map[string]*browser{}, counts: map[string]int{}, storeKeys: map[string]*session{},
		replicas: make([]*process, p.Setup.Replicas), lives: make([]int, p.Setup.Replicas),
		keys: make([]int, p.Setup.Replicas),
		site: Site{
			Origin: "https://app.example", Host: "app.example", Provider: "https://hub.example",
			ClientID: "client", ClientSecret: "secret of the client in the simulation", Space: p.Setup.Space,
			MaxAge: p.Setup.MaxAge,
		},
	}
	w.broken = p.Faults.store()
	w.store = &store{w: w, entries: map[string]entry{}}
	w.provider = newProvider(w)
	w.oracle = newOracle(w)
	for n := range w.replicas {
		w.launch(n)
	}
	for _, person := range people {
		w.browsers[person] = &browser{w: w, name: "browser of " + person, person: person,
			thirdParty: p.Setup.ThirdParty, current: map[string]*session{}}
	}
	if p.Setup.Crowd > 0 {
		w.browsers["ada"].person = crowd
	}
	calm := func() bool { return w.waiting == 0 && w.flows.value() == 0 }
	for _, op := range p.Ops {
		w.waiting++
		w.driver.after(op.At, func() {
			w.waiting--
			w.driver.log("%s", op)
			w.do(op)
		})
	}
	w.driver.run(10*365*24*time.Hour, calm)
	w.settle()
	w.lastLook()
	w.driver.run(time.Hour, calm)
	w.finish()
	return &Result{Violations: w.oracle.violations, Trace: w.driver.trace, Counts: w.counts, Accepted: w.oracle.accepted}
}

// faulty reports whether calls of an operation may have faults.
func (w *world) faulty(id string) bool {
	if w.quiet || strings.HasPrefix(id, "last") || w.faults == (Faults{}) {
		return false
	}
	return len(id) < 4 || !w.good[id[:4]]
}

// calm reports whether nothing in this run fails.
func (w *world) calm() bool {
	return w.faults == (Faults{}) && !w.disturbed
}

// do carries out an operation.
func (w *world) do(op Op) {
	b := w.browsers[op.Person]
	switch op.Kind {
	case "sign in":
		if w.dice.chance(0.25, op.ID+" as") {
			b.person = one(w.dice, op.ID+" as whom", w.people()...)
		}
		w.begin(op.ID, b, func(f *flow) { f.open(tab, "/login?next="+op.Path) })
	case "visit":
		w.begin(op.ID, b, func(f *flow) {
			if op.Place == tab {
				f.open(tab, op.Path)
			} else {
				f.get(op.Place, op.Path)
			}
		})
	case "burst":
		spread := one(w.dice, op.ID+" spread", 0, 0, 5*time.Second) // a page that loads, or one that asks now and then
		for i := range 2 + w.dice.below(3, op.ID+" burst") {
			id := fmt.Sprint(op.ID, string(rune('p'+i)))
			w.begin(id, b, func(f *flow) {
				if spread > 0 {
					f.wait(w.dice.between(0, spread, id+" later"))
				}
				f.get(op.Place, op.Path)
			})
		}
	case "frame":
		w.begin(op.ID, b, func(f *flow) { f.signInFrame(op.Place, op.Path) })
	case "sign out":
		w.begin(op.ID, b, func(f *flow) { f.signOut(op.Place, one(w.dice, op.ID+" next", "/", "/private")) })
	case "logout user":
		if w.setup.Store != "" {
			w.begin(op.ID, nil, func(f *flow) { f.logoutUser(op.Person) })
		}
	case "stream":
		w.stream(op.ID, b, op.Place, op.For*240)
	case "give up":
		w.disturbed = true // if there are too many attempts, the oldest are dropped
		w.begin(op.ID, b, func(f *flow) {
			for range 1 + w.dice.below(5, op.ID+" clicks") {
				f.get(tab, loginPath)
			}
		})
	case "devices":
		if w.setup.Store != "" && w.replicas[0].app.Devices != nil {
			w.begin(op.ID, nil, func(f *flow) { f.devices(op.Person) })
		}
	case "switch":
		b.person = one(w.dice, op.ID+" switch", w.people()...)
	case "replay":
		if len(w.oracle.sessions) > 0 {
			s := w.oracle.sessions[w.dice.below(len(w.oracle.sessions), op.ID+" session")]
			p := w.replicas[op.N]
			w.begin(op.ID, nil, func(f *flow) { f.replay(p.app.SessionCookie, s.value, p) })
		}
	case "program":
		token := w.provider.token("hf_oauth_")
		w.provider.access[token] = &accessToken{own: op.Person, expiry: time.Now().Add(op.For * 100)}
		if w.dice.chance(0.2, op.ID+" unknown") {
			delete(w.provider.access, token)
		}
		w.begin(op.ID, nil, func(f *flow) {
			f.program(token)
			f.wait(op.For * 60)
			f.program(token)
		})
	case "kill":
		w.disturbed, w.broken = true, true
		dead := w.replicas[op.N]
		w.kill(op.N)
		w.driver.after(w.dice.between(0, 5*time.Second, op.ID+" restart"), func() {
			if w.replicas[op.N] == dead {
				w.launch(op.N)
			}
		})
	case "rotate":
		w.disturbed, w.broken = true, true
		w.rotate()
	case "revoke":
		w.disturbed = true
		w.provider.revoke(op.Person)
	case "outage":
		w.disturbed, w.broken = true, true
		o := outage{from: time.Now(), to: time.Now().Add(op.For),
			kind: one(w.dice, op.ID+" outage", "errors", "silence", "read-only", "slow")}
		if w.dice.chance(0.5, op.ID+" one") {
			o.replica = w.replicas[op.N].replica
		}
		w.store.outages = append(w.store.outages, o)
	case "shard":
		w.disturbed, w.broken = true, true
		o := outage{from: time.Now(), kind: one(w.dice, op.ID+" shard", "errors", "read-only", "read-only")}
		o.to = o.from.Add(op.For * one(w.dice, op.ID+" lasts", time.Duration(1), 6, 60))
		if o.entries = one(w.dice, op.ID+" entries", "", "hfoauth-session-", "hfoauth-session-",
			"hfoauth-ended-"); o.entries == "" {
			o.shard = op.ID
		}
		w.store.outages = append(w.store.outages, o)
	case "evict":
		w.disturbed = true
		w.evict(op)
	case "failover":
		w.disturbed = true
		lost := w.store.failover(time.Now().Add(-op.For))
		w.driver.log("%s: %d writes are lost", op.ID, lost)
		if lost > 0 {
			w.oracle.failedOver()
		}
	}
}

// people returns the users who may sign in.
func (w *world) people() []string {
	if w.setup.Crowd > 0 {
		return append(slices.Clone(people), crowd)
	}
	return people
}

// evict makes the store lose an entry. In a run it is always of the same kind:
// either the epoch of a user or the list of a user's sessions, because LogoutUser
// needs one of the two.
func (w *world) evict(op Op) {
	kind := one(w.dice, "evicted", "hfoauth-epoch-", "hfoauth-list-")
	var keys []string
	for key := range w.store.entries {
		if strings.HasPrefix(key, kind) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Compare(w.driver.keyName(a), w.driver.keyName(b)) })
	key := keys[w.dice.below(len(keys), op.ID+" key")]
	delete(w.store.entries, key)
	w.driver.log("%s: %s is lost", op.ID, w.driver.keyName(key))
	w.oracle.listLost = w.oracle.listLost || kind == "hfoauth-list-"
	if kind != "hfoauth-epoch-" {
		return
	}
	// Sessions that do not know the epoch may be refused, and sessions that the
	// list did not name, or whose end was not stored, come back.
	w.oracle.lastLoss = time.Now()
	for _, l := range w.oracle.logouts { // LogoutUser may still be ending what the list names
		l.until, l.why = time.Now().Add(time.Minute), writeLost
	}
	for _, s := range w.oracle.sessions {
		w.oracle.excuse(s, writeLost)
		maps.DeleteFunc(s.endedAt, func(_, rule string) bool { return rule == "refused" })
		if s.endedBy == "logout user" && !w.listEnded(s.ended) {
			s.ended, s.endedBy = time.Time{}, ""
		}
	}
}

// listEnded reports whether all sessions that a call to LogoutUser found in the
// user's list have ended. They may not have if the store failed at that moment
// and the process had less than a minute to retry.
func (w *world) listEnded(called time.Time) bool {
	if w.setup.Store != "swap" || w.faults.store() {
		return false
	}
	if !w.broken {
		return true
	}
	disturbed := slices.ContainsFunc(w.store.outages, func(o outage) bool {
		return o.to.After(called) && time.Now().Before(o.to.Add(time.Minute))
	})
	return !disturbed && !w.setup.Tight && w.oracle.lastDeath.Before(called)
}

// rotate takes the next step to new session keys: every replica restarts, one
// after the other.
func (w *world) rotate() {
	step := w.keys[0] + 1
	if step > 2 {
		return
	}
	for n := range w.replicas {
		w.kill(n)
		w.keys[n] = step
		w.launch(n)
	}
}

// settle ends all faults and lets late calls finish.
func (w *world) settle() {
	w.quiet = true
	w.store.endOutages()
	for n, p := range w.replicas {
		if p.dead {
			w.launch(n)
		}
	}
	w.driver.run(2*time.Minute, func() bool { return false })
	w.oracle.settled()
	w.driver.log("faults have ended")
}

// lastLook sends every cookie that was ever set to every replica, and makes every
// browser open a page in every place.
func (w *world) lastLook() {
	i := 0
	look := func(do func(*flow), b *browser) {
		i++
		id := fmt.Sprintf("last%03d", i)
		w.driver.after(time.Duration(i)*50*time.Millisecond, func() { w.begin(id, b, do) })
		w.waiting++
		w.driver.after(time.Duration(i)*50*time.Millisecond, func() { w.waiting-- })
	}
	for _, person := range people {
		for _, at := range []place{tab, frame} {
			look(func(f *flow) { f.get(at, "/private") }, w.browsers[person])
		}
	}
	for _, s := range w.oracle.sessions {
		for _, p := range w.replicas {
			look(func(f *flow) { f.replay(p.app.SessionCookie, s.value, p) }, nil)
		}
	}
}

// finish answers all open calls and checks that no goroutine is left.
func (w *world) finish() {
	for _, x := range w.streams {
		if x.cancel != nil {
			x.cancel()
		}
	}
	w.driver.end()
	w.driver.run(time.Hour, func() bool { return false })
	synctest.Wait()
	if left := bubbleGoroutines(); len(left) > 0 {
		w.oracle.violated("stays", "%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
	}
}

// bubbleGoroutines returns the stacks of the goroutines of this bubble, except
// the caller's and the bubble's own.
func bubbleGoroutines() (stacks []string) {
	if runtime.NumGoroutine() < 4 {
		return nil
	}
	buffer := make([]byte, 1<<20)
	buffer = buffer[:runtime.Stack(buffer, true)]
	all := strings.Split(string(buffer), "\n\n")
	bubble := bubbleOf(all[0])
	for _, stack := range all[1:] {
		if bubbleOf(stack) == bubble && !strings.Contains(stack, "testing/synctest.") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// bubbleOf returns the number of the bubble in the first line of a stack.
func bubbleOf(stack string) string {
	head, _, _ := strings.Cut(stack, "\n")
	_, bubble, _ := strings.Cut(head, "synctest bubble ")
	return strings.TrimRight(bubble, "]:")
}

func challengeOf(verifier string) string {
	hash := sha256.Sum256([]byte(verifier))
	return encode(hash[:])
}
