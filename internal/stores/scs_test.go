package stores

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alexedwards/scs/mysqlstore"
	"github.com/alexedwards/scs/postgresstore"
	"github.com/alexedwards/scs/redisstore"
	"github.com/alexedwards/scs/sqlite3store"
	_ "github.com/go-sql-driver/mysql"
	"github.com/gomodule/redigo/redis"
	_ "github.com/lib/pq"
	_ "github.com/mattn/go-sqlite3"

	"github.com/hfoauth/hfoauth"
)

// openPlain opens one of scs's stores that take no contexts. An address begins with
// its kind.
func openPlain(kind, address string) (hfoauth.Store, error) {
	switch kind {
	case "redigo":
		pool := &redis.Pool{Dial: func() (redis.Conn, error) { return redis.Dial("tcp", address) }}
		return redisstore.New(pool), nil
	case "pq":
		db, err := sql.Open("postgres", address)
		return postgresstore.NewWithCleanupInterval(db, 0), err
	case "mysql":
		db, err := sql.Open("mysql", address)
		return mysqlstore.NewWithCleanupInterval(db, 0), err
	case "sqlite":
		db, err := sql.Open("sqlite3", address)
		return sqlite3store.NewWithCleanupInterval(db, 0), err
	}
	return nil, fmt.Errorf("no store of scs for %q", kind)
}

// The other stores of scs work as they are.
func TestStoresOfSCS(t *testing.T) {
	t.Run("redisstore", func(t *testing.T) {
		_, address := startRedis(t)
		testSessions(t, startApp(t, "redigo:"+address))
	})
	t.Run("postgresstore", func(t *testing.T) {
		_, address := startPostgres(t)
		testSessions(t, startApp(t, "pq:"+address))
	})
	t.Run("mysqlstore", func(t *testing.T) {
		testSessions(t, startApp(t, "mysql:"+startMariaDB(t)))
	})
	t.Run("sqlite3store", func(t *testing.T) {
		file := "file:" + filepath.Join(t.TempDir(), "sessions.db") + "?_journal_mode=WAL&_busy_timeout=5000"
		create(t, "sqlite3", file,
			"CREATE TABLE sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL)")
		testSessions(t, startApp(t, "sqlite:"+file))
	})
}

// startMariaDB starts a server with the table of mysqlstore's README, and
// returns its address.
func startMariaDB(t *testing.T) string {
	t.Helper()
	install, err := exec.LookPath("mariadb-install-db")
	if err != nil {
		t.Fatal("no MariaDB: run make setup")
	}
	program, err := exec.LookPath("mariadbd")
	if err != nil {
		program = "/usr/sbin/mariadbd"
	}
	dir, err := os.MkdirTemp("", "hfoauth-mariadb-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	uid, gid := unprivileged(t, dir)
	data := "--datadir=" + filepath.Join(dir, "data")
	setup := exec.Command(install, "--no-defaults", data, "--auth-root-authentication-method=normal",
		"--skip-test-db")
	setup.Dir = dir
	prepare(setup, uid, gid)
	if out, err := setup.CombinedOutput(); err != nil {
		t.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}
	port := freePort(t)
	s := &server{path: program, uid: uid, gid: gid, args: []string{
		"--no-defaults", data, "--bind-address=127.0.0.1", "--port=" + port,
		"--socket=" + filepath.Join(dir, "socket"), "--pid-file=" + filepath.Join(dir, "pid"),
	}}
	s.start(t)
	t.Cleanup(s.stop)
	address := "root@tcp(127.0.0.1:" + port + ")/"
	db, err := sql.Open("mysql", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	eventually(t, "MariaDB answers", func() bool { return db.Ping() == nil })
	create(t, "mysql", address, "CREATE DATABASE app")
	// Times of sessions are in UTC, as mysqlstore compares them.
	address += "app?parseTime=true"
	create(t, "mysql", address, "CREATE TABLE sessions (token CHAR(128) PRIMARY KEY, "+
		"data BLOB NOT NULL, expiry TIMESTAMP(6) NOT NULL)")
	return address
}

func create(t *testing.T, driver, address, statement string) {
	t.Helper()
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(strings.SplitN(statement, "(", 2)[0], err)
	}
}
