#!/usr/bin/env bash
# Runs a command in every module of go.work, and fails if it failed in any.
# The workspace is off meanwhile, so that each module is judged with the
# versions of its own go.mod, as its importers get them.
set -euo pipefail
cd "$(dirname "$0")/.."

modules=$(go list -m -f '{{.Path}} {{.Dir}}')
failed=0
while read -r path dir; do
	echo "== $path: ${*//$PWD\//}"
	(cd "$dir" && GOWORK=off "$@" </dev/null) || failed=1
done <<<"$modules"
exit $failed
