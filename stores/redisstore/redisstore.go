// Package redisstore stores the sessions of hfoauth in Redis, with compare and
// swap:
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

// Store is an hfoauth.SwapStore in Redis. It is safe for concurrent use.
type Store struct{ client redis.UniversalClient }

// New returns a Store that uses client, which may be connected to a single server
// (redis.NewClient), to servers managed by Sentinel (redis.NewFailoverClient) or
// to a cluster (redis.NewClusterClient): each call uses only one key. Keys begin
// with "hfoauth-". The caller closes client. It panics if client is nil.
func New(client redis.UniversalClient) *Store {
	if client == nil {
		panic("redisstore: New: the client is nil")
	}
	return &Store{client}
}

// Find is like FindCtx, without a context.
func (s *Store) Find(key string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), key)
}

// FindCtx returns the value of key, and false if there is none or it has expired.
func (s *Store) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	b, err := s.client.Get(ctx, key).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, false, nil
	}
	return b, err == nil, err
}

// Commit is like CommitCtx, without a context.
func (s *Store) Commit(key string, b []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), key, b, expiry)
}

// CommitCtx sets the value of key to b until expiry, and replaces any old value.
func (s *Store) CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error {
	lifetime := time.Until(expiry)
	if lifetime < time.Millisecond {
		return s.DeleteCtx(ctx, key)
	}
	return s.client.Set(ctx, key, b, lifetime).Err()
}

// Delete is like DeleteCtx, without a context.
func (s *Store) Delete(key string) error { return s.DeleteCtx(context.Background(), key) }

// DeleteCtx removes key. A missing key is not an error.
func (s *Store) DeleteCtx(ctx context.Context, key string) error {
	return s.client.Del(ctx, key).Err()
}

// swap implements SwapCtx. The flag before each value says whether it is not nil.
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

// SwapCtx sets the value of key to new until expiry if it is old, and reports
// whether it was. A nil old means that there is no value; a nil new removes the
// key.
func (s *Store) SwapCtx(ctx context.Context, key string, old, new []byte, expiry time.Time) (bool, error) {
	lifetime := time.Until(expiry).Milliseconds()
	if lifetime < 1 {
		new = nil
	}
	return swap.Run(ctx, s.client, []string{key}, old != nil, old, new != nil, new, lifetime).Bool()
}
