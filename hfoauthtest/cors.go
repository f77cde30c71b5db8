package hfoauthtest

import "net/http"

// headOf returns HEAD for GET, whose handlers serve both, and any other method
// unchanged.
func headOf(method string) string {
	if method == http.MethodGet {
		return http.MethodHead
	}
	return method
}

// crossOrigin lets pages of all origins send requests with method and read the
// responses, including errors (Fetch section 3.3), since apps in a browser
// redeem codes and fetch the userinfo themselves.
func crossOrigin(method string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Access-Control-Allow-Origin", "*")
		switch r.Method {
		case http.MethodOptions:
			header.Set("Access-Control-Allow-Methods", method)
			header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
			w.WriteHeader(http.StatusNoContent)
		case method, headOf(method):
			next.ServeHTTP(w, r)
		default:
			header.Set("Allow", method+", OPTIONS")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		}
	})
}
