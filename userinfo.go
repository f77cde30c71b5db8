package hfoauth

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"

	"github.com/hfoauth/hfoauth/internal/codec"
)

// User is a signed-in user of Hugging Face, as the userinfo endpoint
// describes them (https://huggingface.co/docs/hub/oauth, OpenID Connect Core
// section 5.1). It marshals to JSON under the names of the claims; unknown claims
// are omitted.
type User struct {
	// Sub is the stable ID of the user: key data by it, never by Username,
	// which users can change.
	Sub string `json:"sub"`

	Username   string `json:"preferred_username"` // the name in URLs of the Hub
	Name       string `json:"name"`               // the full name as displayed
	ProfileURL string `json:"profile"`            // the user's page on the Hub
	Picture    string `json:"picture"`            // URL of the avatar
	Website    string `json:"website,omitempty"`  // empty if the user has none

	// Email and EmailVerified need ScopeEmail; otherwise they are empty and
	// false. Trust Email as an identity only if EmailVerified is true.
	Email         string `json:"email,omitempty"`
	EmailVerified bool   `json:"email_verified,omitempty"`

	IsPro       bool   `json:"isPro"`                 // has a PRO subscription
	CanPay      bool   `json:"canPay"`                // has a payment method; needs ScopeReadBilling, otherwise false
	BillingMode string `json:"billingMode,omitempty"` // "prepaid" or "postpaid"; needs ScopeReadBilling

	// Orgs are the organizations the user belongs to.
	Orgs []Org `json:"orgs"`
}

// Org is an organization of a user. Role, CanPay, BillingMode and
// ResourceGroups, among others, are known only if the user granted the
// organization to the app.
type Org struct {
	Sub          string `json:"sub"`                   // stable ID of the organization
	Username     string `json:"preferred_username"`    // the name in URLs of the Hub
	Name         string `json:"name"`                  // as displayed; organizations choose it freely
	Picture      string `json:"picture"`               // URL of the avatar
	Plan         Plan   `json:"plan,omitempty"`        // empty if none or unknown
	IsEnterprise bool   `json:"isEnterprise"`          // also true if the claim is the string "plus"
	Role         Role   `json:"roleInOrg,omitempty"`   // the user's role
	CanPay       bool   `json:"canPay,omitempty"`      // has a payment method
	BillingMode  string `json:"billingMode,omitempty"` // "prepaid" or "postpaid"

	// PendingSSO and MissingMFA report that the user has yet to meet the
	// organization's sign-in requirements.
	PendingSSO bool `json:"pendingSSO,omitempty"`
	MissingMFA bool `json:"missingMFA,omitempty"`

	// SecurityRestrictions keep the app from the organization's resources:
	// "mfa", "sso", "ip", "token-policy", ….
	SecurityRestrictions []string `json:"securityRestrictions,omitempty"`

	ResourceGroups []ResourceGroup `json:"resourceGroups,omitempty"`
}

// ResourceGroup is a group of an organization's repositories.
type ResourceGroup struct {
	Sub  string `json:"sub"`
	Name string `json:"name"`
	Role Role   `json:"role,omitempty"`
}

// Role is what a user may do in an organization or resource group.
type Role string

// The roles of Hugging Face, from least to most; others may come.
const (
	RoleNoAccess    Role = "no_access"
	RoleRead        Role = "read"
	RoleContributor Role = "contributor"
	RoleWrite       Role = "write"
	RoleAdmin       Role = "admin"

	// RoleAny is only for Client.RequireOrg and User.HasRole: any member whose
	// role is not no_access and for whom neither pendingSSO nor missingMFA is
	// reported. The role may be unknown, so a member who has yet to meet SSO or
	// MFA may get in.
	RoleAny Role = "any"
)

// rank is the place of a role on the ladder on which each includes those
// below it (https://huggingface.co/docs/hub/organizations-security), or 0.
func (r Role) rank() int {
	return 1 + slices.Index([]Role{RoleNoAccess, RoleRead, RoleContributor, RoleWrite, RoleAdmin}, r)
}

// Plan is the subscription of an organization.
type Plan string

// The plans of Hugging Face; others may come.
const (
	PlanTeam       Plan = "team"
	PlanEnterprise Plan = "enterprise"
	PlanPlus       Plan = "plus" // Enterprise Plus
	PlanAcademia   Plan = "academia"
)

// Org returns the user's organization whose Username or Sub is name, or nil.
// A name that looks like an ID, 24 hexadecimal digits, is compared only with Sub.
// Display names do not count, because organizations choose them freely. A
// Username can be given up and taken by another organization; a Sub cannot.
func (u *User) Org(name string) *Org {
	if name == "" {
		return nil
	}
	for i := range u.Orgs {
		if u.Orgs[i].Sub == name || u.Orgs[i].Username == name && !hubID.MatchString(name) {
			return &u.Orgs[i]
		}
	}
	return nil
}

// HasRole reports whether the user is a member of an organization, by Username
// or Sub, who meets its requirements and has at least a role: [RoleAdmin] includes
// [RoleWrite], RoleWrite [RoleContributor], and RoleContributor [RoleRead]. A
// role that is unknown to the app, or not on this ladder, is not enough, except
// for [RoleAny]. It is false for an atLeast of "", no_access or
// any other name.
func (u *User) HasRole(org string, atLeast Role) bool {
	return u.lacks(org, atLeast) == lacksNothing
}

// lacks returns why the user does not have at least a role in an organization.
// Nothing else decides who counts as a member.
func (u *User) lacks(name string, atLeast Role) lack {
	org := u.Org(name)
	switch {
	case org == nil:
		return lacksMembership
	case org.PendingSSO || org.MissingMFA:
		return lacksDemands
	case atLeast == RoleAny && org.Role != RoleNoAccess:
		return lacksNothing
	case atLeast.rank() < RoleRead.rank():
		return lacksRole
	case org.Role == "":
		return lacksGrant
	case org.Role.rank() < atLeast.rank():
		return lacksRole
	}
	return lacksNothing
}

var hubID = regexp.MustCompile("^[0-9a-fA-F]{24}$")

// parseUser decodes a userinfo response and compares it with the subject of the
// ID token: OpenID Connect Core section 5.3.2 forbids using another user's. The
// subject is empty if there is no ID token.
func parseUser(body []byte, subject string) (*User, error) {
	user := &User{}
	if err := user.UnmarshalJSON(body); err != nil {
		return nil, err
	}
	if user.Sub == "" {
		return nil, errors.New("sub is missing")
	}
	if subject != "" && user.Sub != subject {
		return nil, errOtherUser
	}
	return user, nil
}

var errOtherUser = errors.New("sub of the userinfo is not the sub of the ID token")

// clone returns a copy that shares nothing a caller could change.
func (u *User) clone() *User {
	clone := *u
	clone.Orgs = slices.Clone(u.Orgs)
	for i := range clone.Orgs {
		org := &clone.Orgs[i]
		org.SecurityRestrictions = slices.Clone(org.SecurityRestrictions)
		org.ResourceGroups = slices.Clone(org.ResourceGroups)
	}
	return &clone
}

func (u *User) fields(c *codec.Coder) {
	c.String(&u.Sub)
	c.String(&u.Username)
	c.String(&u.Name)
	c.String(&u.ProfileURL)
	c.String(&u.Picture)
	c.String(&u.Website)
	c.String(&u.Email)
	c.String(&u.BillingMode)
	c.Bools(&u.EmailVerified, &u.IsPro, &u.CanPay)
	codec.List(c, &u.Orgs, func(o *Org) { o.fields(c) })
	if u.Orgs == nil && c.Reading() {
		u.Orgs = []Org{} // which marshals as a list
	}
}

func (o *Org) fields(c *codec.Coder) {
	c.String(&o.Sub)
	c.String(&o.Username)
	c.String(&o.Name)
	c.String(&o.Picture)
	codec.Text(c, &o.Plan)
	codec.Text(c, &o.Role)
	c.String(&o.BillingMode)
	c.Bools(&o.IsEnterprise, &o.CanPay, &o.PendingSSO, &o.MissingMFA)
	codec.Texts(c, &o.SecurityRestrictions)
	codec.List(c, &o.ResourceGroups, func(g *ResourceGroup) {
		c.String(&g.Sub)
		c.String(&g.Name)
		codec.Text(c, &g.Role)
	})
}

// UnmarshalJSON reads userinfo claims. It ignores members that are unknown or of
// an unexpected type; it fails only if data is not a JSON object.
func (u *User) UnmarshalJSON(data []byte) error {
	c, err := parseClaims(data)
	if err != nil {
		return err
	}
	*u = User{
		Sub:           c.string("sub"),
		Username:      c.string("preferred_username"),
		Name:          c.string("name"),
		ProfileURL:    c.string("profile"),
		Picture:       c.string("picture"),
		Website:       c.string("website"),
		Email:         c.string("email"),
		EmailVerified: c.bool("email_verified"),
		IsPro:         c.bool("isPro"),
		CanPay:        c.bool("canPay"),
		BillingMode:   c.string("billingMode"),
		Orgs:          []Org{},
	}
	for _, org := range c.objects("orgs") {
		u.Orgs = append(u.Orgs, org.org())
	}
	return nil
}

// UnmarshalJSON reads an element of the claim orgs, as leniently as
// [User.UnmarshalJSON].
func (o *Org) UnmarshalJSON(data []byte) error {
	c, err := parseClaims(data)
	if err != nil {
		return err
	}
	*o = c.org()
	return nil
}

// claims are the members of a JSON object. Each is read on its own, so that one
// of an unexpected type does not affect the others.
type claims map[string]any

func parseClaims(data []byte) (claims, error) {
	var c claims
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, err
	}
	if c == nil {
		return nil, errors.New("hfoauth: claims are not a JSON object")
	}
	return c, nil
}

func (c claims) org() Org {
	o := Org{
		Sub:                  c.string("sub"),
		Username:             c.string("preferred_username"),
		Name:                 c.string("name"),
		Picture:              c.string("picture"),
		Plan:                 Plan(c.string("plan")),
		IsEnterprise:         c.bool("isEnterprise"),
		Role:                 Role(c.string("roleInOrg")),
		CanPay:               c.bool("canPay"),
		BillingMode:          c.string("billingMode"),
		PendingSSO:           c.unmet("pendingSSO"),
		MissingMFA:           c.unmet("missingMFA"),
		SecurityRestrictions: c.strings("securityRestrictions"),
	}
	if o.Plan == "" && c.string("isEnterprise") == "plus" {
		o.Plan = PlanPlus
	}
	for _, group := range c.objects("resourceGroups") {
		o.ResourceGroups = append(o.ResourceGroups,
			ResourceGroup{group.string("sub"), group.string("name"), Role(group.string("role"))})
	}
	return o
}

func (c claims) string(name string) string {
	s, _ := c[name].(string)
	return s
}

// bool takes true, and the strings some providers write for it: "true", and
// "plus" in isEnterprise.
func (c claims) bool(name string) bool {
	switch c[name] {
	case true, "true", "plus":
		return true
	}
	return false
}

// unmet reads a requirement that the user has yet to meet: only false, null or
// absence means that there is none.
func (c claims) unmet(name string) bool {
	value, ok := c[name]
	return ok && value != nil && value != false
}

// list returns the elements of an array, or a single one without its array.
func (c claims) list(name string) []any {
	switch v := c[name].(type) {
	case []any:
		return v
	case nil:
		return nil
	default:
		return []any{v}
	}
}

// strings returns those elements of a list that are strings.
func (c claims) strings(name string) []string {
	var texts []string
	for _, element := range c.list(name) {
		if text, ok := element.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

// objects returns those elements of a list that are objects.
func (c claims) objects(name string) []claims {
	var objects []claims
	for _, element := range c.list(name) {
		if object, ok := element.(map[string]any); ok {
			objects = append(objects, object)
		}
	}
	return objects
}
