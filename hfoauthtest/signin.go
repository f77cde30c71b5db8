package hfoauthtest

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// Person is what a person does on the consent page.
type Person struct {
	Username string   // who signs in
	Orgs     []string // usernames of the organizations to grant
	Deny     bool     // says no
}

// Browser returns an http.Client with a cookie jar that behaves like a
// browser in front of a person: redirected to the provider, it answers the
// consent page and goes on.
func (s *Server) Browser(person Person) *http.Client {
	jar, _ := cookiejar.New(nil) // never fails without options
	return &http.Client{Jar: jar, Transport: &personTransport{s, person, http.DefaultTransport.(*http.Transport).Clone()}}
}

// SignIn signs a user in at an app by opening its login address, and returns
// the browser. It fails the test if the app does not answer with success in
// the end.
func (s *Server) SignIn(t TB, loginURL, username string) *http.Client {
	t.Helper()
	browser := s.Browser(Person{Username: username})
	resp, err := browser.Get(loginURL)
	if err != nil {
		t.Fatalf("signing in at %s: %v", loginURL, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		t.Fatalf("signing in at %s ended with %s: %s", loginURL, resp.Status, body)
	}
	return browser
}

// personTransport turns the request for a consent page into the form that the
// person sends from it.
type personTransport struct {
	server *Server
	person Person
	base   *http.Transport
}

func (p *personTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("Accept") == "" {
		req = req.Clone(req.Context())
		req.Header.Set("Accept", "text/html, */*;q=0.8")
	}
	if req.Method != http.MethodGet || !strings.HasPrefix(req.URL.String(), p.server.URL+string(AuthorizeEndpoint)+"?") {
		return p.base.RoundTrip(req)
	}
	form := url.Values{"user": {p.person.Username}, "decision": {"approve"}}
	if p.person.Deny {
		form.Set("decision", "deny")
	}
	if user, ok := p.server.userNamed(p.person.Username); ok {
		for _, org := range user.Orgs {
			for _, granted := range p.person.Orgs {
				if org.Username == granted {
					form.Add("org", org.ID())
				}
			}
		}
	}
	post := req.Clone(req.Context())
	post.Method = http.MethodPost
	post.Body = io.NopCloser(strings.NewReader(form.Encode()))
	post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return p.base.RoundTrip(post)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections work.
func (p *personTransport) CloseIdleConnections() { p.base.CloseIdleConnections() }
