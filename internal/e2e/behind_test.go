package e2e

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// background is a provider that is a separate program.
type background struct {
	t       *testing.T
	argv    []string
	env     []string
	ports   []string // that it listens on, of 127.0.0.1; the first is for everyone
	command *exec.Cmd
	output  strings.Builder
}

// freePort returns a port of 127.0.0.1 that nothing listens on.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// newBackground starts a provider that listens on ports, and ends it with the
// test.
func newBackground(t *testing.T, ports, env []string, argv ...string) *background {
	t.Helper()
	b := &background{t: t, ports: ports, env: env, argv: argv}
	b.start()
	t.Cleanup(func() {
		b.kill()
		if t.Failed() {
			t.Logf("%s: %s", argv[0], b.output.String())
		}
	})
	return b
}

func (b *background) start() {
	b.t.Helper()
	b.command = exec.Command(b.argv[0], b.argv[1:]...)
	b.command.Env = append(os.Environ(), b.env...)
	b.command.Stdout, b.command.Stderr = &b.output, &b.output
	if err := b.command.Start(); err != nil {
		b.t.Fatalf("%v (run make setup)", err)
	}
	for _, port := range b.ports {
		if !eventually(func() bool { return listens(port) }) {
			b.kill()
			b.t.Fatalf("%s does not listen on %s: %s", b.argv[0], port, b.output.String())
		}
	}
}

func listens(port string) bool {
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func (b *background) kill() {
	b.command.Process.Kill()
	b.command.Wait()
}

// restart restarts it without what it kept in memory.
func (b *background) restart() {
	b.t.Helper()
	b.kill()
	b.start()
}

// handler forwards requests to the provider, with the browser's Host.
func (b *background) handler() http.Handler {
	target := &url.URL{Scheme: "http", Host: "127.0.0.1:" + b.ports[0]}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
}
