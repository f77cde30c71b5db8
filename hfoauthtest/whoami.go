package hfoauthtest

import (
	"net/http"
	"slices"
	"time"

	"github.com/hfoauth/hfoauth/internal/expiring"
)

// whoAmI is the Hub's own endpoint for all kinds of tokens.
func (s *Server) whoAmI(w http.ResponseWriter, r *http.Request) {
	g := s.bearer(r)
	if g == nil {
		refuseBearer(w)
		return
	}
	if g.org != "" {
		writeJSON(w, http.StatusOK, map[string]any{"type": "org", "name": g.org, "id": id("", "org", g.org)})
		return
	}
	user, ok := s.userNamed(g.username)
	if !ok {
		refuseBearer(w)
		return
	}
	writeJSON(w, http.StatusOK, user.whoAmI(s.URL, g))
}

// whoAmI tells all to a token of the user's own, and to an app what its grant
// allows.
func (u User) whoAmI(issuer string, g *grant) map[string]any {
	kind, own := "oauth", g.client == ""
	if own {
		kind = "access_token"
	}
	answer := map[string]any{
		"type": "user", "id": u.ID(), "name": u.Username, "fullname": orElse(u.Name, u.Username),
		"isPro": u.IsPro, "avatarUrl": pictureURL(issuer, u.Picture), "auth": map[string]any{"type": kind},
	}
	if own || g.has("email") {
		answer["email"], answer["emailVerified"] = u.Email, u.EmailVerified
	}
	if own || g.has("read-billing") {
		answer["canPay"] = u.CanPay
	}
	orgs := []map[string]any{}
	for _, o := range u.Orgs {
		org := map[string]any{
			"type": "org", "id": o.ID(), "name": o.Username, "fullname": orElse(o.Name, o.Username),
			"avatarUrl": pictureURL(issuer, o.Picture), "isEnterprise": o.enterprise(),
		}
		if own || slices.Contains(g.orgs, o.ID()) {
			org["roleInOrg"], org["canPay"] = orElse(o.Role, "read"), o.CanPay
		}
		orgs = append(orgs, org)
	}
	answer["orgs"] = orgs
	return answer
}

// UserToken returns a user access token (hf_…) of a user, as made in the
// settings of the Hub. It is valid for a year.
func (s *Server) UserToken(username string) string {
	return s.settingsToken(&grant{username: username})
}

// OrgToken returns a token of an organization, which is no user's. It is valid
// for a year.
func (s *Server) OrgToken(username string) string {
	return s.settingsToken(&grant{org: username})
}

func (s *Server) settingsToken(g *grant) string {
	token := s.recordSecret(random("hf_", 27))
	now := s.now()
	s.access.Put(token, g, 1, now, now.Add(365*24*time.Hour))
	return token
}

// AccessToken returns an OAuth access token that a user gave to an app, with
// scopes; "openid" and "profile" if none are named.
func (s *Server) AccessToken(username, clientID string, scopes ...string) string {
	if len(scopes) == 0 {
		scopes = []string{"openid", "profile"}
	}
	response := s.issue(&grant{client: clientID, username: username, scopes: slices.Clone(scopes)})
	return response["access_token"].(string)
}

// Revoke ends all codes and tokens of a user and forgets what the user
// consented to, as disconnecting every app in the settings of the Hub does.
func (s *Server) Revoke(username string) {
	for _, grants := range []*expiring.Map[string, *grant]{s.codes, s.access, s.refresh, s.consents} {
		grants.DeleteFunc(func(_ string, g *grant) bool { return g.username == username })
	}
}
