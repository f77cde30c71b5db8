#!/usr/bin/env bash
# Compares hfoauth with other libraries and writes docs/benchmarks.md.
set -euo pipefail
cd "$(dirname "$0")/../internal/bench"
export GOWORK=off

results=$(mktemp)
trap 'rm -f "$results"' EXIT
go list -m -f 'module: {{.Path}} {{.Version}}' \
	github.com/alexedwards/scs/v2 github.com/coreos/go-oidc/v3 github.com/gorilla/sessions \
	github.com/markbates/goth github.com/zitadel/oidc/v3 golang.org/x/oauth2 >"$results"
# Run all benchmarks five times, so that other load on the machine does not
# affect only one row.
for _ in 1 2 3 4 5; do
	go test -run '^$' -bench . -benchtime 0.5s -count 1 . | tee -a "$results"
done
go run ./report ../.. <"$results"
