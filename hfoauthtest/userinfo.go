package hfoauthtest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// userInfo is the userinfo endpoint (OpenID Connect Core section 5.3).
func (s *Server) userInfo(w http.ResponseWriter, r *http.Request) {
	g, user := s.bearer(r)
	if g == nil || !g.has("openid") {
		refuseBearer(w)
		return
	}
	claims := user.claims(s.URL, g)
	if change := s.currentSettings().UserInfo; change != nil {
		change(claims)
	}
	writeJSON(w, http.StatusOK, claims)
}

// whoAmI is the Hub's own endpoint for all kinds of tokens.
func (s *Server) whoAmI(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if name, ok := strings.CutPrefix(token, orgTokenPrefix); ok {
		writeJSON(w, http.StatusOK, map[string]any{"type": "org", "name": name, "id": id("", "org", name)})
		return
	}
	g, user := s.bearer(r)
	if g == nil {
		refuseBearer(w)
		return
	}
	kind := "oauth"
	if g.client == "" {
		kind = "access_token"
	}
	orgs := []map[string]any{}
	for _, o := range user.Orgs {
		orgs = append(orgs, map[string]any{
			"type": "org", "id": o.ID(), "name": o.Username, "fullname": orElse(o.Name, o.Username), "avatarUrl": o.Picture,
			"roleInOrg": orElse(o.Role, "read"), "isEnterprise": o.IsEnterprise == true || o.IsEnterprise == "plus", "canPay": o.CanPay,
		})
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"type": "user", "id": user.ID(), "name": user.Username, "fullname": orElse(user.Name, user.Username),
		"email": user.Email, "emailVerified": user.EmailVerified, "isPro": user.IsPro, "canPay": user.CanPay, "avatarUrl": user.Picture,
		"orgs": orgs, "auth": map[string]any{"type": kind},
	})
}

func refuseBearer(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "Invalid credentials in Authorization header"})
}

// bearer returns the grant and user of a request's token, or nil.
func (s *Server) bearer(r *http.Request) (*grant, User) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, User{}
	}
	g, ok := s.access.Get(token, s.now())
	if !ok {
		return nil, User{}
	}
	user, ok := s.userNamed(g.username)
	if !ok {
		return nil, User{}
	}
	return g, user
}

const orgTokenPrefix = "hf_org_"

// UserToken returns a user access token (hf_…) of a user, as made in the
// settings of the Hub.
func (s *Server) UserToken(username string) string {
	token := s.recordSecret(random("hf_", 27))
	now := s.now()
	s.access.Put(token, &grant{username: username}, 1, now, now.Add(365*24*time.Hour))
	return token
}

// OrgToken returns a token of an organization, which is no user's.
func (s *Server) OrgToken(username string) string {
	return s.recordSecret(orgTokenPrefix + username)
}

// AccessToken returns an OAuth access token that a user gave to an app, with
// scopes; "openid" and "profile" if none are named.
func (s *Server) AccessToken(username, clientID string, scopes ...string) string {
	if len(scopes) == 0 {
		scopes = []string{"openid", "profile"}
	}
	response := s.issue(&grant{client: clientID, username: username, scopes: slices.Clone(scopes), family: random("", 9)})
	return response["access_token"].(string)
}

// Revoke ends all tokens of a user, as disconnecting the app in the settings
// of the Hub does.
func (s *Server) Revoke(username string) {
	s.access.DeleteFunc(func(_ string, g *grant) bool { return g.username == username })
	s.refresh.DeleteFunc(func(_ string, g *grant) bool { return g.username == username })
}
