package main

import (
	"os"
	"slices"
	"strings"

	"github.com/hfoauth/hfoauth/hfoauthtest"
)

// variable is an environment variable.
type variable struct{ name, value string }

// export returns a line for a POSIX shell.
func (v variable) export() string {
	return "export " + v.name + "='" + strings.ReplaceAll(v.value, "'", `'\''`) + "'"
}

// variables returns the variables of a Space, with values that point to the
// stand-in.
func variables(o *options, url string, app hfoauthtest.App) []variable {
	env := []variable{
		{"OAUTH_CLIENT_ID", app.ClientID},
		{"OPENID_PROVIDER_URL", url},
		{"OAUTH_SCOPES", o.scopes},
	}
	if !app.Public {
		env = append(env, variable{"OAUTH_CLIENT_SECRET", app.ClientSecret})
	}
	if o.spaceHost != "" {
		return append(env, variable{"SPACE_HOST", o.spaceHost})
	}
	return append(env, variable{"OAUTH_REDIRECT_URL", o.redirect})
}

// replaced are the variables that a command inherits only from hfhub.
var replaced = []string{
	"OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OAUTH_REDIRECT_URL", "OPENID_PROVIDER_URL", "SPACE_HOST",
	"HFHUB_CONTROL_URL", "HFHUB_CONTROL_TOKEN",
}

// environment returns hfhub's own environment with env.
func environment(env []variable) []string {
	all := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(replaced, name)
	})
	for _, v := range env {
		all = append(all, v.name+"="+v.value)
	}
	return all
}
