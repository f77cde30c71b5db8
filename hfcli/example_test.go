package hfcli_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfcli"
)

// A tool whose users sign in once.
func Example() {
	ctx := context.Background()
	tool := hfcli.Config{Name: "mytool", ClientID: "…", Scopes: hfoauth.Scopes{hfoauth.ScopeReadRepos}}
	session, err := hfcli.Open(ctx, tool)
	if errors.Is(err, hfoauth.ErrNotSignedIn) {
		session, err = hfcli.Login(ctx, tool)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Hello,", session.User.Name)
	resp, err := session.HTTPClient().Get("https://huggingface.co/api/models?author=" + session.User.Username)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	models, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", models)
}

// Signing in may fail because of the user, not the tool.
func ExampleLogin() {
	_, err := hfcli.Login(context.Background(), hfcli.Config{Name: "mytool", ClientID: "…"})
	switch {
	case errors.Is(err, hfoauth.ErrDenied):
		log.Fatal("You denied access.")
	case errors.Is(err, hfcli.ErrCodeExpired):
		log.Fatal("The code has expired. Run mytool login again.")
	case err != nil:
		log.Fatal(err)
	}
}
