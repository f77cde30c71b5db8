package hfoauthtest

import "slices"

// scope is a permission that an app may request.
type scope struct {
	Name   string
	Allows string // completes "The app will be able to"; empty for the app's own scopes
}

// scopes are the scopes of https://huggingface.co/docs/hub/oauth, and read-mcp,
// which the Hub also has.
var scopes = []scope{
	{"openid", "know that it is you who signed in"},
	{"profile", "see your username, name, picture and organizations"},
	{"email", "see your e-mail address"},
	{"read-billing", "see whether you have a payment method set up"},
	{"read-memberships", "see which organizations you are a member of, and your role in each"},
	{"read-repos", "read your repositories, private ones included"},
	{"gated-repos", "read the gated repositories you were given access to"},
	{"contribute-repos", "create repositories, and read and change those it created"},
	{"write-repos", "read and change your repositories"},
	{"manage-repos", "read, change, create and delete your repositories"},
	{"read-collections", "read your collections"},
	{"write-collections", "read and change your collections"},
	{"inference-api", "call inference providers on your behalf, billed to you"},
	{"read-endpoints", "see your Inference Endpoints"},
	{"write-endpoints", "see, create, change and delete your Inference Endpoints"},
	{"jobs", "run jobs on your behalf, billed to you"},
	{"webhooks", "see and change your webhooks"},
	{"write-discussions", "open discussions and pull requests, and comment on your behalf"},
	{"read-mcp", "read your MCP settings"},
}

// knownScopes returns the names of scopes.
func knownScopes() []string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = s.Name
	}
	return names
}

// explain returns the scopes with the given names, in their order.
func explain(names []string) []scope {
	explained := make([]scope, len(names))
	for i, name := range names {
		explained[i].Name = name
		if at := slices.IndexFunc(scopes, func(s scope) bool { return s.Name == name }); at >= 0 {
			explained[i] = scopes[at]
		}
	}
	return explained
}
