#!/usr/bin/env bash
# Runs the fuzz targets of all modules one at a time, each for the given duration.
# Inputs are not minimized for long: what is sealed is never covered twice alike,
# so that minimizing would take all the time.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=$(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort)
while IFS=: read -r file target; do
	target=${target#func }
	echo "== $target in ${file%/*}"
	GOWORK=off go -C "${file%/*}" test -run '^$' -fuzz "^$target\$" -fuzztime "$1" -fuzzminimizetime 10x . </dev/null
done <<<"$targets"
