package hfoauthtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// roles are those of the Hub, from most to least.
var roles = []string{"admin", "write", "contributor", "read", "no_access"}

// CheckUsers returns an error that names every mistake in the users for a
// [Server]: a missing or repeated Username, an unknown Role, or an IsEnterprise
// of another type. [Listen] returns the same error, [NewServer] fails the test
// with it, and [New], [Server.SetUsers] and [Server.AddUser] panic with it. To
// see what an app does with a role that the Hub may add, set the claim
// "roleInOrg" in Org.Claims.
func CheckUsers(users ...User) error {
	var errs []error
	seen := map[string]bool{}
	for i, user := range users {
		if seen[user.Username] && user.Username != "" {
			errs = append(errs, fmt.Errorf("user %d: the username %s is used twice", i+1, user.Username))
		}
		seen[user.Username] = true
		for _, problem := range user.problems() {
			errs = append(errs, fmt.Errorf("user %d: %s", i+1, problem))
		}
	}
	return errors.Join(errs...)
}

// mustBeGood panics unless [CheckUsers] accepts users.
func mustBeGood(users []User) {
	if err := CheckUsers(users...); err != nil {
		panic("hfoauthtest: " + err.Error())
	}
}

func (u User) problems() []string {
	if u.Username == "" {
		return []string{"username is missing"}
	}
	var problems []string
	for i, org := range u.Orgs {
		if org.Username == "" {
			problems = append(problems, fmt.Sprintf("%s: organization %d: username is missing", u.Username, i+1))
			continue
		}
		for _, problem := range org.problems() {
			problems = append(problems, fmt.Sprintf("%s: organization %s: %s", u.Username, org.Username, problem))
		}
	}
	return problems
}

func (o Org) problems() []string {
	var problems []string
	switch o.IsEnterprise {
	case nil, true, false, "plus":
	default:
		problems = append(problems, `isEnterprise must be true, false or "plus"`)
	}
	for _, role := range append([]string{o.Role}, rolesOf(o.ResourceGroups)...) {
		if role != "" && !slices.Contains(roles, role) {
			problems = append(problems, fmt.Sprintf("unknown role %q: use one of %s", role, strings.Join(roles, ", ")))
		}
	}
	return problems
}

func rolesOf(groups []ResourceGroup) []string {
	names := make([]string, len(groups))
	for i, group := range groups {
		names[i] = group.Role
	}
	return names
}

// check returns an error if a person cannot be who they are said to be: one who
// signs in as a user that does not exist, or grants an organization of which
// the user is no member and which the consent page does not show.
func (p Person) check(s *Server) error {
	name := orElse(p.Username, s.firstUsername())
	user, ok := s.userNamed(name)
	if !ok {
		return fmt.Errorf("hfoauthtest: Person.Username is %q, but there is no such user", name)
	}
	for _, org := range p.Orgs {
		if org == "" || !user.in(org) {
			return fmt.Errorf("hfoauthtest: Person.Orgs has %q, but %s is a member of %s", org, name, user.orgNames())
		}
	}
	return nil
}

func (u User) orgNames() string {
	if len(u.Orgs) == 0 {
		return "no organization"
	}
	names := make([]string, len(u.Orgs))
	for i, org := range u.Orgs {
		names[i] = org.Username
	}
	return strings.Join(names, ", ")
}
