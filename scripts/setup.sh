#!/usr/bin/env bash
# Installs the Debian packages that the tests run and that are missing. Where
# it may not, it says what is missing; on a build server (CI=true) that fails.
# No service is started: the tests start their own on loopback. With the
# argument "browsers" it installs Firefox and WebKit, too.
set -euo pipefail

# have tells whether a command is there, or one of PostgreSQL's, which Debian
# keeps outside PATH.
have() {
	command -v "$1" >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null
}

# axe-core, for the accessibility checks, is a package of npm's.
axe() {
	local dir=internal/e2e
	[[ -e $dir/node_modules/axe-core/axe.min.js ]] && return
	if ! command -v npm >/dev/null; then
		echo "setup: the accessibility checks need npm, to install axe-core" >&2
		[[ ${CI:-} != true ]]
		return
	fi
	npm install --prefix "$dir" --no-package-lock --no-audit --no-fund --silent
}
cd "$(dirname "$0")/.."
axe

missing=()
have gcc || missing+=(gcc libc6-dev) # for go test -race
have chromium || missing+=(chromium fonts-liberation)
have redis-server || missing+=(redis-server)
have postgres || missing+=(postgresql)
if [[ ${1:-} == browsers ]]; then
	have firefox-esr || missing+=(firefox-esr)
	have WebKitWebDriver || missing+=(webkit2gtk-driver)
	have xvfb-run || missing+=(xvfb xauth)
fi
[[ ${#missing[@]} -gt 0 ]] || exit 0

if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
	echo "setup: some tests need these Debian packages or their like: ${missing[*]}" >&2
	[[ ${CI:-} != true ]] && exit 0
	exit 1
fi

# deny_services makes package scripts leave daemons alone while we install
# (invoke-rc.d(8): a policy of 101 means that the action is not allowed).
policy=/usr/sbin/policy-rc.d
deny_services() {
	if [[ -e $policy ]]; then
		saved=$(mktemp -d)
		mv "$policy" "$saved/"
		trap 'mv -f "$saved/policy-rc.d" "$policy"; rmdir "$saved"' EXIT
	else
		trap 'rm -f "$policy"' EXIT
	fi
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
}

install() {
	DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 \
		install -y --no-install-recommends "${missing[@]}" </dev/null
}

deny_services
echo "setup: installing ${missing[*]}"
install || {
	apt-get -qq -o DPkg::Lock::Timeout=600 update
	install
}
