package e2e

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"html/template"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2/memstore"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// The permissions that the Hub gives the iframe of a Space.
const sandbox = "allow-downloads allow-forms allow-modals allow-popups " +
	"allow-popups-to-escape-sandbox allow-same-origin allow-scripts allow-storage-access-by-user-activation"

// space is an app in an iframe on a page of the provider, over https, on
// another site.
type space struct {
	hub      *hfoauthtest.Server
	provider string // its origin
	app      string
	sibling  string // another site below the app's domain
	log      *recorder
	posts    *posts
}

// recorder keeps the requests to the provider and the log of the app.
type recorder struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *recorder) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *recorder) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// requests records the addresses, and those that led there, of requests.
func (l *recorder) requests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(l, r.Method, r.Host, r.RequestURI, r.Referer())
		next.ServeHTTP(w, r)
	})
}

// certificate makes a throwaway certificate for all sites of a test.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"hub.test", "app.test", "evil.test", "localhost"},
	}, &x509.Certificate{SerialNumber: big.NewInt(1)}, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

type spaceOptions struct {
	// strip is an attribute to remove from the app's cookies, as a browser that
	// does not know it would.
	strip string

	private bool // the platform lets no visitor in without __sign

	// replicas of the app share a store and take requests in turn; one if zero.
	replicas int

	pages *template.Template // Config.PageTemplate

	// loopback names the Hub 127.0.0.1 and the app localhost, for browsers that
	// cannot be told where hub.test and app.test are.
	loopback bool

	// openerPolicy is the Cross-Origin-Opener-Policy of all pages of the app,
	// hubOpenerPolicy that of the Hub's pages: same-origin if empty, as the
	// Hub's own.
	openerPolicy, hubOpenerPolicy string
}

// newSpace serves all sites on one loopback port.
func newSpace(t *testing.T, options spaceOptions) *space {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	hubHost, appHost := "hub.test:"+port, "app.test:"+port
	if options.loopback {
		hubHost, appHost = "127.0.0.1:"+port, "localhost:"+port
	}
	s := &space{provider: "https://" + hubHost, app: "https://" + appHost,
		sibling: "https://sibling." + appHost, log: &recorder{}, posts: &posts{forms: map[string][]url.Values{}}}
	s.hub = hfoauthtest.New(s.provider)
	registered := s.hub.RegisterApp(hfoauthtest.App{Name: "A Space",
		RedirectURIs: []string{s.app + "/login/callback"}})
	config := hfoauth.Config{
		ClientID:     registered.ClientID,
		ClientSecret: registered.ClientSecret,
		ProviderURL:  s.provider,
		SpaceHost:    appHost,
		Logger:       slog.New(slog.NewTextHandler(io.MultiWriter(os.Stderr, s.log), nil)),
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the provider is this test
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, listener.Addr().String())
			},
		},
	}
	config.PageTemplate = options.pages
	if options.replicas > 0 {
		config.Store = memstore.NewWithCleanupInterval(0)
	}
	var replicas inTurn
	for range max(options.replicas, 1) {
		client, err := hfoauth.New(config)
		if err != nil {
			t.Fatal(err)
		}
		replicas.handlers = append(replicas.handlers, app(client))
	}
	site := withOpenerPolicy(options.openerPolicy, stripped(options.strip, s.posts.record(&replicas)))
	if options.private {
		site = s.hub.PrivateSpace(site)
	}
	handlers := map[string]http.Handler{
		appHost: site,
		hubHost: s.log.requests(withOpenerPolicy(cmp.Or(options.hubOpenerPolicy, "same-origin"),
			s.hubPages())),
		"evil.test:" + port:  s.log.requests(s.evilPages()),
		"sibling." + appHost: s.siblingPages(),
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if handler := handlers[r.Host]; handler != nil {
			handler.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	}))
	server.Listener.Close()
	server.Listener = listener
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	server.Config.ErrorLog = log.New(new(bytes.Buffer), "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return s
}

// inTurn gives each request to the next handler.
type inTurn struct {
	handlers []http.Handler
	turn     atomic.Uint64
}

func (i *inTurn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.handlers[i.turn.Add(1)%uint64(len(i.handlers))].ServeHTTP(w, r)
}

var appPage = template.Must(template.New("app").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>App</title>{{.Assets}}</head>
<body><h1>{{.Title}}</h1><div class="account">{{.Button}}</div></body></html>`))

// ownPage has a button of its own, an element that takes our name, and a link
// as only the pop-up's page has one.
var ownPage = template.Must(template.New("own").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Own</title>{{.Assets}}</head>
<body><main id="hfoauth"><h1>Own page of {{.Name}}</h1>
<div data-hfoauth-login data-hfoauth-next="{{.Next}}">Enter</div>
<a href="/cookie" data-hfoauth-continue>Look</a></main></body></html>`))

// app is a typical app: a start page with a button, and a private page.
func app(client *hfoauth.Client) http.Handler {
	mux := http.NewServeMux()
	client.Mount(mux)
	show := func(title string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			name := "nobody"
			if user, err := client.UserFromRequest(r); err == nil {
				name = user.Username
			}
			w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; "+
				"style-src 'self'; connect-src 'self'; form-action 'self'; img-src https:")
			appPage.Execute(w, map[string]any{
				"Assets": client.ButtonAssets(),
				"Button": client.Button(r, hfoauth.ButtonOptions{}),
				"Title":  title + " of " + name,
			})
		})
	}
	mux.Handle("GET /{$}", show("Start page"))
	mux.Handle("GET /private", client.RequireUser(show("Private page")))
	mux.HandleFunc("GET /own", func(w http.ResponseWriter, r *http.Request) {
		name := "nobody"
		if user, err := client.UserFromRequest(r); err == nil {
			name = user.Username
		}
		ownPage.Execute(w, map[string]any{"Assets": client.ButtonAssets(), "Name": name, "Next": r.FormValue("next")})
	})
	mux.Handle("GET /plain", client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `<!DOCTYPE html><html lang="en"><title>Plain</title><body><p>Secrets of %s<form `+
			`method="post" action="/logout"><input type="hidden" name="next" value="/"><button>Sign out</button></form>`,
			hfoauth.UserFromContext(r.Context()).Username)
	})))
	mux.Handle("GET /socket", client.RequireUser(http.HandlerFunc(acceptWebSocket)))
	mux.HandleFunc("GET /users", func(w http.ResponseWriter, r *http.Request) { // shows what a user wrote
		title := "Page of nobody"
		if user, err := client.UserFromRequest(r); err == nil {
			title = "Page of " + user.Username
		}
		appPage.Execute(w, map[string]any{
			"Assets": client.ButtonAssets(),
			"Button": template.HTML(r.FormValue("html")) + client.Button(r, hfoauth.ButtonOptions{Next: "/"}),
			"Title":  title,
		})
	})
	mux.HandleFunc("GET /cookie", func(w http.ResponseWriter, r *http.Request) { // the control page's frame
		w.Header().Add("Set-Cookie", "control=x; Secure; SameSite=None; Path=/cookie")
		w.Header().Add("Set-Cookie", "controlp=x; Secure; SameSite=None; Path=/cookie; Partitioned")
		fmt.Fprintf(w, "cookies: %s.", r.Header.Get("Cookie"))
	})
	return mux
}

// withOpenerPolicy adds a Cross-Origin-Opener-Policy.
func withOpenerPolicy(policy string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if policy != "" {
			w.Header().Set("Cross-Origin-Opener-Policy", policy)
		}
		next.ServeHTTP(w, r)
	})
}

// stripped removes an attribute from the cookies that next sets.
func stripped(attribute string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&strippingWriter{ResponseWriter: w, attribute: attribute}, r)
	})
}

type strippingWriter struct {
	http.ResponseWriter
	attribute string
}

func (w *strippingWriter) WriteHeader(status int) {
	w.strip()
	w.ResponseWriter.WriteHeader(status)
}

func (w *strippingWriter) Write(b []byte) (int, error) {
	w.strip()
	return w.ResponseWriter.Write(b)
}

func (w *strippingWriter) strip() {
	if w.attribute == "" {
		return
	}
	for i, line := range w.Header()["Set-Cookie"] {
		w.Header()["Set-Cookie"][i] = strings.ReplaceAll(line, "; "+w.attribute, "")
	}
}

// hubPages are the provider, and pages that show the app in iframes.
func (s *space) hubPages() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", s.hub)
	frames := func(paths ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `<!DOCTYPE html><html lang="en"><head><title>Hub</title></head><body>`)
			for _, path := range paths {
				fmt.Fprintf(w, `<iframe title="Space" width="700" height="260" sandbox="%s" src="%s"></iframe>`,
					sandbox, s.app+path)
			}
			fmt.Fprint(w, `</body></html>`)
		}
	}
	mux.HandleFunc("GET /spaces/app", frames("/"))
	mux.HandleFunc("GET /spaces/private", frames("/private"))
	mux.HandleFunc("GET /spaces/two", frames("/?one", "/?two"))
	mux.HandleFunc("GET /spaces/cookie", frames("/cookie"))
	mux.HandleFunc("GET /spaces/users", func(w http.ResponseWriter, r *http.Request) {
		frames("/users?"+template.HTMLEscapeString(r.URL.RawQuery))(w, r)
	})
	mux.HandleFunc("GET /spaces/signed", func(w http.ResponseWriter, r *http.Request) {
		address, err := s.hub.SignedURL(s.app+r.FormValue("path"), "ada")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		frames(strings.TrimPrefix(address, s.app))(w, r)
	})
	mux.HandleFunc("GET /spaces/own", func(w http.ResponseWriter, r *http.Request) {
		frames("/own?"+template.HTMLEscapeString(r.URL.RawQuery))(w, r)
	})
	return mux
}

// siblingPages set a cookie for the app's domain by a script.
func (s *space) siblingPages() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `<!DOCTYPE html><title>Sibling</title><script>document.cookie = %q</script>`,
			r.FormValue("cookie"))
	})
}

// evilPages post to the tab's first page, and frame pages of the app.
func (s *space) evilPages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /form", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `<!DOCTYPE html><form method="post" action="%s/login/frame/popup"><input `+
			`name="challenge" value="%s"><button>Win a prize</button></form>`,
			s.app, strings.Repeat("A", 43))
	})
	mux.HandleFunc("GET /socket", func(w http.ResponseWriter, r *http.Request) { openSocket(w, s.app) })
	mux.HandleFunc("GET /framer", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `<!DOCTYPE html><iframe src="%s/login/frame/done"></iframe>`, s.app)
	})
	return mux
}

// openSpace opens the start page of a Space inside the Hub's page.
func openSpace(t *testing.T, options spaceOptions, blockThirdParty bool) (*space, *browser, context.Context) {
	t.Helper()
	s := newSpace(t, options)
	b := newBrowser(t, browserOptions{blockThirdParty: blockThirdParty})
	b.run(b.ctx, chromedp.Navigate(s.provider+"/spaces/app"))
	frame := b.attach("iframe", s.app+"/")
	b.says(frame, "Start page of nobody")
	return s, b, frame
}

// consent decides on the provider's page in the tab.
func (s *space) consent(b *browser, decision string) context.Context {
	b.t.Helper()
	popup := b.attach("page", s.provider+"/oauth/authorize")
	b.click(popup, fmt.Sprintf(`button[value=%s]`, decision))
	return popup
}

func eachCookiePolicy(t *testing.T, test func(t *testing.T, blocked bool)) {
	for name, blocked := range map[string]bool{
		"third-party cookies allowed": false,
		"third-party cookies blocked": true,
	} {
		t.Run(name, func(t *testing.T) { test(t, blocked) })
	}
}

// The browser does block third-party cookies, or does not: other tests rely on it.
func TestCookiePolicy(t *testing.T) {
	eachCookiePolicy(t, func(t *testing.T, blocked bool) {
		s := newSpace(t, spaceOptions{})
		b := newBrowser(t, browserOptions{blockThirdParty: blocked})
		want := "cookies: control=x; controlp=x."
		if blocked {
			want = "cookies: controlp=x."
		}
		b.run(b.ctx, chromedp.Navigate(s.provider+"/spaces/cookie"))
		b.says(b.attach("iframe", s.app+"/cookie"), "cookies: .")
		b.run(b.ctx, chromedp.Navigate(s.provider+"/spaces/cookie"))
		b.says(b.attach("iframe", s.app+"/cookie"), want)
	})
}

func TestSignInInsideTheIframe(t *testing.T) {
	eachCookiePolicy(t, func(t *testing.T, blocked bool) {
		s, b, frame := openSpace(t, spaceOptions{}, blocked)
		b.screenshot(b.ctx, "before")
		b.click(frame, "[data-hfoauth-login]")
		popup := b.attach("page", s.provider+"/oauth/authorize")
		b.screenshot(popup, "consent")
		b.click(popup, `button[value=approve]`)
		b.says(frame, "Start page of ada")
		b.until("the tab closes", func() bool {
			return b.open("page", s.app) == 0 && b.open("page", s.provider+"/oauth") == 0
		})
		b.screenshot(b.ctx, "after")
		b.run(b.ctx, chromedp.Reload())
		frame = b.attach("iframe", s.app+"/")
		b.says(frame, "Start page of ada")
		b.click(frame, "form button")
		b.says(frame, "Start page of nobody")
	})
}

// Whatever the pages say about their openers.
func TestSignInInsideTheIframeWithOpenerPolicies(t *testing.T) {
	for name, options := range map[string]spaceOptions{
		"Hub without":  {hubOpenerPolicy: "unsafe-none"},
		"app as well":  {openerPolicy: "same-origin"},
		"app, not Hub": {openerPolicy: "same-origin", hubOpenerPolicy: "unsafe-none"},
	} {
		t.Run(name, func(t *testing.T) {
			s, b, frame := openSpace(t, options, true)
			var opener atomic.Bool
			chromedp.ListenBrowser(b.ctx, func(event any) {
				if e, ok := event.(*target.EventTargetCreated); ok && e.TargetInfo.CanAccessOpener {
					opener.Store(true)
				}
			})
			b.click(frame, "[data-hfoauth-login]")
			s.consent(b, "approve")
			b.says(frame, "Start page of ada")
			b.until("the tab closes", func() bool {
				return b.open("page", s.app) == 0 && b.open("page", s.provider+"/oauth") == 0
			})
			if opener.Load() {
				t.Error("the tab was given its opener")
			}
		})
	}
}

// Each step of a sign-in reaches another replica.
func TestReplicasInsideTheIframe(t *testing.T) {
	eachCookiePolicy(t, func(t *testing.T, blocked bool) {
		s, b, frame := openSpace(t, spaceOptions{replicas: 3}, blocked)
		b.click(frame, "[data-hfoauth-login]")
		s.consent(b, "approve")
		b.says(frame, "Start page of ada")
		for range 3 {
			b.run(b.ctx, chromedp.Reload())
			frame = b.attach("iframe", s.app+"/")
			b.says(frame, "Start page of ada")
		}
		b.click(frame, "form button")
		b.says(frame, "Start page of nobody")
	})
}

func TestPrivatePageInsideTheIframe(t *testing.T) {
	eachCookiePolicy(t, func(t *testing.T, blocked bool) {
		s := newSpace(t, spaceOptions{})
		b := newBrowser(t, browserOptions{blockThirdParty: blocked})
		b.run(b.ctx, chromedp.Navigate(s.provider+"/spaces/private"))
		frame := b.attach("iframe", s.app+"/login")
		b.says(frame, "Sign in to view this page")
		b.screenshot(b.ctx, "please")
		b.accessible(frame)
		b.click(frame, "[data-hfoauth-login]")
		s.consent(b, "approve")
		b.says(b.attach("iframe", s.app+"/private"), "Private page of ada")
	})
}

// All pages are the app's own.
func TestPageTemplateInsideTheIframe(t *testing.T) {
	pages := template.Must(template.New("").Parse(`<!DOCTYPE html>
<html lang="en"><head><title>Ours</title>{{.Head}}</head>
<body><main><h1>Ours: {{.Title}}</h1>{{.Controls}}</main></body></html>`))
	s := newSpace(t, spaceOptions{pages: pages})
	b := newBrowser(t, browserOptions{blockThirdParty: true})
	b.run(b.ctx, chromedp.Navigate(s.provider+"/spaces/private"))
	frame := b.attach("iframe", s.app+"/login")
	b.says(frame, "Ours: Sign in to view this page")
	b.click(frame, "[data-hfoauth-login]")
	s.consent(b, "approve")
	b.says(b.attach("iframe", s.app+"/private"), "Private page of ada")
}

func TestDeniedInsideTheIframe(t *testing.T) {
	eachCookiePolicy(t, func(t *testing.T, blocked bool) {
		s, b, frame := openSpace(t, spaceOptions{}, blocked)
		b.click(frame, "[data-hfoauth-login]")
		popup := s.consent(b, "deny")
		b.says(popup, "Sign-in cancelled")
		b.screenshot(popup, "denied")
		b.accessible(popup)
		b.expect("403")
		b.says(frame, "Sign-in was cancelled.")
		b.click(popup, "[data-hfoauth-close]")
		b.until("the tab closes", func() bool { return b.open("page", s.app) == 0 })
		b.click(frame, "[data-hfoauth-login]") // the button still works
		s.consent(b, "approve")
		b.says(frame, "Start page of ada")
	})
}

// Trying again in the tab that was denied signs in to the iframe that waits.
func TestDeniedInsideTheIframeAndTriedAgain(t *testing.T) {
	eachCookiePolicy(t, func(t *testing.T, blocked bool) {
		s, b, frame := openSpace(t, spaceOptions{}, blocked)
		b.expect("403")
		b.click(frame, "[data-hfoauth-login]")
		popup := s.consent(b, "deny")
		b.says(popup, "Sign-in cancelled")
		b.says(frame, "Sign-in was cancelled.")
		b.click(popup, "button.hfoauth-primary")
		b.until("the tab is asked again", func() bool { return b.open("page", s.provider+"/oauth/authorize") == 1 })
		b.click(popup, `button[value=approve]`)
		b.says(frame, "Start page of ada")
	})
}

// A page that browsers let wait, as those in the background, asks at once when
// the user comes back to it.
func TestIframeAsksOnFocus(t *testing.T) {
	for _, event := range []string{
		`window.dispatchEvent(new Event("focus"))`,
		`document.dispatchEvent(new Event("visibilitychange", {bubbles: true}))`,
	} {
		t.Run(event, func(t *testing.T) {
			s, b, frame := openSpace(t, spaceOptions{}, true)
			b.run(frame, chromedp.Evaluate(`(() => { const wait = window.setTimeout; `+
				`window.setTimeout = (f, ms) => wait(f, ms < 1000 ? ms : 1e9); })()`, nil))
			b.click(frame, "[data-hfoauth-login]")
			s.consent(b, "approve")
			b.until("the iframe is signed in", func() bool {
				chromedp.Run(frame, chromedp.Evaluate(event, nil)) // fails while the page is loaded again
				return strings.Contains(b.text(frame), "Start page of ada")
			})
		})
	}
}

func TestPopupClosedHalfway(t *testing.T) {
	eachCookiePolicy(t, func(t *testing.T, blocked bool) {
		s, b, frame := openSpace(t, spaceOptions{}, blocked)
		b.click(frame, "[data-hfoauth-login]")
		b.closeTab(b.attach("page", s.provider+"/oauth/authorize"))
		b.says(frame, "Complete sign-in in the tab that just opened")
		b.click(frame, "[data-hfoauth-login]")
		s.consent(b, "approve")
		b.says(frame, "Start page of ada")
	})
}

func TestPopupBlocked(t *testing.T) {
	eachCookiePolicy(t, func(t *testing.T, blocked bool) {
		s, b, frame := openSpace(t, spaceOptions{}, blocked)
		// nobody's gesture: blocked
		b.run(frame, chromedp.Evaluate(`document.querySelector("[data-hfoauth-login]").click()`, nil))
		b.says(frame, "Didn't see it? Open it again.")
		if n := b.open("page", s.app) + b.open("page", s.provider+"/oauth"); n > 0 {
			t.Errorf("%d tabs open", n)
		}
		b.screenshot(b.ctx, "blocked")
		b.click(frame, ".hfoauth-again")
		s.consent(b, "approve")
		b.says(frame, "Start page of ada")
	})
}

func TestTwoIframes(t *testing.T) {
	eachCookiePolicy(t, func(t *testing.T, blocked bool) {
		s := newSpace(t, spaceOptions{})
		b := newBrowser(t, browserOptions{blockThirdParty: blocked})
		b.run(b.ctx, chromedp.Navigate(s.provider+"/spaces/two"))
		// Both iframes are of one site and so one process: one target or two.
		one := b.attach("iframe", s.app+"/?one")
		two := b.attach("iframe", s.app+"/?two")
		b.says(one, "nobody")
		b.says(two, "nobody")
		b.click(one, "[data-hfoauth-login]")
		first := b.attach("page", s.provider+"/oauth/authorize")
		b.click(two, "[data-hfoauth-login]")
		second := b.attachBut("page", s.provider+"/oauth/authorize", targetID(first))
		b.click(second, `button[value=approve]`)
		b.click(first, `button[value=approve]`)
		b.says(two, "Start page of ada")
		b.says(one, "Start page of ada")
	})
}

// In a browser without partitioned cookies that blocks third-party ones, the user
// sees a message, once.
func TestNoPartitionedCookies(t *testing.T) {
	s, b, frame := openSpace(t, spaceOptions{strip: "Partitioned"}, true)
	b.click(frame, "[data-hfoauth-login]")
	s.consent(b, "approve")
	b.says(frame, "Your browser does not let this page keep you signed in here")
	b.screenshot(b.ctx, "told")
	b.click(frame, ".hfoauth-status a")
	b.says(b.attach("page", s.app+"/"), "Start page of ada")
}

// Without JavaScript the button in the iframe is a link to a new tab.
func TestWithoutScriptInTheIframe(t *testing.T) {
	s := newSpace(t, spaceOptions{})
	b := newBrowser(t, browserOptions{noScript: true, blockThirdParty: true})
	b.run(b.ctx, chromedp.Navigate(s.provider+"/spaces/app"))
	b.run(b.attach("iframe", s.app+"/"), chromedp.Click("[data-hfoauth-login]"))
	tab := s.consent(b, "approve")
	b.run(tab, chromedp.WaitVisible(`.hfoauth-user`))
	b.says(tab, "Start page of ada")
	b.screenshot(tab, "signed-in")
}

// A form of another site cannot pass its own challenge.
func TestForeignForm(t *testing.T) {
	s := newSpace(t, spaceOptions{})
	evil := strings.Replace(s.app, "app.test", "evil.test", 1)
	b := newBrowser(t, browserOptions{})
	b.run(b.ctx, chromedp.Navigate(evil+"/form"))
	b.click(b.ctx, "button")
	b.says(b.ctx, "This request came from another site")
	if b.open("page", s.provider) > 0 {
		t.Error("a sign-in began")
	}
	b.expect("403")
}

// An element's return path is not trusted, and an element of any kind works with the
// keyboard.
func TestOwnButton(t *testing.T) {
	for name, test := range map[string]struct{ next, ends string }{
		"here":         {"", "/own?next="},
		"a part":       {"#chat", "/own?next=%23chat#chat"},
		"another page": {"/own?next=%2Fown#chat", "/own?next=%2Fown#chat"},
		"script":       {"javascript:document.body.textContent='pwned'", "/"},
		"another site": {"https://evil.test/form", "/"},
		// a path of the app, cleaned by its mux, which has no such page
		"two slashes": {"/.//evil.test/form", "/evil.test/form"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpace(t, spaceOptions{})
			b := newBrowser(t, browserOptions{blockThirdParty: true})
			b.run(b.ctx, chromedp.Navigate(s.provider+"/spaces/own?"+url.Values{"next": {test.next}}.Encode()))
			frame := b.attach("iframe", s.app+"/own")
			b.says(frame, "Own page of nobody")
			b.run(frame, chromedp.Focus("[role=button]"), chromedp.KeyEvent(kb.Enter))
			s.consent(b, "approve")
			want := s.app + test.ends
			if name == "two slashes" {
				b.expect("404")
			}
			b.until("the iframe is at "+want, func() bool { return b.location(frame) == want && b.text(frame) != "" })
			if strings.HasPrefix(test.ends, "/own") {
				b.says(frame, "Own page of ada")
			}
			if strings.Contains(b.text(frame), "pwned") {
				t.Error("a script ran")
			}
		})
	}
}

func TestPopupIsNotFramed(t *testing.T) {
	s := newSpace(t, spaceOptions{})
	evil := strings.Replace(s.app, "app.test", "evil.test", 1)
	b := newBrowser(t, browserOptions{})
	b.run(b.ctx, chromedp.Navigate(evil+"/framer"))
	b.until("the frame is refused", func() bool {
		return b.has("frame-ancestors")
	})
	b.expect("frame-ancestors")
	b.expect("ERR_BLOCKED_BY_RESPONSE")
}
