package hfoauthtest

import (
	"errors"
	"html"
	"io"
	"mime"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Person describes a person who signs in, and their browser.
type Person struct {
	Username string   // the user who signs in
	Orgs     []string // usernames of the organizations to grant
	Deny     bool     // whether the person denies access

	// Transport sends the requests, for example to an app with its own
	// certificate. If nil, a clone of http.DefaultTransport is used.
	Transport http.RoundTripper
}

// Browser returns an http.Client with a cookie jar that behaves like a browser
// used by a person: if it is redirected to the provider and sees a consent page,
// it submits the form and continues.
func (s *Server) Browser(person Person) *http.Client {
	jar, _ := cookiejar.New(nil) // never fails without options
	if person.Transport == nil {
		person.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	return &http.Client{Jar: jar, Transport: &personTransport{s, person}}
}

// SignIn signs a user in to an app by opening its login URL and approving its
// request. It returns the browser. It fails the test if the login URL does not
// lead to the provider and back to the app's callback, or if the last response
// is an error, except for a 404 of the page that the callback redirects to. For
// anything else, open the login URL with a [Server.Browser].
func (s *Server) SignIn(t TB, loginURL, username string) *http.Client {
	t.Helper()
	browser := s.Browser(Person{Username: username})
	t.Cleanup(browser.CloseIdleConnections)
	resp, err := browser.Get(loginURL)
	if err != nil {
		t.Fatalf("signing in at %s: %v", loginURL, withoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 && !(resp.StatusCode == http.StatusNotFound && s.afterCallback(resp)) {
		t.Fatalf("signing in at %s ended with %s%s", loginURL, resp.Status, gist(resp))
	}
	if !s.reachedCallback(resp) {
		t.Fatalf("%s signed nobody in: use the URL that starts a sign-in, such as %s", loginURL,
			withPath(loginURL, "/login"))
	}
	return browser
}

// reachedCallback reports whether the provider redirected to the app on the way
// to a response.
func (s *Server) reachedCallback(resp *http.Response) bool {
	for from := resp.Request.Response; from != nil; from = from.Request.Response {
		if s.isAuthorization(from.Request) {
			return true
		}
	}
	return false
}

// withPath returns a URL of the same origin with another path.
func withPath(address, path string) string {
	u, err := url.Parse(address)
	if err != nil {
		return path
	}
	return u.ResolveReference(&url.URL{Path: path}).String()
}

var (
	titleElement = regexp.MustCompile(`(?is)<title\b[^>]*>(.*?)</title>`)
	unreadHTML   = regexp.MustCompile(`(?is)<head\b.*?</head>|<style\b.*?</style>|<script\b.*?</script>|<[^>]*>`)
)

// gist returns what a person reads in a response, in up to 500 bytes.
func gist(resp *http.Response) string {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	title, text := "", string(body)
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind == "text/html" {
		if match := titleElement.FindStringSubmatch(text); match != nil {
			title = html.UnescapeString(match[1])
		}
		text = html.UnescapeString(unreadHTML.ReplaceAllString(text, " "))
	}
	said := ""
	for _, part := range []string{title, strings.Join(strings.Fields(text), " ")} {
		if part != "" {
			said += ": " + part
		}
	}
	if len(said) > 500 {
		said = strings.ToValidUTF8(said[:500], "") + "…"
	}
	return said
}

// afterCallback reports whether a response is from a page that the app's callback
// redirected to.
func (s *Server) afterCallback(resp *http.Response) bool {
	callback := resp.Request.Response // its redirect led to the page
	return callback != nil && callback.Request.Response != nil && s.isAuthorization(callback.Request.Response.Request)
}

// withoutURL removes the URL from an error, since it may contain a code.
func withoutURL(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}

// personTransport replaces a consent page by the response to its form.
type personTransport struct {
	server *Server
	person Person
}

func (p *personTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "text/html, */*;q=0.8")
	}
	if p.server.isAuthorization(req) {
		req.Header.Set(personHeader, url.QueryEscape(p.person.Username))
	}
	resp, err := p.person.Transport.RoundTrip(req)
	if err != nil || !p.isConsentPage(req, resp) {
		return resp, err
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if err := p.person.check(p.server); err != nil {
		return nil, err
	}
	return p.person.Transport.RoundTrip(p.decision(req))
}

func (p *personTransport) isConsentPage(req *http.Request, resp *http.Response) bool {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return req.Method == http.MethodGet && resp.StatusCode == http.StatusOK && kind == "text/html" &&
		p.server.isAuthorization(req)
}

func (s *Server) isAuthorization(req *http.Request) bool {
	return strings.HasPrefix(req.URL.String(), s.URL+string(AuthorizeEndpoint)+"?")
}

// decision returns the form that the person sends from the consent page.
func (p *personTransport) decision(page *http.Request) *http.Request {
	user, _ := p.server.userNamed(orElse(p.person.Username, p.server.firstUsername()))
	form := url.Values{"user": {p.person.Username}, "decision": {"approve"}}
	if p.person.Deny {
		form.Set("decision", "deny")
	}
	for _, org := range user.Orgs {
		if slices.Contains(p.person.Orgs, org.Username) {
			form.Add(orgField(user.Username), org.ID())
		}
	}
	body := form.Encode()
	post := page.Clone(page.Context())
	post.Method = http.MethodPost
	post.Body = io.NopCloser(strings.NewReader(body))
	post.ContentLength = int64(len(body))
	post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return post
}

// CloseIdleConnections makes http.Client.CloseIdleConnections work.
func (p *personTransport) CloseIdleConnections() {
	(&http.Client{Transport: p.person.Transport}).CloseIdleConnections()
}
