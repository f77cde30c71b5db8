package hfoauth_test

import (
	"net/http/httptest"
	"testing"
)

// BenchmarkUserFromRequest shows how reading sessions scales: run it with
// -cpu 1,2.
func BenchmarkUserFromRequest(b *testing.B) {
	s := newSite(b, nil)
	cookie := s.newSession(ada)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(cookie)
		for pb.Next() {
			if _, err := s.client.UserFromRequest(r); err != nil {
				b.Error(err)
			}
		}
	})
}
