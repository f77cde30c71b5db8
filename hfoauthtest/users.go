package hfoauthtest

import (
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// User is an account at the provider. Do not modify its slices and maps while a
// [Server] has it; replace the user with [Server.AddUser].
type User struct {
	Sub           string // stable ID; derived from Username if empty
	Username      string // preferred_username; required
	Name          string // Username if empty
	Picture       string // a URL, or a path on the Server, which draws /avatars/NAME; if empty, that of Username
	Website       string
	Email         string // included with the scope email
	EmailVerified bool
	IsPro         bool
	CanPay        bool   // included with the scope read-billing
	BillingMode   string // included with the scope read-billing; "prepaid" if empty
	Orgs          []Org

	// Claims are added to the userinfo and the ID token, or replace claims
	// there.
	Claims map[string]any
}

// Org is an organization of a user. Apps see Role, PendingSSO and MissingMFA
// if the user granted the organization or the scope read-memberships, and
// CanPay, SecurityRestrictions and ResourceGroups if the user granted the
// organization.
type Org struct {
	Sub                  string // stable ID; derived from Username if empty
	Username             string // preferred_username; required
	Name                 string // Username if empty
	Picture              string // like User.Picture
	Plan                 string
	IsEnterprise         any // a bool, or the string "plus"; false if nil
	CanPay               bool
	Role                 string // roleInOrg; "read" if empty
	PendingSSO           bool
	MissingMFA           bool
	SecurityRestrictions []string
	ResourceGroups       []ResourceGroup

	// Claims are added to the organization in the userinfo, or replace claims
	// there.
	Claims map[string]any
}

// ResourceGroup is a group of repositories of an organization.
type ResourceGroup struct {
	Sub  string `json:"sub"`
	Name string `json:"name"`
	Role string `json:"role"`
}

// DefaultUsers returns the users of a Server that was created without users:
// "ada", who is PRO and in two organizations, as admin of "engines" and with the
// role read in "notes"; "grace", who is in none; and "alan", whose account has
// only what the Hub requires. As on the Hub, all have a picture and a verified
// e-mail address.
func DefaultUsers() []User {
	return []User{
		{
			Username: "ada", Name: "Ada Lovelace", Website: "https://ada.example",
			Email: "ada@example.com", EmailVerified: true, IsPro: true, CanPay: true, BillingMode: "postpaid",
			Orgs: []Org{
				{
					Username: "engines", Name: "Analytical Engines",
					Plan: "enterprise", IsEnterprise: true, CanPay: true, Role: "admin",
					ResourceGroups: []ResourceGroup{{Sub: "7c0000000000000000000001", Name: "Mill", Role: "write"}},
				},
				{Username: "notes", Name: "Notes on the Engine", Role: "read"},
			},
		},
		{Username: "grace", Name: "Grace Hopper", Email: "grace@example.com", EmailVerified: true},
		{Username: "alan", Email: "alan@example.com", EmailVerified: true},
	}
}

// SetUsers replaces all users. It panics unless [CheckUsers] accepts them.
func (s *Server) SetUsers(users ...User) {
	mustBeGood(users)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = slices.Clone(users)
}

// AddUser adds a user, or replaces the one with the same Username, whose tokens
// stay valid and return the new data. It panics unless [CheckUsers] accepts the
// user.
func (s *Server) AddUser(user User) {
	mustBeGood([]User{user})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = append(without(s.users, user.Username), user)
}

// RemoveUser removes a user; their tokens become invalid.
func (s *Server) RemoveUser(username string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = without(s.users, username)
}

// without returns a new slice without the user with a username.
func without(users []User, username string) []User {
	return slices.DeleteFunc(slices.Clone(users), func(u User) bool { return u.Username == username })
}

func (s *Server) allUsers() []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users
}

func (s *Server) user(match func(User) bool) (User, bool) {
	for _, u := range s.allUsers() {
		if match(u) {
			return u, true
		}
	}
	return User{}, false
}

// firstUsername returns the user that an empty form signs in if no user is signed
// in yet.
func (s *Server) firstUsername() string {
	if users := s.allUsers(); len(users) > 0 {
		return users[0].Username
	}
	return ""
}

func (s *Server) userNamed(username string) (User, bool) {
	return s.user(func(u User) bool { return u.Username == username })
}

// orgNamed returns an organization with the data of its first member.
func (s *Server) orgNamed(username string) Org {
	for _, u := range s.allUsers() {
		for _, o := range u.Orgs {
			if o.Username == username {
				return o
			}
		}
	}
	return Org{Username: username}
}

// ID returns Sub, or the ID derived from Username if Sub is empty.
func (u User) ID() string { return id(u.Sub, "user", u.Username) }

// ID returns Sub, or the ID derived from Username if Sub is empty.
func (o Org) ID() string { return id(o.Sub, "org", o.Username) }

// orgIDs returns the IDs of a user's organizations, given by ID or username.
func (u User) orgIDs(names []string) ([]string, error) {
	var ids []string
	for _, name := range names {
		i := slices.IndexFunc(u.Orgs, func(o Org) bool { return o.ID() == name || o.Username == name })
		if i < 0 {
			return nil, fmt.Errorf("%s is in no organization %s", u.Username, name)
		}
		ids = append(ids, u.Orgs[i].ID())
	}
	return ids, nil
}

// in reports whether a user is a member of an organization. Every user is a
// member of "".
func (u User) in(org string) bool {
	return org == "" || slices.ContainsFunc(u.Orgs, func(o Org) bool { return o.Username == org })
}

// claims returns the claims of the userinfo for a grant.
func (u User) claims(issuer string, g *grant) map[string]any {
	claims := map[string]any{
		"sub":                u.ID(),
		"name":               orElse(u.Name, u.Username),
		"preferred_username": u.Username,
		"profile":            issuer + "/" + u.Username,
		"picture":            absolute(issuer, u.picture()),
		"website":            u.Website,
		"isPro":              u.IsPro,
	}
	if g.has("email") {
		claims["email"] = u.Email
		claims["email_verified"] = u.EmailVerified
	}
	if g.has("read-billing") {
		claims["canPay"] = u.CanPay
		claims["billingMode"] = u.billingMode()
	}
	orgs := []map[string]any{}
	for _, o := range u.Orgs {
		orgs = append(orgs, o.claims(issuer, g))
	}
	claims["orgs"] = orgs
	maps.Copy(claims, u.Claims)
	return claims
}

// claims returns the claims of the organization in the userinfo for a grant. With
// the scope read-memberships these include the role, pendingSSO and missingMFA
// even if the organization was not granted.
func (o Org) claims(issuer string, g *grant) map[string]any {
	claims := map[string]any{
		"sub":                o.ID(),
		"name":               orElse(o.Name, o.Username),
		"preferred_username": o.Username,
		"picture":            absolute(issuer, o.picture()),
		"isEnterprise":       o.enterprise(),
	}
	if o.Plan != "" {
		claims["plan"] = o.Plan
	}
	granted := slices.Contains(g.orgs, o.ID())
	if granted || g.has("read-memberships") {
		claims["roleInOrg"] = o.role()
		claims["pendingSSO"] = o.PendingSSO
		claims["missingMFA"] = o.MissingMFA
	}
	if granted {
		claims["canPay"] = o.CanPay
		if len(o.SecurityRestrictions) > 0 {
			claims["securityRestrictions"] = o.SecurityRestrictions
		}
		if len(o.ResourceGroups) > 0 {
			claims["resourceGroups"] = o.ResourceGroups
		}
	}
	maps.Copy(claims, o.Claims)
	return claims
}

func (o Org) role() string { return orElse(o.Role, "read") }

// enterprise returns the claim isEnterprise, with false instead of null.
func (o Org) enterprise() any {
	if o.IsEnterprise == nil {
		return false
	}
	return o.IsEnterprise
}

func orElse(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

const avatarPath = "/avatars/"

func (u User) billingMode() string { return orElse(u.BillingMode, "prepaid") }

func (u User) picture() string { return orElse(u.Picture, avatarPath+url.PathEscape(u.Username)) }
func (o Org) picture() string  { return orElse(o.Picture, avatarPath+url.PathEscape(o.Username)) }

// absolute returns the absolute URL of a picture.
func absolute(issuer, picture string) string {
	if strings.HasPrefix(picture, "/") {
		return issuer + picture
	}
	return picture
}

// avatar draws the first letter of a name.
func (s *Server) avatar(w http.ResponseWriter, r *http.Request) {
	letter, _ := utf8.DecodeRuneInString(strings.ToUpper(r.PathValue("username")))
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" `+
		`height="64" fill="#b45309"/>`+
		`<text x="32" y="43" font-family="sans-serif" font-size="32" text-anchor="middle" `+
		`fill="#fff">%s</text></svg>`, html.EscapeString(string(letter)))
}
