// Inference asks a language model on behalf of the signed-in user, to whom
// Hugging Face bills it. It asks for the permission when the user wants to
// chat, not before.
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
	endStandIn, err := setenv("Inference", port)
	if err != nil {
		return err
	}
	defer endStandIn()
	router, err := url.Parse(cmp.Or(os.Getenv("ROUTER_URL"), "https://router.huggingface.co/v1"))
	if err != nil {
		return fmt.Errorf("ROUTER_URL: %w", err)
	}
	// The user's token is sent to ROUTER_URL in addition to Hugging Face.
	client, err := hfoauth.New(hfoauth.Config{TokenHosts: []string{router.Hostname()}})
	if err != nil {
		return err
	}
	a := &app{client, router.JoinPath("chat/completions").String(), cmp.Or(os.Getenv("MODEL"), "openai/gpt-oss-20b")}
	listener, err := listen(port)
	if err != nil {
		return err
	}
	return serve(ctx, listener, a.routes())
}
