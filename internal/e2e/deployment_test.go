package e2e

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// deployment is an example behind a proxy that ends TLS, as in a Space, with
// a provider on another site.
type deployment struct {
	*program
	site string // its address behind the proxy
	page string // host and port of a page that shows it in an iframe
}

func deploy(t *testing.T, example string) *deployment {
	t.Helper()
	throwaway := certificate(t)
	trusted := filepath.Join(t.TempDir(), "certificate.pem")
	err := os.WriteFile(trusted,
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: throwaway.Certificate[0]}), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	var hub *hfoauthtest.Server
	hubPort := serveTLS(t, throwaway, func(port string) http.Handler {
		hub = hfoauthtest.New("https://localhost:" + port)
		return hub
	})
	d := &deployment{}
	appPort := serveTLS(t, throwaway, func(string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			target, err := url.Parse(d.program.URL)
			if err != nil {
				panic(err)
			}
			httputil.NewSingleHostReverseProxy(target).ServeHTTP(w, r)
		})
	})
	d.site = "https://app.test:" + appPort
	registered := hub.RegisterApp(hfoauthtest.App{Name: "Quickstart",
		RedirectURIs: []string{d.site + "/login/callback"}})
	d.program = newProgramAt(t, example, "https://localhost:"+hubPort, registered,
		"OAUTH_REDIRECT_URL="+d.site+"/login/callback", "SSL_CERT_FILE="+trusted)
	d.program.hub = hub
	d.page = "127.0.0.1:" + serveTLS(t, throwaway, func(string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `<!DOCTYPE html><html lang="en"><head><title>Hub</title></head><body><iframe `+
				`title="Space" width="700" height="500" sandbox="%s" src="%s/"></iframe></body></html>`, sandbox, d.site)
		})
	})
	return d
}

// serveTLS serves a handler over https on a free loopback port.
func serveTLS(t *testing.T, certificate tls.Certificate, handler func(port string) http.Handler) (port string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	server := httptest.NewUnstartedServer(handler(port))
	server.Listener.Close()
	server.Listener = listener
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return port
}
