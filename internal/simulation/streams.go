package simulation

import (
	"net/http/httptest"
	"slices"
	"time"
)

const (
	streamPath = "/stream"

	// streamCheck is how soon a stream must notice that another process ended its
	// session.
	streamCheck = time.Minute + 2*time.Second
)

// stream opens a stream and waits until it ends, but no longer than stays. It
// does not delay the end of the run.
func (w *world) stream(id string, b *browser, at place, stays time.Duration) {
	x := &exchange{flow: &flow{w: w, id: id, browser: b}, browser: b, at: at, method: "GET",
		path: streamPath, stays: stays}
	w.streams = append(w.streams, x)
	go x.perform()
}

// streamWriter forwards the header of a stream before the stream ends.
type streamWriter struct {
	*httptest.ResponseRecorder
	x *exchange
}

func (s *streamWriter) Flush() { s.x.flushed(s.ResponseRecorder) }

// begun is called when the header of a stream is on its way to the browser.
func (x *exchange) begun() {
	w := x.w
	w.driver.log("%s: %s, and continues", x.call.id, w.oracle.outcome(x))
	x.streams = true
	w.oracle.answered(x)
	w.driver.after(w.dice.between(0, 20*time.Millisecond, x.call.id+" header"), func() {
		if !x.given {
			x.keepCookies()
		}
	})
}

// streamed checks a stream at its end. The app says whether it ended because its
// session did.
func (o *oracle) streamed(x *exchange) {
	c := x.only()
	if c == nil {
		return
	}
	live, accepted := c.copied.live(c.value, x.proc)
	switch {
	case x.ended && accepted != "":
		o.accept(accepted)
	case x.ended && c.live && live:
		o.violated("stream", "%s at %s: ended, but session %d has not", x.name, x.proc.name, c.session.n)
	case !x.ended && !o.w.broken && c.session.must(x.proc) == "age":
		o.violated("stream", "%s at %s: outlives session %d", x.name, x.proc.name, c.session.n)
	}
}

// only returns the session cookie of a request, or nil if there are several.
func (x *exchange) only() *sent {
	if len(x.cookies) != 1 || x.cookies[0].session == nil {
		return nil
	}
	return &x.cookies[0]
}

// openStreams returns the streams of a session that have not ended, or those of
// all sessions if s is nil.
func (o *oracle) openStreams(s *session) (open []*exchange) {
	for _, x := range o.w.streams {
		if c := x.only(); c != nil && (s == nil || c.session == s) && x.streams && slices.Contains(x.proc.exchanges, x) {
			open = append(open, x)
		}
	}
	return open
}

// streamsEnd checks, when within has passed, that the streams of an ended session
// are closed: those of one process, or of all if p is nil.
func (o *oracle) streamsEnd(s *session, p *process, within time.Duration) {
	for _, x := range o.openStreams(s) {
		if p == nil || x.proc == p {
			o.w.driver.after(within, func() { o.streamEnds(x) })
		}
	}
}

// streamEnds checks that a stream is closed if its session has ended.
func (o *oracle) streamEnds(x *exchange) {
	s := x.only().session
	if rule := s.must(x.proc); rule != "" && slices.Contains(x.proc.exchanges, x) {
		o.violated("stream", "%s at %s is open, but session %d has ended by %s", x.name, x.proc.name, s.n, rule)
	}
}
