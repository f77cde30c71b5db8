package hfoauth

import (
	"fmt"
	"slices"
	"strings"
)

// Scope is a permission that an app asks a user for (RFC 6749 section 3.3).
// Scopes without a constant here pass through unchanged.
type Scope string

// The scopes of Hugging Face (https://huggingface.co/docs/hub/oauth).
const (
	ScopeOpenID           Scope = "openid"            // the ID token and the stable ID of the user; always requested
	ScopeProfile          Scope = "profile"           // username, name, picture, organizations; always requested
	ScopeEmail            Scope = "email"             // the e-mail address and whether it is verified
	ScopeReadBilling      Scope = "read-billing"      // whether the user has a payment method set up
	ScopeReadMemberships  Scope = "read-memberships"  // the organizations the user belongs to, with roles
	ScopeReadRepos        Scope = "read-repos"        // read the user's repositories, private ones among them
	ScopeGatedRepos       Scope = "gated-repos"       // read the gated repositories the user was granted
	ScopeContributeRepos  Scope = "contribute-repos"  // create repositories and read and write those the app created
	ScopeWriteRepos       Scope = "write-repos"       // read and write the user's repositories
	ScopeManageRepos      Scope = "manage-repos"      // all of it, creating and deleting repositories included
	ScopeReadCollections  Scope = "read-collections"  // read the user's collections
	ScopeWriteCollections Scope = "write-collections" // read and write the user's collections
	ScopeInferenceAPI     Scope = "inference-api"     // call inference providers, billed to the user
	ScopeReadEndpoints    Scope = "read-endpoints"    // see the user's inference endpoints
	ScopeWriteEndpoints   Scope = "write-endpoints"   // manage them; includes read-endpoints
	ScopeJobs             Scope = "jobs"              // run jobs on the user's behalf
	ScopeWebhooks         Scope = "webhooks"          // manage the user's webhooks
	ScopeWriteDiscussions Scope = "write-discussions" // open discussions and pull requests; private: with read-repos
	ScopeReadMCP          Scope = "read-mcp"          // read the user's MCP settings
)

var knownScopes = Scopes{
	ScopeOpenID, ScopeProfile, ScopeEmail, ScopeReadBilling, ScopeReadMemberships, ScopeReadRepos, ScopeGatedRepos,
	ScopeContributeRepos, ScopeWriteRepos, ScopeManageRepos, ScopeReadCollections, ScopeWriteCollections,
	ScopeInferenceAPI, ScopeReadEndpoints, ScopeWriteEndpoints, ScopeJobs, ScopeWebhooks, ScopeWriteDiscussions,
	ScopeReadMCP,
}

// Scopes is a set of scopes in the order in which they were named.
type Scopes []Scope

// parseScopes parses scopes separated by spaces, commas or both, and drops
// duplicates. It never fails; [New] refuses names that RFC 6749 does not allow.
func parseScopes(text string) Scopes {
	var scopes Scopes
	for _, name := range strings.FieldsFunc(text,
		func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' }) {
		scopes = scopes.with(Scope(name))
	}
	return scopes
}

// Has reports whether scope is in the set, by name or because another one
// includes it ([ScopeWriteEndpoints] includes [ScopeReadEndpoints]).
func (s Scopes) Has(scope Scope) bool {
	return slices.Contains(s, scope) || scope == ScopeReadEndpoints && slices.Contains(s, ScopeWriteEndpoints)
}

// param returns the scopes separated by spaces, as they are sent.
func (s Scopes) param() string {
	var text strings.Builder
	for i, scope := range s {
		if i > 0 {
			text.WriteByte(' ')
		}
		text.WriteString(string(scope))
	}
	return text.String()
}

// with returns the set with more scopes added.
func (s Scopes) with(more ...Scope) Scopes {
	s = slices.Clip(s)
	for _, scope := range more {
		if !slices.Contains(s, scope) {
			s = append(s, scope)
		}
	}
	return s
}

// without returns the set with some scopes removed.
func (s Scopes) without(less ...Scope) Scopes {
	return slices.DeleteFunc(slices.Clone(s), func(scope Scope) bool { return slices.Contains(less, scope) })
}

// sendable returns the scopes that RFC 6749 section 3.3 allows; they need no
// quoting in a header.
func (s Scopes) sendable() Scopes {
	return slices.DeleteFunc(slices.Clone(s), func(scope Scope) bool { return Scopes{scope}.check() != nil })
}

// signIn returns the set with openid and profile, without which there is no
// sign-in.
func (s Scopes) signIn() Scopes {
	s = Scopes{}.with(s...)
	if !slices.Contains(s, ScopeOpenID) {
		s = slices.Insert(s, 0, ScopeOpenID)
	}
	if !slices.Contains(s, ScopeProfile) {
		s = slices.Insert(s, slices.Index(s, ScopeOpenID)+1, ScopeProfile)
	}
	return s
}

// check returns an error for a name that RFC 6749 section 3.3 does not allow.
func (s Scopes) check() error {
	for _, scope := range s {
		if scope == "" || strings.ContainsFunc(string(scope),
			func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
			return fmt.Errorf("%q is not a scope: use printable ASCII without spaces, quotes and backslashes", string(scope))
		}
	}
	return nil
}
