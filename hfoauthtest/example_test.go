package hfoauthtest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// tinyApp signs users in using only net/http, to demonstrate the package. It
// lacks the checks that an app needs; use a library.
func tinyApp(hub *hfoauthtest.Server) *httptest.Server {
	registered := hub.RegisterApp(hfoauthtest.App{Name: "Tiny"})
	mux := http.NewServeMux()
	app := httptest.NewServer(mux)
	callback := app.URL + "/callback"
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		query := url.Values{"response_type": {"code"}, "client_id": {registered.ClientID},
			"redirect_uri": {callback}, "scope": {"openid profile"}}
		http.Redirect(w, r, hub.URL+"/oauth/authorize?"+query.Encode(), http.StatusSeeOther)
	})
	mux.HandleFunc("/callback", func(w http.ResponseWriter, r *http.Request) {
		if problem := r.FormValue("error"); problem != "" {
			http.Error(w, problem, http.StatusForbidden)
			return
		}
		var tokens struct {
			AccessToken string `json:"access_token"`
		}
		resp, err := http.PostForm(hub.URL+"/oauth/token", url.Values{
			"grant_type": {"authorization_code"}, "code": {r.FormValue("code")}, "redirect_uri": {callback},
			"client_id": {registered.ClientID}, "client_secret": {registered.ClientSecret},
		})
		if err == nil {
			err = json.NewDecoder(resp.Body).Decode(&tokens)
			resp.Body.Close()
		}
		if err != nil || tokens.AccessToken == "" {
			http.Error(w, "no token", http.StatusBadGateway)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "token", Value: tokens.AccessToken})
		http.Redirect(w, r, "/me", http.StatusSeeOther)
	})
	mux.HandleFunc("/me", func(w http.ResponseWriter, r *http.Request) {
		token, err := r.Cookie("token")
		if err != nil {
			http.Error(w, "not signed in", http.StatusUnauthorized)
			return
		}
		req, err := http.NewRequest(http.MethodGet, hub.URL+"/oauth/userinfo", nil)
		if err != nil {
			http.Error(w, "no request", http.StatusInternalServerError)
			return
		}
		req.Header.Set("Authorization", "Bearer "+token.Value)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			http.Error(w, "no response", http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		var user struct {
			Name string `json:"name"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&user); err != nil {
			http.Error(w, "no user", http.StatusBadGateway)
			return
		}
		fmt.Fprintf(w, "Hello, %s!", user.Name)
	})
	return app
}

func body(resp *http.Response, err error) string {
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func Example() {
	hub, err := hfoauthtest.Listen("127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hub.Close()
	app := tinyApp(hub)
	defer app.Close()

	browser := hub.Browser(hfoauthtest.Person{Username: "ada"})
	defer browser.CloseIdleConnections()
	fmt.Println(body(browser.Get(app.URL + "/login")))
	fmt.Println(body(browser.Get(app.URL + "/me")))
	// Output:
	// Hello, Ada Lovelace!
	// Hello, Ada Lovelace!
}

func ExampleServer_SetFault() {
	hub, err := hfoauthtest.Listen("127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hub.Close()
	app := tinyApp(hub)
	defer app.Close()

	hub.SetFault(hfoauthtest.TokenEndpoint,
		hfoauthtest.Times(1, hfoauthtest.Answer(http.StatusServiceUnavailable, "", "Retry-After", "7")))
	browser := hub.Browser(hfoauthtest.Person{Username: "ada"})
	defer browser.CloseIdleConnections()
	fmt.Print(body(browser.Get(app.URL + "/login")))
	fmt.Println(body(browser.Get(app.URL + "/login")))
	// Output:
	// no token
	// Hello, Ada Lovelace!
}

func ExampleServer_Configure() {
	hub, err := hfoauthtest.Listen("127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hub.Close()
	app := tinyApp(hub)
	defer app.Close()

	hub.Configure(func(s *hfoauthtest.Settings) {
		s.UserInfo = func(claims map[string]any) { claims["name"] = "Augusta" }
	})
	browser := hub.Browser(hfoauthtest.Person{Username: "ada"})
	defer browser.CloseIdleConnections()
	fmt.Println(body(browser.Get(app.URL + "/login")))
	// Output: Hello, Augusta!
}
