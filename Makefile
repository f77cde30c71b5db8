# `make test` is all that a newcomer or a build server needs: it sets up what
# the tests use, then checks and tests every module of go.work.

SHELL    := /bin/bash
BIN      := $(CURDIR)/.bin
MODULES  := scripts/each-module.sh
RUNTESTS := GOWORK=off go -C internal/tools run ./runtests
FUZZTIME ?= 20s
SEEDS    ?= 10000
SEED     ?= 1

.DEFAULT_GOAL := help
.PHONY: help test check setup lint deps tools api pkgsite mutants simulate fuzz browsers providers bench

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

test: setup lint deps ## set up, then lint and test every module with the race detector
	$(RUNTESTS)

check: ## what needs nothing but Go: gofmt, go vet for Linux, macOS and Windows, and the tests without browsers and servers
	$(RUNTESTS) -check

setup: ## install what the tests run: Chromium, Redis, PostgreSQL, Python and npm packages, a C compiler (Debian, as root)
	scripts/setup.sh

lint: tools ## gofmt, go vet, staticcheck and govulncheck in every module
	scripts/gofmt.sh
	$(MODULES) go vet ./...
	$(MODULES) $(BIN)/staticcheck ./...
	$(MODULES) $(CURDIR)/scripts/govulncheck.sh $(BIN)/govulncheck
	$(BIN)/actionlint

deps: ## go.mod files are tidy, and the root requires only what an importer accepts
	$(MODULES) go mod tidy -diff
	scripts/direct-deps.sh

tools: ## build the pinned staticcheck, govulncheck and actionlint into .bin
	GOWORK=off GOBIN=$(BIN) go -C internal/tools install \
		github.com/rhysd/actionlint/cmd/actionlint golang.org/x/vuln/cmd/govulncheck honnef.co/go/tools/cmd/staticcheck

api: ## record a change of the exported surface that is meant, in api/
	UPDATE_API=1 GOWORK=off go test -count 1 -run '^TestExportedSurface$$' .

pkgsite: ## serve the documentation of the packages, as pkg.go.dev shows it, at http://localhost:8080
	GOWORK=off GOBIN=$(BIN) go -C internal/tools install golang.org/x/pkgsite/cmd/pkgsite
	GOWORK=off $(BIN)/pkgsite -http localhost:8080 .

mutants: ## break one rule at a time, and list the changes that no test notices
	GOWORK=off go run ./internal/mutants

simulate: ## run the simulation with SEEDS seeds (10000), from SEED on
	GOWORK=off go test -run '^TestSimulation$$' -count 1 -timeout 0 . -seeds $(SEEDS) -seed $(SEED)

fuzz: ## run every fuzz target for FUZZTIME (20s), one at a time
	scripts/fuzz.sh $(FUZZTIME)

browsers: ## sign in inside an iframe with Firefox and WebKit, which make test leaves to Chromium
	scripts/setup.sh browsers
	cd internal/e2e && GOWORK=off go vet -tags otherbrowsers . && GOWORK=off go test -tags otherbrowsers -race -count 1 -v -run TestOtherBrowsers .

providers: ## sign in at Ory Hydra, Glewlwyd and Django OAuth Toolkit, which take too long for make test
	scripts/setup.sh providers
	GOWORK=off go -C internal/tools/hydra mod tidy -diff
	GOWORK=off GOBIN=$(BIN) go -C internal/tools/hydra install -tags sqlite tool
	GOWORK=off go -C internal/e2e vet -tags providers .
	$(RUNTESTS) -providers

bench: ## measure against other libraries, into docs/benchmarks.md
	scripts/bench.sh
