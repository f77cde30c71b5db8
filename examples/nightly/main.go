// Nightly does a job each night for every user who allowed it, with the user's own
// token, while the user continues browsing.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hfoauth/hfoauth"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	port := cmp.Or(os.Getenv("PORT"), "7860")
	endStandIn, err := setenv("Nightly", port)
	if err != nil {
		return err
	}
	defer endStandIn()
	hub, err := url.Parse(cmp.Or(os.Getenv("OPENID_PROVIDER_URL"), "https://huggingface.co"))
	if err != nil {
		return fmt.Errorf("OPENID_PROVIDER_URL: %w", err)
	}
	a, err := newApp(hub)
	if err != nil {
		return err
	}
	listener, err := listen(port)
	if err != nil {
		return err
	}
	go a.everyNight(ctx)
	return serve(ctx, listener, a.routes())
}

func newApp(hub *url.URL) (*app, error) {
	client, err := hfoauth.New(hfoauth.Config{
		// Sessions must be on the server to be found at night. This store forgets
		// them when the program ends; see docs/replicas.md for others.
		Store:      &memory{entries: map[string]entry{}},
		Scopes:     hfoauth.Scopes{hfoauth.ScopeReadRepos},
		TokenHosts: []string{hub.Hostname()},
	})
	return &app{client: client, hub: hub, allowed: map[string]report{}}, err
}

// everyNight runs the jobs at three o'clock.
func (a *app) everyNight(ctx context.Context) {
	for {
		now := time.Now()
		next := time.Date(now.Year(), now.Month(), now.Day(), 3, 0, 0, 0, now.Location())
		if !next.After(now) {
			next = next.AddDate(0, 0, 1)
		}
		select {
		case <-time.After(next.Sub(now)):
			a.runAll(ctx)
		case <-ctx.Done():
			return
		}
	}
}
