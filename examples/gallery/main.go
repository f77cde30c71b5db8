// Gallery keeps pictures for signed-in users: they see their own pictures and those
// in the albums of their organizations.
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

	store, err := openStore(ctx, dataDir("/data"))
	if err != nil {
		return err
	}
	defer store.close()

	port := cmp.Or(os.Getenv("PORT"), "7860")
	endStandIn, err := setenv("Gallery", port)
	if err != nil {
		return err
	}
	defer endStandIn()
	client, err := hfoauth.New(hfoauth.Config{OnLogin: func(ctx context.Context, session *hfoauth.Session) error {
		return store.signedIn(ctx, session.User.Sub, session.User.Username)
	}})
	if err != nil {
		return err
	}
	listener, err := listen(port)
	if err != nil {
		return err
	}
	return serve(ctx, listener, (&gallery{client, store}).routes())
}
