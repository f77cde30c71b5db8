package hfoauthtest

import "strings"

// Setenv registers an app that runs at appURL, for example the URL of an
// httptest.Server, and sets the environment variables of a Space until the test
// ends: OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET, OPENID_PROVIDER_URL, OAUTH_SCOPES,
// and OAUTH_REDIRECT_URL to appURL/login/callback; SPACE_HOST is set to "".
// hfoauth.New(hfoauth.Config{}) then works as in production. As with t.Setenv,
// the test must not be parallel.
func (s *Server) Setenv(t TB, appURL string, scopes ...string) App {
	t.Helper()
	redirectURL := strings.TrimRight(appURL, "/") + "/login/callback"
	app := s.RegisterApp(App{RedirectURIs: []string{redirectURL}})
	for name, value := range map[string]string{
		"OAUTH_CLIENT_ID":     app.ClientID,
		"OAUTH_CLIENT_SECRET": app.ClientSecret,
		"OAUTH_SCOPES":        strings.Join(scopes, " "),
		"OAUTH_REDIRECT_URL":  redirectURL,
		"OPENID_PROVIDER_URL": s.URL,
		"SPACE_HOST":          "",
	} {
		t.Setenv(name, value)
	}
	return app
}
