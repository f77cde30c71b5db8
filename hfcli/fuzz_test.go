package hfcli_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth/hfcli"
)

// Decoding never panics, whatever the file contains, and a decoded sign-in stays
// the same when it is encoded and decoded again.
func FuzzKeptSignIn(f *testing.F) {
	good := `{"version":1,"provider":"https://huggingface.co","client_id":"x",` +
		`"user":{"sub":"1","preferred_username":"ada","orgs":[{"sub":"2"}]},"scopes":["openid"],` +
		`"access_token":"hf_oauth_x","refresh_token":"y","issued":"2026-11-24T08:00:00Z","expiry":"2026-11-24T16:00:00Z"}`
	f.Add([]byte(good))
	f.Add([]byte(strings.Replace(good, "hf_oauth_x", "hf\\u0000", 1)))
	f.Add([]byte(strings.Replace(good, "T16:", "T06:", 1)))
	f.Add([]byte(good + strings.Repeat(" ", 2<<20)))
	f.Add([]byte(`{"version":1,"user":null}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, kept []byte) {
		once, err := hfcli.Recode(kept)
		if err != nil {
			return
		}
		twice, err := hfcli.Recode(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s becomes %s, %v", once, twice, err)
		}
	})
}

// Whatever the token file of the Hub's own tools contains, only text that looks
// like a token and fits in a header is sent.
func FuzzHubToken(f *testing.F) {
	f.Add("hf_abc\n")
	f.Add(" hf_oauth_a.b.c\r\n")
	f.Add("hf_a\nhf_b")
	f.Add("hf_a b")
	f.Add("AKIA0123456789")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		token := hfcli.CleanHubToken(text)
		if token == "" {
			return
		}
		if !strings.HasPrefix(token, "hf_") {
			t.Errorf("%q gives the token %q, want one that begins with hf_", text, token)
		}
		if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q gives the token %q, want visible ASCII characters", text, token)
		}
		if !strings.Contains(strings.NewReplacer("\r", "", "\n", "").Replace(text), token) {
			t.Errorf("the token %q is not in %q", token, text)
		}
	})
}
