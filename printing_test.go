package hfoauth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
)

// Structs of an app's that keep something of ours.
type (
	exported[T any]   struct{ Field T }
	unexported[T any] struct{ field T }
)

// held returns v in every way in which an app may hold it.
func held[T any](v *T) map[string]any {
	return map[string]any{
		"value": *v, "pointer": v,
		"exported value": exported[T]{*v}, "pointer to exported value": &exported[T]{*v}, "exported pointer": exported[*T]{v},
		"unexported value": unexported[T]{*v}, "pointer to unexported value": &unexported[T]{*v}, "unexported pointer": unexported[*T]{v},
	}
}

// printed returns what all that prints, logs and marshals makes of v.
func printed(v any) map[string]string {
	var text, jsonText, std bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&jsonText, nil)).Info("x", "v", v)
	log.New(&std, "", 0).Print(v)
	marshaled, err := json.Marshal(v)
	return map[string]string{
		"%v": fmt.Sprintf("%v", v), "%+v": fmt.Sprintf("%+v", v), "%#v": fmt.Sprintf("%#v", v),
		"slog text": text.String(), "slog JSON": jsonText.String(), "log": std.String(), "json": fmt.Sprint(string(marshaled), err),
	}
}

// written returns the ways in which a secret may be written.
func written(secret string) []string {
	bytes := []byte(secret)
	return []string{
		secret, hex.EncodeToString(bytes), base64.StdEncoding.EncodeToString(bytes),
		strings.Trim(fmt.Sprint(bytes), "[]"), strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", bytes), "[]byte{"), "}"),
	}
}

// Nothing of ours prints its secrets, however an app holds it.
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
	secrets := map[string]string{
		"client secret": s.app.ClientSecret, "session key": string(key), "cookie": cookie.Value,
		"access token": tokenOf(t, session), "refresh token": hfoauth.RefreshToken(session),
	}
	holders := map[string]map[string]any{
		"Config": held(&config), "Client": held(s.client), "Session": held(session), "Session at login": held(atLogin),
	}
	// fmt cannot ask it: the comment of Config says so.
	delete(holders["Config"], "unexported value")
	delete(holders["Config"], "pointer to unexported value")
	for name, ways := range holders {
		for way, v := range ways {
			for how, text := range printed(v) {
				for what, secret := range secrets {
					for _, text2 := range written(secret) {
						if strings.Contains(text, text2) {
							t.Errorf("%s, %s, by %s shows the %s: %.300s", name, way, how, what, text)
						}
					}
				}
			}
		}
	}
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
