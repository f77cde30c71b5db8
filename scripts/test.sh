#!/usr/bin/env bash
# Tests every module of go.work with the race detector, each with the versions
# of its own go.mod, and counts the cases that make up the claim of SECURITY.md.
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
browsers=$(mktemp) # of internal/e2e alone
trap 'rm -f "$log" "$browsers"' EXIT
failed=0
while read -r path dir; do
	echo "== $path: go test -race ./..."
	part=$(mktemp)
	if (cd "$dir" && GOWORK=off go test -race -v -timeout 20m ./... </dev/null) >"$part" 2>&1; then
		grep -E '^(ok|\?) ' "$part"
	else
		failed=1
		cat "$part"
	fi
	cat "$part" >>"$log"
	[[ $path != */internal/e2e ]] || cat "$part" >>"$browsers"
	rm -f "$part"
done < <(go list -m -f '{{.Path}} {{.Dir}}')

# count counts the cases of a kind that passed; a test with subtests is these.
count() {
	awk -v kind="--- PASS: $1" '
		match($0, /^ *--- /) { if (leaf && RLENGTH <= depth) n++; depth = RLENGTH; leaf = $0 ~ kind }
		END { print n + leaf }' "${2:-$log}"
}
echo "conformance rows passed: $(count TestConformance)"
echo "fault cases passed: $(count '(TestFaults|TestProviderRestarts|TestUnreachableProviders|TestClocks|TestRotations|TestQuickstartKilled)')"
echo "browser cases passed: $(count '(TestCookiePolicy|TestSignInInside|TestReplicasInside|TestPageTemplateInside|TestPrivatePage|TestDenied|TestPopup|TestTwoIframes|TestNoPartitioned|TestWithoutScript|TestForeignForm|TestOwnButton|TestQuickstart|TestExample|TestButtons)' "$browsers")"
echo "browser harness cases passed: $(count '(TestBrowserNotes|TestBrowserWithout|TestBrowsersShare|TestAxe|TestWithoutChromium)' "$browsers")"
echo "cases at other providers passed: $(count '(TestZitadel|TestDex|TestOIDCProvider)')"
echo "sign-ins and refusals of real clients passed: $(count '(TestClient(SignsIn|Refreshes|IsDenied|WithWrongSecret)|TestHubLogin|TestExamples|TestHuggingFaceJS)')"
echo "skipped tests: $(grep -c -e '--- SKIP' "$log" || true)"
exit $failed
