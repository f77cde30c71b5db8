package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/oauth2"
)

func TestClassify(t *testing.T) {
	refusal := func(code, description string) error {
		return fmt.Errorf("oauth2: %w",
			&oauth2.RetrieveError{Response: &http.Response{StatusCode: 400}, ErrorCode: code,
				ErrorDescription: description})
	}
	address := func(err error) error {
		return &url.Error{Op: "Get", URL: "https://hub.example/u?token=hf_secret", Err: err}
	}
	for name, tt := range map[string]struct {
		err  error
		want Error
	}{
		"status": {address(&statusError{code: 503, retryAfter: 7 * time.Second}),
			Error{Kind: Unavailable, Status: 503, RetryAfter: 7 * time.Second}},
		"network":  {address(errors.New("connection refused")), Error{Kind: Unavailable}},
		"deadline": {context.DeadlineExceeded, Error{Kind: Unavailable}},
		"canceled": {fmt.Errorf("x: %w", context.Canceled), Error{Kind: Unavailable}},
		"large":    {address(errTooLarge), Error{Kind: Invalid}},
		"refusal": {refusal("invalid_grant", "used"),
			Error{Kind: Refused, Status: 400, Code: "invalid_grant", Description: "used"}},
		"refusal, no code": {refusal("", "used"), Error{Kind: Invalid, Status: 400}},
		"other":            {errors.New("cannot parse"), Error{Kind: Invalid}},
		"ours": {fmt.Errorf("x: %w",
			&Error{Kind: Refused, Status: 418, Code: "c", Err: errors.New("x")}),
			Error{Kind: Refused, Status: 418, Code: "c"}},
	} {
		err := classify("userinfo", tt.err)
		var got *Error
		if !errors.As(err, &got) {
			t.Errorf("%s: %v is not an *Error", name, err)
			continue
		}
		equal(t, name+": kind", got.Kind, tt.want.Kind)
		equal(t, name+": status", got.Status, tt.want.Status)
		equal(t, name+": retry after", got.RetryAfter, tt.want.RetryAfter)
		if got.Code != tt.want.Code || got.Description != tt.want.Description {
			t.Errorf("%s: code %q and description %q, want %q and %q", name, got.Code, got.Description,
				tt.want.Code, tt.want.Description)
		}
		if strings.Contains(err.Error(), "hf_secret") {
			t.Errorf("%s: %q shows the URL", name, err)
		}
		if errors.Unwrap(got) == nil {
			t.Errorf("%s: the cause is lost", name)
		}
	}
}

func TestErrorTexts(t *testing.T) {
	cause := errors.New("a\nb\x1b[31m")
	for want, e := range map[string]*Error{
		`token endpoint returned error "invalid_grant": used`: {Kind: Refused, Endpoint: "token",
			Code: "invalid_grant", Description: "used", Err: cause},
		`token endpoint returned error "invalid_grant"`: {Kind: Refused, Endpoint: "token",
			Code: "invalid_grant", Err: cause},
		`userinfo endpoint is unavailable: a b [31m`: {Kind: Unavailable, Endpoint: "userinfo", Err: cause},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	invalid := (&Error{Kind: Invalid, Endpoint: "jwks", Err: cause}).Error()
	if !strings.HasPrefix(invalid, "jwks endpoint ") || !strings.HasSuffix(invalid, ": a b [31m") {
		t.Errorf("%q", invalid)
	}
}

func TestRedactedTextIsShort(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("a", 10_000), strings.Repeat("€", 1000), strings.Repeat("a", 199) + "€€",
	} {
		got := Redact(text)
		if len(got) > 210 || !utf8.ValidString(got) {
			t.Errorf("%d bytes: %q", len(got), got)
		}
	}
	if got := Redact("one two one two", "one", "two"); got != "[redacted] [redacted] [redacted] [redacted]" {
		t.Errorf("Redact = %q", got)
	}
}
