package hfoauthtest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/hfoauth/hfoauth/internal/guard"
)

// registration is the client metadata that the Server supports (RFC 7591 section
// 2).
type registration struct {
	ClientName    string   `json:"client_name,omitempty"`
	RedirectURIs  []string `json:"redirect_uris"`
	AuthMethod    string   `json:"token_endpoint_auth_method"`
	GrantTypes    []string `json:"grant_types"`
	ResponseTypes []string `json:"response_types"`
	Scope         string   `json:"scope,omitempty"`
}

// register is the client registration endpoint (RFC 7591 section 3). Anyone
// may register an app, as on the Hub.
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	var asked registration
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		badRequest("invalid_client_metadata", "the body is not JSON: "+err.Error()).write(w)
		return
	}
	if problem := asked.complete(); problem != nil {
		problem.write(w)
		return
	}
	app := completeApp(App{
		Name: asked.ClientName, RedirectURIs: asked.RedirectURIs, Scopes: strings.Fields(asked.Scope),
		Public: asked.AuthMethod == "none",
	})
	s.recordSecret(app.ClientSecret)
	now := s.now()
	s.registered.Put(app.ClientID, &app, 1, now, now.Add(registrationLifetime))
	answer := struct {
		ClientID  string `json:"client_id"`
		IssuedAt  int64  `json:"client_id_issued_at"`
		Secret    string `json:"client_secret,omitempty"`
		ExpiresAt *int64 `json:"client_secret_expires_at,omitempty"` // 0: never
		registration
	}{ClientID: app.ClientID, IssuedAt: now.Unix(), Secret: app.ClientSecret, registration: asked}
	if !app.Public {
		answer.ExpiresAt = new(int64)
	}
	writeJSON(w, http.StatusCreated, answer)
}

// complete fills in the defaults of RFC 7591 section 2 and removes unknown scopes.
func (m *registration) complete() *oauthError {
	if len(m.RedirectURIs) == 0 {
		return badRequest("invalid_redirect_uri", "redirect_uris is missing")
	}
	for _, uri := range m.RedirectURIs {
		if !registrable(uri) {
			return badRequest("invalid_redirect_uri", uri+" must be an absolute https URL, "+
				"an http URL on loopback or a URI with the app's own scheme, without a fragment")
		}
	}
	m.AuthMethod = orElse(m.AuthMethod, "client_secret_basic")
	if !slices.Contains([]string{"none", "client_secret_basic", "client_secret_post"}, m.AuthMethod) {
		return badRequest("invalid_client_metadata", "token_endpoint_auth_method "+m.AuthMethod+" is not supported")
	}
	if m.GrantTypes == nil {
		m.GrantTypes = []string{codeGrant}
	}
	for _, grantType := range m.GrantTypes {
		if !slices.Contains(grantTypes, grantType) {
			return badRequest("invalid_client_metadata", "grant type "+grantType+" is not supported")
		}
	}
	if m.ResponseTypes == nil {
		m.ResponseTypes = []string{"code"}
	}
	if !slices.Equal(m.ResponseTypes, []string{"code"}) {
		return badRequest("invalid_client_metadata", "response_types must contain only code")
	}
	asked := strings.Fields(m.Scope)
	known := knownScopes()
	m.Scope = strings.Join(slices.DeleteFunc(asked,
		func(scope string) bool { return !slices.Contains(known, scope) }), " ")
	return nil
}

// registrable reports whether an app may register a redirect URI (RFC 8252
// sections 7 and 8.3, RFC 6749 section 3.1.2).
func registrable(uri string) bool {
	u, err := url.Parse(uri)
	switch {
	case err != nil || strings.Contains(uri, "#"):
		return false
	case u.Scheme == "https":
		return u.Host != ""
	case u.Scheme == "http":
		return guard.Loopback(u.Hostname())
	}
	return u.Scheme != "" && !slices.Contains([]string{"javascript", "data", "file", "vbscript"}, u.Scheme)
}
