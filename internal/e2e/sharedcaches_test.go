package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// startApache starts Apache's httpd with mod_cache in front of an app.
func startApache(t *testing.T, app string) (site string) {
	t.Helper()
	port := freePort(t)
	configuration := writeFile(t, "httpd.conf", fmt.Sprintf(`
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_http_module modules/mod_proxy_http.so
LoadModule cache_module modules/mod_cache.so
LoadModule cache_socache_module modules/mod_cache_socache.so
LoadModule socache_shmcb_module modules/mod_socache_shmcb.so
Listen 127.0.0.1:%[1]s
ServerName 127.0.0.1:%[1]s
PidFile %[3]s/pid
Mutex posixsem
ErrorLog /dev/stderr
User nobody
Group nogroup
CacheSocache shmcb
CacheEnable socache /
ProxyPass / %[2]s/
`, port, app, t.TempDir()))
	// a single process, which a kill ends
	newBackground(t, []string{port}, nil, "/usr/sbin/apache2", "-d", "/usr/lib/apache2", "-f", configuration, "-X")
	return "http://127.0.0.1:" + port
}

// startNginx starts nginx with a cache in front of an app. It ignores Set-Cookie,
// as it is often configured if nothing seems to be cached.
func startNginx(t *testing.T, app string) (site string) {
	t.Helper()
	port := freePort(t)
	configuration := nginxConfiguration(t, port, fmt.Sprintf(`
		location / {
			proxy_pass %s;
			proxy_cache pages;
			proxy_ignore_headers Set-Cookie;
		}`, app))
	newBackground(t, []string{port}, nil, "/usr/sbin/nginx", "-c", configuration)
	return "http://127.0.0.1:" + port
}

// nginxConfiguration is a file with one server.
func nginxConfiguration(t *testing.T, port, server string) string {
	t.Helper()
	return writeFile(t, "nginx.conf", fmt.Sprintf(`
daemon off;
master_process off;
pid %[1]s/pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	proxy_cache_path %[1]s/cache keys_zone=pages:1m;
	server {
		listen 127.0.0.1:%[2]s;
%[3]s
	}
}
`, t.TempDir(), port, server))
}

func writeFile(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// A shared cache in front of the app gives no user another user's session or page.
func TestSharedCaches(t *testing.T) {
	for name, start := range map[string]func(*testing.T, string) string{
		"Apache": startApache,
		"nginx":  startNginx,
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			app := httptest.NewServer(mux)
			t.Cleanup(app.Close)
			site := start(t, app.URL)
			hub := hfoauthtest.NewServer(t)
			registered := hub.RegisterApp(hfoauthtest.App{RedirectURIs: []string{site + "/login/callback"}})
			client, err := hfoauth.New(hfoauth.Config{
				ClientID: registered.ClientID, ClientSecret: registered.ClientSecret,
				ProviderURL: hub.URL, RedirectURL: site + "/login/callback",
			})
			if err != nil {
				t.Fatal(err)
			}
			client.Mount(mux)
			mux.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {})
			show := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprintf(w, "page of %s", hfoauth.UserFromContext(r.Context()).Username)
			})
			mux.Handle("GET /public", client.RequireUser(withHeader("Cache-Control", "public, max-age=600", show)))
			mux.Handle("GET /silent",
				client.RequireUser(withHeader("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT", show)))
			asked := 0
			mux.Handle("GET /control", withHeader("Cache-Control", "public, max-age=600",
				http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					asked++
					io.WriteString(w, "control")
				})))

			stranger := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			}}
			for range 3 {
				fetch(t, stranger, site+"/control")
			}
			if asked != 1 {
				t.Fatalf("the app was asked %d times for a page that may be cached, want once", asked)
			}

			signIn := func() *http.Client {
				ada := hub.SignIn(t, site+"/login", "ada")
				fetch(t, ada, site+"/silent") // which removes the cookie of the pause after a sign-in
				return ada
			}
			ada := signIn()
			if resp, _ := fetch(t, ada, site+"/silent"); len(resp.Header["Set-Cookie"]) > 0 {
				t.Fatalf("the page sets %v", resp.Header["Set-Cookie"])
			}
			if _, body := fetch(t, stranger, site+"/silent"); strings.Contains(body, "ada") {
				t.Errorf("a page without Cache-Control is given to everyone: %s", body)
			}

			hub.Configure(func(s *hfoauthtest.Settings) { s.AccessTokenLifetime = 2 * time.Second })
			ada = signIn()
			page := ""
			if !eventually(func() bool {
				page = site + "/public?at=" + time.Now().Format("05.000")
				resp, _ := fetch(t, ada, page)
				return len(resp.Header["Set-Cookie"]) > 0
			}) {
				t.Fatal("the session was not renewed")
			}
			resp, body := fetch(t, stranger, page)
			if len(resp.Header["Set-Cookie"]) > 0 || strings.Contains(body, "ada") {
				t.Errorf("everyone gets cookies %v: %s", resp.Header["Set-Cookie"], body)
			}
		})
	}
}

func withHeader(name, value string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(name, value)
		next.ServeHTTP(w, r)
	})
}

func fetch(t *testing.T, browser *http.Client, address string) (resp *http.Response, body string) {
	t.Helper()
	resp, err := browser.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}
