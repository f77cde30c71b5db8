package hfoauth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/hfoauthtest"
)

func TestDeviceLogin(t *testing.T) {
	for name, tt := range map[string]struct {
		decide func(*hfoauthtest.Server, hfoauth.DeviceCode)
		want   error
	}{
		"approved": {func(hub *hfoauthtest.Server, code hfoauth.DeviceCode) { hub.ApproveDevice(code.UserCode, "ada") }, nil},
		"denied":   {func(hub *hfoauthtest.Server, code hfoauth.DeviceCode) { hub.DenyDevice(code.UserCode) }, hfoauth.ErrDenied},
		"provider hiccups": {func(hub *hfoauthtest.Server, code hfoauth.DeviceCode) {
			hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Times(1, hfoauthtest.Answer(503, "")))
			hub.ApproveDevice(code.UserCode, "ada")
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newDeviceSite(t)
			session, err := s.client.DeviceLogin(t.Context(), func(code hfoauth.DeviceCode) {
				if code.UserCode == "" || !strings.HasSuffix(code.VerificationURL, "/oauth/device") || code.Expiry.IsZero() {
					t.Errorf("code %+v", code)
				}
				tt.decide(s.hub, code)
			})
			if !errors.Is(err, tt.want) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if err == nil && (session.User.Username != "ada" || tokenOf(t, session) == "" || !session.Scopes.Has(hfoauth.ScopeProfile)) {
				t.Errorf("session %v", session)
			}
		})
	}
	t.Run("context", func(t *testing.T) {
		s := newDeviceSite(t)
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := s.client.DeviceLogin(ctx, func(hfoauth.DeviceCode) { cancel() }); !errors.Is(err, ctx.Err()) {
			t.Error(err)
		}
	})
	t.Run("no such thing", func(t *testing.T) {
		s := newDeviceSite(t)
		s.hub.Configure(func(c *hfoauthtest.Settings) {
			c.Metadata = func(document map[string]any) { delete(document, "device_authorization_endpoint") }
		})
		if _, err := s.client.DeviceLogin(t.Context(), func(hfoauth.DeviceCode) {}); !errors.Is(err, hfoauth.ErrProviderInvalid) {
			t.Error(err)
		}
	})
}

// newDeviceSite is a site whose app has no secret, as a command-line tool.
func newDeviceSite(t *testing.T) *site {
	s := &site{t: t, hub: hfoauthtest.NewServer(t), log: &lockedBuffer{}, URL: "http://127.0.0.1"}
	s.hub.Configure(func(c *hfoauthtest.Settings) { c.DeviceInterval = time.Second })
	s.app = s.hub.RegisterApp(hfoauthtest.App{Public: true})
	s.client = s.newReplica(func(c *hfoauth.Config) { c.SessionKeys = [][]byte{testKey("device")} })
	return s
}

func TestDeviceUserInfoOfAnother(t *testing.T) {
	s := newDeviceSite(t)
	s.hub.Configure(func(c *hfoauthtest.Settings) {
		c.UserInfo = func(claims map[string]any) { claims["sub"] = "somebody else" }
	})
	_, err := s.client.DeviceLogin(t.Context(), func(code hfoauth.DeviceCode) { s.hub.ApproveDevice(code.UserCode, "ada") })
	if !errors.Is(err, hfoauth.ErrProviderInvalid) {
		t.Errorf("%v", err)
	}
}

func TestDeviceLoginOutlivesUserInfo(t *testing.T) {
	s := newDeviceSite(t)
	s.hub.SetFault(hfoauthtest.UserInfoEndpoint, hfoauthtest.Times(1, hfoauthtest.Answer(503, "")))
	session, err := s.client.DeviceLogin(t.Context(), func(code hfoauth.DeviceCode) { s.hub.ApproveDevice(code.UserCode, "ada") })
	if err != nil || session.User.Username != "ada" {
		t.Error(err)
	}
}

// slow_down adds five seconds to the interval (RFC 8628 section 3.5).
func TestDeviceLoginSlowsDown(t *testing.T) {
	t.Parallel()
	s := newDeviceSite(t)
	s.hub.SetFault(hfoauthtest.TokenEndpoint, hfoauthtest.Times(1, hfoauthtest.Answer(400, `{"error":"slow_down"}`)))
	began := time.Now()
	session, err := s.client.DeviceLogin(t.Context(), func(code hfoauth.DeviceCode) { s.hub.ApproveDevice(code.UserCode, "ada") })
	if err != nil || session.User.Username != "ada" || time.Since(began) < 7*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

func TestDeviceCodeExpires(t *testing.T) {
	s := newDeviceSite(t)
	s.hub.SetFault(hfoauthtest.DeviceEndpoint, hfoauthtest.Answer(200, `{"device_code":"made-up","user_code":"AAAA-BBBB","verification_uri":"http://127.0.0.1/device","expires_in":1,"interval":1}`))
	if _, err := s.client.DeviceLogin(t.Context(), func(hfoauth.DeviceCode) {}); !errors.Is(err, hfoauth.ErrCodeExpired) {
		t.Error(err)
	}
}
