// Hfhub is a stand-in for huggingface.co as a program, for apps in any
// language. It runs a command with the environment variables of a Space, which
// point to the stand-in:
//
//	go run github.com/hfoauth/hfoauth/cmd/hfhub -- go run .
//	go run github.com/hfoauth/hfoauth/cmd/hfhub -- node app.mjs
//
// Without a command, it prints the variables and serves until it is interrupted.
// hfhub -h lists the flags; docs/hfhub.md has recipes and describes the control
// API for tests.
//
// It is not a provider for real users: anyone who can reach it may sign in as
// anyone, so it listens only on loopback.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code: the command's, 2 for invalid flags, or 1 for any
// other error of hfhub.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, os.Getenv)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "hfhub: %v\nhfhub: hfhub -h lists the flags\n", err)
		return 2
	}
	if o.example {
		fmt.Fprint(stdout, exampleUsers)
		return 0
	}
	code, err := serve(o, stdout, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "hfhub: %v\n", err)
	}
	return code
}

// serve runs the stand-in until the command ends or, without a command, until
// hfhub is interrupted.
func serve(o *options, stdout, stderr io.Writer) (int, error) {
	hub, stop, err := listen(o)
	if err != nil {
		return 1, err
	}
	defer stop()
	clock := &clock{}
	hub.Configure(o.configure)
	hub.Configure(func(s *hfoauthtest.Settings) { s.Now = clock.now })
	for _, f := range o.faults {
		hub.SetFault(f.endpoint, f.fault)
	}
	app := hub.RegisterApp(o.app)
	env := variables(o, hub.URL, app)
	if o.control != "" {
		control, err := startControl(o, hub, clock)
		if err != nil {
			return 1, err
		}
		defer control.Close()
		env = append(env, variable{"HFHUB_CONTROL_URL", control.url}, variable{"HFHUB_CONTROL_TOKEN", control.token})
	}
	introduce(stderr, o, hub.URL, app)
	if len(o.command) > 0 {
		return runCommand(o.command, env)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	for _, v := range env {
		fmt.Fprintln(stdout, v.export())
	}
	<-ctx.Done()
	return 0, nil
}

// introduce prints the URLs of the stand-in and the app, and how to switch
// accounts.
func introduce(w io.Writer, o *options, url string, app hfoauthtest.App) {
	for scope := range strings.FieldsFuncSeq(o.scopes, func(r rune) bool { return r == ' ' || r == ',' }) {
		if !slices.Contains(app.Scopes, scope) {
			fmt.Fprintf(w, "hfhub: warning: unknown scope %s, which hfhub answers with invalid_scope: it knows %s\n",
				scope, strings.Join(app.Scopes, " "))
		}
	}
	fmt.Fprintf(w, "hfhub: stand-in for huggingface.co at %s\n", url)
	switch {
	case o.settings.ApproveAs != "":
		fmt.Fprintf(w, "hfhub: every sign-in is approved at once as %s\n", o.settings.ApproveAs)
	case o.settings.AlwaysAsk:
		fmt.Fprintln(w, "hfhub: every sign-in asks for consent; switch accounts or sign out there")
	default:
		fmt.Fprintln(w, "hfhub: consent is remembered, as on the Hub; switch accounts or sign out there")
	}
	if o.spaceHost != "" {
		fmt.Fprintf(w, "hfhub: open it inside the Hub's page at %s/spaces/%s\n", url, o.spaceHost)
	}
	switch address := o.appURL(); {
	case address == "":
	case o.guessed:
		fmt.Fprintf(w, "hfhub: open your app at %s (if it uses OAUTH_REDIRECT_URL)\n", address)
	default:
		fmt.Fprintf(w, "hfhub: open your app at %s\n", address)
	}
}

// listen starts the stand-in.
func listen(o *options) (hub *hfoauthtest.Server, stop func(), err error) {
	if !o.anyone {
		hub, err := hfoauthtest.Listen(o.addr, o.users...)
		if err != nil {
			return nil, nil, fmt.Errorf("%w (choose another address with -addr)", err)
		}
		return hub, hub.Close, nil
	}
	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		return nil, nil, fmt.Errorf("%w (choose another address with -addr)", err)
	}
	hub = hfoauthtest.New("http://"+o.addr, o.users...)
	server := &http.Server{Handler: hub, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener)
	return hub, func() { server.Close() }, nil
}
