package hfoauth_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"

	"github.com/hfoauth/hfoauth"
)

// counter is a slog handler that counts failed requests on their way to
// another handler.
type counter struct {
	slog.Handler
	count func(kind, status string)
}

func (c counter) Enabled(context.Context, slog.Level) bool { return true } // Debug counts as well

func (c counter) Handle(ctx context.Context, record slog.Record) error {
	if record.Message == "hfoauth: request failed" {
		attrs := map[string]string{}
		record.Attrs(func(a slog.Attr) bool {
			attrs[a.Key] = a.Value.String()
			return true
		})
		c.count(attrs["kind"], attrs["status"])
	}
	if !c.Handler.Enabled(ctx, record.Level) {
		return nil
	}
	return c.Handler.Handle(ctx, record)
}

func (c counter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return counter{c.Handler.WithAttrs(attrs), c.count}
}

func (c counter) WithGroup(name string) slog.Handler {
	return counter{c.Handler.WithGroup(name), c.count}
}

// Failures are counted, for Prometheus or OpenTelemetry, by a slog handler of
// a few lines.
func ExampleConfig_logger() {
	// a prometheus.CounterVec or a metric.Int64Counter, which are safe for concurrent use
	failures := map[string]int{}
	handler := counter{slog.NewTextHandler(io.Discard, nil),
		func(kind, status string) { failures[kind+" "+status]++ }}
	client, err := hfoauth.New(hfoauth.Config{
		ClientID:     "your-client-id",
		ClientSecret: "oauth_app_secret_of_your_own",
		RedirectURL:  "https://app.example/login/callback",
		Logger:       slog.New(handler).With("app", "mine"),
	})
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/login/callback", nil) // an old bookmark
	client.CallbackHandler().ServeHTTP(httptest.NewRecorder(), r)
	fmt.Println(failures)
	// Output: map[state 400:1]
}
