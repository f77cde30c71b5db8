package bench

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// signIn takes a browser through a sign-in and returns the last response.
func signIn(tb testing.TB, p *provider, c contender, b browser) *httptest.ResponseRecorder {
	callback := p.authorize(tb, beginSignIn(c, b))
	return endSignIn(c, b, callback)
}

// beginSignIn returns where the app sends a browser that wants to sign in.
func beginSignIn(c contender, b browser) string {
	answer := serve(c.handler, b.get(loginPath))
	b.keep(answer)
	return answer.Header().Get("Location")
}

func endSignIn(c contender, b browser, callback string) *httptest.ResponseRecorder {
	answer := serve(c.handler, b.get(callback))
	b.keep(answer)
	return answer
}

// signedIn reports whether the response to a callback redirects home.
func signedIn(answer *httptest.ResponseRecorder) bool {
	return answer.Code/100 == 3 && answer.Header().Get("Location") == "/"
}

func TestSignInYieldsTheUser(t *testing.T) {
	for _, orgs := range []int{0, 3} {
		s := newSession(orgs)
		p := newProvider(t, s)
		for _, c := range contenders(t, p) {
			t.Run(c.name, func(t *testing.T) {
				b := browser{}
				if _, err := c.user(b.get("/")); err == nil {
					t.Error("got a user before signing in")
				}
				before := p.calls.Load()
				if answer := signIn(t, p, c, b); !signedIn(answer) {
					t.Fatalf("status %d: %s", answer.Code, answer.Body)
				}
				user, err := c.user(b.get("/"))
				if err != nil {
					t.Fatal(err)
				}
				wantUser(t, user, &s.User)
				if calls := p.calls.Load() - before; calls < 2 {
					t.Errorf("%d calls to the provider: token or userinfo was not asked for", calls)
				}
			})
		}
	}
}

// TestSignInChecks checks what each contender refuses: checks account for some of its
// time.
func TestSignInChecks(t *testing.T) {
	type checks struct{ state, pkce, nonce, signature bool }
	want := map[string]checks{
		"hfoauth":                               {state: true, pkce: true, nonce: true, signature: true},
		"x/oauth2 + go-oidc + gorilla/sessions": {state: true, nonce: true, signature: true},
		"zitadel/oidc":                          {state: true, pkce: true, signature: true},
		"goth":                                  {state: true},
	}
	p := newProvider(t, newSession(3))
	for _, c := range contenders(t, p) {
		t.Run(c.name, func(t *testing.T) {
			got := checks{
				state:     refuses(t, p, c, "state", "of-another-browser"),
				pkce:      refuses(t, p, c, "code_challenge", "of-another-browser"),
				nonce:     refuses(t, p, c, "nonce", "of-another-sign-in"),
				signature: refusesForgery(t, p, c),
			}
			if got != want[c.name] {
				t.Errorf("checks %+v, not %+v", got, want[c.name])
			}
		})
	}
}

// refuses reports whether a sign-in fails when a parameter of the
// authorization request is replaced on the way, if the app sent one.
func refuses(t *testing.T, p *provider, c contender, parameter, value string) bool {
	b := browser{}
	address, err := url.Parse(beginSignIn(c, b))
	if err != nil {
		t.Fatal(err)
	}
	query := address.Query()
	if query.Has(parameter) {
		query.Set(parameter, value)
	}
	address.RawQuery = query.Encode()
	return !signedIn(endSignIn(c, b, p.authorize(t, address.String())))
}

// refusesForgery reports whether a sign-in fails when the ID token is signed
// by a key that is not the provider's.
func refusesForgery(t *testing.T, p *provider, c contender) bool {
	signer := p.signer
	defer func() { p.signer = signer }()
	p.signer, _ = newSigner(t)
	return !signedIn(signIn(t, p, c, browser{}))
}

// BenchmarkSignIn measures what happens in the app between the click and the
// signed-in answer, and what its calls to a provider on loopback take. The
// first row is those calls and nothing else. All rows contain the provider's
// half of the work; the signature of the ID token is made outside.
func BenchmarkSignIn(b *testing.B) {
	p := newProvider(b, newSession(3))
	b.Run("two calls to the provider", func(b *testing.B) { benchmarkCalls(b, p) })
	for _, c := range contenders(b, p) {
		b.Run(c.name, func(b *testing.B) { benchmarkSignIn(b, p, c) })
	}
}

func benchmarkSignIn(b *testing.B, p *provider, c contender) {
	if answer := signIn(b, p, c, browser{}); !signedIn(answer) { // fetches metadata and keys
		b.Fatalf("status %d: %s", answer.Code, answer.Body)
	}
	before := p.calls.Load()
	b.ReportAllocs()
	for b.Loop() {
		tab := browser{}
		location := beginSignIn(c, tab)
		b.StopTimer()
		callback := p.authorize(b, location)
		b.StartTimer()
		if answer := endSignIn(c, tab, callback); !signedIn(answer) {
			b.Fatalf("status %d: %s", answer.Code, answer.Body)
		}
	}
	b.ReportMetric(float64(p.calls.Load()-before)/float64(b.N), "calls/op")
}

// BenchmarkFirstSignIn measures the callback of the first sign-in after a start,
// with a provider whose responses take 50 ms. Whatever an app does before it, when
// it starts and while the user is at the provider, is not measured.
func BenchmarkFirstSignIn(b *testing.B) {
	p := newProvider(b, newSession(3))
	p.delay = 50 * time.Millisecond
	for i, c := range contenders(b, p) {
		b.Run(c.name, func(b *testing.B) {
			calls := int64(0)
			for b.Loop() {
				b.StopTimer()
				started, tab := contenders(b, p)[i], browser{}
				callback := p.authorize(b, beginSignIn(started, tab))
				time.Sleep(4 * p.delay) // the user signs in
				before := p.calls.Load()
				b.StartTimer()
				if answer := endSignIn(started, tab, callback); !signedIn(answer) {
					b.Fatalf("status %d: %s", answer.Code, answer.Body)
				}
				calls += p.calls.Load() - before
			}
			b.ReportMetric(float64(calls)/float64(b.N), "calls/op")
		})
	}
}

// benchmarkCalls measures a token request and a userinfo request by
// themselves.
func benchmarkCalls(b *testing.B, p *provider) {
	location := p.URL + "/oauth/authorize?" + url.Values{
		"client_id": {clientID}, "response_type": {"code"}, "redirect_uri": {appURL + callbackPath}, "state": {"state"},
	}.Encode()
	before := p.calls.Load()
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		callback, err := url.Parse(p.authorize(b, location))
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		form := url.Values{
			"grant_type": {"authorization_code"}, "code": {callback.Query().Get("code")},
			"redirect_uri": {appURL + callbackPath},
		}
		token, _ := http.NewRequest(http.MethodPost, p.URL+"/oauth/token", strings.NewReader(form.Encode()))
		token.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		token.SetBasicAuth(clientID, url.QueryEscape(clientSecret))
		call(b, p.client, token)

		userinfo, _ := http.NewRequest(http.MethodGet, p.URL+"/oauth/userinfo", nil)
		userinfo.Header.Set("Authorization", "Bearer "+p.session.AccessToken)
		call(b, p.client, userinfo)
	}
	b.ReportMetric(float64(p.calls.Load()-before)/float64(b.N), "calls/op")
}

func call(b *testing.B, client *http.Client, r *http.Request) {
	answer, err := client.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		b.Fatalf("%s: status %d, %v", r.URL.Path, answer.StatusCode, err)
	}
}
