package hfoauth_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// A web app in a Space, where the environment says all that is needed.
func Example() {
	client, err := hfoauth.New(hfoauth.Config{})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	client.Mount(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		user, err := client.UserFromRequest(r)
		if err != nil {
			io.WriteString(w, `<a href="/login">Sign in with Hugging Face</a>`)
			return
		}
		fmt.Fprintf(w, "Hello, %s", html.EscapeString(user.Username))
	})
	log.Fatal(http.ListenAndServe(":7860", mux))
}

// Outside a Space the app is configured by hand.
func ExampleNew() {
	_, err := hfoauth.New(hfoauth.Config{
		ClientID:     "your-client-id",
		ClientSecret: "your-client-secret",
		RedirectURL:  "http://example.com/login/callback",
	})
	fmt.Println(err)
	// Output:
	// hfoauth: Config.RedirectURL (OAUTH_REDIRECT_URL, SPACE_HOST): "http://example.com/login/callback" uses http, which anyone on the way can read: use https (http is fine on localhost)
}

// A test of an app signs in without a browser.
func Example_testing() {
	hub, err := hfoauthtest.Listen("127.0.0.1:0") // in a test: hfoauthtest.NewServer(t)
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()
	mux := http.NewServeMux()
	app := httptest.NewServer(mux)
	defer app.Close()
	registered := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{app.URL + "/login/callback"}})
	client, err := hfoauth.New(hfoauth.Config{
		ClientID:     registered.ClientID,
		ClientSecret: registered.ClientSecret,
		ProviderURL:  hub.URL,
		RedirectURL:  app.URL + "/login/callback",
	})
	if err != nil {
		log.Fatal(err)
	}
	client.Mount(mux)
	mux.Handle("GET /private", client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello, %s", hfoauth.UserFromContext(r.Context()).Name)
	})))

	browser := hub.Browser(hfoauthtest.Person{Username: "ada"})
	resp, err := browser.Get(app.URL + "/private")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(string(body))
	// Output: Hello, Ada Lovelace
}

// Pages for members of an organization, and for its admins.
func ExampleClient_RequireOrg() {
	client := exampleClient()
	mux := http.NewServeMux()
	members := client.RequireOrg("analytical-engines")
	admins := client.RequireOrg("analytical-engines", hfoauth.RoleAdmin)
	mux.Handle("GET /album", members(http.HandlerFunc(album)))
	mux.Handle("GET /settings", admins(http.HandlerFunc(settings)))
}

// A sign-in that asks for the resources of one organization.
func ExampleClient_Login() {
	client := exampleClient()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login/engines", func(w http.ResponseWriter, r *http.Request) {
		client.Login(w, r, hfoauth.LoginOptions{
			Scopes:              []hfoauth.Scope{hfoauth.ScopeReadRepos},
			AuthorizationParams: url.Values{"orgIds": {"6a0000000000000000000001"}},
			Next:                "/album",
		})
	})
}

// The app keeps a record of its users, and turns some away.
func ExampleConfig_onSignIn() {
	blocked := []string{"5dd96eb166059660ed1ee413"}
	_, err := hfoauth.New(hfoauth.Config{
		OnSignIn: func(ctx context.Context, session *hfoauth.Session) error {
			if slices.Contains(blocked, session.User.Sub) {
				return &hfoauth.RefusedError{Message: "This account was closed."}
			}
			return saveUser(ctx, session.User.Sub, session.User.Username)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
}

// Pages of the app's own for what fails.
func ExampleConfig_errorHandler() {
	_, err := hfoauth.New(hfoauth.Config{
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			w.WriteHeader(hfoauth.HTTPStatus(err))
			switch {
			case errors.Is(err, hfoauth.ErrDenied):
				io.WriteString(w, "Maybe next time?")
			case errors.Is(err, hfoauth.ErrProviderUnavailable):
				io.WriteString(w, "Hugging Face is away. Try again in a minute.")
			default:
				io.WriteString(w, "That did not work.")
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
}

func exampleClient() *hfoauth.Client {
	client, err := hfoauth.New(hfoauth.Config{ClientID: "id", ClientSecret: "secret", RedirectURL: "https://app.example/login/callback"})
	if err != nil {
		log.Fatal(err)
	}
	return client
}

func album(http.ResponseWriter, *http.Request)                 {}
func settings(http.ResponseWriter, *http.Request)              {}
func saveUser(ctx context.Context, sub, username string) error { return nil }
