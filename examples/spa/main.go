// Spa is a single-page app: a JavaScript front end and an API in Go for all its
// data. The browser keeps the session in a cookie that no script can read, so the
// front end never sees a token.
package main

import (
	"cmp"
	"context"
	"log"
	"os"
	"os/signal"
	"syscall"

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
	endStandIn, err := setenv("Notes", port)
	if err != nil {
		return err
	}
	defer endStandIn()
	client, err := hfoauth.New(hfoauth.Config{})
	if err != nil {
		return err
	}
	listener, err := listen(port)
	if err != nil {
		return err
	}
	return serve(ctx, listener, routes(client))
}
