// Replicas is an app in three processes behind a proxy without stickiness:
// they share the sessions in Redis and nothing else, so that any of them may
// die at any time.
package main

import (
	"cmp"
	"context"
	"flag"
	"log"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const replicaVariable = "REPLICA"

func main() {
	every := flag.Duration("kill", 0, "kill a replica at this interval, such as 1s")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := func() error { return balance(ctx, *every) }
	if os.Getenv(replicaVariable) != "" {
		run = func() error { return serveReplica(ctx) }
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

// balance serves the app by three replicas until ctx ends.
func balance(ctx context.Context, kill time.Duration) error {
	port := cmp.Or(os.Getenv("PORT"), "7860")
	endStandIn, err := setenv("Replicas", port)
	if err != nil {
		return err
	}
	defer endStandIn()
	listener, err := listen(port)
	if err != nil {
		return err
	}
	pool := startPool(ctx, 3, append(os.Environ(), replicaVariable+"=yes"), kill)
	return serve(ctx, listener, &httputil.ReverseProxy{
		Transport: pool,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "replica"}) },
	})
}
