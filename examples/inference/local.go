package main

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"os"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// setenv sets what the environment lacks on a developer's machine: the address to
// which browsers return and, if no app is registered, an app at a stand-in for
// Hugging Face, which stop ends. A stand-in signs everyone in as anyone, so it only
// starts if browsers return to this machine.
func setenv(name, port string) (stop func(), err error) {
	stop = func() {}
	if os.Getenv("SPACE_HOST") != "" {
		return stop, nil
	}
	redirectURL := cmp.Or(os.Getenv("OAUTH_REDIRECT_URL"), "http://localhost:"+port+"/login/callback")
	os.Setenv("OAUTH_REDIRECT_URL", redirectURL)
	if os.Getenv("OAUTH_CLIENT_ID") != "" || !onLoopback(redirectURL) {
		return stop, nil
	}
	standIn, err := hfoauthtest.Listen("127.0.0.1:0")
	if err != nil {
		return stop, err
	}
	app := standIn.RegisterApp(hfoauthtest.App{Name: name, RedirectURIs: []string{redirectURL}})
	os.Setenv("OAUTH_CLIENT_ID", app.ClientID)
	os.Setenv("OAUTH_CLIENT_SECRET", app.ClientSecret)
	os.Setenv("OPENID_PROVIDER_URL", standIn.URL)
	fmt.Printf("OAUTH_CLIENT_ID is not set: signing in with a stand-in for Hugging Face at %s\n"+
		"It remembers consent, as the Hub does; open that address to switch accounts or sign out.\n", standIn.URL)
	return standIn.Close, nil
}

// listen listens only on loopback if browsers return to this machine.
func listen(port string) (net.Listener, error) {
	host := ""
	if onLoopback(os.Getenv("OAUTH_REDIRECT_URL")) {
		host = "localhost"
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	fmt.Printf("open http://localhost:%s\n", port)
	return listener, nil
}

func onLoopback(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())
}
