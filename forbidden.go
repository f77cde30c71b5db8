package hfoauth

import (
	"cmp"
	"slices"
	"strings"
)

// ForbiddenError describes what a signed-in user lacks for a request. 403.
//
// The Require handlers fail with one. A handler passes one to [Client.Error] if
// only the handler knows what is required, such as the organization in a path.
// Config.OnLogin returns one to turn a user away.
type ForbiddenError struct {
	// Scopes are those that the user has not granted.
	Scopes Scopes

	// Org is the organization, by username or ID, of which the user is not a
	// member with at least Role.
	Org  string
	Role Role

	// Message is shown to the user. If empty, it is a sentence that names Scopes
	// and Org.
	Message string

	lack lack  // what the user lacks in Org, if known
	user *User // who lacks it, if known
}

func (e *ForbiddenError) Error() string {
	var reasons []string
	if len(e.Scopes) > 0 {
		reasons = append(reasons, "the user has not granted "+e.Scopes.param())
	}
	if e.Org != "" {
		reasons = append(reasons, e.lack.of(e.Org, e.Role))
	}
	if e.Message != "" {
		reasons = append(reasons, e.Message)
	}
	if len(reasons) == 0 {
		return "hfoauth: forbidden"
	}
	return "hfoauth: forbidden: " + strings.Join(reasons, "; ")
}

// lack is what keeps a user from having a role in an organization.
type lack int

const (
	lacksNothing    lack = iota
	lacksMembership      // not a member
	lacksDemands         // has yet to meet the organization's requirements
	lacksGrant           // the role is unknown, and the user may grant it
	lacksRole            // has a lesser role
)

// of describes the lack for developers.
func (l lack) of(org string, role Role) string {
	switch l {
	case lacksMembership:
		return "the user is not a member of " + org
	case lacksDemands:
		return "the user has yet to meet the sign-in demands (SSO, MFA) of " + org
	case lacksGrant:
		return "the user's role in " + org + " is not known: the user has not granted the organization to the app"
	}
	return "the user does not have the role " + string(role) + " in " + org
}

// explained returns err with the reason why the user lacks the organization, if
// err is an app's *ForbiddenError that names one.
func explained(err error, s *entry) error {
	e, ok := err.(*ForbiddenError)
	if !ok || s == nil || e.Org == "" {
		return err
	}
	explained := *e
	explained.user = s.Data.user
	explained.lack = explained.user.lacks(e.Org, e.Role)
	return &explained
}

// stepUp returns the sign-in that asks the user of s for what e names, or nil
// if that was asked for before, or is nothing that could be granted. A user
// who said no is not asked again.
func (e *ForbiddenError) stepUp(s *record, denied *denial) *LoginOptions {
	var org *Org
	if e.Org != "" {
		switch s.user.lacks(e.Org, e.Role) {
		case lacksNothing:
		case lacksGrant:
			org = s.user.Org(e.Org)
		default:
			return nil
		}
	}
	asksOrg := org != nil && !slices.Contains(s.askedOrgs, org.Sub) && !slices.Contains(denied.orgs, org.Sub)
	asksScope := slices.ContainsFunc(e.Scopes, func(scope Scope) bool {
		return !s.scopes.Has(scope) && !s.requested.Has(scope) && !denied.scopes.Has(scope)
	})
	if !asksOrg && !asksScope {
		return nil
	}
	options := &LoginOptions{Scopes: s.scopes.with(s.requested...).with(e.Scopes...), askedOrgs: s.askedOrgs}
	if asksOrg {
		options.Org = org.Sub
		options.optional = Scopes{ScopeReadMemberships}
	} else if len(s.askedOrgs) > 0 {
		options.Org = s.askedOrgs[0]
	}
	return options
}

// text tells the user what is missing and what to do about it.
func (e *ForbiddenError) text(say sayer, provider string) []string {
	if e.Message != "" {
		return []string{e.Message}
	}
	var text []string
	if len(e.Scopes) > 0 {
		text = append(text, say("It needs permissions that you have not granted to this app: %s.",
			strings.ReplaceAll(e.Scopes.param(), " ", ", ")))
	}
	org, role := e.orgName(), string(e.Role)
	switch {
	case e.Org == "":
	case e.lack == lacksMembership && e.user != nil:
		text = append(text, say("It is for members of %s. You are signed in as %s, who is not a member.",
			org, cmp.Or(e.user.Username, e.user.Name, e.user.Sub)),
			say("To use another account, sign out on %s, then sign in again here.", provider))
	case e.lack == lacksDemands:
		text = append(text,
			say("%s requires single sign-on or two-factor authentication of its members. Set it up on %s, then sign in again.",
				org, provider))
	case e.Role == RoleAny || e.Role == "":
		text = append(text, say("It is for members of %s.", org))
	case e.lack == lacksGrant && e.Role == RoleAdmin:
		text = append(text,
			say("It is for members of %s with the role %s. This app cannot see your role there.", org, role))
	case e.lack == lacksGrant:
		text = append(text,
			say("It is for members of %s with the role %s or higher. This app cannot see your role there.", org, role))
	case e.Role == RoleAdmin:
		text = append(text, say("It is for members of %s with the role %s.", org, role))
	default:
		text = append(text, say("It is for members of %s with the role %s or higher.", org, role))
	}
	if e.lack == lacksGrant {
		text = append(text,
			say("Remove the app from your connected applications on %s, sign in again, and select %s when you are asked.",
				provider, org))
	}
	if len(text) == 0 {
		return []string{say("Your account does not have access.")}
	}
	return text
}

// orgName returns what the user knows Org as.
func (e *ForbiddenError) orgName() string {
	if e.user != nil && hubID.MatchString(e.Org) {
		if org := e.user.Org(e.Org); org != nil {
			return cmp.Or(org.Name, org.Username, e.Org)
		}
	}
	return e.Org
}

// grantable reports whether the user may change on the Hub what the app sees.
func (e *ForbiddenError) grantable() bool {
	return e.Message == "" && (len(e.Scopes) > 0 || e.lack == lacksGrant)
}
