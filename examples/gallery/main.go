// Gallery keeps pictures for signed-in users: everybody sees their own, and
// what members of their organizations put into its album.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
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
	config := hfoauth.ConfigFromEnv()
	if config.RedirectURL == "" && config.SpaceHost == "" {
		config.RedirectURL = "http://localhost:" + port + "/login/callback"
	}
	if config.ClientID == "" && config.SpaceHost == "" {
		standIn, err := startStandIn(&config)
		if err != nil {
			return err
		}
		defer standIn.Close()
	}
	config.OnLogin = func(ctx context.Context, session *hfoauth.Session) error {
		return store.signedIn(ctx, session.User.Sub, session.User.Username)
	}
	client, err := hfoauth.New(config)
	if err != nil {
		return err
	}
	return serve(ctx, address(config, port), (&gallery{client, store}).routes())
}

// startStandIn starts a provider on a loopback port and makes config use it.
func startStandIn(config *hfoauth.Config) (*hfoauthtest.Server, error) {
	standIn, err := hfoauthtest.Listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	app := standIn.RegisterApp(hfoauthtest.App{Name: "Gallery", RedirectURIs: []string{config.RedirectURL}})
	config.ClientID, config.ClientSecret, config.ProviderURL = app.ClientID, app.ClientSecret, standIn.URL
	fmt.Printf("OAUTH_CLIENT_ID is not set: signing in with a stand-in for Hugging Face at %s\n", standIn.URL)
	return standIn, nil
}

// address keeps to loopback where users come from this machine anyway.
func address(config hfoauth.Config, port string) string {
	if strings.HasPrefix(config.RedirectURL, "http:") {
		return net.JoinHostPort("localhost", port)
	}
	return ":" + port
}

// serve returns when ctx is done and the requests under way have ended.
func serve(ctx context.Context, address string, handler http.Handler) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	fmt.Printf("open http://localhost:%s\n", port)

	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute}
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		stopped <- server.Shutdown(ctx)
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
