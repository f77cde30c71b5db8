package bench

import (
	"net/http"
	"strings"
	"testing"
)

// BenchmarkLogin measures the response to a click on "sign in": the redirect to the
// provider, with what has to be remembered until the browser returns.
func BenchmarkLogin(b *testing.B) {
	p := newProvider(b, newSession(3))
	for _, c := range contenders(b, p) {
		b.Run(c.name, func(b *testing.B) {
			tab := browser{}
			// fetches metadata
			if location := beginSignIn(c, tab); !strings.HasPrefix(location, p.URL+"/oauth/authorize?") {
				b.Fatalf("redirected to %q", location)
			}
			r := browser{}.get(loginPath)
			b.ReportAllocs()
			for b.Loop() {
				if answer := serve(c.handler, r); answer.Code/100 != http.StatusFound/100 {
					b.Fatalf("status %d", answer.Code)
				}
			}
			b.ReportMetric(float64(tab.cookieBytes()), "cookie-B")
		})
	}
}
