// Package redisstore keeps sessions of hfoauth in Redis, with compare and swap:
//
//	client, err := hfoauth.New(hfoauth.Config{
//		Store: redisstore.New(redis.NewClient(&redis.Options{Addr: "localhost:6379"})),
//	})
package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// Store is a hfoauth.SwapStore in Redis. It is safe for concurrent use.
type Store struct{ client redis.UniversalClient }

// New returns a Store that uses client: of one server, of one that Sentinel
// watches (redis.NewFailoverClient), or of a cluster (redis.NewClusterClient).
// Each call is about one key. Keys begin with "hfoauth-".
func New(client redis.UniversalClient) *Store { return &Store{client} }

// Find is FindCtx without a context.
func (s *Store) Find(key string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), key)
}

// FindCtx returns the bytes under key, and false if there are none or they
// have expired.
func (s *Store) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	b, err := s.client.Get(ctx, key).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, false, nil
	}
	return b, err == nil, err
}

// Commit is CommitCtx without a context.
func (s *Store) Commit(key string, b []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), key, b, expiry)
}

// CommitCtx keeps b under key until expiry, in place of what was there.
func (s *Store) CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error {
	lifetime := time.Until(expiry)
	if lifetime < time.Millisecond {
		return s.DeleteCtx(ctx, key)
	}
	return s.client.Set(ctx, key, b, lifetime).Err()
}

// Delete is DeleteCtx without a context.
func (s *Store) Delete(key string) error { return s.DeleteCtx(context.Background(), key) }

// DeleteCtx removes key; a key that is missing is no error.
func (s *Store) DeleteCtx(ctx context.Context, key string) error {
	return s.client.Del(ctx, key).Err()
}

// swap is the whole of SwapCtx. A flag in front of each value says whether
// there is one.
var swap = redis.NewScript(`
local current = redis.call('GET', KEYS[1])
if ARGV[1] == '1' and current ~= ARGV[2] or ARGV[1] == '0' and current then
	return 0
end
if ARGV[3] == '1' then
	redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
else
	redis.call('DEL', KEYS[1])
end
return 1`)

// SwapCtx puts new under key until expiry if old is there, and reports whether
// it did. A nil old means that nothing is there, a nil new removes.
func (s *Store) SwapCtx(ctx context.Context, key string, old, new []byte, expiry time.Time) (bool, error) {
	lifetime := time.Until(expiry).Milliseconds()
	if lifetime < 1 {
		new = nil
	}
	return swap.Run(ctx, s.client, []string{key}, old != nil, old, new != nil, new, lifetime).Bool()
}
