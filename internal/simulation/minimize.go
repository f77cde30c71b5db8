package simulation

import (
	"slices"
	"time"
)

// Minimize reduces a program to what still breaks the rule.
func Minimize(run func(*Program) *Result, p *Program, rule string) *Program {
	breaks := func(p *Program) bool { return run(p).Broken(rule) != nil }
	best := p.clone()
	for size := max(len(best.Ops)/2, 1); ; {
		removed := false
		for from := 0; from < len(best.Ops); {
			try := best.clone()
			try.Ops = slices.Delete(try.Ops, from, min(from+size, len(try.Ops)))
			if len(try.Ops) > 0 && breaks(try) {
				best, removed = try, true
			} else {
				from += size
			}
		}
		if size > 1 {
			size /= 2
		} else if !removed {
			break
		}
	}
	for _, op := range best.Ops {
		try := best.clone()
		try.Good[op.ID] = true
		if breaks(try) {
			best = try
		}
	}
	for range 2 {
		for _, simpler := range simplifications {
			try := best.clone()
			simpler(try)
			if breaks(try) {
				best = try
			}
		}
	}
	return best
}

// simplifications make a program easier to read.
var simplifications = []func(*Program){
	func(p *Program) { p.Setup.LateExpiry = false },
	func(p *Program) { p.Setup.Tight = false },
	func(p *Program) { p.Setup.Reuse = false },
	func(p *Program) { p.Setup.Crowd, p.Setup.Band = 0, 0 },
	func(p *Program) { p.Setup.NoContexts = false },
	func(p *Program) { p.Faults = Faults{} },
	func(p *Program) { p.Faults.StoreSlow, p.Faults.StoreLate = 0, 0 },
	func(p *Program) { p.Faults.StoreError, p.Faults.StoreErrorAfter, p.Faults.StoreSilent = 0, 0, 0 },
	func(p *Program) { p.Faults.Provider5xx, p.Faults.ProviderError, p.Faults.ProviderLost = 0, 0, 0 },
	func(p *Program) { p.Faults.ProviderSlow, p.Faults.ProviderSilent = 0, 0 },
	func(p *Program) { p.Faults.BrowserLost, p.Faults.BrowserSlow, p.Faults.BrowserLeaves = 0, 0, 0 },
	func(p *Program) { clear(p.Setup.Skew) },
	func(p *Program) { p.Setup.ThirdParty = false },
	func(p *Program) { p.Setup.MaxAge = 30 * day },
	func(p *Program) { p.Setup.Lifetime = 8 * time.Hour },
}

func (p *Program) clone() *Program {
	c := *p
	c.Ops = slices.Clone(p.Ops)
	c.Setup.Skew = slices.Clone(p.Setup.Skew)
	c.Good = map[string]bool{}
	for id := range p.Good {
		c.Good[id] = true
	}
	return &c
}
