package simulation

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"time"
)

// browser is one person's browser: its cookies, by partition, and who is signed
// in at the provider.
type browser struct {
	w          *world
	name       string
	person     string
	thirdParty bool // iframes on other sites send cookies that are not partitioned
	jar        []*cookie
	current    map[string]*session // the latest sign-in, by partition
}

type cookie struct {
	name, value string
	partition   string // "" if it is not partitioned
	none        bool   // SameSite=None
	expires     time.Time
}

// place is where a page is shown.
type place string

const (
	tab       place = "tab"
	frame     place = "iframe"           // on the provider's site
	nearFrame place = "same-site iframe" // on a page of the app's own site
)

// partition returns the top-level site of a page
// (https://datatracker.ietf.org/doc/draft-cutler-httpbis-partitioned-cookies/).
func (p place) partition() string {
	if p == frame {
		return "provider"
	}
	return "app"
}

// sends reports whether a request from a place carries a cookie.
func (b *browser) sends(c *cookie, at place) bool {
	switch {
	case !time.Now().Before(c.expires):
		return false
	case c.partition != "":
		return c.partition == at.partition()
	}
	return at != frame || b.thirdParty && c.none
}

// keep handles a Set-Cookie line as browsers do.
func (b *browser) keep(line string, at place) *cookie {
	parsed, err := http.ParseSetCookie(line)
	if err != nil {
		b.w.oracle.violated("status", "a Set-Cookie line cannot be read: %v", err)
		return nil
	}
	c := &cookie{name: parsed.Name, value: parsed.Value, none: parsed.SameSite == http.SameSiteNoneMode}
	switch {
	case parsed.Partitioned:
		c.partition = at.partition()
	case at == frame && !(b.thirdParty && c.none):
		return nil
	}
	same := func(old *cookie) bool { return old.name == c.name && old.partition == c.partition }
	if parsed.MaxAge < 0 {
		b.jar = slices.DeleteFunc(b.jar, same)
		return nil
	}
	c.expires = time.Now().Add(time.Duration(parsed.MaxAge) * time.Second)
	if parsed.MaxAge == 0 {
		c.expires = time.Now().Add(24 * time.Hour) // a session cookie
	}
	if i := slices.IndexFunc(b.jar, same); i >= 0 {
		b.jar[i] = c
	} else {
		b.jar = append(b.jar, c)
	}
	return c
}

// cookie returns the value of a cookie that a place would send, or "".
func (b *browser) cookie(name string, at place) string {
	for _, c := range b.jar {
		if c.name == name && b.sends(c, at) {
			return c.value
		}
	}
	return ""
}

// exchange is a request and its response.
type exchange struct {
	w       *world
	flow    *flow
	browser *browser // nil for a program and for anyone who has an old cookie
	at      place
	method  string
	path    string
	query   string
	form    url.Values
	bearer  string
	cookies []sent
	grant   *grant        // that the callback is about
	stays   time.Duration // how long the browser waits for the end of a stream

	name     string
	call     *call
	proc     *process
	cancel   context.CancelFunc
	started  time.Time
	expected *session // the latest sign-in at the place of the request
	given    bool     // the browser has the response, or no longer waits for it
	asked    bool     // it made the process call the provider
	streams  bool     // the header of a stream was sent
	kept     bool     // the browser has the cookies of the response

	status   int
	location string
	body     string
	user     string
	id       string // of the session
	token    string
	set      []string
	ended    bool // the stream, with its session
	panicked any
	err      string // why the browser has no response
}

// sent is a session's cookie in a request.
type sent struct {
	name, value string
	copied      *copied
	session     *session
	must        string // why the session must be refused
	live        bool   // the session must be accepted
	good        bool   // its access token is good enough for this request
}

// perform sends a request and waits until the browser has the response or has
// given up.
func (x *exchange) perform() *exchange {
	f := x.flow
	f.requests++
	x.w = f.w
	x.name = fmt.Sprintf("%s.%02d %s %s", f.id, f.requests, x.method, x.path)
	x.call = &call{name: x.name, arrive: x.leave, finish: func(*call) { x.err = "the end" }}
	x.w.driver.do(context.Background(), x.call)
	return x
}

// leave is called when a request leaves the browser.
func (x *exchange) leave(c *call) {
	w := x.w
	var header []string
	if x.browser != nil {
		for _, c := range x.browser.jar {
			if x.browser.sends(c, x.at) {
				header = append(header, c.name+"="+c.value)
				x.cookies = append(x.cookies, sent{name: c.name, value: c.value})
			}
		}
	} else {
		for _, c := range x.cookies {
			header = append(header, c.name+"="+c.value)
		}
	}
	line := strings.Join(header, "; ")
	if x.browser != nil {
		w.oracle.header(x, line)
		x.expected = x.browser.current[x.at.partition()]
	}
	w.driver.after(w.dice.between(0, 20*time.Millisecond, c.id), func() { x.arrive(line) })
}

// arrive is called when a request reaches a replica.
func (x *exchange) arrive(cookies string) {
	w := x.w
	if x.proc == nil {
		x.proc = w.pick(x.call.id + " replica")
	}
	if x.proc.dead {
		x.lost("connection refused")
		return
	}
	x.started = time.Now()
	x.proc.exchanges = append(x.proc.exchanges, x)
	w.oracle.started(x)
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), callerKey{}, x.name))
	x.cancel = cancel
	var body *strings.Reader
	if x.form != nil {
		body = strings.NewReader(x.form.Encode())
	} else {
		body = strings.NewReader("")
	}
	target := x.path
	if x.query != "" {
		target += "?" + x.query
	}
	req := httptest.NewRequestWithContext(ctx, x.method, w.site.Origin+target, body)
	req.RequestURI = target
	if cookies != "" {
		req.Header.Set("Cookie", cookies)
	}
	x.fetchMetadata(req.Header)
	w.driver.log("%s at %s from %s %s: %s", x.call.id, x.proc.name, x.who(), x.at, w.oracle.describe(x))
	done := &call{name: x.name + " done", proc: x.proc, arrive: func(*call) { x.handled() }}
	handler := x.proc.app.Handler
	go func() {
		rec := httptest.NewRecorder()
		defer func() {
			x.panicked = recover()
			cancel()
			x.read(rec)
			w.driver.enter(done)
		}()
		if x.path == streamPath {
			handler.ServeHTTP(&streamWriter{rec, x}, req)
		} else {
			handler.ServeHTTP(rec, req)
		}
	}()
	patience := x.stays + w.dice.between(20*time.Second, 40*time.Second, x.call.id+" patience")
	if w.faulty(x.call.id) && w.dice.chance(w.faults.BrowserLeaves, x.call.id+" leaves") {
		patience = w.dice.between(0, one(w.dice, x.call.id+" leaves soon", 30*time.Millisecond, time.Second),
			x.call.id+" leaves after")
	}
	w.driver.after(patience, func() {
		if !x.given {
			cancel()
			x.lost("the browser left")
		}
	})
}

// read takes from a response what the oracle needs.
func (x *exchange) read(rec *httptest.ResponseRecorder) {
	header := rec.Header()
	x.status, x.location, x.body = rec.Code, header.Get("Location"), rec.Body.String()
	x.user, x.id, x.token, x.set = header.Get("X-User"), header.Get("X-Session"),
		header.Get("X-Token"), slices.Clone(header["Set-Cookie"])
	x.ended = header.Get("X-Stream") == "ended"
}

// flushed is called when the handler of a stream has written its header.
func (x *exchange) flushed(rec *httptest.ResponseRecorder) {
	x.read(rec)
	x.w.driver.do(context.Background(), &call{name: x.name + " header", proc: x.proc, arrive: func(c *call) {
		if !x.proc.dead {
			x.begun()
			x.w.driver.answer(c)
		}
	}})
}

// fetchMetadata adds the headers in which browsers describe a request
// (https://www.w3.org/TR/fetch-metadata/).
func (x *exchange) fetchMetadata(h http.Header) {
	if x.bearer != "" {
		h.Set("Authorization", "Bearer "+x.bearer)
	}
	if x.browser == nil {
		return
	}
	h.Set("Sec-Fetch-Site", "same-origin")
	switch {
	case strings.HasPrefix(x.path, framePath) && x.path != framePath+"done":
		h.Set("Sec-Fetch-Mode", "cors")
		h.Set("Accept", "*/*")
	default:
		h.Set("Sec-Fetch-Mode", "navigate")
		h.Set("Accept", "text/html,application/xhtml+xml")
		h.Set("Sec-Fetch-Dest", "document")
		if x.at != tab {
			h.Set("Sec-Fetch-Dest", "iframe")
		}
	}
	if x.method == "POST" {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
		h.Set("Origin", x.w.site.Origin)
	}
}

// handled is called when the handler of a request has returned.
func (x *exchange) handled() {
	w := x.w
	x.proc.exchanges = slices.DeleteFunc(x.proc.exchanges, func(other *exchange) bool { return other == x })
	if x.proc.dead {
		return
	}
	w.driver.log("%s: %s", x.call.id, w.oracle.outcome(x))
	w.oracle.handled(x)
	if w.faulty(x.call.id) && w.dice.chance(w.faults.BrowserLost, x.call.id+" lost") {
		w.driver.after(w.dice.between(0, time.Second, x.call.id+" lost after"), func() { x.lost("answer lost") })
		return
	}
	delay := w.dice.between(0, 20*time.Millisecond, x.call.id+" way back")
	if w.faulty(x.call.id) && w.dice.chance(w.faults.BrowserSlow, x.call.id+" slow") {
		delay = w.dice.between(0, 5*time.Second, x.call.id+" slow way back")
	}
	w.driver.after(delay, x.received)
}

// received is called when the browser has the response.
func (x *exchange) received() {
	if x.given {
		return
	}
	x.given = true
	x.keepCookies()
	x.w.driver.answer(x.call)
}

// keepCookies is called when the browser has the header of a response.
func (x *exchange) keepCookies() {
	if x.browser == nil || x.kept {
		return
	}
	x.kept = true
	for _, line := range x.set {
		name, _, _ := strings.Cut(line, "=")
		before := x.browser.cookie(name, x.at)
		kept := x.browser.keep(line, x.at)
		x.w.oracle.kept(x, name, before, kept)
	}
}

// lost is called when the browser knows that it gets no response.
func (x *exchange) lost(why string) {
	if x.given {
		return
	}
	x.given = true
	x.err = why
	x.w.driver.log("%s: %s", x.call.id, why)
	x.w.driver.answer(x.call)
}

func (x *exchange) who() string {
	if x.browser == nil {
		return "somebody"
	}
	return x.browser.name
}
