package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// defaultInterval is the pause between polls if the response has no interval
// (RFC 8628 section 3.2).
const defaultInterval = 5 * time.Second

// Device is a pending device authorization (RFC 8628 section 3.2).
type Device struct {
	deviceCode              string
	UserCode                string
	VerificationURI         string
	VerificationURIComplete string // contains the user code; may be empty
	Expiry                  time.Time
	interval                time.Duration
}

// StartDevice requests a device authorization (RFC 8628 section 3.1).
func (p *Provider) StartDevice(ctx context.Context, scope string) (*Device, error) {
	meta, err := p.discover(ctx)
	if err != nil {
		return nil, err
	}
	endpoint := meta.oidc.Endpoint()
	if endpoint.DeviceAuthURL == "" {
		return nil, invalid("device", errors.New("the metadata has no device_authorization_endpoint: "+
			"this provider does not support device login"))
	}
	config := oauth2.Config{ClientID: p.config.ClientID, Scopes: []string{scope}, Endpoint: endpoint}
	answer, err := config.DeviceAuth(oidc.ClientContext(ctx, p.basicAuth()))
	if err != nil {
		return nil, classify("device", err, p.config.ClientSecret)
	}
	if answer.DeviceCode == "" || answer.UserCode == "" || answer.Expiry.IsZero() {
		return nil, invalid("device", errors.New("device_code, user_code or expires_in is missing"))
	}
	if err := p.checkDevice(answer); err != nil {
		return nil, invalid("device", err)
	}
	interval := time.Duration(answer.Interval) * time.Second
	if interval <= 0 {
		interval = defaultInterval
	}
	return &Device{answer.DeviceCode, answer.UserCode, answer.VerificationURI,
		answer.VerificationURIComplete, answer.Expiry, interval}, nil
}

// maxShown limits each value shown on a terminal, in bytes.
const maxShown = 2048

// checkDevice refuses values that are unsafe to print on a terminal: control
// characters move the cursor, rename the window or type input (CWE-150).
func (p *Provider) checkDevice(answer *oauth2.DeviceAuthResponse) error {
	for name, value := range map[string]string{
		"device_code":               answer.DeviceCode,
		"user_code":                 answer.UserCode,
		"verification_uri":          answer.VerificationURI,
		"verification_uri_complete": answer.VerificationURIComplete,
	} {
		if len(value) > maxShown || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
			return fmt.Errorf("%s is not printable ASCII or is too long", name)
		}
	}
	if answer.VerificationURIComplete != "" {
		if err := p.checkEndpoint(answer.VerificationURIComplete); err != nil {
			return err
		}
	}
	return p.checkEndpoint(answer.VerificationURI)
}

// AwaitDevice polls until the user has decided (RFC 8628 section 3.4). It
// returns the token and the subject of the ID token, which is empty if there is
// none. It keeps polling while the provider is unavailable.
func (p *Provider) AwaitDevice(ctx context.Context, device *Device) (token *oauth2.Token, subject string, err error) {
	meta, err := p.discover(ctx)
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithDeadlineCause(ctx, device.Expiry,
		&Error{Kind: Refused, Endpoint: "token", Code: "expired_token", Err: context.DeadlineExceeded})
	defer cancel()
	timer := time.NewTimer(device.interval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, "", context.Cause(ctx)
		case <-timer.C:
		}
		token, err = p.request(ctx, meta, url.Values{
			"grant_type":  {"urn:ietf:params:oauth:grant-type:device_code"},
			"device_code": {device.deviceCode},
		})
		if err == nil {
			subject, err = p.subject(ctx, meta, token)
			return token, subject, err
		}
		if !device.pending(err) {
			return nil, "", err
		}
		timer.Reset(device.interval)
	}
}

// pending reports whether polling should continue after an error, and lengthens
// the interval on slow_down or an outage (RFC 8628 section 3.5).
func (d *Device) pending(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	if e.Code == "slow_down" || e.Kind == Unavailable {
		d.interval += defaultInterval
	}
	return e.Kind == Unavailable || e.Code == "slow_down" || e.Code == "authorization_pending"
}

// basicAuth returns our client with HTTP Basic authentication on every request,
// since oauth2 does not add it to device authorization requests (RFC 8628
// section 3.1).
func (p *Provider) basicAuth() *http.Client {
	if p.config.ClientSecret == "" {
		return p.client
	}
	client := *p.client
	client.Transport = basicTransport{client.Transport, url.QueryEscape(p.config.ClientID),
		url.QueryEscape(p.config.ClientSecret)}
	return &client
}

type basicTransport struct {
	base             http.RoundTripper
	username, secret string
}

func (t basicTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.SetBasicAuth(t.username, t.secret)
	return t.base.RoundTrip(req)
}
