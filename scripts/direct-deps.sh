#!/usr/bin/env bash
# Fails if the root module directly requires anything except the two modules that
# its importers accept.
set -euo pipefail
cd "$(dirname "$0")/.."

allowed='github.com/coreos/go-oidc/v3 golang.org/x/oauth2'
required=$(GOWORK=off go list -m -f '{{if not (or .Main .Indirect)}}{{.Path}}{{end}}' all | sort | xargs)
if [[ $required != "$allowed" ]]; then
	printf 'go.mod requires directly: %s\nit may only require:     %s\n' "$required" "$allowed" >&2
	exit 1
fi
