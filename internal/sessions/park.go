package sessions

import (
	"context"
	"errors"
	"time"

	"github.com/hfoauth/hfoauth/internal/codec"
)

// ErrDenied means that the sign-in a claim waits for was denied.
var ErrDenied = errors.New("sessions: the sign-in was denied")

// parkedLifetime is how long a session waits for its iframe.
const parkedLifetime = 2 * time.Minute

// parked is the value of a session cookie that waits for the iframe that knows
// the secret of a challenge.
type parked struct {
	until time.Time
	taker [16]byte // the process that took it; zero if it waits
	value string
}

func (p *parked) fields(c *codec.Coder) {
	c.Version(1)
	c.Time(&p.until)
	c.Array(p.taker[:])
	c.String(&p.value)
}

// Park stores the value of a session cookie for Claim.
func (k *Keeper[S]) Park(ctx context.Context, challenge, value string) error {
	key := keyOf("parked", challenge)
	p := &parked{until: k.config.Now().Add(parkedLifetime), value: value}
	return k.store.commit(k.Limit(ctx), key, k.sealParked(key, p), p.until)
}

// Deny makes Claim return ErrDenied: there will be no session.
func (k *Keeper[S]) Deny(ctx context.Context, challenge string) error {
	return k.Park(ctx, challenge, "")
}

func (k *Keeper[S]) sealParked(key string, p *parked) []byte {
	return k.config.Stored.Seal(codec.Encode(len(p.value)+64, p.fields), key)
}

// Claim returns, once, the session that was parked under a challenge and the
// value of its cookie. The entry is nil if there is none. The error is ErrDenied
// after Deny; if it wraps ErrUnavailable, the claim can be retried.
//
// The process that takes it first stores its own name there: if the store fails
// to respond, the next claim at this process sees who took it.
func (k *Keeper[S]) Claim(ctx context.Context, challenge string) (*Entry[S], string, error) {
	ctx = k.Limit(ctx)
	key := keyOf("parked", challenge)
	sealed, err := k.store.find(ctx, key)
	if err != nil || sealed == nil {
		return nil, "", err
	}
	var p parked
	plain, err := k.config.Stored.Open(sealed, key)
	if err != nil || codec.Decode(plain, p.fields) != nil || !k.config.Now().Before(p.until) {
		return nil, "", nil
	}
	if p.value == "" {
		return nil, "", ErrDenied
	}
	e, err := k.Open(ctx, p.value)
	if err != nil || e == nil {
		return nil, "", err
	}
	if p.taker == [16]byte{} {
		p.taker = k.owner
		swapped, err := k.store.swap(ctx, key, sealed, k.sealParked(key, &p), p.until)
		if err != nil || !swapped {
			return nil, "", err
		}
	}
	now := k.config.Now()
	if p.taker != k.owner || !k.claimed.PutNew(key, struct{}{}, 1, now, p.until) {
		return nil, "", nil
	}
	if e.Value != "" { // it was renewed meanwhile
		p.value = e.Value
	}
	return e, p.value, nil
}
