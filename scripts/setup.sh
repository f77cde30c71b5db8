#!/usr/bin/env bash
# Installs the missing Debian packages that the tests need. Without permission to
# do so, it lists them; with CI=true it then fails. It starts no services: the
# tests start their own on loopback. With the argument "browsers" it also installs
# Firefox and WebKit, with "providers" Glewlwyd and Django OAuth Toolkit.
set -euo pipefail

# have reports whether a command exists, in PATH or among PostgreSQL's, which
# Debian installs elsewhere.
have() {
	command -v "$1" >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null
}

# imports reports whether Debian's Python has a module, even if another Python is
# first in PATH.
imports() {
	/usr/bin/python3 -c "import $1" 2>/dev/null
}

# npm_packages installs missing packages of the package.json files: third-party
# clients, a provider, and axe-core for the accessibility checks. It does not run
# the packages' scripts.
npm_packages() {
	if ! command -v npm >/dev/null; then
		echo "setup: install Node and npm, which some tests need" >&2
		[[ ${CI:-} != true ]]
		return
	fi
	local dir
	for dir in internal/e2e internal/clients examples/hfhub/page examples/hfhub/express; do
		npm ls --prefix "$dir" >/dev/null 2>&1 ||
			npm install --prefix "$dir" --no-package-lock --ignore-scripts --no-audit --no-fund --silent
	done
}
cd "$(dirname "$0")/.."
npm_packages

missing=()
have curl || missing+=(curl)
have gcc || missing+=(gcc libc6-dev) # for go test -race
have chromium || missing+=(chromium fonts-liberation fonts-noto-color-emoji)
have redis-server || missing+=(redis-server)
have postgres || missing+=(postgresql)
have mariadb-install-db || missing+=(mariadb-server)
have apache2 || missing+=(apache2-bin)
have nginx || missing+=(nginx-light)
have caddy || missing+=(caddy)
imports authlib || missing+=(python3-authlib)
imports flask || missing+=(python3-flask)
imports requests || missing+=(python3-requests)
imports starlette || missing+=(python3-starlette)
imports itsdangerous || missing+=(python3-itsdangerous)
imports httpx || missing+=(python3-httpx)
imports uvicorn || missing+=(uvicorn)
if [[ ${1:-} == browsers ]]; then
	have firefox-esr || missing+=(firefox-esr)
	have WebKitWebDriver || missing+=(webkit2gtk-driver)
	have xvfb-run || missing+=(xvfb xauth)
fi
if [[ ${1:-} == providers ]]; then
	# With SQLite, Glewlwyd's package asks no questions. The tests create their own
	# databases.
	have glewlwyd || missing+=(glewlwyd dbconfig-sqlite3 sqlite3)
	imports oauth2_provider || missing+=(python3-django-oauth-toolkit)
fi
[[ ${#missing[@]} -gt 0 ]] || exit 0

if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
	echo "setup: install these Debian packages or their equivalents, which some tests need: ${missing[*]}" >&2
	[[ ${CI:-} != true ]] && exit 0
	exit 1
fi

# deny_services keeps package scripts from starting services during the
# installation (invoke-rc.d(8): a policy of 101 means that the action is not
# allowed).
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
