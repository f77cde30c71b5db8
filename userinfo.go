package hfoauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// User is a signed-in user of Hugging Face, as the userinfo endpoint
// describes them (https://huggingface.co/docs/hub/oauth, OpenID Connect Core
// section 5.1). It marshals to JSON under the claims' own names.
type User struct {
	// Sub is the stable ID of the user: key data by it, never by Username,
	// which users can change.
	Sub string

	Username   string // preferred_username: the name in URLs of the Hub
	Name       string // the full name as displayed
	ProfileURL string // profile: the user's page on the Hub
	Picture    string // URL of the avatar
	Website    string // empty if the user names none

	// Email and EmailVerified need [ScopeEmail]; otherwise they are empty and
	// false. Trust Email as an identity only where EmailVerified is true.
	Email         string
	EmailVerified bool

	IsPro       bool   // has a PRO subscription
	CanPay      bool   // has a payment method; needs [ScopeReadBilling], otherwise false
	BillingMode string // "prepaid" or "postpaid"; needs [ScopeReadBilling]

	// Orgs are the organizations the user belongs to.
	Orgs []Org
}

// Org is an organization of a user. Role, CanPay, BillingMode and
// ResourceGroups, among others, are known only where the user granted this
// organization to the app.
type Org struct {
	Sub          string // stable ID of the organization
	Username     string // preferred_username: the name in URLs of the Hub
	Name         string // as displayed; organizations choose it freely
	Picture      string // URL of the avatar
	Plan         Plan   // empty if none or not told
	IsEnterprise bool   // also true where the claim is the string "plus"
	Role         Role   // roleInOrg: the user's role
	CanPay       bool   // has a payment method
	BillingMode  string // "prepaid" or "postpaid"

	// PendingSSO and MissingMFA say that the user has yet to meet what the
	// organization demands of its members.
	PendingSSO bool
	MissingMFA bool

	// SecurityRestrictions keep the app from the organization's resources:
	// "mfa", "sso", "ip", "token-policy", ….
	SecurityRestrictions []string

	ResourceGroups []ResourceGroup
}

// ResourceGroup is a group of an organization's repositories.
type ResourceGroup struct {
	Sub  string `json:"sub"`
	Name string `json:"name"`
	Role Role   `json:"role,omitempty"`
}

// Role is what a user may do in an organization or resource group.
type Role string

// The roles of Hugging Face; others may come.
const (
	RoleAdmin       Role = "admin"
	RoleWrite       Role = "write"
	RoleContributor Role = "contributor"
	RoleRead        Role = "read"
	RoleNoAccess    Role = "no_access"
)

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
// Display names do not count: anyone can give theirs to an organization.
func (u *User) Org(name string) *Org {
	if name == "" {
		return nil
	}
	for i := range u.Orgs {
		if u.Orgs[i].Username == name || u.Orgs[i].Sub == name {
			return &u.Orgs[i]
		}
	}
	return nil
}

// parseUser decodes a userinfo answer and holds it to the subject of the ID
// token: OpenID Connect Core section 5.3.2 forbids to use one of another user.
func parseUser(body []byte, subject string) (*User, error) {
	user := &User{}
	if err := json.Unmarshal(body, user); err != nil {
		return nil, err
	}
	if user.Sub != subject || subject == "" {
		return nil, errors.New("sub of the userinfo is not the sub of the ID token")
	}
	return user, nil
}

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

func (u *User) code(c *coder) {
	c.string(&u.Sub)
	c.string(&u.Username)
	c.string(&u.Name)
	c.string(&u.ProfileURL)
	c.string(&u.Picture)
	c.string(&u.Website)
	c.string(&u.Email)
	c.string(&u.BillingMode)
	c.bools(&u.EmailVerified, &u.IsPro, &u.CanPay)
	list(c, &u.Orgs, func(o *Org) { o.code(c) })
}

func (o *Org) code(c *coder) {
	c.string(&o.Sub)
	c.string(&o.Username)
	c.string(&o.Name)
	c.string(&o.Picture)
	c.string((*string)(&o.Plan))
	c.string((*string)(&o.Role))
	c.string(&o.BillingMode)
	c.bools(&o.IsEnterprise, &o.CanPay, &o.PendingSSO, &o.MissingMFA)
	stringsOf(c, &o.SecurityRestrictions)
	list(c, &o.ResourceGroups, func(g *ResourceGroup) {
		c.string(&g.Sub)
		c.string(&g.Name)
		c.string((*string)(&g.Role))
	})
}

// MarshalJSON writes the user under the claims' own names. Email,
// email_verified, website and billingMode stand only where they are known.
func (u User) MarshalJSON() ([]byte, error) {
	claims := struct {
		Sub           string `json:"sub"`
		Name          string `json:"name"`
		Username      string `json:"preferred_username"`
		ProfileURL    string `json:"profile"`
		Picture       string `json:"picture"`
		Website       string `json:"website,omitempty"`
		Email         string `json:"email,omitempty"`
		EmailVerified *bool  `json:"email_verified,omitempty"`
		IsPro         bool   `json:"isPro"`
		CanPay        bool   `json:"canPay"`
		BillingMode   string `json:"billingMode,omitempty"`
		Orgs          []Org  `json:"orgs"`
	}{
		u.Sub, u.Name, u.Username, u.ProfileURL, u.Picture, u.Website, u.Email, nil,
		u.IsPro, u.CanPay, u.BillingMode, u.Orgs,
	}
	if u.Email != "" || u.EmailVerified {
		claims.EmailVerified = &u.EmailVerified
	}
	if claims.Orgs == nil {
		claims.Orgs = []Org{}
	}
	return json.Marshal(claims)
}

// UnmarshalJSON reads userinfo claims. Members that are missing, unknown or
// of an odd type are left out; only what is not a JSON object is an error.
func (u *User) UnmarshalJSON(data []byte) error {
	claims, err := parseClaims(data)
	if err != nil {
		return err
	}
	*u = User{
		Sub:           claims.string("sub"),
		Username:      claims.string("preferred_username"),
		Name:          claims.string("name"),
		ProfileURL:    claims.string("profile"),
		Picture:       claims.string("picture"),
		Website:       claims.string("website"),
		Email:         claims.string("email"),
		EmailVerified: claims.bool("email_verified"),
		IsPro:         claims.bool("isPro"),
		CanPay:        claims.bool("canPay"),
		BillingMode:   claims.string("billingMode"),
		Orgs:          objects[Org](claims["orgs"]),
	}
	return nil
}

// MarshalJSON writes the organization under the claims' own names; what is
// not known is left out.
func (o Org) MarshalJSON() ([]byte, error) {
	claims := struct {
		Sub                  string          `json:"sub"`
		Name                 string          `json:"name"`
		Username             string          `json:"preferred_username"`
		Picture              string          `json:"picture"`
		Plan                 Plan            `json:"plan,omitempty"`
		IsEnterprise         any             `json:"isEnterprise"`
		CanPay               bool            `json:"canPay,omitempty"`
		BillingMode          string          `json:"billingMode,omitempty"`
		Role                 Role            `json:"roleInOrg,omitempty"`
		PendingSSO           bool            `json:"pendingSSO,omitempty"`
		MissingMFA           bool            `json:"missingMFA,omitempty"`
		SecurityRestrictions []string        `json:"securityRestrictions,omitempty"`
		ResourceGroups       []ResourceGroup `json:"resourceGroups,omitempty"`
	}{
		o.Sub, o.Name, o.Username, o.Picture, o.Plan, o.IsEnterprise, o.CanPay, o.BillingMode, o.Role,
		o.PendingSSO, o.MissingMFA, o.SecurityRestrictions, o.ResourceGroups,
	}
	if o.IsEnterprise && o.Plan == PlanPlus {
		claims.IsEnterprise = "plus"
	}
	return json.Marshal(claims)
}

// UnmarshalJSON reads an entry of the claim orgs, as forgiving as that of User.
func (o *Org) UnmarshalJSON(data []byte) error {
	claims, err := parseClaims(data)
	if err != nil {
		return err
	}
	*o = Org{
		Sub:                  claims.string("sub"),
		Username:             claims.string("preferred_username"),
		Name:                 claims.string("name"),
		Picture:              claims.string("picture"),
		Plan:                 Plan(claims.string("plan")),
		IsEnterprise:         claims.bool("isEnterprise"),
		Role:                 Role(claims.string("roleInOrg")),
		CanPay:               claims.bool("canPay"),
		BillingMode:          claims.string("billingMode"),
		PendingSSO:           claims.bool("pendingSSO"),
		MissingMFA:           claims.bool("missingMFA"),
		SecurityRestrictions: objects[string](claims["securityRestrictions"]),
		ResourceGroups:       objects[ResourceGroup](claims["resourceGroups"]),
	}
	if claims.string("isEnterprise") == "plus" && o.Plan == "" {
		o.Plan = PlanPlus
	}
	return nil
}

// claims are the members of a JSON object, not yet decoded, so that one of an
// unexpected type does not spoil the others.
type claims map[string]json.RawMessage

func parseClaims(data []byte) (claims, error) {
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return nil, errors.New("hfoauth: claims are not a JSON object")
	}
	var c claims
	err := json.Unmarshal(data, &c)
	return c, err
}

func (c claims) string(name string) string {
	var s string
	if json.Unmarshal(c[name], &s) != nil {
		return ""
	}
	return s
}

// bool takes true, and the strings some providers write for it: "true", and
// "plus" in isEnterprise.
func (c claims) bool(name string) bool {
	switch string(c[name]) {
	case `true`, `"true"`, `"plus"`:
		return true
	}
	return false
}

// objects decodes the elements of an array, or a single one without its
// array, and leaves out those that are not a T.
func objects[T any](data json.RawMessage) []T {
	var raw []json.RawMessage
	if json.Unmarshal(data, &raw) != nil {
		raw = []json.RawMessage{data}
	}
	var elements []T
	for _, r := range raw {
		var element T
		if json.Unmarshal(r, &element) == nil && string(r) != "null" {
			elements = append(elements, element)
		}
	}
	return elements
}
