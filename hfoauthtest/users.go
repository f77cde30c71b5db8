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

// User is an account at the provider. What it refers to must not be changed
// while a [Server] has it: give the Server a new one with [Server.AddUser].
type User struct {
	Sub           string // stable ID; derived from Username if empty
	Username      string // preferred_username; needed
	Name          string // Username if empty
	Picture       string // a URL; one that starts with / is on the Server, which draws /avatars/NAME; that of Username if empty
	Website       string
	Email         string // shown with the scope email
	EmailVerified bool
	IsPro         bool
	CanPay        bool   // shown with the scope read-billing
	BillingMode   string // shown with the scope read-billing; "prepaid" if empty
	Orgs          []Org

	// Claims are added to the userinfo and the ID token, or replace claims in
	// them.
	Claims map[string]any
}

// Org is an organization of a user. Apps see Role, PendingSSO and MissingMFA
// if the user granted the organization or the scope read-memberships, and
// CanPay, SecurityRestrictions and ResourceGroups if the user granted the
// organization.
type Org struct {
	Sub                  string // stable ID; derived from Username if empty
	Username             string // preferred_username; needed
	Name                 string // Username if empty
	Picture              string // as User.Picture
	Plan                 string
	IsEnterprise         any // a bool, or the string "plus"; false if nil
	CanPay               bool
	Role                 string // roleInOrg; "read" if empty
	PendingSSO           bool
	MissingMFA           bool
	SecurityRestrictions []string
	ResourceGroups       []ResourceGroup

	// Claims are added to what the userinfo says of the organization, or
	// replace claims in it.
	Claims map[string]any
}

// ResourceGroup is a group of repositories of an organization.
type ResourceGroup struct {
	Sub  string `json:"sub"`
	Name string `json:"name"`
	Role string `json:"role"`
}

// DefaultUsers returns the users of a Server that is given none: "ada", who
// is PRO and in two organizations, as admin of "engines" and to read in
// "notes"; "grace", who is in none; and "alan", who filled in nothing but
// what the Hub demands. As on the Hub, all have a picture and a verified
// address.
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

// SetUsers replaces all users.
func (s *Server) SetUsers(users ...User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = slices.Clone(users)
}

// AddUser adds a user, or replaces the one with the same Username, whose
// tokens work on and tell what is new.
func (s *Server) AddUser(user User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = append(without(s.users, user.Username), user)
}

// RemoveUser removes a user, whose tokens no longer work.
func (s *Server) RemoveUser(username string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = without(s.users, username)
}

// without returns a new slice without the user of a name.
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

// firstUsername returns who sends an empty form if no user is signed in.
func (s *Server) firstUsername() string {
	if users := s.allUsers(); len(users) > 0 {
		return users[0].Username
	}
	return ""
}

func (s *Server) userNamed(username string) (User, bool) {
	return s.user(func(u User) bool { return u.Username == username })
}

// orgNamed returns an organization as its first member has it.
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

// ID returns Sub, or the one derived from Username.
func (u User) ID() string { return id(u.Sub, "user", u.Username) }

// ID returns Sub, or the one derived from Username.
func (o Org) ID() string { return id(o.Sub, "org", o.Username) }

// in reports whether a user is a member of an organization; of "" everyone is.
func (u User) in(org string) bool {
	return org == "" || slices.ContainsFunc(u.Orgs, func(o Org) bool { return o.Username == org })
}

// claims returns what the userinfo endpoint shows an app with a grant.
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

// claims returns what the userinfo endpoint shows of an organization to an app
// with a grant. The scope read-memberships shows the role, and whether the
// member may act, in all of them.
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

// enterprise is the claim isEnterprise: false rather than null.
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

// absolute is where a picture is, for those who do not know the issuer.
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
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" fill="#b45309"/>`+
		`<text x="32" y="43" font-family="sans-serif" font-size="32" text-anchor="middle" fill="#fff">%s</text></svg>`, html.EscapeString(string(letter)))
}
