package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// caddyConfiguration is a file with one site, which serves plain HTTP and
// keeps nothing of its own.
func caddyConfiguration(t *testing.T, port, site string) string {
	t.Helper()
	return writeFile(t, "Caddyfile", fmt.Sprintf(`
{
	admin off
	auto_https off
	storage file_system %s
}
http://127.0.0.1:%s {
bind 127.0.0.1
%s
}
`, t.TempDir(), port, site))
}

// The lines of docs/proxy.md, where app is the address of the program.
var proxies = map[string]func(t *testing.T, app, port string) []string{
	"nginx keeps the prefix": func(t *testing.T, app, port string) []string {
		return []string{"/usr/sbin/nginx", "-c", nginxConfiguration(t, port, fmt.Sprintf(`
location /tools/ {
	proxy_pass %s;
	proxy_set_header Host $http_host;
}`, app))}
	},
	"nginx strips the prefix": func(t *testing.T, app, port string) []string {
		return []string{"/usr/sbin/nginx", "-c", nginxConfiguration(t, port, fmt.Sprintf(`
location /tools/ {
	proxy_pass %s/;
	proxy_set_header Host $http_host;
}`, app))}
	},
	"Caddy keeps the prefix": func(t *testing.T, app, port string) []string {
		return []string{"/usr/bin/caddy", "run", "--adapter", "caddyfile", "--config",
			caddyConfiguration(t, port, fmt.Sprintf(`
redir /tools /tools/
handle /tools/* {
	reverse_proxy %s
}`, app))}
	},
	"Caddy strips the prefix": func(t *testing.T, app, port string) []string {
		return []string{"/usr/bin/caddy", "run", "--adapter", "caddyfile", "--config",
			caddyConfiguration(t, port, fmt.Sprintf(`
redir /tools /tools/
handle_path /tools/* {
	reverse_proxy %s
}`, app))}
	},
}

// newProxied starts an app at a sub-path behind a proxy, with nothing configured
// but its redirect URL, and returns its address.
func newProxied(t *testing.T, hub *hfoauthtest.Server, name string) (site string) {
	t.Helper()
	mux := http.NewServeMux()
	app := httptest.NewServer(mux)
	t.Cleanup(app.Close)
	port := freePort(t)
	newBackground(t, []string{port}, []string{"HOME=" + t.TempDir()}, proxies[name](t, app.URL, port)...)
	site = "http://127.0.0.1:" + port + "/tools"

	redirectURL := site + "/login/callback"
	registered := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{redirectURL}})
	client, err := hfoauth.New(hfoauth.Config{
		ClientID: registered.ClientID, ClientSecret: registered.ClientSecret,
		ProviderURL: hub.URL, RedirectURL: redirectURL,
	})
	if err != nil {
		t.Fatal(err)
	}
	client.Mount(mux)
	prefix := "/tools"
	if strings.Contains(name, "strips") {
		prefix = ""
	}
	mux.HandleFunc("GET "+prefix+"/{$}",
		func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "start page") })
	private := client.RequireUser(http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request) {
		io.WriteString(w, "private "+r.Method)
	}))
	mux.Handle("GET "+prefix+"/private", private)
	mux.Handle("POST "+prefix+"/private", private)
	mux.HandleFunc("GET "+prefix+"/button", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!DOCTYPE html><html lang="en"><head><title>Button</title>%s</head><body>%s</body></html>`,
			client.ButtonAssets(), client.Button(r, hfoauth.ButtonOptions{}))
	})
	return site
}

// An app at a sub-path, behind real proxies, as Chromium sees it: from the
// button through sign-in and back, and out again.
func TestProxiesInChromium(t *testing.T) {
	for _, name := range []string{"nginx keeps the prefix", "Caddy strips the prefix"} {
		t.Run(name, func(t *testing.T) {
			site := newProxied(t, hfoauthtest.NewServer(t), name)
			b := newBrowser(t, browserOptions{})
			b.run(b.ctx, chromedp.Navigate(site+"/button"), chromedp.Click("[data-hfoauth-login]"),
				chromedp.WaitVisible(`[name=user]`), chromedp.SetValue(`[name=user]`, "ada"),
				chromedp.Click(`button[value=approve]`))
			b.says(b.ctx, "Sign out")
			if got, want := b.location(b.ctx), site+"/button"; got != want {
				t.Errorf("after sign-in at %s, want %s", got, want)
			}
			b.run(b.ctx, chromedp.Click(".hfoauth-user button"))
			b.says(b.ctx, "start page")
			if got, want := b.location(b.ctx), site+"/"; got != want {
				t.Errorf("after sign-out at %s, want %s", got, want)
			}
			b.expect("401")
			b.run(b.ctx, chromedp.Navigate(site+"/private"))
			b.says(b.ctx, "Sign in to view this page")
		})
	}
}

// The same apps, as a program sees them.
func TestProxies(t *testing.T) {
	for name := range proxies {
		t.Run(name, func(t *testing.T) {
			hub := hfoauthtest.NewServer(t)
			site := newProxied(t, hub, name)
			browser := hub.Browser(hfoauthtest.Person{Username: "ada"})
			open := func(method, address string) (body, path string) {
				t.Helper()
				req, err := http.NewRequest(method, address, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Accept", "text/html")
				if method == "POST" {
					req.Header.Set("Origin", strings.TrimSuffix(site, "/tools"))
				}
				resp, err := browser.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				text, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				return string(text), resp.Request.URL.Path
			}
			if body, path := open("GET", site); body != "start page" || path != "/tools/" {
				t.Errorf("the sub-path without its slash leads to %s: %s", path, body)
			}
			if body, path := open("GET", site+"/private"); body != "private GET" || path != "/tools/private" {
				t.Errorf("a private page leads through sign-in to %s: %s", path, body)
			}
			if body, _ := open("POST", site+"/private"); body != "private POST" {
				t.Errorf("a form of this site: %s", body)
			}
			if body, path := open("POST", site+"/logout"); body != "start page" || path != "/tools/" {
				t.Errorf("sign-out leads to %s: %s", path, body)
			}
		})
	}
}
