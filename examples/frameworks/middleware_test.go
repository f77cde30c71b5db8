package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/alexedwards/scs/v2"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/csrf"
	"github.com/rs/cors"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// frontEnd is another origin whose pages may call the API.
const frontEnd = "https://front.example"

// startLayers starts an app with the layers of docs/middleware.md, in that order,
// and returns its address.
func startLayers(t *testing.T, hub *hfoauthtest.Server, spans sdktrace.SpanProcessor) string {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	address := "http://" + server.Listener.Addr().String()
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{address + "/login/callback"}})
	client, err := hfoauth.New(hfoauth.Config{
		ClientID:       app.ClientID,
		ClientSecret:   app.ClientSecret,
		ProviderURL:    hub.URL,
		RedirectURL:    address + "/login/callback",
		TrustedOrigins: []string{frontEnd},
		Logger:         slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}

	visits := scs.New()
	protect := csrf.Protect([]byte(strings.Repeat("k", 32)), csrf.Secure(false))
	router := chi.NewRouter()
	router.Get("/visits", func(w http.ResponseWriter, r *http.Request) {
		visits.Put(r.Context(), "seen", true)
		io.WriteString(w, "counted")
	})
	router.With(protect).Post("/feedback", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "thank you")
	})
	router.Group(func(r chi.Router) {
		r.Use(client.RequireUser)
		greet := func(w http.ResponseWriter, r *http.Request) {
			visits.Put(r.Context(), "name", hfoauth.UserFromContext(r.Context()).Name)
			io.WriteString(w, "Hello, "+visits.GetString(r.Context(), "name"))
		}
		r.Get("/private", greet)
		r.Post("/private", greet)
		r.Get("/stream", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "first")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Errorf("flush behind all layers: %v", err)
			}
		})
	})

	allow := cors.New(cors.Options{
		AllowedOrigins:   []string{frontEnd},
		AllowedMethods:   []string{"GET", "POST"},
		AllowCredentials: true,
	})
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	server.Config.Handler = otelhttp.NewHandler(
		client.Handler(allow.Handler(visits.LoadAndSave(router))), "app", otelhttp.WithTracerProvider(provider))
	server.Start()
	t.Cleanup(server.Close)
	return address
}

func TestLayers(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	spans := tracetest.NewSpanRecorder()
	address := startLayers(t, hub, spans)
	visitor := http.DefaultClient
	browser := hub.SignIn(t, address+"/login?next=/private", "ada")

	t.Run("the app's session beside ours", func(t *testing.T) {
		if resp, body := send(t, browser, "GET", address+"/private"); body != "Hello, Ada Lovelace" {
			t.Errorf("private page: %s %q", resp.Status, body)
		}
		if resp, body := send(t, visitor, "GET", address+"/visits"); body != "counted" {
			t.Errorf("page for all: %s %q", resp.Status, body)
		}
	})
	t.Run("a stream", func(t *testing.T) {
		if resp, body := send(t, browser, "GET", address+"/stream"); body != "first" {
			t.Errorf("stream: %s %q", resp.Status, body)
		}
	})
	t.Run("CORS", func(t *testing.T) {
		resp, _ := send(t, visitor, "OPTIONS", address+"/private", "Origin", frontEnd,
			"Access-Control-Request-Method", "POST")
		if got := resp.Header.Get("Access-Control-Allow-Origin"); got != frontEnd {
			t.Errorf("preflight of the front end allows %q", got)
		}
		resp, body := send(t, browser, "POST", address+"/private", "Origin", frontEnd, "Sec-Fetch-Site", "cross-site")
		if resp.StatusCode != 200 {
			t.Errorf("POST of the front end: %s %s", resp.Status, body)
		}
		resp, _ = send(t, browser, "POST", address+"/private", "Origin", "https://evil.example",
			"Sec-Fetch-Site", "cross-site")
		if resp.StatusCode != 403 {
			t.Errorf("POST of another site: %s", resp.Status)
		}
	})
	t.Run("CSRF tokens for the app's own forms", func(t *testing.T) {
		resp, err := browser.PostForm(address+"/feedback", url.Values{})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("a form without its token: %s", resp.Status)
		}
	})
	t.Run("traces contain no query", func(t *testing.T) {
		for _, span := range spans.Ended() {
			for _, attribute := range span.Attributes() {
				for _, secret := range hub.Secrets() {
					if strings.Contains(attribute.Value.String(), secret) {
						t.Errorf("%s of a span contains a secret", attribute.Key)
					}
				}
			}
		}
		if len(spans.Ended()) == 0 {
			t.Error("no span was recorded")
		}
	})
	t.Run("sign-out needs no token", func(t *testing.T) {
		browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		resp, _ := send(t, browser, "POST", address+"/logout", "Sec-Fetch-Site", "same-origin")
		if resp.StatusCode != 303 {
			t.Errorf("sign-out: %s", resp.Status)
		}
	})
}

// gorilla/csrf around everything lets sign-out and the iframe's requests pass
// if they are exempt, which check the origin themselves.
func TestCSRFAroundMount(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	mux := http.NewServeMux()
	server := httptest.NewUnstartedServer(nil)
	address := "http://" + server.Listener.Addr().String()
	app := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{address + "/login/callback"}})
	client, err := hfoauth.New(hfoauth.Config{ClientID: app.ClientID, ClientSecret: app.ClientSecret,
		ProviderURL: hub.URL, RedirectURL: address + "/login/callback"})
	if err != nil {
		t.Fatal(err)
	}
	client.Mount(mux)
	mux.Handle("GET /private", client.RequireUser(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	mux.HandleFunc("POST /feedback", func(http.ResponseWriter, *http.Request) {})
	protected := csrf.Protect([]byte(strings.Repeat("k", 32)), csrf.Secure(false))(mux)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/logout" || strings.HasPrefix(r.URL.Path, "/login/frame/") {
			r = csrf.UnsafeSkipCheck(r)
		}
		protected.ServeHTTP(w, r)
	})
	server.Start()
	defer server.Close()

	browser := hub.SignIn(t, address+"/login", "ada")
	if resp, _ := send(t, browser, "POST", address+"/feedback"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a form without its token: %s", resp.Status)
	}
	resp, body := send(t, browser, "POST", address+"/login/frame/check", "Sec-Fetch-Site", "same-origin")
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the iframe's request: %s %s", resp.Status, body)
	}
	send(t, browser, "POST", address+"/logout")
	resp, _ = send(t, browser, "GET", address+"/private", "Accept", "application/json")
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("after sign-out: %s", resp.Status)
	}
	resp, _ = send(t, browser, "POST", address+"/logout", "Sec-Fetch-Site", "cross-site")
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("sign-out by another site: %s", resp.Status)
	}
}
