package stores

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/pgxstore"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/stores/pgstore"
	"github.com/hfoauth/hfoauth/stores/redisstore"
)

// settings are shared by the replicas of an app.
type settings struct {
	Store, Provider, ClientID, ClientSecret, RedirectURL string
}

// openStore connects to Redis, a Redis Cluster or PostgreSQL. An address that begins
// with "swap:" is for our own stores, others are for those of scs. For scs's stores
// without contexts, the address begins with the kind.
func openStore(address string) (hfoauth.Store, error) {
	kind, rest, _ := strings.Cut(address, ":")
	if slices.Contains([]string{"redigo", "pq", "mysql", "sqlite"}, kind) {
		return openPlain(kind, rest)
	}
	address, swap := strings.CutPrefix(address, "swap:")
	if node, ok := strings.CutPrefix(address, "cluster:"); ok {
		return redisstore.New(redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{node}})), nil
	}
	if !strings.HasPrefix(address, "postgres:") {
		client := redis.NewClient(&redis.Options{Addr: address})
		if swap {
			return redisstore.New(client), nil
		}
		return goredisstore.New(client), nil
	}
	pool, err := pgxpool.New(context.Background(), address)
	if err != nil {
		return nil, err
	}
	if swap {
		return pgstore.New(pool), nil
	}
	return pgxstore.NewWithCleanupInterval(pool, 0), nil
}

// Both are stores that Config.Store can swap with.
var _, _ hfoauth.SwapStore = (*redisstore.Store)(nil), (*pgstore.Store)(nil)

// counted counts the calls of a store and their bytes.
type counted struct {
	hfoauth.Store
	finds, commits, deletes, swaps, bytes atomic.Int64
}

// contexts are the methods of scs's CtxStore.
type contexts interface {
	FindCtx(ctx context.Context, key string) ([]byte, bool, error)
	CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error
	DeleteCtx(ctx context.Context, key string) error
}

func (c *counted) FindCtx(ctx context.Context, key string) (b []byte, found bool, err error) {
	if store, ok := c.Store.(contexts); ok {
		b, found, err = store.FindCtx(ctx, key)
	} else {
		b, found, err = c.Store.Find(key)
	}
	c.finds.Add(1)
	c.bytes.Add(int64(len(b)))
	return b, found, err
}

func (c *counted) CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error {
	c.commits.Add(1)
	c.bytes.Add(int64(len(b)))
	if store, ok := c.Store.(contexts); ok {
		return store.CommitCtx(ctx, key, b, expiry)
	}
	return c.Store.Commit(key, b, expiry)
}

func (c *counted) DeleteCtx(ctx context.Context, key string) error {
	c.deletes.Add(1)
	if store, ok := c.Store.(contexts); ok {
		return store.DeleteCtx(ctx, key)
	}
	return c.Store.Delete(key)
}

// countedSwaps is counted for a store that can compare and swap.
type countedSwaps struct{ *counted }

func (c countedSwaps) SwapCtx(ctx context.Context, key string, old, new []byte,
	expiry time.Time) (bool, error) {
	c.swaps.Add(1)
	c.bytes.Add(int64(len(new)))
	return c.Store.(hfoauth.SwapStore).SwapCtx(ctx, key, old, new, expiry)
}

// asStore returns the store with all its optional methods.
func (c *counted) asStore() hfoauth.Store {
	if _, ok := c.Store.(hfoauth.SwapStore); ok {
		return countedSwaps{c}
	}
	return c
}

// take returns the counts since it was last called.
func (c *counted) take() string {
	return fmt.Sprintf("%d finds, %d commits, %d deletes, %d swaps, %d bytes", c.finds.Swap(0),
		c.commits.Swap(0), c.deletes.Swap(0), c.swaps.Swap(0), c.bytes.Swap(0))
}

func newClient(s settings, store hfoauth.Store) (*hfoauth.Client, error) {
	return hfoauth.New(hfoauth.Config{
		ClientID: s.ClientID, ClientSecret: s.ClientSecret,
		ProviderURL: s.Provider, RedirectURL: s.RedirectURL, Store: store,
	})
}

func routes(client *hfoauth.Client) http.Handler {
	mux := http.NewServeMux()
	client.Mount(mux)
	answer := func(w http.ResponseWriter, err error) {
		if err != nil {
			w.WriteHeader(hfoauth.HTTPStatus(err))
		}
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {})
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		_, err := client.UserFromRequest(r)
		answer(w, err)
	})
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		session, err := client.SessionFromRequest(w, r)
		if err == nil {
			_, err = session.Token()
		}
		answer(w, err)
	})
	return mux
}

const replicaVariable = "HFOAUTH_STORES_REPLICA"

// TestMain is a replica's main if the variable is set.
func TestMain(m *testing.M) {
	text := os.Getenv(replicaVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	if err := replica(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// replica serves until its standard input ends.
func replica(text string) error {
	var s settings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	store, err := openStore(s.Store)
	if err != nil {
		return err
	}
	client, err := newClient(s, store)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + listener.Addr().String())
	go http.Serve(listener, routes(client))
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// startReplica runs a replica in a separate process until the test ends.
func startReplica(t *testing.T, s settings) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), replicaVariable+"="+string(text))
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); command.Wait() })
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(address)
}
