// Package simulation runs replicas of an app against a store, a provider and
// browsers that fail in every way, in virtual time and driven by one seed, and
// asks after each step whether the promises still hold. It knows the app by
// its HTTP handler alone.
//
// A run is a [Program]: what people and machines do, and when. All that could
// come in another order is a call that waits for the driver: a request on its
// way to a replica, an answer on its way to a browser, a call of the store or
// of the provider. The driver lets one go at a time and waits until nothing
// moves any more (testing/synctest), so the same seed is the same run. Chance
// is a function of the seed and of the name of what it decides: without one
// operation the others run as before, which is how a failing program is cut
// down to a few ([Minimize]).
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
	Store     any // a *PlainStore, *ContextStore or *SwapStore, or nil: sessions live in cookies
	Transport http.RoundTripper
	Now       func() time.Time // the clock of its machine
	Keys      [][]byte         // session keys, the first one seals
	Tight     bool             // bound maps in memory to a few entries
	Site      Site
}

// App is a process that was started.
type App struct {
	// Handler has the library's handlers at their usual paths and the app's
	// pages: "/" for everybody, "/private" for users, "/token" for users, with
	// their access token, and "/program" for users and programs. They answer
	// with the username in the header X-User, and "/token" with the access
	// token in X-Token.
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

// Site is where the app is and who it is at the provider.
type Site struct {
	Origin, Host string
	Provider     string // issuer
	ClientID     string
	ClientSecret string
	Space        bool // the app is shown inside iframes of the provider's site
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

// Result is what came of a run.
type Result struct {
	Violations []Violation
	Trace      []string
	Counts     map[string]int // what happened how often
	Accepted   map[string]int // what of Accepted did
}

// Broken returns the first violation of one of rules, or of any if there are
// none named, that is not among except.
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

// Text is the trace, a line an event.
func (r *Result) Text() string { return strings.Join(r.Trace, "\n") }
