#!/usr/bin/env bash
# Fails if the root module requires directly anything but the two modules that
# an importer agrees to.
set -euo pipefail
cd "$(dirname "$0")/.."

allowed='github.com/coreos/go-oidc/v3 golang.org/x/oauth2'
required=$(GOWORK=off go list -m -f '{{if not (or .Main .Indirect)}}{{.Path}}{{end}}' all | sort | xargs)
if [[ $required != "$allowed" ]]; then
	printf 'go.mod requires directly: %s\nit may only require:     %s\n' "$required" "$allowed" >&2
	exit 1
fi
