package hfoauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
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
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func TestHTTPClientKeepsTheTokenHome(t *testing.T) {
	seen := make(chan string, 10)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seen <- r.Header.Get("Authorization") }))
	defer other.Close()
	otherURL := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("Authorization")
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, otherURL, http.StatusFound)
		case "/port":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/here":
			http.Redirect(w, r, "/end", http.StatusFound)
		}
	}))
	defer api.Close()
	s := newSite(t, nil)
	cookie := s.newSession(ada)
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(cookie)
	client, err := s.client.HTTPClient(httptest.NewRecorder(), r)
	if err != nil {
		t.Fatal(err)
	}
	get := func(address string) []string {
		t.Helper()
		resp, err := client.Get(address)
		if err != nil {
			return []string{"error"}
		}
		resp.Body.Close()
		var headers []string
		for len(seen) > 0 {
			headers = append(headers, strings.SplitN(<-seen, "_", 2)[0])
		}
		return headers
	}
	for address, want := range map[string]string{
		api.URL + "/end":                      "[Bearer hf]",
		api.URL + "/here":                     "[Bearer hf Bearer hf]",
		api.URL + "/away":                     "[Bearer hf ]",
		api.URL + "/port":                     "[Bearer hf ]",
		otherURL:                              "[error]",
		"https://evil.example":                "[error]",
		"https://user-app.hf.space":           "[error]",
		"https://huggingface.co.evil.example": "[error]",
		"https://xhf.co":                      "[error]",
		"http://router.huggingface.co":        "[error]",
	} {
		if got := fmt.Sprint(get(address)); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

func TestExchangeForMember(t *testing.T) {
	s := newSite(t, nil)
	s.app.Org = "engines"
	s.hub.RegisterApp(s.app)
	token, err := s.client.MemberToken(t.Context(), "ada@example.com", hfoauth.ScopeOpenID, hfoauth.ScopeInferenceAPI)
	if err != nil || !s.works(token.AccessToken) || token.RefreshToken != "" || token.Expiry.IsZero() {
		t.Errorf("%v", err)
	}
	_, err = s.client.MemberToken(t.Context(), "nobody@example.com")
	if answer, ok := errors.AsType[*hfoauth.ProviderError](err); !ok || answer.Code != "invalid_grant" {
		t.Errorf("%v", err)
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
	api, err := s.client.HTTPClient(httptest.NewRecorder(), r)
	if err != nil {
		t.Fatal(err)
	}
	before := transport.calls
	resp, err := api.Get(s.hub.URL + "/api/whoami-v2")
	if err != nil || resp.StatusCode != 200 || transport.calls != before+1 {
		t.Errorf("%v, %v, %d calls", resp, err, transport.calls-before)
	}
}
