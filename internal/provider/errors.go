package provider

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/oauth2"
)

// Kind classifies a failed call to the provider.
type Kind int

const (
	// Unavailable means no response, a late or truncated one, or status 5xx or 429.
	Unavailable Kind = iota
	// Invalid means a response that the specifications do not allow.
	Invalid
	// Refused means an OAuth error response (RFC 6749 section 5.2).
	Refused
)

// Error is the error type of every call to the provider.
type Error struct {
	Kind        Kind
	Endpoint    string        // "discovery", "token", "userinfo", …
	Status      int           // HTTP status; 0 if none was received
	Code        string        // error of RFC 6749 section 5.2, if Refused
	Description string        // error_description, if Refused
	RetryAfter  time.Duration // time to wait before retrying, if Unavailable; 0 if unknown
	Err         error
}

func (e *Error) Error() string {
	switch {
	case e.Kind == Refused && e.Description != "":
		return fmt.Sprintf("%s endpoint returned error %q: %s", e.Endpoint, e.Code, e.Description)
	case e.Kind == Refused:
		return fmt.Sprintf("%s endpoint returned error %q", e.Endpoint, e.Code)
	case e.Kind == Unavailable:
		return fmt.Sprintf("%s endpoint is unavailable: %s", e.Endpoint, printable(e.Err.Error()))
	default:
		return fmt.Sprintf("%s endpoint returned an invalid response: %s", e.Endpoint, printable(e.Err.Error()))
	}
}

func (e *Error) Unwrap() error { return e.Err }

var (
	errIssuerParameter = errors.New("the iss parameter of the authorization response is missing or is " +
		"not this provider's issuer (RFC 9207)")
	errTooLarge = fmt.Errorf("response is larger than %d bytes", maxAnswer)
)

func invalid(endpoint string, err error) error {
	return &Error{Kind: Invalid, Endpoint: endpoint, Err: err}
}

// classify turns an error from a call to an endpoint into an *Error. It redacts
// secrets, which the provider may repeat in its response.
func classify(endpoint string, err error, secrets ...string) error {
	var ours *Error
	if errors.As(err, &ours) {
		return ours
	}
	var status *statusError
	if errors.As(err, &status) {
		return &Error{Kind: Unavailable, Endpoint: endpoint, Status: status.code, RetryAfter: status.retryAfter, Err: status}
	}
	var redirect *redirectError
	if errors.As(err, &redirect) {
		return &Error{Kind: Invalid, Endpoint: endpoint, Status: redirect.code,
			Err: errors.New(Redact(redirect.Error(), secrets...))}
	}
	var answer *oauth2.RetrieveError
	if errors.As(err, &answer) {
		return refused(endpoint, answer, secrets)
	}
	var network *url.Error
	if errors.Is(err, errTooLarge) {
		return invalid(endpoint, errTooLarge)
	}
	if errors.As(err, &network) {
		return &Error{Kind: Unavailable, Endpoint: endpoint, Err: network.Err}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &Error{Kind: Unavailable, Endpoint: endpoint, Err: err}
	}
	return invalid(endpoint, err)
}

func refused(endpoint string, answer *oauth2.RetrieveError, secrets []string) error {
	status := answer.Response.StatusCode
	if answer.ErrorCode == "" {
		return &Error{Kind: Invalid, Endpoint: endpoint, Status: status,
			Err: fmt.Errorf("status %d without an OAuth error code", status)}
	}
	if answer.ErrorCode == "invalid_grant" &&
		strings.Contains(strings.ToLower(answer.ErrorDescription), abortedOperation) {
		return &Error{Kind: Unavailable, Endpoint: endpoint, Status: status,
			Err: errors.New("the provider aborted the request after its own time limit")}
	}
	return &Error{
		Kind:        Refused,
		Endpoint:    endpoint,
		Status:      status,
		Code:        redactCode(answer.ErrorCode, secrets),
		Description: Redact(answer.ErrorDescription, secrets...),
		Err:         fmt.Errorf("status %d", status),
	}
}

// abortedOperation appears in the description of the invalid_grant that the Hub
// returns when its own time limit has passed. The grant is still valid
// (https://github.com/huggingface/hub-docs/issues/2757).
const abortedOperation = "operation was aborted"

// registeredCodes are the error codes of RFC 6749 section 5.2, RFC 8628
// section 3.5 and RFC 8693 section 2.2.2.
var registeredCodes = []string{
	"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client",
	"unsupported_grant_type", "invalid_scope",
	"authorization_pending", "slow_down", "access_denied", "expired_token", "invalid_target",
}

// redactCode returns registered codes unchanged even if they contain a secret,
// since callers act on them. Any other code is only logged.
func redactCode(code string, secrets []string) string {
	if slices.Contains(registeredCodes, code) {
		return code
	}
	return Redact(code, secrets...)
}

// Redact makes text from the provider safe to log: it removes secrets, replaces
// unprintable characters with spaces and cuts the text off after 200 bytes.
func Redact(text string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
	}
	return printable(text)
}

func printable(text string) string {
	const limit = 200
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}
