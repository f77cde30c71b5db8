package provider

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The response to a device authorization request is shown on a terminal.
func TestDeviceAnswer(t *testing.T) {
	const (
		code  = "A6MY-0314"
		page  = "https://hf.example/oauth/device"
		whole = "https://hf.example/oauth/device?code=A6MY-0314"
	)
	for name, tt := range map[string]struct {
		userCode, uri, complete string
		ok                      bool
	}{
		"all":                        {code, page, whole, true},
		"without a complete address": {code, page, "", true},
		"with a space":               {"A6MY 0314", page, "", true},
		"escape sequence":            {"A6MY\\u001b[2J", page, "", false},
		"bell":                       {"A6MY\\u0007", page, "", false},
		"C1 control":                 {"A6MY\\u009b2J", page, "", false},
		"right to left":              {"A6MY\\u202e", page, "", false},
		"line feed":                  {"A6MY\\nrm", page, "", false},
		"letter of another script":   {"А6MY", page, "", false},
		"long":                       {strings.Repeat("A", 3000), page, "", false},
		"address with C1 control":    {code, page + "/\\u009b", "", false},
		"http":                       {code, "http://hf.example/device", "", false},
		"loopback":                   {code, "https://127.0.0.1/device", "", false},
		"complete by http":           {code, page, "http://hf.example/device?code=1", false},
		"complete with an escape":    {code, page, whole + "\\u001b", false},
		"complete is no address":     {code, page, "javascript:alert(1)", false},
	} {
		p := newProvider(issuer, func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return answer(200, strings.Replace(good, "{",
					`{"device_authorization_endpoint":"https://hub.example/d",`, 1)), nil
			}
			return answer(200, `{"device_code":"x","user_code":"`+tt.userCode+`","verification_uri":"`+tt.uri+
				`","verification_uri_complete":"`+tt.complete+`","expires_in":300}`), nil
		})
		device, err := p.StartDevice(t.Context(), "openid")
		if !tt.ok {
			checkError(t, name, err, Invalid, "device")
			continue
		}
		if err != nil {
			t.Errorf("%s: %v, want no error", name, err)
			continue
		}
		equal(t, name+": the code", device.UserCode, tt.userCode)
		equal(t, name+": the address", device.VerificationURI, tt.uri)
		if got := device.VerificationURIComplete; got != tt.complete {
			t.Errorf("%s: the complete address is %q, want %q", name, got, tt.complete)
		}
	}
}

const deviceAnswer = `{"device_code":"the-device-code","user_code":"AAAA-BBBB",` +
	`"verification_uri":"https://hub.example/device","expires_in":600,"interval":2}`

// RFC 8628 section 3.1: the exact parameters of the request.
func TestDeviceRequest(t *testing.T) {
	for name, tt := range map[string]struct{ secret, authorization string }{
		"with a secret": {clientSecret, basic(clientID, clientSecret)},
		"public":        {"", ""},
	} {
		h, p := newHub(func(c *Config) { c.ClientSecret = tt.secret })
		h.answers("/d", 200, deviceAnswer)
		if _, err := p.StartDevice(t.Context(), "openid profile"); err != nil {
			t.Fatal(err)
		}
		r := h.received("/d")[0]
		if want := (url.Values{"client_id": {clientID}, "scope": {"openid profile"}}); !reflect.DeepEqual(r.form, want) {
			t.Errorf("%s: form %v, want %v", name, r.form, want)
		}
		if got := r.Header.Get("Authorization"); got != tt.authorization {
			t.Errorf("%s: Authorization %q, want %q", name, got, tt.authorization)
		}
	}
}

// The app's credentials are sent only with the device authorization request.
func TestDeviceRequestLeavesTheClientAlone(t *testing.T) {
	h, p := newHub()
	h.answers("/d", 200, deviceAnswer)
	h.answers("/u", 200, `{"sub":"ada"}`)
	if _, err := p.StartDevice(t.Context(), "openid"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.UserInfo(t.Context(), "token"); err != nil {
		t.Fatal(err)
	}
	if got := h.received("/u")[0].Header.Get("Authorization"); got != "Bearer token" {
		t.Errorf("Authorization of the userinfo request is %q", got)
	}
}

func TestDeviceAnswersThatLackSomething(t *testing.T) {
	for _, member := range []string{"device_code", "user_code", "expires_in", "verification_uri"} {
		h, p := newHub()
		var response map[string]any
		if err := json.Unmarshal([]byte(deviceAnswer), &response); err != nil {
			t.Fatal(err)
		}
		delete(response, member)
		h.respond["/d"] = func(request) (*http.Response, error) { return jsonAnswer(response), nil }
		_, err := p.StartDevice(t.Context(), "openid")
		checkError(t, member, err, Invalid, "device endpoint")
	}
	h, p := newHub()
	delete(h.metadata, "device_authorization_endpoint")
	_, err := p.StartDevice(t.Context(), "openid")
	checkError(t, "no endpoint", err, Invalid, "device_authorization_endpoint")

	h, p = newHub()
	h.answers("/d", 400, `{"error":"invalid_client","error_description":"secret `+clientSecret+`"}`)
	_, err = p.StartDevice(t.Context(), "openid")
	checkError(t, "refused", err, Refused, "secret [redacted]")
}

// Polls of the token endpoint, in virtual time (RFC 8628 sections 3.4 and 3.5).
func TestDevicePolls(t *testing.T) {
	const pending = `{"error":"authorization_pending"}`
	for name, tt := range map[string]struct {
		interval string   // in the device authorization response
		answers  []string // of the token endpoint; "" is an outage, the last one repeats
		want     []time.Duration
		err      string // part of the error
		kind     Kind
	}{
		"approved at once":  {"2", []string{"ok"}, []time.Duration{2}, "", 0},
		"approved later":    {"2", []string{pending, pending, "ok"}, []time.Duration{2, 4, 6}, "", 0},
		"interval of 0":     {"0", []string{pending, "ok"}, []time.Duration{5, 10}, "", 0},
		"negative interval": {"-1", []string{pending, "ok"}, []time.Duration{5, 10}, "", 0},
		"slow down":         {"2", []string{`{"error":"slow_down"}`, pending, "ok"}, []time.Duration{2, 9, 16}, "", 0},
		"slow down twice": {"2", []string{`{"error":"slow_down"}`, `{"error":"slow_down"}`, "ok"},
			[]time.Duration{2, 9, 21}, "", 0},
		"outage": {"2", []string{"", "ok"}, []time.Duration{2, 9}, "", 0},
		"denied": {"2", []string{pending, `{"error":"access_denied"}`},
			[]time.Duration{2, 4}, "access_denied", Refused},
		"expired there":       {"2", []string{`{"error":"expired_token"}`}, []time.Duration{2}, "expired_token", Refused},
		"nonsense":            {"2", []string{"<html>"}, []time.Duration{2}, "token endpoint", Invalid},
		"expired by our time": {"250", []string{pending}, []time.Duration{250, 500}, "expired_token", Refused},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			h, p := newHub(func(c *Config) { c.Now = time.Now })
			h.claims["iat"], h.claims["exp"] = began.Unix(), began.Add(time.Hour).Unix()
			h.answers("/d", 200, strings.Replace(deviceAnswer, `"interval":2`, `"interval":`+tt.interval, 1))
			device, err := p.StartDevice(t.Context(), "openid")
			if err != nil {
				t.Fatal(err)
			}
			var polls []time.Duration
			h.respond["/t"] = func(r request) (*http.Response, error) {
				polls = append(polls, time.Since(began)/time.Second)
				said := tt.answers[min(len(polls), len(tt.answers))-1]
				switch said {
				case "":
					return nil, errors.New("connection refused")
				case "ok":
					return jsonAnswer(h.tokenResponse()), nil
				}
				return answer(400, said), nil
			}
			token, subject, err := p.AwaitDevice(t.Context(), device)
			checkError(t, name, err, tt.kind, tt.err)
			if err == nil {
				equal(t, name+": the access token", token.AccessToken, "hf_oauth_access")
				equal(t, name+": the subject", subject, "ada")
			}
			if !slices.Equal(polls, tt.want) {
				t.Errorf("%s: polls after %d s, want %d", name, polls, tt.want)
			}
			want := url.Values{
				"grant_type":  {"urn:ietf:params:oauth:grant-type:device_code"},
				"device_code": {"the-device-code"}, "client_id": {clientID},
			}
			for _, r := range h.received("/t") {
				if !reflect.DeepEqual(r.form, want) {
					t.Errorf("%s: poll sends %v, want %v", name, r.form, want)
				}
			}
		})
	}
}

// The ID token of a device login is checked like that of a refresh.
func TestIDTokenOfADevice(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*hub)
		want   string
	}{
		"good":        {func(*hub) {}, ""},
		"no ID token": {func(h *hub) { h.claims = nil }, ""},
		"another app": {func(h *hub) { h.claims["aud"] = "another" }, "expected audience"},
		"forged": {func(h *hub) {
			h.sign = func(header, claims map[string]any) string { return signRSA(otherKey(), header, claims) }
		}, "signature"},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, p := newHub(func(c *Config) { c.Now = time.Now })
			h.claims["iat"], h.claims["exp"] = time.Now().Unix(), time.Now().Add(time.Hour).Unix()
			h.answers("/d", 200, deviceAnswer)
			tt.change(h)
			device, err := p.StartDevice(t.Context(), "openid")
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = p.AwaitDevice(t.Context(), device)
			checkError(t, name, err, Invalid, tt.want)
		})
	}
}

func TestDeviceContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := newHub(func(c *Config) { c.Now = time.Now })
		h.answers("/d", 200, deviceAnswer)
		h.answers("/t", 400, `{"error":"authorization_pending"}`)
		device, err := p.StartDevice(t.Context(), "openid")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		if _, _, err := p.AwaitDevice(ctx, device); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the context's error", err)
		}
	})
}

// Secrets of a poll that the provider repeats are redacted.
func TestDeviceErrorsShowNoSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := newHub(func(c *Config) { c.Now = time.Now })
		h.answers("/d", 200, deviceAnswer)
		h.answers("/t", 400, `{"error":"access_denied","error_description":"no the-device-code, no `+
			clientSecret+`"}`)
		device, err := p.StartDevice(t.Context(), "openid")
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = p.AwaitDevice(t.Context(), device)
		checkError(t, "denied", err, Refused, "no [redacted], no [redacted]")
	})
}

// An http.RoundTripper must not modify the request.
func TestBasicTransportLeavesTheRequestAlone(t *testing.T) {
	var sent string
	base := transport(func(r *http.Request) (*http.Response, error) {
		sent = r.Header.Get("Authorization")
		return answer(200, ""), nil
	})
	req, err := http.NewRequest(http.MethodPost, issuer, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (basicTransport{base, "id", "secret"}).RoundTrip(req); err != nil {
		t.Fatal(err)
	}
	if want := basic("id", "secret"); sent != want {
		t.Errorf("sent %q, want %q", sent, want)
	}
	if got := req.Header.Get("Authorization"); got != "" {
		t.Errorf("the caller's request now has %q", got)
	}
}

func TestDeviceCodeIsPrintable(t *testing.T) {
	for _, code := range []string{"x\\n", strings.Repeat("x", maxShown+1)} {
		p := newProvider(issuer, func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return answer(200, strings.Replace(good, "{", `{"device_authorization_endpoint":"https://hub.example/d",`, 1)), nil
			}
			return answer(200, `{"device_code":"`+code+`","user_code":"A6MY",`+
				`"verification_uri":"https://hf.example/d","expires_in":300}`), nil
		})
		_, err := p.StartDevice(t.Context(), "openid")
		checkError(t, code, err, Invalid, "device_code")
	}
}
