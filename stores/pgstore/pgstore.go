// Package pgstore keeps sessions of hfoauth in PostgreSQL, with compare and
// swap:
//
//	client, err := hfoauth.New(hfoauth.Config{Store: pgstore.New(pool)})
//
// The table is that of scs's pgxstore:
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

// Store is a hfoauth.SwapStore in PostgreSQL. It is safe for concurrent use.
// Expired rows count as missing; DeleteExpired removes them.
type Store struct{ pool *pgxpool.Pool }

// New returns a Store that uses the table sessions.
func New(pool *pgxpool.Pool) *Store { return &Store{pool} }

// Find is FindCtx without a context.
func (s *Store) Find(key string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), key)
}

// FindCtx returns the bytes under key, and false if there are none or they
// have expired.
func (s *Store) FindCtx(ctx context.Context, key string) (b []byte, found bool, err error) {
	err = s.pool.QueryRow(ctx, `SELECT data FROM sessions WHERE token = $1 AND expiry > now()`, key).Scan(&b)
	if errors.Is(err, pgx.ErrNoRows) {
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
	_, err := s.pool.Exec(ctx, `
		INSERT INTO sessions (token, data, expiry) VALUES ($1, $2, now() + make_interval(secs => $3))
		ON CONFLICT (token) DO UPDATE SET data = excluded.data, expiry = excluded.expiry`,
		key, b, time.Until(expiry).Seconds())
	return err
}

// Delete is DeleteCtx without a context.
func (s *Store) Delete(key string) error { return s.DeleteCtx(context.Background(), key) }

// DeleteCtx removes key; a key that is missing is no error.
func (s *Store) DeleteCtx(ctx context.Context, key string) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM sessions WHERE token = $1`, key)
	return err
}

// SwapCtx puts new under key until expiry if old is there, and reports whether
// it did. A nil old means that nothing is there, a nil new removes. It is one
// statement, so that the row's own lock orders those of the same moment.
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

// DeleteExpired removes the rows that have expired, and returns how many. Call
// it now and then, for example every hour.
func (s *Store) DeleteExpired(ctx context.Context) (int64, error) {
	tag, err := s.pool.Exec(ctx, `DELETE FROM sessions WHERE expiry <= now()`)
	return tag.RowsAffected(), err
}
