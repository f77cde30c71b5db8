// Package simulation runs replicas of an app against a store, a provider and
// browsers that fail in every way, in virtual time and driven by one seed. After
// each step it checks that the promises still hold. It uses only the app's HTTP
// handler.
//
// A run is a [Program]: what people and machines do, and when. Anything whose
// order could vary is a call that waits for the driver: a request on its way to
// a replica, a response on its way to a browser, a call to the store or to the
// provider. The driver releases one at a time and waits until every goroutine is
// blocked (testing/synctest), so the same seed gives the same run. Chance is a
// function of the seed and of the name of the decision: if an operation is left
// out, the others run as before, so a failing program can be reduced to a few
// operations ([Minimize]).
//
// The model is FoundationDB's simulation
// (https://apple.github.io/foundationdb/testing.html).
package simulation

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Process is what an app needs to start one of its processes.
type Process struct {
	Name      string
	Store     any // a *PlainStore, *ContextStore or *SwapStore, or nil to keep sessions in cookies
	Transport http.RoundTripper
	Now       func() time.Time // the clock of its machine
	Keys      [][]byte         // session keys, the first one seals
	Tight     bool             // bound maps in memory to a few entries
	Site      Site
}

// App is a running process.
type App struct {
	// Handler has the library's handlers at their usual paths and the app's
	// pages: "/" for everyone, "/private" and "/token" for users, and "/program"
	// for users and programs. They send the username in the header X-User, and
	// "/token" sends the user's access token in X-Token.
	Handler http.Handler

	// LogoutUser ends all sessions of a user, by the user's sub.
	LogoutUser func(ctx context.Context, sub string) error

	// Devices lists the sessions of a user.
	Devices func(ctx context.Context, sub string) ([]Device, error)

	// SessionCookie and FrameCookie are the names of the cookies.
	SessionCookie, FrameCookie string

	// StoreKey is the key in the store of the session behind a cookie.
	StoreKey func(cookie string) string
}

// Device is an entry in a list of a user's sessions.
type Device struct {
	ID, User string
	Token    func() (string, error)
	End      func(ctx context.Context) error
}

// Site has the addresses of the app and the provider, and the app's credentials.
type Site struct {
	Origin, Host string
	Provider     string // issuer
	ClientID     string
	ClientSecret string
	Space        bool // the app is shown in iframes on the provider's site
	MaxAge       time.Duration
}

// Start starts a process of the app under test.
type Start func(Process) App

// Violation is a promise that did not hold.
type Violation struct {
	Rule   string // name of the promise, one of Rules
	Detail string
	At     time.Duration
}

func (v Violation) String() string { return fmt.Sprintf("%s: %s (at %s)", v.Rule, v.Detail, v.At) }

// Result is the outcome of a run.
type Result struct {
	Violations []Violation
	Trace      []string
	Counts     map[string]int // what happened how often
	Accepted   map[string]int // how often each of Accepted happened
}

// Broken returns the first violation of one of rules, or of any if none are
// named, that is not in except.
func (r *Result) Broken(rules ...string) *Violation {
	for i, v := range r.Violations {
		if len(rules) == 0 {
			return &r.Violations[i]
		}
		for _, rule := range rules {
			if v.Rule == rule {
				return &r.Violations[i]
			}
		}
	}
	return nil
}

// Text returns the trace, one line per event.
func (r *Result) Text() string { return strings.Join(r.Trace, "\n") }
