package bench

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
)

// browser keeps cookies as a browser does, but faster, as it has only one app.
type browser map[string]string

// get returns a request that carries the browser's cookies.
func (b browser) get(path string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, appURL+path, nil)
	if len(b) > 0 {
		pairs := make([]string, 0, len(b))
		for _, name := range slices.Sorted(maps.Keys(b)) {
			pairs = append(pairs, name+"="+b[name])
		}
		r.Header.Set("Cookie", strings.Join(pairs, "; "))
	}
	return r
}

// keep keeps the cookies of a response.
func (b browser) keep(answer *httptest.ResponseRecorder) {
	for _, cookie := range answer.Result().Cookies() {
		if cookie.MaxAge < 0 {
			delete(b, cookie.Name)
		} else {
			b[cookie.Name] = cookie.Value
		}
	}
}

// cookieBytes is the size of all cookies, each counted as browsers do for
// their limit: name and value (RFC 6265bis section 5.7).
func (b browser) cookieBytes() int {
	size := 0
	for name, value := range b {
		size += len(name) + len(value)
	}
	return size
}

func serve(handler http.Handler, r *http.Request) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, r)
	return answer
}
