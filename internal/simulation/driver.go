package simulation

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"
)

// errEnd is the result of calls that were not answered before the end.
var errEnd = errors.New("simulation: the end")

// driver lets the calls that wait for it continue, one at a time.
type driver struct {
	start time.Time
	trace []string
	names map[string]string
	count map[string]int // of secrets by kind, and of calls by name

	mu      sync.Mutex
	arrived []*call
	wake    chan struct{}

	queue  events
	serial int
	open   []*call // not answered yet
	ended  bool
}

func newDriver() *driver {
	return &driver{start: time.Now(), names: map[string]string{}, count: map[string]int{}, wake: make(chan struct{}, 1)}
}

// call is something that waits for the driver.
type call struct {
	name string // who calls what: the same in every run
	id   string // name and count
	proc *process

	// arrive is called by the driver once it knows of the call. It schedules what
	// happens to it.
	arrive func(*call)
	// finish answers the call at the end of the run, if nothing else did.
	finish func(*call)

	done      chan struct{}
	answered  bool
	abandoned bool // the caller no longer waits
	err       error
}

// do waits for the driver to answer a call, or for ctx to end.
func (d *driver) do(ctx context.Context, c *call) error {
	d.enter(c)
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		d.mu.Lock()
		c.abandoned = true
		d.mu.Unlock()
		return ctx.Err()
	}
}

// enter hands the driver a call without waiting.
func (d *driver) enter(c *call) {
	c.done = make(chan struct{})
	d.mu.Lock()
	d.arrived = append(d.arrived, c)
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// answer lets the caller continue. A process that was killed gets no answers
// until the end.
func (d *driver) answer(c *call) {
	if c.answered || c.proc != nil && c.proc.dead && !d.ended {
		return
	}
	c.answered = true
	close(c.done)
}

// after schedules do after a delay.
func (d *driver) after(delay time.Duration, do func()) {
	d.serial++
	heap.Push(&d.queue, &event{at: time.Now().Add(max(delay, 0)), serial: d.serial, do: do})
}

// run lets time pass and calls proceed until idle reports true or the limit is
// reached.
func (d *driver) run(limit time.Duration, idle func() bool) {
	end := time.Now().Add(limit)
	for {
		synctest.Wait()
		d.admit()
		now := time.Now()
		switch {
		case len(d.queue) > 0 && !now.Before(d.queue[0].at):
			heap.Pop(&d.queue).(*event).do()
			continue
		case idle() || !now.Before(end):
			return
		}
		next := end
		if len(d.queue) > 0 && d.queue[0].at.Before(end) {
			next = d.queue[0].at
		}
		timer := time.NewTimer(next.Sub(now))
		select {
		case <-timer.C:
		case <-d.wake:
		}
		timer.Stop()
	}
}

// admit names and schedules the calls that came since the last time, in an order
// that does not depend on the Go scheduler.
func (d *driver) admit() {
	for {
		d.mu.Lock()
		arrived := d.arrived
		d.arrived = nil
		d.mu.Unlock()
		if len(arrived) == 0 {
			return
		}
		slices.SortStableFunc(arrived, func(a, b *call) int { return cmp.Compare(a.name, b.name) })
		for _, c := range arrived {
			d.count[c.name]++
			c.id = fmt.Sprintf("%s/%d", c.name, d.count[c.name])
			d.open = append(slices.DeleteFunc(d.open, func(c *call) bool { return c.answered }), c)
			if d.ended {
				c.end(d)
			} else {
				c.arrive(c)
			}
		}
	}
}

// end answers all open calls, and from now on every call at once.
func (d *driver) end() {
	d.ended = true
	d.queue = nil
	for _, c := range d.open {
		c.end(d)
	}
}

func (c *call) end(d *driver) {
	if c.answered {
		return
	}
	c.err = errEnd
	if c.finish != nil {
		c.finish(c)
	}
	d.answer(c)
}

// log adds a line to the trace.
func (d *driver) log(format string, args ...any) {
	d.trace = append(d.trace, fmt.Sprintf("%14s ", d.elapsed())+fmt.Sprintf(format, args...))
}

func (d *driver) elapsed() time.Duration { return time.Since(d.start).Round(time.Microsecond) }

// alias returns the name of a secret in the trace.
func (d *driver) alias(kind, secret string) string {
	if secret == "" {
		return "no " + kind
	}
	name, ok := d.names[secret]
	if !ok {
		d.count["alias "+kind]++
		name = fmt.Sprintf("%s%d", kind, d.count["alias "+kind])
		d.names[secret] = name
	}
	return name
}

// keyName returns the alias of a key of the store: its kind, and a number for the
// hash at its end.
func (d *driver) keyName(key string) string {
	kind := strings.TrimPrefix(key, "hfoauth-")
	if len(kind) > 43 {
		kind = strings.TrimSuffix(kind[:len(kind)-43], "-")
	}
	return d.alias(kind+"#", key)
}

type event struct {
	at     time.Time
	serial int
	do     func()
}

// events is a queue ordered by time (container/heap).
type events []*event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return cmp.Or(e[i].at.Compare(e[j].at), cmp.Compare(e[i].serial, e[j].serial)) < 0
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(*event)) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}

// fate is what happens to a call to a service: how long it takes until the
// effect, and from then until the answer. never means at the end or not at all.
type fate struct {
	effect, answer time.Duration
	err            error // instead of the answer
	what           string
}

const never = time.Duration(-1)

// service schedules a call to the store or the provider according to its fate:
// effect happens in the service, then the caller gets the answer.
func (d *driver) service(c *call, f fate, effect, answered func()) {
	reply := func() {
		if f.answer == never {
			return
		}
		d.after(f.answer, func() {
			if c.answered || c.abandoned || c.proc.dead {
				return
			}
			c.err = f.err
			answered()
			d.answer(c)
		})
	}
	if f.effect == never {
		reply()
		return
	}
	d.after(f.effect, func() {
		effect()
		reply()
	})
}
