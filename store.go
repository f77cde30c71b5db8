package hfoauth

import (
	"context"
	"time"
)

// Store keeps sessions on the server. It is the Store of scs
// (https://pkg.go.dev/github.com/alexedwards/scs/v2#Store), all of whose stores
// fit. The methods FindCtx, CommitCtx and DeleteCtx of scs's CtxStore are used
// instead if a Store has them, and those of [SwapStore]; New logs at
// [log/slog.LevelDebug] which.
//
// Sessions are stored sealed, under a key that is a hash: anyone who can read
// the store learns no token and cannot sign in. Methods are called
// concurrently. All calls of one of our handlers together may take 800 ms, and so
// may those of one method that the app calls; a call without a context then
// continues until the store itself gives up, and does no harm however late it
// ends.
type Store interface {
	// Find returns the bytes under key, and false if there are none or they
	// have expired.
	Find(key string) (b []byte, found bool, err error)

	// Commit stores b under key until expiry, replacing any earlier value.
	Commit(key string, b []byte, expiry time.Time) error

	// Delete removes key. A missing key is not an error.
	Delete(key string) error
}

// SwapStore is a Store that can compare and swap, which makes sign-out and
// renewal exact if replicas race. Without it, two replicas may renew one
// session at the same moment, and a provider that revokes tokens on reuse (RFC
// 9700 section 4.14.2) then ends it. Packages redisstore and pgstore of
// the module github.com/hfoauth/hfoauth/stores implement it.
type SwapStore interface {
	Store

	// SwapCtx stores new under key until expiry if the current value is old, and
	// reports whether it did. A nil old means that there is no current value; a
	// nil new removes it. An expired value counts as missing.
	SwapCtx(ctx context.Context, key string, old, new []byte, expiry time.Time) (swapped bool, err error)
}
