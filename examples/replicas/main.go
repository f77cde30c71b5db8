// Replicas is an app in three processes behind a proxy without stickiness:
// they share the sessions in Redis and nothing else, so that any of them may
// die at any time.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
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
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", cmp.Or(os.Getenv("PORT"), "7860")))
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	site := "http://localhost:" + port
	environment, err := replicaEnvironment(site)
	if err != nil {
		return err
	}
	pool := startPool(ctx, 3, environment, kill)
	fmt.Printf("open %s\n", site)

	front := &httputil.ReverseProxy{
		Transport: pool,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "replica"}) },
	}
	server := &http.Server{Handler: front, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// replicaEnvironment is what all replicas are told: the app's registration, at
// a stand-in for Hugging Face if there is none, and the one address under
// which browsers know them.
func replicaEnvironment(site string) ([]string, error) {
	redirectURL := cmp.Or(os.Getenv("OAUTH_REDIRECT_URL"), site+"/login/callback")
	environment := append(os.Environ(), replicaVariable+"=yes", "OAUTH_REDIRECT_URL="+redirectURL)
	if config := hfoauth.ConfigFromEnv(); config.ClientID != "" || config.SpaceHost != "" {
		return environment, nil
	}
	standIn, err := hfoauthtest.Listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	app := standIn.RegisterApp(hfoauthtest.App{Name: "Replicas", RedirectURIs: []string{redirectURL}})
	fmt.Printf("OAUTH_CLIENT_ID is not set: signing in with a stand-in for Hugging Face at %s\n", standIn.URL)
	return append(environment, "OAUTH_CLIENT_ID="+app.ClientID, "OAUTH_CLIENT_SECRET="+app.ClientSecret,
		"OPENID_PROVIDER_URL="+standIn.URL), nil
}
