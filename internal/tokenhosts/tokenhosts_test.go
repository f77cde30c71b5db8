package tokenhosts

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"
)

// network responds for all hosts and records where the token was sent.
type network struct {
	sent      []string          // address and Authorization header of each request
	redirects map[string]string // by address
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	n.sent = append(n.sent, strings.TrimSpace(r.URL.String()+" "+r.Header.Get("Authorization")))
	resp := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), Request: r}
	if to, ok := n.redirects[r.URL.String()]; ok {
		resp.StatusCode = http.StatusFound
		resp.Header.Set("Location", to)
	}
	return resp, nil
}

var errRefused = errors.New("refused")

// newClient returns a client that sends "token" to hosts.
func newClient(n *network, hosts ...string) *http.Client {
	return &http.Client{Transport: &Transport{
		Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "token"}),
		Hosts:  hosts,
		Base:   n,
		Refuse: func(host string) error { return errRefused },
	}}
}

// The hosts that receive the token; a request to any other is not sent.
func TestHosts(t *testing.T) {
	hosts := []string{"huggingface.co", "*.huggingface.co", "*.HF.co", "Api.example", "127.0.0.1", "localhost"}
	for address, allowed := range map[string]bool{
		"https://huggingface.co/api":          true,
		"https://HuggingFace.co/api":          true,
		"https://huggingface.co:443/api":      true,
		"https://router.huggingface.co/v1":    true,
		"https://a.b.huggingface.co/v1":       true,
		"https://cdn-lfs.hf.co/x":             true,
		"https://api.example":                 true,
		"http://127.0.0.1:8080/api":           true,
		"http://localhost/api":                true,
		"https://evilhuggingface.co":          false,
		"https://huggingface.co.evil.example": false,
		"https://huggingface.com":             false,
		"https://huggingface.c":               false,
		"https://evil.example/huggingface.co": false,
		"https://evil.example?huggingface.co": false,
		"https://huggingface.co@evil.example": false,
		"https://user-app.hf.space":           false,
		"https://hf.co":                       false, // the pattern matches only subdomains
		"https://xhf.co":                      false,
		"https://sub.api.example":             false,
		"https://xapi.example":                false,
		"http://huggingface.co/api":           false,
		"http://router.huggingface.co/v1":     false,
		"http://api.example":                  false,
		"http://127.0.0.1.huggingface.co/v1":  false,
		"ftp://huggingface.co":                false,
		"ws://huggingface.co":                 false,
		"https://127.0.0.2/api":               false,
		"https://[::1]/api":                   false,
		"https://xn--huggingface-.co":         false,
		"https://huggingface.co./api":         false,
		"https://":                            false,
		"https://.huggingface.co":             true, // resolves to nothing
		"https://*.huggingface.co":            true,
	} {
		n := &network{}
		resp, err := newClient(n, hosts...).Get(address)
		if allowed {
			if err != nil {
				t.Errorf("%s: %v", address, err)
			} else if resp.Body.Close(); len(n.sent) != 1 || !strings.HasSuffix(n.sent[0], " Bearer token") {
				t.Errorf("%s: sent %q, want the token once", address, n.sent)
			}
			continue
		}
		if noHost := address == "https://"; !noHost && !errors.Is(err, errRefused) { // net/http refuses that
			t.Errorf("%s: %v, want errRefused", address, err)
		}
		if len(n.sent) != 0 {
			t.Errorf("%s: sent %q, want nothing", address, n.sent)
		}
	}
}

// Redirects are followed, with the token only if all requests so far had the
// same origin.
func TestRedirects(t *testing.T) {
	const home = "https://huggingface.co/start"
	for name, tt := range map[string]struct {
		redirects map[string]string
		want      []string
		err       error
	}{
		"same origin": {
			map[string]string{home: "/end"},
			[]string{home + " Bearer token", "https://huggingface.co/end Bearer token"}, nil,
		},
		"another host": {
			map[string]string{home: "https://evil.example/"},
			[]string{home + " Bearer token", "https://evil.example/"}, nil,
		},
		"another host of the list": {
			map[string]string{home: "https://cdn.huggingface.co/"},
			[]string{home + " Bearer token", "https://cdn.huggingface.co/"}, nil,
		},
		"another port": {
			map[string]string{home: "https://huggingface.co:8443/"},
			[]string{home + " Bearer token", "https://huggingface.co:8443/"}, nil,
		},
		"without TLS": {
			map[string]string{home: "http://huggingface.co/"},
			[]string{home + " Bearer token", "http://huggingface.co/"}, nil,
		},
		"there and back": {
			map[string]string{home: "https://evil.example/", "https://evil.example/": "https://huggingface.co/end"},
			[]string{home + " Bearer token", "https://evil.example/", "https://huggingface.co/end"}, nil,
		},
		"later": {
			map[string]string{home: "/next", "https://huggingface.co/next": "https://evil.example/"},
			[]string{home + " Bearer token", "https://huggingface.co/next Bearer token", "https://evil.example/"}, nil,
		},
		"away and on": {
			map[string]string{home: "https://evil.example/", "https://evil.example/": "https://evil.example/more"},
			[]string{home + " Bearer token", "https://evil.example/", "https://evil.example/more"}, nil,
		},
	} {
		n := &network{redirects: tt.redirects}
		resp, err := newClient(n, "huggingface.co", "*.huggingface.co").Get(home)
		if !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, want %v", name, err, tt.err)
		}
		if err == nil {
			resp.Body.Close()
		}
		if !slices.Equal(n.sent, tt.want) {
			t.Errorf("%s: sent %q, want %q", name, n.sent, tt.want)
		}
	}
}

// body records whether it was closed, as http.RoundTripper requires.
type body struct {
	io.Reader
	closed bool
}

func (b *body) Close() error { b.closed = true; return nil }

func TestRequestIsLeftAsItWas(t *testing.T) {
	n := &network{}
	req, err := http.NewRequest(http.MethodGet, "https://huggingface.co", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newClient(n, "huggingface.co").Transport.RoundTrip(req); err != nil {
		t.Fatal(err)
	}
	if got := req.Header.Get("Authorization"); got != "" {
		t.Errorf("the caller's request now has %q", got)
	}
}

func TestUnsentBodiesAreClosed(t *testing.T) {
	errNoToken := errors.New("no token")
	failing := newClient(&network{}, "huggingface.co")
	failing.Transport.(*Transport).Source = failingSource{errNoToken}
	for name, tt := range map[string]struct {
		client  *http.Client
		address string
		want    error
	}{
		"refused":  {newClient(&network{}, "huggingface.co"), "https://evil.example", errRefused},
		"no token": {failing, "https://huggingface.co", errNoToken},
	} {
		b := &body{Reader: strings.NewReader("x")}
		req, err := http.NewRequest(http.MethodPost, tt.address, b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tt.client.Transport.RoundTrip(req); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		if !b.closed {
			t.Errorf("%s: the body was not closed", name)
		}
		req.Body = nil
		if _, err := tt.client.Transport.RoundTrip(req); !errors.Is(err, tt.want) {
			t.Errorf("%s, without a body: %v, want %v", name, err, tt.want)
		}
	}
}

type failingSource struct{ err error }

func (f failingSource) Token() (*oauth2.Token, error) { return nil, f.err }
