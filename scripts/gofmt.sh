#!/usr/bin/env bash
# Fails if gofmt would change files, and lists them.
set -euo pipefail
cd "$(dirname "$0")/.."

unformatted=$(gofmt -l .)
if [[ -n $unformatted ]]; then
	printf 'not formatted: run gofmt -w on:\n%s\n' "$unformatted" >&2
	exit 1
fi
