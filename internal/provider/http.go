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

// newHTTPClient returns a client that applies our limits to a transport.
// Redirects are not followed: a redirected token request would send the code
// and the client secret to a host that was not configured (RFC 9700 section
// 4.11).
func newHTTPClient(base http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     &limitedTransport{base: base, timeout: answerTimeout},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// limitedTransport reads every response completely, up to maxAnswer bytes after
// decompression. It returns redirects and the statuses 429 and 5xx as errors, so
// that go-oidc and oauth2 report them as well.
// It has the timeout because that of http.Client costs two goroutines per
// request if the transport is not net/http's.
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
	// oauth2 would parse text/plain as a form; RFC 6749 section 5.1 allows only JSON.
	resp.Header.Set("Content-Type", "application/json")
	return resp, nil
}

// statusError is status 429 or 5xx, which says nothing about the request itself.
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
	return fmt.Sprintf("status %d %s: redirects to %s, which is not followed", e.code,
		http.StatusText(e.code), e.location)
}

// withoutQuery removes the parts of a Location that may repeat what we sent.
func withoutQuery(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return "an address that cannot be parsed"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// retryAfter parses a Retry-After in seconds (RFC 9110 section 10.2.3). It
// returns 0 if there is none.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(min(seconds, 1<<20))*time.Second, maxRetryAfter)
}
