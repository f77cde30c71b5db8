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
// concurrently. All calls of one request together are given up on after 800 ms;
// a call without a context then goes on until the store itself gives up, and
// does no harm however late.
type Store interface {
	// Find returns the bytes under key, and false if there are none or they
	// have expired.
	Find(key string) (b []byte, found bool, err error)

	// Commit keeps b under key until expiry, in place of what was there.
	Commit(key string, b []byte, expiry time.Time) error

	// Delete removes key; a key that is missing is no error.
	Delete(key string) error
}

// SwapStore is a Store that can compare and swap, which makes sign-out and
// renewal exact where replicas race. Without it, two replicas may renew one
// session at the same moment, and a provider that revokes tokens on reuse (RFC
// 9700 section 4.14.2) then ends it. Packages redisstore and pgstore of
// the module github.com/hfoauth/hfoauth/stores have one.
type SwapStore interface {
	Store

	// SwapCtx puts new under key until expiry if old is there, and reports
	// whether it did. A nil old means that nothing is there, a nil new removes.
	// An entry that has expired counts as missing.
	SwapCtx(ctx context.Context, key string, old, new []byte, expiry time.Time) (swapped bool, err error)
}
