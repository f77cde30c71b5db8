package hfoauthtest

import (
	"net/http"
	"strings"
)

// userInfo is the userinfo endpoint (OpenID Connect Core section 5.3).
func (s *Server) userInfo(w http.ResponseWriter, r *http.Request) {
	g := s.bearer(r)
	if g == nil {
		refuseBearer(w)
		return
	}
	user, ok := s.userNamed(g.username)
	if !ok || !g.has("openid") {
		refuseBearer(w)
		return
	}
	claims := user.claims(s.URL, g)
	if change := s.currentSettings().UserInfo; change != nil {
		change(claims)
	}
	writeJSON(w, http.StatusOK, claims)
}

func refuseBearer(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "Invalid credentials in Authorization header"})
}

// bearer returns the grant of the bearer token in a request (RFC 6750 section
// 2.1), or nil.
func (s *Server) bearer(r *http.Request) *grant {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil
	}
	g, _ := s.access.Get(token, s.now())
	return g
}
