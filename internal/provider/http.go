package provider

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	maxAnswer     = 1 << 20
	answerTimeout = 10 * time.Second
	maxRetryAfter = time.Hour
)

// newHTTPClient returns a client with our limits around a transport.
// Redirects are not followed: a redirected token request would carry code and
// client secret to a host nobody configured.
func newHTTPClient(base http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     &limitedTransport{base: base, timeout: answerTimeout},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// limitedTransport reads every answer whole, within maxAnswer after
// decompression, and reports redirects and the statuses that mean "not now" as
// errors, so that all callers, go-oidc and oauth2 among them, see one kind of
// failure.
// The time limit is here because that of http.Client costs two goroutines a
// request where the transport is not net/http's own.
type limitedTransport struct {
	base    http.RoundTripper
	timeout time.Duration
}

func (t *limitedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), t.timeout)
	defer cancel()
	resp, err := t.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
		return nil, &statusError{code: resp.StatusCode, retryAfter: retryAfter(resp.Header)}
	}
	if to := resp.Header.Get("Location"); to != "" && resp.StatusCode/100 == 3 {
		return nil, &redirectError{code: resp.StatusCode, location: withoutQuery(to)}
	}
	body := &bytes.Buffer{}
	body.Grow(int(min(max(resp.ContentLength, 0), maxAnswer)) + bytes.MinRead)
	if _, err := body.ReadFrom(io.LimitReader(resp.Body, maxAnswer+1)); err != nil {
		return nil, err
	}
	if body.Len() > maxAnswer {
		return nil, errTooLarge
	}
	resp.Body = io.NopCloser(body)
	// oauth2 would read text/plain as a form; RFC 6749 section 5.1 allows JSON only.
	resp.Header.Set("Content-Type", "application/json")
	return resp, nil
}

// statusError is a status that promises nothing about the request itself.
type statusError struct {
	code       int
	retryAfter time.Duration
}

func (e *statusError) Error() string {
	return fmt.Sprintf("status %d %s", e.code, http.StatusText(e.code))
}

// redirectError is a redirect, which is not followed.
type redirectError struct {
	code     int
	location string
}

func (e *redirectError) Error() string {
	return fmt.Sprintf("status %d %s: it redirects to %s, which is not followed", e.code, http.StatusText(e.code), e.location)
}

// withoutQuery returns the part of a Location that cannot repeat what we sent.
func withoutQuery(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return "an address that cannot be read"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// retryAfter reads the seconds form of Retry-After (RFC 9110 section 10.2.3).
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(min(seconds, 1<<20))*time.Second, maxRetryAfter)
}
