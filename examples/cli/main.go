// Cli signs a person in to a command-line program: by the browser on the same
// machine (RFC 8252), or with -device by a code that is typed in on any other
// (RFC 8628). It keeps nothing on disk. Without OAUTH_CLIENT_ID it signs in
// with a stand-in for Hugging Face.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func main() {
	log.SetFlags(0)
	device := flag.Bool("device", false, "sign in with a code on another device")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *device, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, device bool, out io.Writer) error {
	config := hfoauth.ConfigFromEnv()
	if config.ClientID == "" {
		standIn, err := startStandIn(&config, out)
		if err != nil {
			return err
		}
		defer standIn.Close()
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	signedIn := make(chan *hfoauth.Session, 1)
	client, err := newClient(config, listener, signedIn)
	if err != nil {
		return err
	}
	var session *hfoauth.Session
	if device {
		session, err = byDevice(ctx, client, out)
	} else {
		session, err = byBrowser(ctx, client, listener, signedIn, out)
	}
	if err != nil {
		return err
	}
	token, err := session.Token()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Hello, %s. The access token is good until %s.\n", session.User.Name, token.Expiry.Local().Format(time.Kitchen))
	return nil
}

// startStandIn starts a provider on a loopback port and makes config use it.
func startStandIn(config *hfoauth.Config, out io.Writer) (*hfoauthtest.Server, error) {
	standIn, err := hfoauthtest.Listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	app := standIn.RegisterApp(hfoauthtest.App{Name: "Cli", Public: true})
	config.ClientID, config.ProviderURL = app.ClientID, standIn.URL
	fmt.Fprintf(out, "OAUTH_CLIENT_ID is not set: signing in with a stand-in for Hugging Face at %s\n", standIn.URL)
	return standIn, nil
}

func newClient(config hfoauth.Config, listener net.Listener, signedIn chan<- *hfoauth.Session) (*hfoauth.Client, error) {
	config.RedirectURL = "http://" + listener.Addr().String() + "/login/callback"
	if config.ClientSecret == "" {
		key := make([]byte, 32) // seals the cookie of this one sign-in
		rand.Read(key)
		config.SessionKeys = [][]byte{key}
	}
	config.OnLogin = func(_ context.Context, session *hfoauth.Session) error {
		select {
		case signedIn <- session:
			return nil
		default:
			return &hfoauth.ForbiddenError{Message: "Somebody signed in already."}
		}
	}
	return hfoauth.New(config)
}

// byBrowser serves the sign-in pages on loopback until somebody signed in and
// saw the last page.
func byBrowser(ctx context.Context, client *hfoauth.Client, listener net.Listener, signedIn <-chan *hfoauth.Session, out io.Writer) (*hfoauth.Session, error) {
	mux := http.NewServeMux()
	client.Mount(mux)
	shown := make(chan struct{}, 1)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "You are signed in. You can close this page and go back to the terminal.")
		select {
		case shown <- struct{}{}:
		default:
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute}
	go server.Serve(listener)
	defer server.Close()
	fmt.Fprintf(out, "Open this address in your browser:\n\n  http://%s/login\n\n", listener.Addr())
	select {
	case session := <-signedIn:
		return session, lastPage(server, shown)
	case <-ctx.Done():
		return nil, errors.New("not signed in")
	}
}

// lastPage waits for the browser to fetch the last page.
func lastPage(server *http.Server, shown <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	select {
	case <-shown:
		return server.Shutdown(ctx)
	case <-ctx.Done():
		return nil
	}
}

// byDevice shows a code and counts the time that is left.
func byDevice(ctx context.Context, client *hfoauth.Client, out io.Writer) (*hfoauth.Session, error) {
	var counting sync.WaitGroup
	done := make(chan struct{})
	session, err := client.DeviceLogin(ctx, func(code hfoauth.DeviceCode) {
		fmt.Fprintf(out, "Open %s and type the code\n\n  %s\n\n", code.VerificationURL, code.UserCode)
		counting.Go(func() { countdown(out, code.Expiry, done) })
	})
	close(done)
	counting.Wait()
	fmt.Fprintln(out)
	return session, err
}

func countdown(out io.Writer, end time.Time, done <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		fmt.Fprintf(out, "\rWaiting, %3.0f seconds left ", time.Until(end).Seconds())
		select {
		case <-ticker.C:
		case <-done:
			return
		}
	}
}
