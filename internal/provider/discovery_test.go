package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// transport responds without a network.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(body))}
}

func newProvider(issuer string, t transport) *Provider {
	return New(Config{Issuer: issuer, ClientID: "client", Transport: t, Now: time.Now})
}

const (
	issuer = "https://hub.example"
	good   = `{"issuer":"https://hub.example","authorization_endpoint":"https://hub.example/a",` +
		`"token_endpoint":"https://hub.example/t","userinfo_endpoint":"https://hub.example/u",` +
		`"jwks_uri":"https://hub.example/j"}`
)

func TestMetadata(t *testing.T) {
	with := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for name, tt := range map[string]struct {
		issuer, body, problem string
	}{
		"good":                     {issuer, good, ""},
		"other issuer":             {issuer, with(`"https://hub.example",`, `"https://evil.example",`), "issuer"},
		"issuer with slash":        {issuer, with(`"https://hub.example",`, `"https://hub.example/",`), "issuer"},
		"http endpoint":            {issuer, with("https://hub.example/t", "http://hub.example/t"), "token_endpoint"},
		"loopback endpoint":        {issuer, with("https://hub.example/u", "https://127.0.0.1/u"), "userinfo_endpoint"},
		"localhost endpoint":       {issuer, with("https://hub.example/j", "https://localhost:9200/j"), "jwks_uri"},
		"plain loopback endpoint":  {issuer, with("https://hub.example/j", "http://127.0.0.1/j"), "jwks_uri"},
		"file endpoint":            {issuer, with("https://hub.example/j", "file:///etc/passwd"), "jwks_uri"},
		"endpoint without a host":  {issuer, with("https://hub.example/j", "https:///j"), "jwks_uri"},
		"opaque endpoint":          {issuer, with("https://hub.example/j", "https:j"), "jwks_uri"},
		"ftp endpoint":             {issuer, with("https://hub.example/j", "ftp://hub.example/j"), "jwks_uri"},
		"endpoint by another name": {issuer, with("https://hub.example/j", "HTTP://hub.example/j"), "jwks_uri"},
		"loopback issuer, by ftp": {"http://127.0.0.1:1",
			strings.Replace(strings.ReplaceAll(good, "https://hub.example", "http://127.0.0.1:1"),
				"http://127.0.0.1:1/t", "ftp://127.0.0.1:1/t", 1), "token_endpoint"},
		"relative endpoint": {issuer, with("https://hub.example/a", "/a"), "authorization_endpoint"},
		"missing endpoint":  {issuer, with("token_endpoint", "other"), "token_endpoint"},
		"bad device endpoint": {issuer, with("{", `{"device_authorization_endpoint":"http://x/",`),
			"device_authorization_endpoint"},
		"no object": {issuer, `[]`, "cannot unmarshal"},
		"no JSON":   {issuer, `<html>`, "invalid character"},
		"loopback issuer": {"http://127.0.0.1:1",
			strings.ReplaceAll(good, "https://hub.example", "http://127.0.0.1:1"), ""},
		"loopback issuer, outside": {"http://127.0.0.1:1",
			strings.Replace(strings.ReplaceAll(good, "https://hub.example", "http://127.0.0.1:1"),
				"http://127.0.0.1:1/t", "http://evil.example/t", 1), "token_endpoint"},
	} {
		p := newProvider(tt.issuer, func(*http.Request) (*http.Response, error) {
			return answer(200, tt.body), nil
		})
		err := p.Ready(t.Context())
		checkError(t, name, err, Invalid, tt.problem)
	}
}

// Discovery is retried after pauses that grow from 1 s to 30 s, without end.
func TestDiscoveryPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts []time.Time
		up := false
		p := newProvider(issuer, func(r *http.Request) (*http.Response, error) {
			attempts = append(attempts, time.Now())
			if up {
				return answer(200, good), nil
			}
			return nil, errors.New("connection refused")
		})
		for range 3600 {
			var e *Error
			err := p.Ready(t.Context())
			if !errors.As(err, &e) {
				t.Fatalf("%v, want an *Error", err)
			}
			if e.Kind != Unavailable {
				t.Fatalf("kind %d, want %d: %v", e.Kind, Unavailable, err)
			}
			if e.RetryAfter <= 0 || e.RetryAfter > maxPause {
				t.Fatalf("retry after %s, want at most %s and more than nothing", e.RetryAfter, maxPause)
			}
			time.Sleep(time.Second)
		}
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
			got := attempts[i+1].Sub(attempts[i])
			if got < want*time.Second || got > want*time.Second+2*time.Second {
				t.Errorf("pause %d is %s, want %d s", i, got, want)
			}
		}
		up = true
		time.Sleep(maxPause)
		if err := p.Ready(t.Context()); err != nil {
			t.Errorf("after an hour: %v", err)
		}
		n := len(attempts)
		p.Ready(t.Context())
		if len(attempts) != n {
			t.Error("the metadata was fetched again")
		}
	})
}

func TestCallerThatLeavesDoesNotFailOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(issuer, func(r *http.Request) (*http.Response, error) {
			time.Sleep(5 * time.Second)
			return answer(200, good), r.Context().Err()
		})
		results := make(chan error)
		go func() { results <- p.Ready(t.Context()) }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Ready(ctx); err == nil {
			t.Error("the impatient caller waited")
		}
		if err := <-results; err != nil {
			t.Errorf("the patient caller: %v", err)
		}
	})
}

func TestSlowProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(issuer, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		start := time.Now()
		var e *Error
		if err := p.Ready(t.Context()); !errors.As(err, &e) || e.Kind != Unavailable {
			t.Error(err)
		}
		if waited := time.Since(start); waited != answerTimeout {
			t.Errorf("waited %s", waited)
		}
	})
}

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                  "plain",
		"code abc, again abc":    "code [redacted], again [redacted]",
		"a\nb\x1b[31m":           "a b [31m",
		strings.Repeat("é", 150): strings.Repeat("é", 100) + "…",
	} {
		if got := Redact(text, "abc", ""); got != want {
			t.Errorf("Redact(%q) = %q, want %q", text, got, want)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"issuer":5}`))
	f.Add([]byte(strings.Replace(good, "https://hub.example/t", "https://[::1]/t", 1)))
	f.Add([]byte(strings.Replace(good, "https://hub.example/t", "http://hub.example/t", 1)))
	f.Add([]byte(strings.Replace(good, "https://hub.example/j", "", 1)))
	f.Add([]byte(strings.Replace(good, `"https://hub.example",`, `"https://evil.example",`, 1)))
	f.Add([]byte(strings.Replace(good, "{", `{"device_authorization_endpoint":"https://hub.example/d",`, 1)))
	f.Add([]byte(strings.Replace(good, "{", `{"device_authorization_endpoint":"https://localhost/d",`, 1)))
	f.Add([]byte(`[]`))
	p := newProvider(issuer, nil)
	f.Fuzz(func(t *testing.T, body []byte) {
		meta, err := p.parseMetadata(body)
		if err != nil {
			return
		}
		endpoint := meta.oidc.Endpoint()
		for _, address := range []string{endpoint.AuthURL, endpoint.TokenURL, meta.oidc.UserInfoEndpoint()} {
			if !strings.HasPrefix(strings.ToLower(address), "https://") {
				t.Errorf("%q: endpoint %q was accepted", body, address)
			}
		}
	})
}

// A caller waits at most 12 s for the pause and the attempt together.
func TestCallersWaitBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		p := newProvider(issuer, func(r *http.Request) (*http.Response, error) {
			if attempts++; attempts > 3 {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return nil, errors.New("connection refused")
		})
		for range 3 {
			p.Ready(t.Context())
		}
		began := time.Now()
		err := p.Ready(t.Context()) // a pause of 4 s, then 10 s without a response
		if took := time.Since(began); took != 12*time.Second {
			t.Errorf("waited %s, want 12 s", took)
		}
		checkError(t, "hanging", err, Unavailable, "deadline")
		time.Sleep(time.Minute) // the attempt ends
	})
}

// The error has a RetryAfter: our pause, or the provider's if that is longer.
// Invalid metadata has none.
func TestDiscoverySaysWhenToAskAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		header string
		body   string
		kind   Kind
		want   time.Duration
	}{
		"outage":           {503, "", "", Unavailable, time.Second},
		"soon":             {503, "0", "", Unavailable, time.Second},
		"later":            {429, "77", "", Unavailable, 77 * time.Second},
		"not found":        {404, "", "", Invalid, 0},
		"another provider": {200, "", strings.Replace(good, issuer, "https://evil.example", 1), Invalid, 0},
		"no metadata":      {200, "", "<html>", Invalid, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, p := newHub()
			h.answers("/.well-known/openid-configuration", tt.status, tt.body, "Retry-After", tt.header)
			for range 2 { // the second one may get the remembered failure
				err := p.Ready(t.Context())
				var e *Error
				if !errors.As(err, &e) || e.Kind != tt.kind {
					t.Fatalf("%s: %v, want kind %d", name, err, tt.kind)
				}
				if e.RetryAfter < tt.want {
					t.Errorf("%s: retry after %s, want at least %s", name, e.RetryAfter, tt.want)
				}
				if tt.want == 0 && e.RetryAfter != 0 {
					t.Errorf("%s: retry after %s, want none", name, e.RetryAfter)
				}
			}
		})
	}
}

// Text that runs from right to left could hide what follows it in a log.
func TestRedactReplacesInvisibleText(t *testing.T) {
	for _, invisible := range []string{"\u202e", "\u200b", "\u0085", "\u2028"} {
		if got := Redact("a" + invisible + "b"); got != "a b" {
			t.Errorf("%+q in the middle: %+q, want a space", invisible, got)
		}
	}
}
