package hfoauthtest

import (
	"maps"
	"slices"
)

// User is an account at the provider.
type User struct {
	Sub           string // stable ID; derived from Username if empty
	Username      string // preferred_username
	Name          string // Username if empty
	Picture       string
	Website       string
	Email         string // told with the scope email
	EmailVerified bool
	IsPro         bool
	CanPay        bool   // told with the scope read-billing
	BillingMode   string // told with the scope read-billing
	Orgs          []Org

	// Claims are added to the userinfo, or replace claims in it.
	Claims map[string]any
}

// Org is an organization of a user. Role, CanPay, ResourceGroups and what
// keeps the app out are told only where the user granted the organization.
type Org struct {
	Sub                  string // stable ID; derived from Username if empty
	Username             string // preferred_username
	Name                 string // Username if empty
	Picture              string
	Plan                 string
	IsEnterprise         any // a bool, or the string "plus"; false if nil
	CanPay               bool
	Role                 string // roleInOrg
	PendingSSO           bool
	MissingMFA           bool
	SecurityRestrictions []string
	ResourceGroups       []ResourceGroup
}

// ResourceGroup is a group of repositories of an organization.
type ResourceGroup struct {
	Sub  string `json:"sub"`
	Name string `json:"name"`
	Role string `json:"role"`
}

// DefaultUsers returns the users of a Server that is given none: "ada", who
// is PRO and in two organizations, and "grace", who is in none.
func DefaultUsers() []User {
	return []User{
		{
			Username: "ada", Name: "Ada Lovelace", Email: "ada@example.com", EmailVerified: true,
			IsPro: true, CanPay: true, BillingMode: "postpaid",
			Orgs: []Org{
				{Username: "engines", Name: "Analytical Engines", Plan: "enterprise", IsEnterprise: true, CanPay: true, Role: "admin",
					ResourceGroups: []ResourceGroup{{Sub: "7c0000000000000000000001", Name: "Mill", Role: "write"}}},
				{Username: "notes", Name: "Notes on the Engine", Role: "read"},
			},
		},
		{Username: "grace", Name: "Grace Hopper", Email: "grace@example.com", EmailVerified: true},
	}
}

// AddUser adds a user, or replaces the one with the same Username.
func (s *Server) AddUser(user User) {
	s.RemoveUser(user.Username)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = append(s.users, user)
}

// RemoveUser removes a user; their tokens no longer work.
func (s *Server) RemoveUser(username string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = slices.DeleteFunc(slices.Clone(s.users), func(u User) bool { return u.Username == username })
}

func (s *Server) allUsers() []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users
}

func (s *Server) user(match func(*User) bool) (User, bool) {
	for _, u := range s.allUsers() {
		if match(&u) {
			return u, true
		}
	}
	return User{}, false
}

func (s *Server) userNamed(username string) (User, bool) {
	return s.user(func(u *User) bool { return u.Username == username })
}

// ID returns Sub, or the one derived from Username.
func (u *User) ID() string { return id(u.Sub, "user", u.Username) }

// ID returns Sub, or the one derived from Username.
func (o *Org) ID() string { return id(o.Sub, "org", o.Username) }

// claims returns what the userinfo endpoint tells to an app with a grant.
func (u *User) claims(issuer string, g *grant) map[string]any {
	claims := map[string]any{
		"sub":                u.ID(),
		"name":               orElse(u.Name, u.Username),
		"preferred_username": u.Username,
		"profile":            issuer + "/" + u.Username,
		"picture":            u.Picture,
		"website":            u.Website,
		"isPro":              u.IsPro,
	}
	if g.has("email") {
		claims["email"] = u.Email
		claims["email_verified"] = u.EmailVerified
	}
	if g.has("read-billing") {
		claims["canPay"] = u.CanPay
		claims["billingMode"] = orElse(u.BillingMode, "prepaid")
	}
	orgs := []map[string]any{}
	for i := range u.Orgs {
		orgs = append(orgs, u.Orgs[i].claims(slices.Contains(g.orgs, u.Orgs[i].ID())))
	}
	claims["orgs"] = orgs
	maps.Copy(claims, u.Claims)
	return claims
}

func (o *Org) claims(granted bool) map[string]any {
	claims := map[string]any{
		"sub":                o.ID(),
		"name":               orElse(o.Name, o.Username),
		"preferred_username": o.Username,
		"picture":            o.Picture,
		"isEnterprise":       o.IsEnterprise == true || o.IsEnterprise == "plus",
	}
	if o.IsEnterprise == "plus" {
		claims["isEnterprise"] = "plus"
	}
	if o.Plan != "" {
		claims["plan"] = o.Plan
	}
	if !granted {
		return claims
	}
	claims["roleInOrg"] = orElse(o.Role, "read")
	claims["canPay"] = o.CanPay
	claims["pendingSSO"] = o.PendingSSO
	claims["missingMFA"] = o.MissingMFA
	if len(o.SecurityRestrictions) > 0 {
		claims["securityRestrictions"] = o.SecurityRestrictions
	}
	if len(o.ResourceGroups) > 0 {
		claims["resourceGroups"] = o.ResourceGroups
	}
	return claims
}

func orElse(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
