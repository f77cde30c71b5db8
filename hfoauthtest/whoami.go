package hfoauthtest

import (
	"net/http"
	"slices"
	"time"

	"github.com/hfoauth/hfoauth/internal/expiring"
)

// whoAmI is the whoami-v2 endpoint, which accepts all kinds of tokens.
func (s *Server) whoAmI(w http.ResponseWriter, r *http.Request) {
	g := s.bearer(r)
	if g == nil {
		refuseBearer(w)
		return
	}
	var answer map[string]any
	switch {
	case g.app != "":
		answer = map[string]any{"type": "app", "id": id("", "app", g.app), "name": g.app}
	case g.org != "":
		answer = s.orgNamed(g.org).whoAmI(true)
	default:
		user, ok := s.userNamed(g.username)
		if !ok {
			refuseBearer(w)
			return
		}
		answer = user.whoAmI(g, s.now())
	}
	answer["auth"] = g.auth()
	if change := s.currentSettings().WhoAmI; change != nil {
		change(answer)
	}
	writeJSON(w, http.StatusOK, answer)
}

// own reports whether a token was created in the Hub's settings rather than
// issued to an app.
func (g *grant) own() bool { return g.client == "" }

// auth returns what whoami says about the token itself.
func (g *grant) auth() map[string]any {
	const layout = "2006-01-02T15:04:05.000Z" // like JavaScript's
	if !g.own() {
		return map[string]any{"type": "oauth", "expiresAt": g.expires.UTC().Format(layout)}
	}
	return map[string]any{"type": "access_token", "accessToken": map[string]any{
		"displayName": "hfoauthtest", "role": "write", "createdAt": g.issued.UTC().Format(layout),
	}}
}

// whoAmI returns everything for a token from the Hub's settings, and what the
// grant allows for an app's token. Pictures are relative to the issuer.
func (u User) whoAmI(g *grant, now time.Time) map[string]any {
	answer := map[string]any{
		"type": "user", "id": u.ID(), "name": u.Username, "fullname": orElse(u.Name, u.Username),
		"isPro": u.IsPro, "avatarUrl": u.picture(),
	}
	if g.own() || g.has("email") {
		answer["email"], answer["emailVerified"] = u.Email, u.EmailVerified
	}
	if g.own() || g.has("read-billing") {
		answer["canPay"], answer["billingMode"] = u.CanPay, u.billingMode()
		answer["periodEnd"] = nil
		if u.IsPro {
			answer["periodEnd"] = nextMonth(now).Unix()
		}
	}
	orgs := []map[string]any{}
	for _, o := range u.Orgs {
		granted := g.own() || slices.Contains(g.orgs, o.ID())
		org := o.whoAmI(granted)
		if granted || g.has("read-memberships") {
			org["roleInOrg"] = o.role()
		}
		orgs = append(orgs, org)
	}
	answer["orgs"] = orgs
	return answer
}

// whoAmI returns what whoami says about an organization.
func (o Org) whoAmI(granted bool) map[string]any {
	answer := map[string]any{
		"type": "org", "id": o.ID(), "name": o.Username, "fullname": orElse(o.Name, o.Username),
		"avatarUrl": o.picture(), "isEnterprise": o.enterprise(),
	}
	if granted {
		answer["canPay"], answer["periodEnd"], answer["email"] = o.CanPay, nil, nil
	}
	return answer
}

// nextMonth returns the end of a subscription that was paid at now.
func nextMonth(now time.Time) time.Time {
	return time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC)
}

// UserToken returns a user access token (hf_…) like those created in the Hub's
// settings. It is valid for a year.
func (s *Server) UserToken(username string) string {
	return s.settingsToken(&grant{username: username})
}

// OrgToken returns a token that belongs to an organization, not to a user. It is
// valid for a year.
func (s *Server) OrgToken(username string) string {
	return s.settingsToken(&grant{org: username})
}

// AppToken returns a token that belongs to an app, not to a user. It is valid for
// a year.
func (s *Server) AppToken(name string) string {
	return s.settingsToken(&grant{app: name})
}

func (s *Server) settingsToken(g *grant) string {
	token := s.recordSecret("hf_" + alphanumeric(34))
	g.issued = s.now()
	g.expires = g.issued.Add(365 * 24 * time.Hour)
	s.access.Put(token, g, 1, g.issued, g.expires)
	return token
}

// AccessToken returns an OAuth access token of a user for an app. Without scopes,
// it has "openid" and "profile".
func (s *Server) AccessToken(username, clientID string, scopes ...string) string {
	if len(scopes) == 0 {
		scopes = []string{"openid", "profile"}
	}
	response := s.issue(&grant{client: clientID, username: username, scopes: slices.Clone(scopes)})
	return response["access_token"].(string)
}

// Revoke ends all codes, tokens and consents of a user, like disconnecting every
// app in the Hub's settings.
func (s *Server) Revoke(username string) {
	for _, grants := range []*expiring.Map[string, *grant]{s.codes, s.access, s.refresh, s.consents} {
		grants.DeleteFunc(func(_ string, g *grant) bool { return g.username == username })
	}
}
