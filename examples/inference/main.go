// Inference asks a language model on behalf of the signed-in user, to whom
// Hugging Face bills it. It asks for the permission when the user wants to
// chat, not before.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
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
	port := cmp.Or(os.Getenv("PORT"), "7860")
	config := hfoauth.ConfigFromEnv()
	if config.RedirectURL == "" && config.SpaceHost == "" {
		config.RedirectURL = "http://localhost:" + port + "/login/callback"
	}
	router, err := url.Parse(cmp.Or(os.Getenv("ROUTER_URL"), "https://router.huggingface.co/v1"))
	if err != nil {
		return fmt.Errorf("ROUTER_URL: %w", err)
	}
	if config.ClientID == "" && config.SpaceHost == "" {
		standIn, err := startStandIn(&config)
		if err != nil {
			return err
		}
		defer standIn.Close()
	}
	config.TokenHosts = []string{router.Hostname()} // the user's token goes there and nowhere else
	client, err := hfoauth.New(config)
	if err != nil {
		return err
	}
	a := &app{client, router.JoinPath("chat/completions").String(), cmp.Or(os.Getenv("MODEL"), "openai/gpt-oss-20b")}
	return serve(ctx, address(config, port), a.routes())
}

// startStandIn starts a provider on a loopback port and makes config use it.
// Its users have no tokens that the real router would take.
func startStandIn(config *hfoauth.Config) (*hfoauthtest.Server, error) {
	standIn, err := hfoauthtest.Listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	app := standIn.RegisterApp(hfoauthtest.App{Name: "Inference", RedirectURIs: []string{config.RedirectURL}})
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

func serve(ctx context.Context, address string, handler http.Handler) error {
	server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute}
	context.AfterFunc(ctx, func() { server.Close() })
	_, port, _ := net.SplitHostPort(address)
	fmt.Printf("open http://localhost:%s\n", port)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
