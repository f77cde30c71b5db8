package sessions

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	firstPause = time.Second
	maxPause   = 30 * time.Second
)

// backlog retries changes that failed in the store until they succeed, one after
// the other. It has a goroutine only while there are any.
type backlog struct {
	now     func() time.Time
	logger  *slog.Logger
	maxJobs int

	mu    sync.Mutex
	jobs  []job
	names map[string]struct{}
}

type job struct {
	name string
	end  time.Time // when it no longer matters
	do   func(context.Context) error
}

// add tries do until it succeeds, unless a change of this name already waits.
func (b *backlog) add(name string, end time.Time, do func(context.Context) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.names[name]; ok {
		return
	}
	if len(b.jobs) >= b.maxJobs {
		b.logger.Error("hfoauth: too many changes wait for the session store; one is dropped", "change", name)
		return
	}
	if b.names == nil {
		b.names = map[string]struct{}{}
	}
	b.names[name] = struct{}{}
	b.jobs = append(b.jobs, job{name, end, do})
	if len(b.jobs) == 1 {
		go b.run()
	}
}

// run tries the changes in turn, with pauses while the store fails.
func (b *backlog) run() {
	for pause := firstPause; ; {
		b.mu.Lock()
		next := b.jobs[0]
		b.mu.Unlock()
		done := !b.now().Before(next.end) || next.do(newLimit(context.Background())) == nil
		b.mu.Lock()
		b.jobs = b.jobs[1:]
		if done {
			delete(b.names, next.name)
			pause = firstPause
		} else {
			b.jobs = append(b.jobs, next)
		}
		if len(b.jobs) == 0 {
			b.jobs = nil
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		if !done {
			time.Sleep(pause)
			pause = min(2*pause, maxPause)
		}
	}
}
