package provider

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// What a provider answers to a device login is shown on a terminal.
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
				return answer(200, strings.Replace(good, "{", `{"device_authorization_endpoint":"https://hub.example/d",`, 1)), nil
			}
			return answer(200, `{"device_code":"x","user_code":"`+tt.userCode+`","verification_uri":"`+tt.uri+
				`","verification_uri_complete":"`+tt.complete+`","expires_in":300}`), nil
		})
		device, err := p.StartDevice(t.Context(), "openid")
		if tt.ok && (err != nil || device.UserCode != tt.userCode || device.VerificationURI != tt.uri || device.VerificationURIComplete != tt.complete) {
			t.Errorf("%s: %+v, %v", name, device, err)
		}
		var e *Error
		if !tt.ok && (!errors.As(err, &e) || e.Kind != Invalid) {
			t.Errorf("%s: %v, want an invalid answer", name, err)
		}
	}
}
