package hfcli_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfcli"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func newDevice(t *testing.T) *tool {
	t.Helper()
	tl := newTool(t)
	tl.config.Device = true
	return tl
}

// approveDevice enters the code that the tool shows.
func (tl *tool) approveDevice() {
	if err := tl.hub.ApproveDevice(tl.screen.find(userCode), "ada"); err != nil {
		tl.t.Error(err)
	}
}

// answerDevice makes the provider answer with these members besides a device
// code.
func (tl *tool) answerDevice(members string) {
	tl.hub.SetFault(hfoauthtest.DeviceEndpoint,
		hfoauthtest.Answer(200, `{"device_code":"GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS",`+members+`}`))
}

func TestDevice(t *testing.T) {
	tl := newDevice(t)
	session, err := tl.login(tl.approveDevice)
	if err != nil {
		t.Fatal(err)
	}
	if session.User.Username != "ada" || !session.Scopes.Has(hfoauth.ScopeProfile) {
		t.Errorf("signed in as %v with %v", session.User, session.Scopes)
	}
	tl.token(session)
	tl.token(tl.mustOpen("ada"))
}

func TestDeviceOutlivesFaults(t *testing.T) {
	for _, endpoint := range []hfoauthtest.Endpoint{hfoauthtest.TokenEndpoint, hfoauthtest.UserInfoEndpoint} {
		t.Run(string(endpoint), func(t *testing.T) {
			tl := newDevice(t)
			tl.hub.SetFault(endpoint, hfoauthtest.Times(1, hfoauthtest.Answer(503, "")))
			if session, err := tl.login(tl.approveDevice); err != nil || session.User.Username != "ada" {
				t.Errorf("%v, %v", session, err)
			}
		})
	}
}

func TestDeviceFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*tool)
		act    func(*tool)
		want   error
	}{
		"denied": {nil, func(tl *tool) {
			if err := tl.hub.DenyDevice(tl.screen.find(userCode)); err != nil {
				tl.t.Error(err)
			}
		}, hfoauth.ErrDenied},
		"expired": {func(tl *tool) {
			tl.answerDevice(`"user_code":"AAAA-BBBB","verification_uri":"http://127.0.0.1/device","expires_in":1,"interval":1`)
		}, nil, hfcli.ErrCodeExpired},
		"provider has none": {func(tl *tool) {
			tl.hub.Configure(func(s *hfoauthtest.Settings) {
				s.Metadata = func(document map[string]any) { delete(document, "device_authorization_endpoint") }
			})
		}, nil, hfoauth.ErrProviderInvalid},
		"userinfo of another user": {func(tl *tool) {
			tl.hub.Configure(func(s *hfoauthtest.Settings) {
				s.UserInfo = func(claims map[string]any) { claims["sub"] = "other" }
			})
		}, (*tool).approveDevice, hfoauth.ErrProviderInvalid},
		"a user without sub": {func(tl *tool) {
			tl.hub.Configure(func(s *hfoauthtest.Settings) {
				s.TokenResponse = func(response map[string]any) { delete(response, "id_token") }
				s.UserInfo = func(claims map[string]any) { delete(claims, "sub") }
			})
		}, (*tool).approveDevice, hfoauth.ErrProviderInvalid},
		"down": {func(tl *tool) {
			tl.hub.SetFault(hfoauthtest.DeviceEndpoint, hfoauthtest.Answer(503, ""))
		}, nil, hfoauth.ErrProviderUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			tl := newDevice(t)
			if tt.change != nil {
				tt.change(tl)
			}
			_, err := tl.login(func() {
				if tt.act != nil {
					tt.act(tl)
				}
			})
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			tl.openFails(hfoauth.ErrNotSignedIn)
		})
	}
}

func TestDeviceIsCancelled(t *testing.T) {
	tl := newDevice(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		tl.screen.find(userCode)
		cancel()
	}()
	if _, err := hfcli.Login(ctx, tl.config); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// The provider's response cannot control the terminal.
func TestDeviceShowsNoControlCharacters(t *testing.T) {
	const page = "http://127.0.0.1/device"
	for name, answer := range map[string]string{
		"user code":       `"user_code":"A\u001b]0;owned\u0007","verification_uri":"` + page + `"`,
		"C1 in user code": `"user_code":"A\u009b2J","verification_uri":"` + page + `"`,
		"address":         `"user_code":"A","verification_uri":"` + page + `\u009b2J"`,
		"complete address": `"user_code":"A","verification_uri":"` + page + `",` +
			`"verification_uri_complete":"http://127.0.0.1/\u202edevice"`,
	} {
		tl := newDevice(t)
		tl.answerDevice(answer + `,"expires_in":60`)
		if _, err := hfcli.Login(t.Context(), tl.config); !errors.Is(err, hfoauth.ErrProviderInvalid) {
			t.Errorf("%s: %v, want %v", name, err, hfoauth.ErrProviderInvalid)
		}
		control := func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }
		if shown := tl.screen.String(); strings.ContainsFunc(shown, control) {
			t.Errorf("%s: the terminal shows %q", name, shown)
		}
	}
}

// The code is shown even with a URL that contains it, so that the user can
// compare them (RFC 8628 section 3.3.1).
func TestDeviceCompleteAddress(t *testing.T) {
	tl := newDevice(t)
	tl.answerDevice(`"user_code":"A6MY-0314","verification_uri":"http://127.0.0.1/device",` +
		`"verification_uri_complete":"http://127.0.0.1/device?code=A6MY-0314","expires_in":1,"interval":1`)
	if _, err := hfcli.Login(t.Context(), tl.config); !errors.Is(err, hfcli.ErrCodeExpired) {
		t.Error(err)
	}
	for _, want := range []string{
		"  http://127.0.0.1/device\n", "  A6MY-0314\n", "  http://127.0.0.1/device?code=A6MY-0314\n",
		"Do not share the code with anyone.",
	} {
		if shown := tl.screen.String(); !strings.Contains(shown, want) {
			t.Errorf("%q is not shown: %s", want, shown)
		}
	}
}

// The ID of an app with a secret is a mistake that the error explains.
func TestAppWithSecret(t *testing.T) {
	tl := newTool(t)
	tl.config.Device = true
	tl.config.ClientID = tl.hub.RegisterApp(hfoauthtest.App{Name: "Web app"}).ClientID
	_, err := hfcli.Login(t.Context(), tl.config)
	refused, ok := errors.AsType[*hfoauth.ProviderError](err)
	if !ok || refused.Code != "invalid_client" {
		t.Fatalf("error %v, want invalid_client", err)
	}
	if want := "a tool needs an app without a secret"; !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want it to say %q", err, want)
	}
}
