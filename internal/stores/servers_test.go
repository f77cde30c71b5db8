package stores

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

// server is a store's server with its data in a directory that outlives it.
type server struct {
	path     string
	args     []string
	uid, gid uint32 // of its user; 0 for our own
	process  *exec.Cmd
}

func (s *server) start(t *testing.T) {
	t.Helper()
	s.process = exec.Command(s.path, s.args...)
	prepare(s.process, s.uid, s.gid)
	if err := s.process.Start(); err != nil {
		t.Fatalf("%v: run make setup", err)
	}
}

func (s *server) stop() {
	resume(s.process.Process)
	s.process.Process.Signal(syscall.SIGQUIT) // PostgreSQL's immediate shutdown
	s.process.Wait()
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// eventually polls until done returns true.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for range 400 {
		if done() {
			return
		}
		<-ticker.C
	}
	t.Fatalf("in vain: %s", what)
}

func startRedis(t *testing.T, args ...string) (*server, string) {
	t.Helper()
	port := freePort(t)
	s := &server{path: "redis-server",
		args: append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir(), "--appendonly",
			"yes", "--appendfsync", "always"}, args...)}
	s.start(t)
	t.Cleanup(s.stop)
	probe := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port})
	defer probe.Close()
	eventually(t, "Redis answers", func() bool { return probe.Ping(context.Background()).Err() == nil })
	return s, "127.0.0.1:" + port
}

func startPostgres(t *testing.T) (*server, string) {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		t.Fatal("no PostgreSQL: run make setup")
	}
	dir, err := os.MkdirTemp("", "hfoauth-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	uid, gid := unprivileged(t, dir)
	initdb := exec.Command(filepath.Join(filepath.Dir(found[0]), "initdb"), "-D",
		filepath.Join(dir, "data"), "-U", "app", "--auth=trust", "-E", "UTF8", "--no-locale")
	initdb.Dir = dir
	prepare(initdb, uid, gid)
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	port := freePort(t)
	s := &server{path: found[0], uid: uid, gid: gid,
		args: []string{"-D", filepath.Join(dir, "data"), "-h", "127.0.0.1", "-p", port, "-k", ""}}
	s.start(t)
	t.Cleanup(s.stop)
	address := "postgres://app@127.0.0.1:" + port + "/postgres?sslmode=disable"
	pool, err := pgxpool.New(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	eventually(t, "PostgreSQL answers", func() bool { return pool.Ping(context.Background()) == nil })
	_, err = pool.Exec(context.Background(),
		"CREATE TABLE sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL)")
	if err != nil {
		t.Fatal(err)
	}
	return s, address
}

// unprivileged gives dir to the user nobody if the test runs as root, since
// PostgreSQL refuses to run as root.
func unprivileged(t *testing.T, dir string) (uid, gid uint32) {
	t.Helper()
	if os.Geteuid() != 0 {
		return 0, 0
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	u, errUID := strconv.ParseUint(nobody.Uid, 10, 32)
	g, errGID := strconv.ParseUint(nobody.Gid, 10, 32)
	if err := errors.Join(errUID, errGID, os.Chown(dir, int(u), int(g))); err != nil {
		t.Fatal(err)
	}
	return uint32(u), uint32(g)
}
