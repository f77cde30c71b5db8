package hfcli

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/hfoauth/hfoauth"
	"github.com/hfoauth/hfoauth/internal/provider"
)

// ErrCodeExpired is returned by [Login] if the user did not confirm the code in
// time.
var ErrCodeExpired = errors.New("hfcli: the code expired before it was confirmed")

// notSignedIn returns an error that wraps [hfoauth.ErrNotSignedIn].
func notSignedIn(reason string) error {
	return fmt.Errorf("%w: %s", hfoauth.ErrNotSignedIn, reason)
}

// providerError translates an error of internal/provider into one of package
// hfoauth.
func providerError(err error) error {
	e, ok := errors.AsType[*provider.Error](err)
	switch {
	case !ok:
		return err
	case e.Kind == provider.Unavailable:
		return fmt.Errorf("%w: %w", hfoauth.ErrProviderUnavailable, err)
	case e.Kind == provider.Invalid:
		return fmt.Errorf("%w: %w", hfoauth.ErrProviderInvalid, err)
	}
	return refusal(e.Code, e.Description)
}

// refusal returns the error for an OAuth error code (RFC 6749 sections 4.1.2.1
// and 5.2, RFC 8628 section 3.5).
func refusal(code, description string) error {
	switch code {
	case "access_denied":
		return hfoauth.ErrDenied
	case "expired_token":
		return ErrCodeExpired
	case "invalid_client":
		return fmt.Errorf("%w (a tool needs an app without a secret: "+
			"register one at https://huggingface.co/settings/connected-applications)",
			&hfoauth.ProviderError{Code: code, Description: description})
	}
	return &hfoauth.ProviderError{Code: code, Description: description}
}

// checkProviderURL accepts https, and http on loopback (RFC 8252 section 8.3),
// since tokens are sent there.
func checkProviderURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		u.Scheme != "https" && !(u.Scheme == "http" && provider.Loopback(u.Hostname())) {
		return fmt.Errorf("hfcli: Config.ProviderURL: %q is not an https URL: "+
			"write it as https://host (http is allowed on localhost)", text)
	}
	if path, ok := strings.CutSuffix(u.Path, "/openid-configuration"); ok && strings.HasSuffix(path, "/.well-known") {
		return fmt.Errorf("hfcli: Config.ProviderURL: %q is the issuer's metadata: "+
			"leave out /.well-known/openid-configuration", text)
	}
	return nil
}
