package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite"
)

// maxPictures is how many pictures a user may keep.
const maxPictures = 100

var (
	errFull     = errors.New("the user has as many pictures as allowed")
	errNotFound = errors.New("there is no such picture, or it is not the user's")
)

// picture is kept under the stable IDs of its owner and of the organization
// whose album it is in: the usernames of both can change, and be taken over.
type picture struct {
	ID       string
	Owner    string // Sub
	Username string // the owner's at their last sign-in; only in lists
	Org      string // Sub; empty if the picture is the owner's alone
	Caption  string
	Type     string
	Data     []byte
	Created  time.Time
}

// A session may outlive a lost disk and its table users, so owners need not be in
// that table.
const schema = `
CREATE TABLE IF NOT EXISTS users (
	sub      TEXT PRIMARY KEY,
	username TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS pictures (
	id      TEXT PRIMARY KEY,
	owner   TEXT NOT NULL CHECK (owner <> ''),
	org     TEXT CHECK (org <> ''),
	caption TEXT NOT NULL,
	type    TEXT NOT NULL,
	created INTEGER NOT NULL,
	data    BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS pictures_of_owner ON pictures (owner);
CREATE INDEX IF NOT EXISTS pictures_of_org ON pictures (org);`

// dataDir returns the directory of the database: DATA_DIR, otherwise the bucket of a
// Space if it is writable, otherwise ./data.
func dataDir(bucket string) string {
	if dir := os.Getenv("DATA_DIR"); dir != "" {
		return dir
	}
	if probe, err := os.CreateTemp(bucket, ".probe-*"); err == nil {
		probe.Close()
		os.Remove(probe.Name())
		return bucket
	}
	return "data"
}

type store struct{ db *sql.DB }

func openStore(ctx context.Context, dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "gallery.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // SQLite writes one at a time, and a bucket may lack the shared memory that its WAL needs
	if _, err := db.ExecContext(ctx, schema); err != nil {
		db.Close()
		return nil, err
	}
	return &store{db}, nil
}

func (s *store) close() error { return s.db.Close() }

func (s *store) signedIn(ctx context.Context, sub, username string) error {
	_, err := s.db.ExecContext(ctx, `INSERT INTO users (sub, username) VALUES (?, ?)
		ON CONFLICT (sub) DO UPDATE SET username = excluded.username`, sub, username)
	return err
}

// add stores p under a new random ID, or returns errFull. Counting and adding are
// one statement, so that concurrent uploads cannot exceed the limit.
func (s *store) add(ctx context.Context, p picture) error {
	return changed(errFull)(s.db.ExecContext(ctx, `INSERT INTO pictures (id, owner, org, caption, type, created, data)
		SELECT ?, ?, nullif(?, ''), ?, ?, ?, ? WHERE (SELECT count(*) FROM pictures WHERE owner = ?) < ?`,
		rand.Text(), p.Owner, p.Org, p.Caption, p.Type, time.Now().Unix(), p.Data, p.Owner, maxPictures))
}

// delete removes an owner's picture, or returns errNotFound.
func (s *store) delete(ctx context.Context, owner, id string) error {
	return changed(errNotFound)(s.db.ExecContext(ctx, `DELETE FROM pictures WHERE id = ? AND owner = ?`, id, owner))
}

// changed returns an error if a statement changed nothing.
func changed(otherwise error) func(sql.Result, error) error {
	return func(result sql.Result, err error) error {
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); n > 0 || err != nil {
			return err
		}
		return otherwise
	}
}

// get returns the type and data of a picture that is the viewer's or in an album of
// orgs, or errNotFound.
func (s *store) get(ctx context.Context, id, viewer string, orgs []string) (picture, error) {
	albums, err := json.Marshal(orgs)
	if err != nil {
		return picture{}, err
	}
	p := picture{ID: id}
	err = s.db.QueryRowContext(ctx, `SELECT type, data FROM pictures
		WHERE id = ? AND (owner = ? OR org IN (SELECT value FROM json_each(?)))`,
		id, viewer, string(albums)).Scan(&p.Type, &p.Data)
	if errors.Is(err, sql.ErrNoRows) {
		err = errNotFound
	}
	return p, err
}

func (s *store) ofOwner(ctx context.Context, sub string) ([]picture, error) {
	return s.list(ctx, "owner", sub)
}

func (s *store) ofOrg(ctx context.Context, sub string) ([]picture, error) {
	return s.list(ctx, "org", sub)
}

// list returns pictures without their data, the newest first.
func (s *store) list(ctx context.Context, column, sub string) ([]picture, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT id, owner, coalesce(username, ''), coalesce(org, ''), caption, created
		FROM pictures LEFT JOIN users ON sub = owner WHERE `+column+` = ? ORDER BY pictures.rowid DESC`, sub)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var pictures []picture
	for rows.Next() {
		var p picture
		var created int64
		if err := rows.Scan(&p.ID, &p.Owner, &p.Username, &p.Org, &p.Caption, &created); err != nil {
			return nil, err
		}
		p.Created = time.Unix(created, 0).UTC()
		pictures = append(pictures, p)
	}
	return pictures, rows.Err()
}
