package hfoauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"html/template"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// A web app in a Space, configured by the environment.
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

// An app outside a Space needs a Config.
func ExampleNew() {
	_, err := hfoauth.New(hfoauth.Config{
		ClientID:     "your-client-id",
		ClientSecret: "oauth_app_secret_of_your_own",
		RedirectURL:  "http://example.com/login/callback",
	})
	fmt.Println(err)
	// Output:
	// hfoauth: Config.RedirectURL (OAUTH_REDIRECT_URL, SPACE_HOST): "http://example.com/login/callback" uses http, which anyone on the network can read: use https (http is fine on localhost)
}

// A test of an app can sign in without a browser.
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

// A page for signed-in users. A browser that is not signed in is sent to sign in
// and then back.
func ExampleClient_RequireUser() {
	client := mustNew()
	mux := http.NewServeMux()
	mux.Handle("GET /private", client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := hfoauth.UserFromContext(r.Context())
		fmt.Fprintf(w, "Hello, %s", html.EscapeString(user.Name))
	})))
}

// A chat completion that is billed to the user, who is asked for the permission
// when it is needed.
func ExampleClient_RequireScope() {
	client := mustNew()
	mux := http.NewServeMux()
	billed := client.RequireScope(hfoauth.ScopeInferenceAPI)
	mux.Handle("GET /chat", billed(http.HandlerFunc(chatForm))) // a page: users who open it are asked
	mux.Handle("POST /chat", billed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api := hfoauth.SessionFromContext(r.Context()).HTTPClient()
		resp, err := api.Post("https://router.huggingface.co/v1/chat/completions", "application/json", r.Body)
		if err != nil {
			http.Error(w, "The model cannot be reached.", http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		io.Copy(w, resp.Body)
	})))
}

// A request to the Hub's API with the user's token.
func ExampleSession_HTTPClient() {
	client := mustNew()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /whoami", func(w http.ResponseWriter, r *http.Request) {
		session, err := client.SessionFromRequest(w, r) // first: a renewed session goes to w
		if err != nil {
			client.Error(w, r, err)
			return
		}
		resp, err := session.HTTPClient().Get("https://huggingface.co/api/whoami-v2")
		if err != nil {
			http.Error(w, "Hugging Face cannot be reached.", http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		io.Copy(w, resp.Body)
	})
}

// The button, which shows the user and a way to sign out once signed in. It also
// works inside the Hub's iframe.
func ExampleClient_Button() {
	client := mustNew()
	page := template.Must(template.New("page").Parse(
		`<!DOCTYPE html><html lang="en"><head><title>App</title>{{.Assets}}</head><body>{{.Button}}</body></html>`))
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy",
			"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src https:")
		page.Execute(w, map[string]template.HTML{
			"Assets": client.ButtonAssets(),
			"Button": client.Button(r, hfoauth.ButtonOptions{Size: "xl"}),
		})
	})
}

// An API for programs that have a Hub token.
func ExampleClient_AcceptBearer() {
	hub, err := hfoauthtest.Listen("127.0.0.1:0") // in production: huggingface.co
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()
	registered := hub.RegisterApp(hfoauthtest.App{})
	client, err := hfoauth.New(hfoauth.Config{
		ClientID:     registered.ClientID,
		ClientSecret: registered.ClientSecret,
		ProviderURL:  hub.URL,
		RedirectURL:  "https://app.example/login/callback",
	})
	if err != nil {
		log.Fatal(err)
	}
	programs := client.AcceptBearer(hfoauth.BearerOptions{UserTokens: true})
	api := programs(client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello, %s", hfoauth.UserFromContext(r.Context()).Username)
	})))

	request := httptest.NewRequest("GET", "/api", nil)
	request.Header.Set("Authorization", "Bearer "+hub.UserToken("ada"))
	answer := httptest.NewRecorder()
	api.ServeHTTP(answer, request)
	fmt.Println(answer.Body)
	// Output: Hello, ada
}

// Sessions in a store: signing out ends a session on every replica, and all
// sessions of a user can be ended.
func ExampleClient_LogoutUser() {
	var store hfoauth.Store // such as goredisstore.New(redis.NewClient(…)) of scs
	client, err := hfoauth.New(hfoauth.Config{Store: store})
	if err != nil {
		log.Fatal(err)
	}
	if err := client.LogoutUser(context.Background(), "5dd96eb166059660ed1ee413"); err != nil {
		log.Print(err)
	}
}

// A stream of events that ends when the user signs out.
func ExampleSession_Context() {
	client := mustNew()
	mux := http.NewServeMux()
	mux.Handle("GET /events", client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := hfoauth.SessionFromContext(r.Context()).Context(r.Context())
		defer cancel()
		w.Header().Set("Content-Type", "text/event-stream")
		for ticks := time.Tick(time.Second); ; {
			select {
			case now := <-ticks:
				fmt.Fprintf(w, "data: %s\n\n", now)
				http.NewResponseController(w).Flush()
			case <-ctx.Done(): // the browser has left, or the session has ended
				return
			}
		}
	})))
}

// The devices on which a user is signed in, each with a way to sign it out.
func ExampleClient_Sessions() {
	var store hfoauth.Store
	client, err := hfoauth.New(hfoauth.Config{Store: store})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /devices/{id}/logout",
		client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			devices, err := client.Sessions(r.Context(), hfoauth.UserFromContext(r.Context()).Sub)
			for _, device := range devices {
				if device.ID == r.PathValue("id") {
					err = device.End(r.Context())
				}
			}
			if err != nil {
				client.Error(w, r, err)
			}
		})))
}

// Pages for members of an organization, and for its admins, who are asked once
// for all that a page needs.
func ExampleClient_RequireOrg() {
	client := mustNew()
	mux := http.NewServeMux()
	members := client.RequireOrg("analytical-engines", hfoauth.RoleRead)
	admins := client.RequireOrg("analytical-engines", hfoauth.RoleAdmin)
	billed := client.RequireScope(hfoauth.ScopeInferenceAPI)
	mux.Handle("GET /album", members(http.HandlerFunc(album)))
	mux.Handle("GET /settings", admins(billed(http.HandlerFunc(settings))))
}

// An organization that only the request names.
func ExampleClient_Error() {
	client := mustNew()
	mux := http.NewServeMux()
	mux.Handle("GET /orgs/{org}",
		client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			org := r.PathValue("org")
			if !hfoauth.UserFromContext(r.Context()).HasRole(org, hfoauth.RoleWrite) {
				client.Error(w, r, &hfoauth.ForbiddenError{Org: org, Role: hfoauth.RoleWrite}) // asks for the role, once
				return
			}
			fmt.Fprintf(w, "The files of %s", html.EscapeString(org))
		})))
}

// A page for PRO users, without a Require handler.
func ExampleClient_SessionFromRequest() {
	client := mustNew()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /pro", func(w http.ResponseWriter, r *http.Request) {
		session, err := client.SessionFromRequest(w, r) // first: a renewed session goes to w
		if err == nil && !session.User.IsPro {
			err = &hfoauth.ForbiddenError{Message: "This page is for PRO users."}
		}
		if err != nil {
			client.Error(w, r, err)
			return
		}
		fmt.Fprintf(w, "Hello, %s", html.EscapeString(session.User.Name))
	})
}

// Deleting an account signs the user out, and is no matter for programs.
func ExampleClient_Logout() {
	client := mustNew()
	mux := http.NewServeMux()
	mux.Handle("POST /account/delete",
		client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			session := hfoauth.SessionFromContext(r.Context())
			if session.Bearer {
				client.Error(w, r, &hfoauth.ForbiddenError{Message: "Delete your account in the browser."})
				return
			}
			if err := deleteUser(r.Context(), session.User.Sub); err != nil {
				client.Error(w, r, err)
				return
			}
			if err := client.Logout(w, r); err != nil {
				log.Print(err) // the browser is signed out all the same
			}
			http.Redirect(w, r, "/", http.StatusSeeOther)
		})))
}

// The handlers of sign-in beside those of the app.
func ExampleClient_Mount() {
	client, err := hfoauth.New(hfoauth.Config{
		ClientID:     "your-client-id",
		ClientSecret: "oauth_app_secret_of_your_own",
		RedirectURL:  "https://app.example/login/callback",
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	client.Mount(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "start page") })
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "API") })

	for _, path := range []string{"/", "/api/models", "/logout"} {
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
		_, pattern := mux.Handler(httptest.NewRequest("GET", path, nil))
		fmt.Println(path, answer.Code, pattern)
	}
	// Output:
	// / 200 GET /{$}
	// /api/models 200 /api/
	// /logout 405 GET /logout
}

// Any router: here one that is a function, in the place of chi, gin or echo.
func ExampleClient_Handler() {
	client, err := hfoauth.New(hfoauth.Config{
		ClientID:     "your-client-id",
		ClientSecret: "oauth_app_secret_of_your_own",
		RedirectURL:  "https://app.example/login/callback",
	})
	if err != nil {
		log.Fatal(err)
	}
	router := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := client.UserFromRequest(r); err != nil {
			client.Error(w, r, err)
			return
		}
		io.WriteString(w, "for signed-in users")
	})
	app := client.Handler(router) // with chi: router.Use(client.Handler)

	for _, path := range []string{"/models", "/login/frame/hfoauth.css"} {
		answer := httptest.NewRecorder()
		app.ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, answer.Code, answer.Header().Get("Content-Type"))
	}
	// Output:
	// /models 401 application/json
	// /login/frame/hfoauth.css 200 text/css; charset=utf-8
}

// Who asked, in a function that has only a context.
func ExampleUserFromContext() {
	greet := func(ctx context.Context) string {
		user := hfoauth.UserFromContext(ctx)
		if user == nil { // behind no Require handler
			return "Hello"
		}
		return "Hello, " + user.Name
	}
	fmt.Println(greet(context.Background()))
	// Output: Hello
}

// The user's access token, for a library that does requests of its own.
func ExampleSession_Token() {
	client := mustNew()
	mux := http.NewServeMux()
	repos := client.RequireScope(hfoauth.ScopeReadRepos)
	mux.Handle("GET /download", repos(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := hfoauth.SessionFromContext(r.Context()).Token()
		if err != nil {
			client.Error(w, r, err)
			return
		}
		download(r.Context(), w, token.AccessToken)
	})))
}

// A sign-in that requests the resources of one organization.
func ExampleClient_Login() {
	client := mustNew()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login/engines", func(w http.ResponseWriter, r *http.Request) {
		client.Login(w, r, hfoauth.LoginOptions{
			Scopes: hfoauth.Scopes{hfoauth.ScopeReadRepos},
			Org:    "6a0000000000000000000001",
			Next:   "/album",
		})
	})
	mux.HandleFunc("GET /login/again", func(w http.ResponseWriter, r *http.Request) {
		client.Login(w, r, hfoauth.LoginOptions{Prompt: "consent", Next: "/"}) // what the user left out, too
	})
}

// The app keeps a record of its users, and turns some away.
func ExampleConfig_onLogin() {
	blocked := []string{"5dd96eb166059660ed1ee413"}
	_, err := hfoauth.New(hfoauth.Config{
		OnLogin: func(ctx context.Context, session *hfoauth.Session) error {
			if slices.Contains(blocked, session.User.Sub) {
				return &hfoauth.ForbiddenError{Message: "This account was closed."}
			}
			return saveUser(ctx, session.User.Sub, session.User.Username)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
}

// The app's own pages for failures.
func ExampleConfig_errorHandler() {
	_, err := hfoauth.New(hfoauth.Config{
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) bool {
			var text string
			switch {
			case errors.Is(err, hfoauth.ErrDenied):
				text = "Maybe next time?"
			case errors.Is(err, hfoauth.ErrProviderUnavailable):
				text = "Hugging Face is unavailable. Try again in a minute."
			default:
				return false
			}
			w.WriteHeader(hfoauth.HTTPStatus(err))
			io.WriteString(w, text)
			return true
		},
	})
	if err != nil {
		log.Fatal(err)
	}
}

// Pages in the look of the app.
func ExampleConfig_pageTemplate() {
	client, err := hfoauth.New(hfoauth.Config{
		ClientID:     "your-client-id",
		ClientSecret: "oauth_app_secret_of_your_own",
		RedirectURL:  "https://app.example/login/callback",
		PageTemplate: template.Must(template.New("page").Parse(
			`<!DOCTYPE html><html lang="{{.Lang}}"><head><title>{{.Title}}</title>
<link rel="stylesheet" href="/app.css">{{.Head}}</head>
<body><main><h1>{{.Title}}</h1>{{range .Text}}<p>{{.}}</p>{{end}}{{.Controls}}</main></body></html>`)),
	})
	if err != nil {
		log.Fatal(err)
	}
	answer := httptest.NewRecorder()
	// an old bookmark
	client.CallbackHandler().ServeHTTP(answer, httptest.NewRequest("GET", "/login/callback", nil))
	head, _, _ := strings.Cut(answer.Body.String(), "\n<body>")
	fmt.Println(answer.Code)
	fmt.Println(head)
	// Output:
	// 400
	// <!DOCTYPE html><html lang="en"><head><title>This sign-in link has expired or was already used</title>
	// <link rel="stylesheet" href="/app.css"></head>
}

// A front end at another origin of the same site, whose API is here.
func ExampleConfig_trustedOrigins() {
	client, err := hfoauth.New(hfoauth.Config{TrustedOrigins: []string{"https://app.example.com"}})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	client.Mount(mux)
	mux.Handle("GET /api/me", client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(hfoauth.UserFromContext(r.Context())) // 401: {"error":…,"login":"/login"}
	})))
}

// Two apps of the provider in one program, the second one at a sub-path. Each
// has its own sessions.
func Example_twoClients() {
	hub, err := hfoauthtest.Listen("127.0.0.1:0") // huggingface.co, in earnest
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()
	mux := http.NewServeMux()
	app := httptest.NewServer(mux)
	defer app.Close()
	newClient := func(path string) *hfoauth.Client {
		registered := hub.RegisterApp(hfoauthtest.App{})
		client, err := hfoauth.New(hfoauth.Config{
			ClientID:     registered.ClientID,
			ClientSecret: registered.ClientSecret,
			ProviderURL:  hub.URL,
			RedirectURL:  app.URL + path + "login/callback",
		})
		if err != nil {
			log.Fatal(err)
		}
		client.Mount(mux)
		return client
	}
	staff, guests := newClient("/"), newClient("/guests/")
	mux.Handle("GET /guests/{$}",
		guests.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			guest := hfoauth.UserFromContext(r.Context())
			_, err := staff.UserFromRequest(r)
			fmt.Fprintf(w, "%s is a guest; as staff: %v", guest.Username, err)
		})))

	resp, err := hub.Browser(hfoauthtest.Person{Username: "ada"}).Get(app.URL + "/guests/")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(string(body))
	// Output: ada is a guest; as staff: hfoauth: not signed in
}

func mustNew() *hfoauth.Client {
	client, err := hfoauth.New(hfoauth.Config{})
	if err != nil {
		log.Fatal(err)
	}
	return client
}

func chatForm(http.ResponseWriter, *http.Request)              {}
func album(http.ResponseWriter, *http.Request)                 {}
func settings(http.ResponseWriter, *http.Request)              {}
func deleteUser(ctx context.Context, sub string) error         { return nil }
func download(ctx context.Context, w io.Writer, token string)  {}
func saveUser(ctx context.Context, sub, username string) error { return nil }
