#!/usr/bin/env bash
# Runs a command in every module of go.work, and fails if it fails in any of them.
# The workspace is off, so that each module uses the versions in its own go.mod,
# like its importers.
set -euo pipefail
cd "$(dirname "$0")/.."

modules=$(go list -m -f '{{.Path}} {{.Dir}}')
failed=0
while read -r path dir; do
	echo "== $path: ${*//$PWD\//}"
	(cd "$dir" && GOWORK=off "$@" </dev/null) || failed=1
done <<<"$modules"
exit $failed
