package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Setup is the environment of a run.
type Setup struct {
	Replicas   int
	Store      string // "plain", "swap", or "" to keep sessions in cookies
	NoContexts bool   // the store has only the three methods of scs's Store
	Space      bool
	Reuse      bool // the provider ends a sign-in whose refresh token it sees twice
	NoRefresh  bool
	Lifetime   time.Duration // of access tokens
	Skew       []time.Duration
	LateExpiry bool // the store forgets late
	Tight      bool // memory holds one of everything; the store holds the rest
	ThirdParty bool
	MaxAge     time.Duration
	Crowd      int // how many organizations one user is in
	Band       int // how many the other users are in
}

// Faults are the probabilities that a call has a fault.
type Faults struct {
	StoreError, StoreErrorAfter, StoreSlow, StoreLate, StoreSilent         float64
	Provider5xx, ProviderError, ProviderLost, ProviderSlow, ProviderSilent float64
	BrowserLost, BrowserSlow, BrowserLeaves                                float64
}

// store reports whether calls of the store have faults.
func (f *Faults) store() bool {
	return f.StoreError+f.StoreErrorAfter+f.StoreSlow+f.StoreLate+f.StoreSilent > 0
}

// Program is what happens in a run.
type Program struct {
	Seed   uint64
	Setup  Setup
	Faults Faults
	Ops    []Op
	// Good are the operations whose calls have no faults.
	Good map[string]bool
}

// Op is an operation.
type Op struct {
	ID     string
	At     time.Duration
	Kind   string
	Person string // browser or user
	Place  place
	N      int // replica, or another number, depending on the kind
	Path   string
	For    time.Duration
}

func (op Op) String() string {
	return strings.TrimSpace(fmt.Sprintf("%14s %s %s %s %s %d %s %s", op.At.Round(time.Microsecond),
		op.ID, op.Kind, op.Person, op.Place, op.N, op.Path, op.For.Round(time.Microsecond)))
}

func (p *Program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, %+v\nfaults %+v\nwithout faults: %d operations\n", p.Seed, p.Setup, p.Faults, len(p.Good))
	for _, op := range p.Ops {
		fmt.Fprintln(&b, op)
	}
	return b.String()
}

// Generate makes the program of a seed.
func Generate(seed uint64) *Program {
	d := dice{seed}
	p := &Program{Seed: seed, Good: map[string]bool{}}
	s := &p.Setup
	s.Store = one(d, "store", "plain", "plain", "swap", "swap", "")
	s.Replicas = 1 + d.below(3, "replicas")
	if s.Store == "" {
		s.Replicas = one(d, "replicas", 1, 1, 1, 2)
	}
	s.NoContexts = s.Store == "plain" && d.chance(0.5, "no contexts")
	s.Space = d.chance(0.7, "space")
	s.Reuse = d.chance(0.5, "reuse")
	s.NoRefresh = d.chance(0.1, "no refresh")
	s.Lifetime = one(d, "lifetime", time.Hour, 8*time.Hour, 10*time.Minute)
	s.LateExpiry = d.chance(0.2, "late expiry")
	s.Tight = s.Store != "" && d.chance(0.2, "tight")
	s.ThirdParty = d.chance(0.5, "third party")
	s.MaxAge = one(d, "max age", 30*day, 30*day, 10*day, 60*day)
	if d.chance(0.1, "crowd") {
		s.Crowd = one(d, "organizations", 24, 60)
	}
	t := themes[d.below(len(themes), "theme")]
	if t.setup != nil {
		t.setup(d, s)
	}
	for i := range s.Replicas {
		s.Skew = append(s.Skew, d.between(-20*time.Second, 20*time.Second, fmt.Sprint("skew", i)))
	}
	calm := d.chance(0.15, "calm")
	if !calm {
		p.Faults.draw(d)
		if t.steady && d.chance(0.5, "steady") {
			p.Faults = Faults{}
		}
		if t.storm && d.chance(0.5, "storm") {
			p.Faults.StoreError = 0.15
		}
	}
	n := 5 + d.below(20, "length")
	at := time.Duration(0)
	for i := range n {
		id := fmt.Sprintf("op%02d", i+1)
		at += gap(d, id, s, t)
		op := operation(d, id, at, s, t, calm, i)
		if (op.Kind == "sign in" || op.Kind == "frame") && d.chance(0.5, id+" succeeds") { // else few sessions begin
			p.Good[id] = true
		}
		p.Ops = append(p.Ops, op)
	}
	return p
}

// theme is the main subject of a program.
type theme struct {
	kinds   []string // the likely kinds of operations
	renewal bool     // operations happen when tokens are about to be renewed
	steady  bool     // often nothing fails by chance
	storm   bool     // often the store fails one call in seven
	place   place    // the likely place
	setup   func(dice, *Setup)
}

var themes = []theme{
	{},
	{},
	{
		kinds:   []string{"burst", "burst", "burst", "burst", "burst", "visit", "visit", "outage", "shard", "shard"},
		renewal: true, storm: true, setup: func(d dice, s *Setup) { s.share(d, "swap", "swap", "plain") },
	},
	{
		kinds: []string{"sign in", "sign in", "burst", "burst", "sign out", "sign out", "sign out",
			"replay", "replay", "replay", "outage", "shard"},
		renewal: true, storm: true, setup: func(d dice, s *Setup) { s.share(d, "plain", "plain", "swap") },
	},
	{kinds: []string{"sign in", "sign in", "logout user", "logout user", "logout user", "devices",
		"devices", "evict", "evict"}, steady: true},
	{
		kinds: []string{"sign in", "sign in", "stream", "stream", "sign out", "sign out", "logout user",
			"replay", "replay", "outage", "shard", "shard"},
		storm: true, setup: func(d dice, s *Setup) { s.share(d, "plain", "plain", "swap") },
	},
	{
		kinds:   []string{"frame", "frame", "sign in", "sign in", "revoke", "visit", "visit", "visit"},
		renewal: true, steady: true,
		place: frame, setup: func(_ dice, s *Setup) { s.Space, s.ThirdParty = true, true },
	},
	{
		kinds: []string{"frame", "frame", "sign in", "sign in", "give up", "give up", "switch", "switch",
			"visit"}, steady: true,
		place: frame, setup: func(d dice, s *Setup) { // as much as fits into cookies
			s.Space, s.ThirdParty, s.Store, s.Replicas = true, true, "", 1
			s.Crowd, s.Band = 22+d.below(4, "crowd of"), 15+d.below(4, "band of")
			s.NoContexts, s.Tight = false, false
		},
	},
}

// share makes several replicas share one of several kinds of store.
func (s *Setup) share(d dice, stores ...string) {
	s.Store, s.Replicas, s.NoRefresh = one(d, "shared store", stores...), max(2, s.Replicas), false
	s.NoContexts = s.NoContexts && s.Store == "plain"
}

func (f *Faults) draw(d dice) {
	for name, p := range map[string]*float64{
		"StoreError": &f.StoreError, "StoreErrorAfter": &f.StoreErrorAfter, "StoreSlow": &f.StoreSlow,
		"StoreLate": &f.StoreLate, "StoreSilent": &f.StoreSilent,
		"Provider5xx": &f.Provider5xx, "ProviderError": &f.ProviderError, "ProviderLost": &f.ProviderLost,
		"ProviderSlow": &f.ProviderSlow, "ProviderSilent": &f.ProviderSilent,
		"BrowserLost": &f.BrowserLost, "BrowserSlow": &f.BrowserSlow, "BrowserLeaves": &f.BrowserLeaves,
	} {
		if d.chance(0.35, name) {
			*p = 0.15 * d.fraction(name+" p")
		}
	}
}

// gap returns the time until the next operation: none, a little, until tokens are
// about to be renewed, or as long as a device sleeps.
func gap(d dice, id string, s *Setup, t theme) time.Duration {
	if t.renewal && d.chance(0.25, id+" renewal") {
		return d.between(s.Lifetime-6*time.Minute, s.Lifetime+time.Minute, id)
	}
	switch d.below(10, id+" gap") {
	case 0, 1, 2, 3:
		return d.between(0, 40*time.Millisecond, id)
	case 4, 5:
		return d.between(0, 3*time.Second, id)
	case 6:
		return d.between(0, time.Minute, id)
	case 7:
		return d.between(s.Lifetime-6*time.Minute, s.Lifetime, id)
	case 8:
		return d.between(0, 2*s.Lifetime, id)
	}
	return d.between(0, 20*day, id)
}

const day = 24 * time.Hour

var people = []string{"ada", "grace"}

func operation(d dice, id string, at time.Duration, s *Setup, t theme, calm bool, i int) Op {
	op := Op{ID: id, At: at, Place: tab}
	op.Person = people[d.below(len(people), id+" person")]
	op.N = d.below(s.Replicas, id+" replica")
	op.Path = one(d, id+" path", "/private", "/private", "/token", "/")
	if s.Space && d.chance(0.4, id+" place") {
		op.Place = one(d, id+" which", frame, frame, nearFrame)
	}
	if t.place != "" && d.chance(0.6, id+" themed place") {
		op.Place = t.place
	}
	kinds := []string{
		"sign in", "sign in", "visit", "visit", "visit", "visit", "visit", "visit", "burst", "burst",
		"sign out", "logout user", "devices", "switch", "replay", "program", "stream", "give up",
	}
	if s.Space {
		kinds = append(kinds, "frame", "frame")
	}
	if !calm {
		kinds = append(kinds, "kill", "outage", "outage", "rotate", "revoke")
		if d.chance(0.2, "evictions") {
			kinds = append(kinds, "evict", "logout user", "logout user")
		}
		if d.chance(0.1, "failovers") {
			kinds = append(kinds, "failover")
		}
	}
	op.Kind = one(d, id+" kind", kinds...)
	if len(t.kinds) > 0 && d.chance(0.7, id+" themed") {
		op.Kind = one(d, id+" themed kind", t.kinds...)
	}
	if calm && slices.Contains([]string{"outage", "shard", "evict", "revoke", "give up"}, op.Kind) {
		op.Kind = "visit"
	}
	if i == 0 {
		op.Kind = one(d, id+" first", "sign in", kinds[len(kinds)-1], "sign in")
	}
	if op.Kind == "sign in" || op.Kind == "give up" {
		op.Place = tab
	}
	if op.Kind == "frame" && op.Place == tab {
		op.Place = frame
	}
	op.For = d.between(0, 10*time.Second, id+" for")
	return op
}
