package hfcli_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth/hfcli"
)

// Whatever the file holds, Open does not panic, and what it takes for a sign-in
// it keeps as it is.
func FuzzKeptSignIn(f *testing.F) {
	f.Add([]byte(`{"version":1,"provider":"https://huggingface.co","client_id":"x","user":{"sub":"1","preferred_username":"ada","orgs":[{"sub":"2"}]},` +
		`"scopes":["openid"],"access_token":"hf_oauth_x","refresh_token":"y","issued":"2026-11-24T08:00:00Z","expiry":"2026-11-24T16:00:00Z"}`))
	f.Add([]byte(`{"version":1,"user":null}`))
	f.Add([]byte(`null`))
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

// Whatever the token file of the Hub's own tools holds, nothing is sent that is
// no token or does not fit into a header.
func FuzzHubToken(f *testing.F) {
	f.Add("hf_abc\n")
	f.Add(" hf_oauth_a.b.c\r\n")
	f.Add("hf_a\nhf_b")
	f.Fuzz(func(t *testing.T, text string) {
		token := hfcli.CleanHubToken(text)
		if token == "" {
			return
		}
		if !strings.HasPrefix(token, "hf_") || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q is taken for the token %q", text, token)
		}
		if !strings.Contains(strings.NewReplacer("\r", "", "\n", "").Replace(text), token) {
			t.Errorf("the token %q is not in %q", token, text)
		}
	})
}
