package hfoauthtest

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hfoauth/hfoauth/internal/guard"
	"github.com/hfoauth/hfoauth/internal/jwt"
)

const (
	signParameter = "__sign"
	signCookie    = "spaces-jwt"
	signLifetime  = 24 * time.Hour
)

// ownsURL reports whether a redirect URI is on the host of the app's Space. If
// that is a loopback host, the URI may use http and any port.
func (a *App) ownsURL(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || u.User != nil || a.SpaceHost == "" || strings.Contains(uri, "#") {
		return false
	}
	if name, _ := guard.SplitPort(a.SpaceHost); guard.Loopback(name) && u.Scheme == "http" {
		return strings.EqualFold(u.Hostname(), name)
	}
	return u.Scheme == "https" && strings.EqualFold(u.Host, a.SpaceHost)
}

// spacePage shows an app inside an iframe, as the Hub shows a Space.
func (s *Server) spacePage(w http.ResponseWriter, r *http.Request) {
	host := r.PathValue("host")
	app, ok := s.appOfSpace(host)
	if !ok {
		s.refusePage(w, "Unknown Space", "No app has the SpaceHost "+host+".")
		return
	}
	pageHeaders(w)
	w.Header().Set("Content-Security-Policy",
		"default-src 'none'; style-src '"+styleHash+"'; frame-src https://"+app.SpaceHost+
			"; base-uri 'none'; frame-ancestors 'none'")
	spaceTemplate.Execute(w, struct {
		App, Host string
		Style     template.CSS
	}{app.Name, app.SpaceHost, template.CSS(style)})
}

func (s *Server) appOfSpace(host string) (App, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, app := range s.apps {
		if app.SpaceHost != "" && strings.EqualFold(app.SpaceHost, host) {
			return app, true
		}
	}
	return App{}, false
}

// PrivateSpace imitates the platform in front of a private Space, next. It
// responds with 404 unless a request has a value from [Server.SignedURL] in its
// parameter __sign, or in the cookie spaces-jwt, which it sets from __sign. next
// sees both, as in a Space.
func (s *Server) PrivateSpace(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sign := r.URL.Query().Get(signParameter); s.isSigned(sign) {
			cookie := &http.Cookie{Name: signCookie, Value: sign, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
			if r.TLS != nil {
				cookie.Secure, cookie.SameSite, cookie.Partitioned = true, http.SameSiteNoneMode, true
			}
			http.SetCookie(w, cookie)
			next.ServeHTTP(w, r)
			return
		}
		if cookie, err := r.Cookie(signCookie); err != nil || !s.isSigned(cookie.Value) {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) isSigned(sign string) bool {
	_, ok := s.signs.Get(sign, s.now())
	return ok
}

// SignedURL returns the URL of a page of a private Space as the Hub opens it for
// a user: with the parameter __sign, which is valid for a day and must not leak
// into links and logs. [Server.Secrets] includes it.
func (s *Server) SignedURL(page, username string) (string, error) {
	u, err := url.Parse(page)
	if err != nil {
		return "", err
	}
	now := s.now()
	user, _ := s.userNamed(username)
	sign := s.recordSecret(jwt.RS256(s.signingKey().private, map[string]any{"alg": "RS256"}, map[string]any{
		"sub": user.ID(), "aud": u.Host, "iat": now.Unix(), "exp": now.Add(signLifetime).Unix(), "jti": random("", 16),
	}))
	s.signs.Put(sign, &grant{username: username}, 1, now, now.Add(signLifetime))
	query := u.Query()
	query.Set(signParameter, sign)
	u.RawQuery = query.Encode()
	return u.String(), nil
}
