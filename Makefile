# A newcomer or a build server needs only `make test`: it installs what the tests
# need, then checks and tests every module of go.work.

SHELL    := /bin/bash
BIN      := $(CURDIR)/.bin
MODULES  := scripts/each-module.sh
RUNTESTS := GOWORK=off go -C internal/tools run ./runtests
FUZZTIME ?= 20s
SEEDS    ?= 10000
SEED     ?= 1

.DEFAULT_GOAL := help
.PHONY: help test check setup lint deps tools api pkgsite mutants simulate fuzz browsers providers bench

help: ## print this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

test: setup lint deps ## set up, lint and test every module with the race detector
	$(RUNTESTS)

check: ## run what needs only Go: gofmt, go vet for Linux, macOS and Windows, and the tests without browsers and servers
	$(RUNTESTS) -check

setup: ## install what the tests need: Chromium, Redis, PostgreSQL, Python and npm packages, a C compiler (Debian, as root)
	scripts/setup.sh

lint: tools ## run gofmt, go vet, staticcheck and govulncheck in every module, and actionlint
	scripts/gofmt.sh
	$(MODULES) go vet ./...
	$(MODULES) $(BIN)/staticcheck ./...
	$(MODULES) $(CURDIR)/scripts/govulncheck.sh $(BIN)/govulncheck
	$(BIN)/actionlint

deps: ## check that go.mod files are tidy and the root requires only its two modules
	$(MODULES) go mod tidy -diff
	scripts/direct-deps.sh

tools: ## build the pinned staticcheck, govulncheck and actionlint into .bin
	GOWORK=off GOBIN=$(BIN) go -C internal/tools install \
		github.com/rhysd/actionlint/cmd/actionlint golang.org/x/vuln/cmd/govulncheck honnef.co/go/tools/cmd/staticcheck

api: ## record an intended change of the exported API in api/
	UPDATE_API=1 GOWORK=off go test -count 1 -run '^TestExportedSurface$$' .

pkgsite: ## serve the documentation of the packages, as pkg.go.dev shows it, at http://localhost:8080
	GOWORK=off GOBIN=$(BIN) go -C internal/tools install golang.org/x/pkgsite/cmd/pkgsite
	GOWORK=off $(BIN)/pkgsite -http localhost:8080 .

mutants: ## break one rule at a time and list the changes that make no test fail
	GOWORK=off go run ./internal/mutants

simulate: ## run the simulation with SEEDS seeds (10000), starting with SEED (1), and 20 of them 100 times
	GOWORK=off go test -run '^TestSimulation$$' -count 1 -timeout 0 . -seeds $(SEEDS) -seed $(SEED)
	GOWORK=off go test -race -run '^TestSimulationIsDeterministic$$' -count 1 -timeout 0 . -seed $(SEED) -again 100

fuzz: ## run each fuzz target for FUZZTIME (20s)
	scripts/fuzz.sh $(FUZZTIME)

browsers: ## sign in inside an iframe with Firefox and WebKit; make test uses only Chromium
	scripts/setup.sh browsers
	cd internal/e2e && GOWORK=off go vet -tags otherbrowsers . && GOWORK=off go test -tags otherbrowsers -race -count 1 -v -run TestOtherBrowsers .

providers: ## sign in at Ory Hydra, Glewlwyd and Django OAuth Toolkit, which are too slow for make test
	scripts/setup.sh providers
	GOWORK=off go -C internal/tools/hydra mod tidy -diff
	GOWORK=off GOBIN=$(BIN) go -C internal/tools/hydra install -tags sqlite tool
	GOWORK=off go -C internal/e2e vet -tags providers .
	$(RUNTESTS) -providers

bench: ## compare with other libraries and write docs/benchmarks.md
	scripts/bench.sh
