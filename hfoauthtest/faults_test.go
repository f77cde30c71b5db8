package hfoauthtest_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// A fault that changes how a response is sent keeps its status and header.
func TestFaultsKeepTheStatus(t *testing.T) {
	hub := hfoauthtest.NewServer(t)
	for name, fault := range map[string]hfoauthtest.Fault{
		"huge":      hfoauthtest.Huge(200_000),
		"gzip bomb": hfoauthtest.GzipBomb(200_000),
		"trickle":   hfoauthtest.Trickle(1),
	} {
		hub.SetFault(hfoauthtest.UserInfoEndpoint, fault)
		resp, err := http.Get(hub.URL + "/oauth/userinfo")
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		equal(t, name+": status", resp.StatusCode, 401)
		if resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", name)
		}
		if !bytes.Contains(answer, []byte("error")) {
			t.Errorf("%s: the answer has no error: %.200s", name, answer)
		}
		if want := 200_000; name != "trickle" && len(answer) != want {
			t.Errorf("%s: %d bytes, want %d", name, len(answer), want)
		}
		if name == "gzip bomb" && !resp.Uncompressed {
			t.Errorf("%s: not compressed", name)
		}
	}
}
