package guard

import (
	"net/http/httptest"
	"testing"
)

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		own, host string
		header    []string
		refused   bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", nil, false},
		{"127.0.0.1:80", "localhost:80", nil, false},
		{"localhost:80", "[::1]:80", nil, false},
		{"[::1]:80", "LOCALHOST:80", nil, false},
		{"127.0.0.1:80", "127.0.0.2:80", nil, false},
		{"127.0.0.1:80", "127.0.0.1:81", nil, true},
		{"127.0.0.1:80", "127.0.0.1", nil, true},
		{"127.0.0.1:80", "evil.example:80", nil, true},
		{"127.0.0.1:80", "localhost.evil.example:80", nil, true},
		{"127.0.0.1:80", "0.0.0.0:80", nil, true},
		{"127.0.0.1:80", "", nil, true},
		{"hub.example", "hub.example", nil, false},
		{"hub.example", "HUB.example", nil, false},
		{"hub.example", "localhost", nil, true},
		{"hub.example:80", "hub.example", nil, true},
		{"localhost:80", "localhost:80", []string{"Origin", "http://localhost:80"}, false},
		{"localhost:80", "localhost:80", []string{"Origin", "http://127.0.0.1:80"}, true},
		{"localhost:80", "localhost:80", []string{"Origin", "http://localhost:81"}, true},
		{"localhost:80", "localhost:80", []string{"Origin", "https://evil.example"}, true},
		{"localhost:80", "localhost:80", []string{"Origin", "null"}, true},
		{"localhost:80", "localhost:80", []string{"Origin", "%zz"}, true},
		{"localhost:80", "localhost:80", []string{"Sec-Fetch-Site", "same-origin"}, false},
		{"localhost:80", "localhost:80", []string{"Sec-Fetch-Site", "none"}, false},
		{"localhost:80", "localhost:80", []string{"Sec-Fetch-Site", "same-site"}, true},
		{"localhost:80", "localhost:80", []string{"Sec-Fetch-Site", "cross-site"}, true},
		{"localhost:80", "localhost:80", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://localhost:80"}, true},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = tt.host
		for i := 0; i+1 < len(tt.header); i += 2 {
			r.Header.Set(tt.header[i], tt.header[i+1])
		}
		if err := Check(tt.own, r); (err != nil) != tt.refused {
			t.Errorf("%s at %s with %q: %v, want refused %v", tt.own, tt.host, tt.header, err, tt.refused)
		}
	}
}
