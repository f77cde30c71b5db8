// Frameworks is one app three times: with chi, gin and echo. Each mounts the
// same handlers and puts the same middleware in front of a private page.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/hfoauth/hfoauth"
)

var frameworks = map[string]func(*hfoauth.Client) http.Handler{
	"chi":  chiApp,
	"gin":  ginApp,
	"echo": echoApp,
}

func main() {
	framework := flag.String("framework", "chi", "chi, gin or echo")
	flag.Parse()
	if err := run(*framework); err != nil {
		log.Fatal(err)
	}
}

func run(framework string) error {
	app, known := frameworks[framework]
	if !known {
		return fmt.Errorf("-framework %q: choose chi, gin or echo", framework)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	port := cmp.Or(os.Getenv("PORT"), "7860")
	endStandIn, err := setenv("Frameworks", port)
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
	return serve(ctx, listener, withHeaders(app(client)))
}
