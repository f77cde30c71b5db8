package hfoauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hfoauth/hfoauth"
)

// works reports whether the provider accepts a token.
func (s *site) works(token string) bool {
	req, err := http.NewRequest(http.MethodGet, s.hub.URL+"/oauth/userinfo", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := (&http.Client{Transport: s.network}).Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// wire is the network as an app's transport sees it: the provider is real, all
// other hosts respond as the test says. It records where tokens were sent.
type wire struct {
	hub       string            // host of the provider
	redirects map[string]string // by address

	mu   sync.Mutex
	sent []string // address and Authorization header of each request to another host
}

func (n *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == n.hub {
		return http.DefaultTransport.RoundTrip(r)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sent = append(n.sent, strings.TrimSpace(r.URL.String()+" "+r.Header.Get("Authorization")))
	resp := &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}
	if to, ok := n.redirects[r.URL.String()]; ok {
		resp.StatusCode = http.StatusFound
		resp.Header.Set("Location", to)
	}
	return resp, nil
}

// apiSite is a site with a user's client for other hosts, on a wire.
func apiSite(t *testing.T, change func(*hfoauth.Config)) (*site, *wire, *http.Client) {
	t.Helper()
	n := &wire{redirects: map[string]string{}}
	s := newSite(t, func(c *hfoauth.Config) {
		n.hub = strings.TrimPrefix(c.ProviderURL, "http://")
		c.Transport = n
		if change != nil {
			change(c)
		}
	})
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(s.newSession(ada))
	session, err := s.client.SessionFromRequest(httptest.NewRecorder(), r)
	if err != nil {
		t.Fatal(err)
	}
	api := session.HTTPClient()
	return s, n, api
}

// The token is sent to the Hub's hosts over https, and nowhere else: a request to
// another host, or to another program on the stand-in's host, is not even sent.
func TestHTTPClientKeepsTheTokenHome(t *testing.T) {
	s, n, api := apiSite(t, nil)
	for address, allowed := range map[string]bool{
		"https://router.huggingface.co/v1/models": true,
		"https://a.b.huggingface.co":              true,
		"https://Router.HuggingFace.co":           true,
		"https://cdn-lfs.hf.co/x":                 true,
		"https://evilhuggingface.co":              false,
		"https://huggingface.co.evil.example":     false,
		"https://evil.example/huggingface.co":     false,
		"https://user-app.hf.space":               false,
		"https://xhf.co":                          false,
		"https://evil.example":                    false,
		"http://router.huggingface.co":            false,
		"http://evil.example":                     false,
		"http://localhost:7860":                   false, // this machine, but not the provider's host
		"http://127.0.0.1:7860":                   false, // its host, but not its port
	} {
		n.sent = nil
		resp, err := api.Get(address)
		if err == nil {
			resp.Body.Close()
		}
		switch {
		case allowed && err != nil:
			t.Errorf("%s: %v", address, err)
		case allowed && (len(n.sent) != 1 || !strings.Contains(n.sent[0], " Bearer hf_oauth_")):
			t.Errorf("%s: sent %q, want the token", address, n.sent)
		case !allowed && len(n.sent) > 0:
			t.Errorf("%s: sent %q, want nothing", address, n.sent)
		case !allowed && (err == nil || !strings.Contains(err.Error(), "hfoauth: the user's token is not sent to ")):
			t.Errorf("%s: error %v, want one that says that the token is not sent", address, err)
		}
	}
	resp, err := api.Get(s.hub.URL + "/api/whoami-v2")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the provider itself: %s", resp.Status)
	}
}

func TestHTTPClientFollowsRedirectsWithoutTheToken(t *testing.T) {
	_, n, api := apiSite(t, nil)
	n.redirects = map[string]string{
		"https://api.huggingface.co/1": "https://api.huggingface.co/2",
		"https://api.huggingface.co/2": "https://cdn.huggingface.co/3",
		"https://cdn.huggingface.co/3": "https://api.huggingface.co/4",
	}
	resp, err := api.Get("https://api.huggingface.co/1")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	var got []string
	for _, sent := range n.sent {
		address, authorization, _ := strings.Cut(sent, " ")
		got = append(got, fmt.Sprint(address, authorization != ""))
	}
	want := []string{
		"https://api.huggingface.co/1true", "https://api.huggingface.co/2true",
		"https://cdn.huggingface.co/3false", "https://api.huggingface.co/4false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("address and whether the token went there: %q, want %q", got, want)
	}
}

// Config.TokenHosts are in addition to the provider's and the Hub's.
func TestTokenHosts(t *testing.T) {
	s, n, api := apiSite(t, func(c *hfoauth.Config) { c.TokenHosts = []string{"api.example", "*.apis.example"} })
	for address, allowed := range map[string]bool{
		"https://api.example": true, "https://x.apis.example": true,
		"https://router.huggingface.co": true, "https://cdn-lfs.hf.co": true,
		"https://apis.example": false, "https://x.api.example": false, "https://evil.example": false,
	} {
		n.sent = nil
		if resp, err := api.Get(address); err == nil {
			resp.Body.Close()
		}
		if got := len(n.sent) == 1; got != allowed {
			t.Errorf("%s: sent %v, want %v", address, got, allowed)
		}
	}
	resp, err := api.Get(s.hub.URL + "/api/whoami-v2")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the provider itself: %s", resp.Status)
	}
}

type countingTransport struct{ calls int }

func (c *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c.calls++
	return http.DefaultTransport.RoundTrip(r)
}

func TestHTTPClientUsesTheTransport(t *testing.T) {
	transport := &countingTransport{}
	s := newSite(t, func(c *hfoauth.Config) { c.Transport = transport })
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(s.newSession(ada))
	session, err := s.client.SessionFromRequest(httptest.NewRecorder(), r)
	if err != nil {
		t.Fatal(err)
	}
	api := session.HTTPClient()
	before := transport.calls
	resp, err := api.Get(s.hub.URL + "/api/whoami-v2")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("whoami: %s, want 200", resp.Status)
	}
	if calls := transport.calls - before; calls != 1 {
		t.Errorf("%d calls by the transport, want one", calls)
	}
}
