// Mcp is an MCP server whose tools know which Hugging Face user calls them and act
// with that user's token: they list the user's models and ask a model that is billed
// to the user. It runs in a Space or on a laptop.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net/http"
	"net/url"
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
	endStandIn, err := setenv("Mcp", port)
	if err != nil {
		return err
	}
	defer endStandIn()
	hub, err := url.Parse(cmp.Or(os.Getenv("OPENID_PROVIDER_URL"), "https://huggingface.co"))
	if err != nil {
		return fmt.Errorf("OPENID_PROVIDER_URL: %w", err)
	}
	router, err := url.Parse(cmp.Or(os.Getenv("ROUTER_URL"), "https://router.huggingface.co/v1"))
	if err != nil {
		return fmt.Errorf("ROUTER_URL: %w", err)
	}
	// The user's token is sent to ROUTER_URL in addition to Hugging Face.
	client, err := hfoauth.New(hfoauth.Config{TokenHosts: []string{router.Hostname()}})
	if err != nil {
		return err
	}
	listener, err := listen(port)
	if err != nil {
		return err
	}
	t := &tools{hub, router, cmp.Or(os.Getenv("MODEL"), "openai/gpt-oss-20b")}
	return serve(ctx, listener, routes(client, t.server()))
}

func home(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, "This is an MCP server. Add the address of this page, followed by /mcp, to your client.")
}
