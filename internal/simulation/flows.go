package simulation

import (
	"context"
	"crypto/sha256"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// The addresses of the library, at their usual paths.
const (
	loginPath    = "/login"
	callbackPath = "/login/callback"
	logoutPath   = "/logout"
	framePath    = "/login/frame/"
)

// flow is a person or machine that does one thing after the other.
type flow struct {
	w        *world
	id       string
	browser  *browser
	requests int
}

// begin starts a flow.
func (w *world) begin(id string, b *browser, do func(*flow)) {
	w.flows.add(1)
	go func() {
		defer w.flows.add(-1)
		do(&flow{w: w, id: id, browser: b})
	}()
}

// counter counts the running flows.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add(n int) {
	c.mu.Lock()
	c.n += n
	c.mu.Unlock()
}

func (c *counter) value() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// wait lets time pass for a flow.
func (f *flow) wait(d time.Duration) {
	f.w.driver.do(context.Background(), &call{name: f.id + " waits", arrive: func(c *call) {
		f.w.driver.after(d+f.w.dice.between(0, time.Millisecond, c.id), func() { f.w.driver.answer(c) })
	}})
}

// tell makes the driver do something.
func (f *flow) tell(do func()) {
	f.w.driver.do(context.Background(), &call{name: f.id + " tells", arrive: func(c *call) {
		do()
		f.w.driver.answer(c)
	}})
}

func (f *flow) get(at place, target string) *exchange {
	path, query, _ := strings.Cut(target, "?")
	return (&exchange{flow: f, browser: f.browser, at: at, method: "GET", path: path, query: query}).perform()
}

func (f *flow) post(at place, path string, form url.Values) *exchange {
	return (&exchange{flow: f, browser: f.browser, at: at, method: "POST", path: path, form: form}).perform()
}

// open opens a page as a browser does, including redirects and the provider's
// pages, and returns the last response. One action of the person leads through
// sign-in at most once.
func (f *flow) open(at place, target string) *exchange { return f.follow(at, f.get(at, target), true) }

// follow follows the redirects of a response.
func (f *flow) follow(at place, x *exchange, signIn bool) *exchange {
	signIns := 0
	for range 20 {
		if x.err != "" || x.location == "" {
			return x
		}
		if !strings.HasPrefix(x.location, f.w.site.Provider) {
			x = f.get(at, strings.TrimPrefix(x.location, f.w.site.Origin))
			continue
		}
		if signIns++; signIns > 1 || !signIn {
			f.tell(func() { f.w.oracle.violated("stuck", "%s %s leads into sign-in by itself", x.name, x.path) })
			return x
		}
		back, g := f.authorize(x.location)
		if back == "" {
			return x
		}
		x = f.callback(at, back, g)
	}
	f.tell(func() { f.w.oracle.violated("stuck", "%s: more than 20 redirects", f.id) })
	return x
}

// authorize is the person at the provider, who may take a while, or may not
// consent.
func (f *flow) authorize(location string) (back string, g *grant) {
	w := f.w
	w.driver.do(context.Background(), &call{name: f.id + " authorize", arrive: func(c *call) {
		delay := w.dice.between(0, 3*time.Second, c.id)
		if w.faulty(c.id) && w.dice.chance(0.1, c.id+" slow") {
			delay = w.dice.between(0, 12*time.Minute, c.id+" minutes")
		}
		w.driver.after(delay, func() {
			address, err := url.Parse(location)
			switch {
			case err != nil:
				w.oracle.violated("status", "the address of the provider cannot be read: %v", err)
			case w.faulty(c.id) && w.dice.chance(0.05, c.id+" denied"):
				back = w.site.Origin + callbackPath + "?" +
					url.Values{"error": {"access_denied"}, "state": {address.Query().Get("state")}}.Encode()
			default:
				back, g = w.provider.authorize(address, f.browser.person)
			}
			w.driver.log("%s authorizes %s as %s", c.id,
				w.driver.alias("state", address.Query().Get("state")), f.browser.person)
			w.driver.answer(c)
		})
	}})
	return back, g
}

// callback brings the browser back, occasionally twice.
func (f *flow) callback(at place, back string, g *grant) *exchange {
	path, query, _ := strings.Cut(strings.TrimPrefix(back, f.w.site.Origin), "?")
	call := func(f *flow) *exchange {
		return (&exchange{flow: f, browser: f.browser, at: at, method: "GET", path: path, query: query, grant: g}).perform()
	}
	if f.w.faulty(f.id) && f.w.dice.chance(0.1, f.id+" twice") {
		f.w.begin(f.id+"b", f.browser, func(again *flow) { call(again) })
	}
	return call(f)
}

// signOut clicks on "sign out".
func (f *flow) signOut(at place, next string) {
	x := f.post(at, logoutPath, url.Values{"next": {next}})
	if f.w.dice.chance(0.5, f.id+" copied") {
		f.w.begin(f.id+"r", nil, func(thief *flow) {
			for range 6 {
				for _, c := range x.cookies {
					thief.replay(c.name, c.value, nil)
				}
				thief.wait(f.w.dice.between(0, time.Second, thief.id))
			}
		})
	}
	f.follow(at, x, false)
}

var continueLink = regexp.MustCompile(`href="([^"]+)" data-hfoauth-continue`)

// signInFrame signs in inside an iframe: a new tab does it, and the iframe
// claims the session.
func (f *flow) signInFrame(at place, next string) {
	verifier := fmt.Sprintf("%043d", f.w.dice.roll(f.id+" verifier"))
	challenge := sha256.Sum256([]byte(verifier))
	x := f.post(tab, framePath+"popup", url.Values{"challenge": {encode(challenge[:])}, "next": {next}})
	if x.err != "" { // the response may still be on its way
		return
	}
	match := continueLink.FindStringSubmatch(x.body)
	if match == nil {
		return
	}
	done := new(bool)
	f.w.begin(f.id+"t", f.browser, func(f *flow) {
		back, g := f.authorize(html.UnescapeString(match[1]))
		if back == "" {
			return
		}
		if g != nil {
			f.tell(func() { f.w.oracle.expectClaim(encode(challenge[:]), g) })
		}
		x := f.callback(tab, back, g)
		x = f.follow(tab, x, false)
		*done = x.err == "" && x.path == framePath+"done"
	})
	if f.w.dice.chance(0.05, f.id+" sleeps") {
		f.wait(f.w.dice.between(0, 20*time.Minute, f.id+" sleep"))
	}
	if f.w.faulty(f.id) && f.w.dice.chance(0.2, f.id+" claims twice") {
		f.w.begin(f.id+"c", f.browser, func(f *flow) { f.claim(at, verifier, challenge, new(bool)) })
	}
	if f.claim(at, verifier, challenge, done) {
		f.post(at, framePath+"check", nil)
		f.get(at, next)
	}
}

// claim requests the session every second, as the script does. If that fails
// although the tab is signed in, each replica is asked once more without faults
// before the person gives up.
func (f *flow) claim(at place, verifier string, challenge [32]byte, done *bool) bool {
	began, after := time.Now(), 0
	for range 30 {
		if f.claimOnce(at, verifier, nil) {
			return true
		}
		if *done {
			after++
		}
		f.wait(time.Second)
	}
	if after < 15 {
		return false
	}
	calm := &flow{w: f.w, id: "last " + f.id, browser: f.browser}
	for _, p := range f.w.replicas {
		if calm.claimOnce(at, verifier, p) {
			return true
		}
	}
	f.tell(func() { f.w.oracle.unclaimed(f, encode(challenge[:]), began) })
	return false
}

func (f *flow) claimOnce(at place, verifier string, p *process) bool {
	x := (&exchange{flow: f, browser: f.browser, at: at, method: "POST", path: framePath + "claim",
		form: url.Values{"verifier": {verifier}}, proc: p}).perform()
	return x.err == "" && x.status == 200 && strings.Contains(x.body, `"signedIn":true`)
}

// replay sends an old cookie that someone kept to a replica.
func (f *flow) replay(name, value string, p *process) *exchange {
	return (&exchange{flow: f, at: "replay", method: "GET", path: "/", proc: p,
		cookies: []sent{{name: name, value: value}}}).perform()
}

// program sends a bearer token.
func (f *flow) program(token string) *exchange {
	return (&exchange{flow: f, at: "program", method: "GET", path: "/program", bearer: token}).perform()
}
