package hfoauth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
)

// Structs in which an app may keep our values.
type (
	exported[T any]   struct{ Field T }
	unexported[T any] struct{ field T }
)

// held returns v in every way in which an app may hold it.
func held[T any](v *T) map[string]any {
	return map[string]any{
		"value": *v, "pointer": v,
		"exported value": exported[T]{*v}, "pointer to exported value": &exported[T]{*v},
		"exported pointer": exported[*T]{v},
		"unexported value": unexported[T]{*v}, "pointer to unexported value": &unexported[T]{*v},
		"unexported pointer": unexported[*T]{v},
	}
}

// printed returns v as printed, logged and marshaled in every way.
func printed(v any) map[string]string {
	var text, jsonText, std bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&jsonText, nil)).Info("x", "v", v)
	log.New(&std, "", 0).Print(v)
	marshaled, err := json.Marshal(v)
	all := map[string]string{
		"slog text": text.String(), "slog JSON": jsonText.String(), "log": std.String(),
		"json": fmt.Sprint(string(marshaled), err),
	}
	for _, verb := range verbs {
		all[verb] = fmt.Sprintf(verb, v)
	}
	return all
}

// verbs are all verbs of fmt except %T, which prints no value.
var verbs = []string{
	"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%b", "%o", "%O", "%c", "%U", "%e",
	"%E", "%f", "%g", "%w",
}

// written returns the ways in which a secret may be printed.
func written(secret string) []string {
	bytes := []byte(secret)
	ways := []string{base64.StdEncoding.EncodeToString(bytes)}
	for _, verb := range verbs {
		if verb != "%p" { // the address of bytes
			ways = append(ways, fmt.Sprintf(verb, secret),
				strings.Trim(strings.TrimPrefix(fmt.Sprintf(verb, bytes), "[]byte"), "[]{}"))
		}
	}
	return ways
}

// None of our types prints its secrets, however an app holds it.
func TestNothingPrintsSecrets(t *testing.T) {
	var config hfoauth.Config
	key := testKey("printing")
	var atLogin *hfoauth.Session
	s := newSite(t, func(c *hfoauth.Config) {
		c.SessionKeys = [][]byte{key}
		c.OnLogin = func(_ context.Context, session *hfoauth.Session) error { atLogin = session; return nil }
		config = *c
	})
	cookie := s.newSession(ada)
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(cookie)
	session, err := s.client.SessionFromRequest(httptest.NewRecorder(), r)
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]string{}
	for what, secret := range map[string]string{
		"client secret": s.app.ClientSecret, "session key": string(key), "cookie": cookie.Value,
		"access token": tokenOf(t, session), "refresh token": hfoauth.RefreshToken(session),
	} {
		secrets[what] = written(secret)
	}
	holders := map[string]map[string]any{
		"Config": held(&config), "Client": held(s.client), "Session": held(session),
		"Session at login": held(atLogin),
	}
	for name, ways := range holders {
		for way, v := range ways {
			for how, text := range printed(v) {
				if unasked(name, way, how) {
					continue
				}
				for what, ways := range secrets {
					if slices.ContainsFunc(ways, func(written string) bool { return strings.Contains(text, written) }) {
						t.Errorf("%s, %s, by %s shows the %s: %.300s", name, way, how, what, text)
					}
				}
			}
		}
	}
}

// unasked reports whether fmt prints the fields without calling our methods.
// SECURITY.md lists this as not defended.
func unasked(name, way, how string) bool {
	fits := !slices.Contains(verbs[3:], how) // %v and the like fit everything
	switch {
	case name == "Config" && (how == "%p" || how == "%w" || strings.HasSuffix(way, "unexported value")):
		return true
	case name == "Config" && way == "unexported pointer",
		name == "Client" && strings.HasSuffix(way, "unexported value"):
		return !fits
	}
	return false
}

func TestConfigAndClientPrintTheirApp(t *testing.T) {
	client := newClient(t, hfoauth.Config{})
	for _, v := range []any{client, hfoauth.Config{ClientID: "client"}, &hfoauth.Config{ClientID: "client"}} {
		if got := fmt.Sprintf("%+v", v); !strings.Contains(got, `ClientID: "client"`) {
			t.Errorf("%T prints as %s", v, got)
		}
	}
	if got := fmt.Sprint(hfoauth.Client{}); got != "hfoauth.Client{}" {
		t.Errorf("a Client that New did not make prints as %s", got)
	}
}
