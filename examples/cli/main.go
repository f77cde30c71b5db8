// Cli is a command-line tool whose user signs in with Hugging Face. Its commands
// are login, whoami and logout; the sign-in is stored between them.
//
// Without OAUTH_CLIENT_ID it starts a stand-in for Hugging Face that ends with the
// program, so give it all commands at once.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfcli"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

const usage = "usage: cli [-device] [-hub-token] login | whoami | logout …"

func main() {
	log.SetFlags(0)
	tool := hfcli.Config{Name: "hfoauth-example-cli", ClientID: os.Getenv("OAUTH_CLIENT_ID"),
		ProviderURL: os.Getenv("OPENID_PROVIDER_URL")}
	flag.BoolVar(&tool.Device, "device", false, "sign in with a code on another device")
	flag.BoolVar(&tool.HubToken, "hub-token", false, "without a sign-in, use HF_TOKEN or the token of `hf auth login`")
	flag.Parse()
	if flag.NArg() == 0 {
		log.Fatal(usage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, tool, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, tool hfcli.Config, commands []string) error {
	if tool.ClientID == "" {
		hub, err := hfoauthtest.Listen("127.0.0.1:0")
		if err != nil {
			return err
		}
		defer hub.Close()
		tool.ClientID, tool.ProviderURL = hub.RegisterApp(hfoauthtest.App{Name: "Cli", Public: true}).ClientID, hub.URL
		fmt.Fprintf(os.Stderr, "OAUTH_CLIENT_ID is not set: signing in with a stand-in for Hugging Face at %s\n", hub.URL)
	}
	for _, command := range commands {
		if err := runCommand(ctx, tool, command); err != nil {
			return err
		}
	}
	return nil
}

func runCommand(ctx context.Context, tool hfcli.Config, command string) error {
	switch command {
	case "login":
		session, err := hfcli.Login(ctx, tool)
		if err != nil {
			return err
		}
		fmt.Printf("Signed in as %s.\n", session.User.Username)
		return nil
	case "whoami":
		session, err := open(ctx, tool)
		if err != nil {
			return err
		}
		return whoAmI(session, tool.ProviderURL)
	case "logout":
		return hfcli.Logout(ctx, tool)
	}
	return errors.New(usage)
}

func open(ctx context.Context, tool hfcli.Config) (*hfcli.Session, error) {
	session, err := hfcli.Open(ctx, tool)
	if errors.Is(err, hfoauth.ErrNotSignedIn) {
		return nil, fmt.Errorf("%w\nRun: cli login", err)
	}
	return session, err
}

// whoAmI prints what is stored about the user, and calls the Hub on their behalf.
func whoAmI(session *hfcli.Session, hubURL string) error {
	fmt.Printf("%s (%q) with the scopes %v\n", session.User.Username, session.User.Name, session.Scopes)
	if hubURL == "" {
		hubURL = "https://huggingface.co"
	}
	resp, err := session.HTTPClient().Get(strings.TrimRight(hubURL, "/") + "/api/whoami-v2")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the Hub responded with %s", resp.Status)
	}
	var answer struct {
		Name string `json:"name"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer); err != nil {
		return err
	}
	fmt.Printf("The Hub says: %s\n", answer.Name)
	return nil
}
