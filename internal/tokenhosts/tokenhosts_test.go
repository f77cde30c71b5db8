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
	resp := &http.Response{StatusCode: 200, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader("")), Request: r}
	if to, ok := n.redirects[r.URL.String()]; ok {
		resp.StatusCode = http.StatusFound
		resp.Header.Set("Location", to)
	}
	return resp, nil
}

// newClient returns a client that sends "token" to the provider, the Hub and
// hosts.
func newClient(n *network, provider string, hosts ...string) *http.Client {
	return &http.Client{Transport: &Transport{
		Source:   oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "token"}),
		Provider: provider,
		Hosts:    hosts,
		Base:     n,
		Package:  "owner",
	}}
}

const hub = "https://huggingface.co"

// The hosts that receive the token; a request to any other is not sent.
func TestHosts(t *testing.T) {
	hosts := []string{"Api.example", "*.Apis.example", "127.0.0.1", "localhost"}
	for address, allowed := range map[string]bool{
		"https://huggingface.co/api":          true,
		"https://HuggingFace.co/api":          true,
		"https://huggingface.co:443/api":      true,
		"https://router.huggingface.co/v1":    true,
		"https://a.b.huggingface.co/v1":       true,
		"https://cdn-lfs.hf.co/x":             true,
		"https://api.example":                 true,
		"https://api.example.evil.example":    false,
		"https://x.apis.example":              true,
		"https://huggingface.co:8443/api":     true,
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
		"https://apis.example":                false, // the pattern matches only subdomains
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
		resp, err := newClient(n, hub, hosts...).Get(address)
		if allowed {
			if err != nil {
				t.Errorf("%s: %v", address, err)
			} else if resp.Body.Close(); len(n.sent) != 1 || !strings.HasSuffix(n.sent[0], " Bearer token") {
				t.Errorf("%s: sent %q, want the token once", address, n.sent)
			}
			continue
		}
		if noHost := address == "https://"; !noHost && !refused(err) { // net/http refuses that
			t.Errorf("%s: error %v, want a refusal", address, err)
		}
		if len(n.sent) != 0 {
			t.Errorf("%s: sent %q, want nothing", address, n.sent)
		}
	}
}

func refused(err error) bool {
	return err != nil && strings.Contains(err.Error(), "owner: the user's token is not sent to ")
}

// The provider's host gets the token. On loopback, other ports are other
// programs.
func TestProviderHost(t *testing.T) {
	for provider, addresses := range map[string]map[string]bool{
		"http://127.0.0.1:9999": {"http://127.0.0.1:9999/api": true, "http://127.0.0.1:8080": false,
			"http://127.0.0.1": false, "http://localhost:9999": false},
		"http://[::1]:9999": {"http://[::1]:9999/api": true, "http://[::1]:8080": false},
		"http://LocalHost": {"http://localhost:80/api": true, "http://localhost/api": true,
			"http://localhost:8080": false, "https://localhost": false},
		"https://id.example:8443": {"https://id.example:8443/api": true, "https://id.example/api": true,
			"http://id.example:8443": false, "https://x.id.example": false},
		"https://id.example/realm": {"https://ID.example/api": true, "https://huggingface.co": false,
			"https://router.huggingface.co": true},
	} {
		for address, want := range addresses {
			n := &network{}
			resp, err := newClient(n, provider).Get(address)
			if err == nil {
				resp.Body.Close()
			}
			got := len(n.sent) == 1
			if got != want {
				t.Errorf("provider %s: %s: sent %q, error %v, want it sent: %v", provider, address, n.sent, err, want)
			}
			if !got && !refused(err) {
				t.Errorf("provider %s: %s: error %v, want a refusal", provider, address, err)
			}
		}
	}
}

// A refusal says what to do.
func TestRefusals(t *testing.T) {
	for address, want := range map[string]string{
		"https://api.example/x": `owner: the user's token is not sent to api.example: ` +
			`add "api.example" to Config.TokenHosts if it may act as your users, or use another http.Client`,
		"http://127.0.0.1:8080": `owner: the user's token is not sent to 127.0.0.1:8080: ` +
			`add "127.0.0.1" to Config.TokenHosts if it may act as your users, or use another http.Client`,
		"http://listed.example": `owner: the user's token is not sent to http://listed.example: ` +
			`it is sent over https only, and over http to loopback`,
		"https://huggingface.co/api/models": "owner: the user's token is not sent to huggingface.co: " +
			"it was issued by http://127.0.0.1:9999: " +
			"take the Hub's address from OPENID_PROVIDER_URL",
	} {
		_, err := newClient(&network{}, "http://127.0.0.1:9999", "listed.example").Get(address)
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", address, err, want)
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
		resp, err := newClient(n, hub).Get(home)
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
	if _, err := newClient(n, hub).Transport.RoundTrip(req); err != nil {
		t.Fatal(err)
	}
	if got := req.Header.Get("Authorization"); got != "" {
		t.Errorf("the caller's request now has %q", got)
	}
}

func TestUnsentBodiesAreClosed(t *testing.T) {
	errNoToken := errors.New("no token")
	failing := newClient(&network{}, hub)
	failing.Transport.(*Transport).Source = failingSource{errNoToken}
	for name, tt := range map[string]struct {
		client  *http.Client
		address string
		want    func(error) bool
	}{
		"refused":  {newClient(&network{}, hub), "https://evil.example", refused},
		"no token": {failing, "https://huggingface.co", func(err error) bool { return errors.Is(err, errNoToken) }},
	} {
		b := &body{Reader: strings.NewReader("x")}
		req, err := http.NewRequest(http.MethodPost, tt.address, b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tt.client.Transport.RoundTrip(req); !tt.want(err) {
			t.Errorf("%s: error %v", name, err)
		}
		if !b.closed {
			t.Errorf("%s: the body was not closed", name)
		}
		req.Body = nil
		if _, err := tt.client.Transport.RoundTrip(req); !tt.want(err) {
			t.Errorf("%s, without a body: error %v", name, err)
		}
	}
}

type failingSource struct{ err error }

func (f failingSource) Token() (*oauth2.Token, error) { return nil, f.err }

func TestHostsThatAreRefused(t *testing.T) {
	for _, host := range []string{"", "api.example:443", "*.*.api.example", ".api.example", "*", "*api.example",
		"https://api.example", "api.example/v1", "[::1]"} {
		if Check([]string{"good.example", host}) == nil {
			t.Errorf("%q is accepted", host)
		}
	}
}
