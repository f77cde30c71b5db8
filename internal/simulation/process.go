package simulation

import (
	"fmt"
	"time"
)

// process is one life of a replica.
type process struct {
	w         *world
	replica   string // "r1"
	name      string // "r1.2" for its second life
	app       App
	dead      bool
	exchanges []*exchange    // in progress
	knows     map[*grant]int // the latest tokens it has seen
	waiting   []*call        // of callers that did not use HTTP
	asked     time.Time      // when it last called the provider for no request
}

// launch starts or restarts a replica.
func (w *world) launch(n int) {
	w.lives[n]++
	p := &process{w: w, replica: fmt.Sprintf("r%d", n+1), knows: map[*grant]int{}}
	p.name = fmt.Sprintf("%s.%d", p.replica, w.lives[n])
	skew := w.setup.Skew[n]
	contexts := ContextStore{PlainStore{p}}
	config := Process{
		Name: p.name, Transport: transport{p}, Site: w.site, Tight: w.setup.Tight,
		Now: func() time.Time { return time.Now().Add(skew) },
	}
	switch {
	case w.setup.Store == "swap":
		config.Store = &SwapStore{contexts}
	case w.setup.NoContexts:
		config.Store = &contexts.PlainStore
	case w.setup.Store == "plain":
		config.Store = &contexts
	}
	old, new := []byte("the first key of the simulation."), []byte("the other key of the simulation.")
	switch w.keys[n] {
	case 0:
		config.Keys = [][]byte{old}
	case 1: // first step: all replicas learn the new key
		config.Keys = [][]byte{old, new}
	case 2: // second step: they seal with it
		config.Keys = [][]byte{new, old}
	}
	p.app = w.boot(config)
	w.replicas[n] = p
}

// kill ends a process at once: its work stops, but what it has sent is still on
// its way.
func (w *world) kill(n int) {
	p := w.replicas[n]
	p.dead = true
	w.oracle.died(p)
	for _, x := range p.exchanges {
		x.lost("connection reset")
		if x.path == streamPath {
			x.cancel() // nothing else would end its goroutines
		}
	}
	for _, c := range p.waiting {
		w.driver.answer(c)
	}
	p.exchanges, p.waiting = nil, nil
}

// pick chooses the replica to which a load balancer sends a request.
func (w *world) pick(name string) *process {
	return w.replicas[w.dice.below(len(w.replicas), name)]
}

// asks records that a process calls the provider.
func (p *process) asks(caller string) {
	if caller == nobody {
		p.asked = time.Now()
	}
	for _, x := range p.exchanges {
		if x.name == caller {
			x.asked = true
		}
	}
}
