// Package pgstore stores the sessions of hfoauth in PostgreSQL, with compare and
// swap:
//
//	client, err := hfoauth.New(hfoauth.Config{Store: pgstore.New(pool)})
//
// It needs this table, which is the same as for scs's pgxstore:
//
//	CREATE TABLE sessions (
//		token TEXT PRIMARY KEY,
//		data BYTEA NOT NULL,
//		expiry TIMESTAMPTZ NOT NULL
//	);
//	CREATE INDEX sessions_expiry_idx ON sessions (expiry);
package pgstore

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Store is an hfoauth.SwapStore in PostgreSQL. It is safe for concurrent use.
// Expired rows count as missing; DeleteExpired removes them.
type Store struct{ pool *pgxpool.Pool }

// New returns a Store that uses the table sessions. The caller closes pool. It
// panics if pool is nil.
func New(pool *pgxpool.Pool) *Store {
	if pool == nil {
		panic("pgstore: New: the pool is nil")
	}
	return &Store{pool}
}

// Find is like FindCtx, without a context.
func (s *Store) Find(key string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), key)
}

// FindCtx returns the value of key. found is false if there is none or it has
// expired.
func (s *Store) FindCtx(ctx context.Context, key string) (b []byte, found bool, err error) {
	err = s.pool.QueryRow(ctx, `SELECT data FROM sessions WHERE token = $1 AND expiry > now()`, key).Scan(&b)
	if errors.Is(err, pgx.ErrNoRows) {
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
	_, err := s.pool.Exec(ctx, `
		INSERT INTO sessions (token, data, expiry) VALUES ($1, $2, now() + make_interval(secs => $3))
		ON CONFLICT (token) DO UPDATE SET data = excluded.data, expiry = excluded.expiry`,
		key, b, time.Until(expiry).Seconds())
	return err
}

// Delete is like DeleteCtx, without a context.
func (s *Store) Delete(key string) error { return s.DeleteCtx(context.Background(), key) }

// DeleteCtx removes key. A missing key is not an error.
func (s *Store) DeleteCtx(ctx context.Context, key string) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM sessions WHERE token = $1`, key)
	return err
}

// SwapCtx sets the value of key to new until expiry if it is old, and reports
// whether it was. A nil old means that there is no value; a nil new removes the
// key. It is one statement, so that the row's lock orders concurrent calls.
func (s *Store) SwapCtx(ctx context.Context, key string, old, new []byte, expiry time.Time) (bool, error) {
	lifetime := time.Until(expiry).Seconds()
	var statement string
	args := []any{key}
	switch {
	case old == nil && new == nil:
		_, found, err := s.FindCtx(ctx, key)
		return !found && err == nil, err
	case old == nil:
		statement = `
			INSERT INTO sessions (token, data, expiry) VALUES ($1, $2, now() + make_interval(secs => $3))
			ON CONFLICT (token) DO UPDATE SET data = excluded.data, expiry = excluded.expiry
			WHERE sessions.expiry <= now()`
		args = append(args, new, lifetime)
	case new == nil:
		statement = `DELETE FROM sessions WHERE token = $1 AND data = $2 AND expiry > now()`
		args = append(args, old)
	default:
		statement = `
			UPDATE sessions SET data = $3, expiry = now() + make_interval(secs => $4)
			WHERE token = $1 AND data = $2 AND expiry > now()`
		args = append(args, old, new, lifetime)
	}
	tag, err := s.pool.Exec(ctx, statement, args...)
	return tag.RowsAffected() == 1, err
}

// DeleteExpired removes all expired rows and returns their number. Call it
// regularly, for example every hour.
func (s *Store) DeleteExpired(ctx context.Context) (int64, error) {
	tag, err := s.pool.Exec(ctx, `DELETE FROM sessions WHERE expiry <= now()`)
	return tag.RowsAffected(), err
}
