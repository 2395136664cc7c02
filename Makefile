# agentbridge. Needs Go 1.26 or newer; `make race` also a C compiler, the tests also git and, on Linux, bubblewrap. Nothing is installed but Go modules.

# The Go that is there is the Go that is used: it must not fetch another by itself.
export GOTOOLCHAIN := local

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 10s
ARGS     ?= --help
OWNER    ?= agentbridge
PLATFORMS ?= $(shell go env GOOS)/$(shell go env GOARCH)

TOOL  := go tool -modfile=tools/go.mod
BUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -X agentbridge/internal/cli.version=$(VERSION)'

.DEFAULT_GOAL := help
.PHONY: help demo validate run build package test check matrix networks race postgres chaos inspector clients conformance oracle fuzz bench redact-report update fmt vuln go cc

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: build ## agents at work on a real bridge, in a few seconds
	bin/agentbridge demo

validate: build ## the validation protocol, in about 75 s: doc/protocol.md (ARGS='--real-time' for 90 minutes)
	bin/agentbridge validate $(filter-out --help,$(ARGS))

run: build ## build and run it: make run ARGS='list --json'
	bin/agentbridge $(ARGS)

build: go ## bin/agentbridge, without cgo
	$(BUILD) -o bin/agentbridge ./cmd/agentbridge

# PLATFORMS='linux/amd64 darwin/arm64 windows/amd64' for a release; each but the first costs a build of everything.
package: go ## dist/: Claude Code plugin, Gemini extension, .mcpb bundle, registry entry (OWNER=account PLATFORMS='os/arch …')
	rm -rf dist
	@for platform in $(PLATFORMS); do \
		os=$${platform%/*} arch=$${platform#*/} exe=; [ "$$os" != windows ] || exe=.exe; \
		GOOS=$$os GOARCH=$$arch $(BUILD) -o "dist/bin/$$os-$$arch/agentbridge$$exe" ./cmd/agentbridge || exit 1; \
	done
	go run ./contrib/pack -version '$(VERSION)' -owner '$(OWNER)' -out dist dist/bin/*/*

test: go ## vet and all tests
	go vet ./...
	go test ./...

check: go ## quick: format, vet, staticcheck, go fix, rules of the repository
	@unformatted=$$($(TOOL) gofumpt -l .) || exit 1; \
	if [ -n "$$unformatted" ]; then printf 'not formatted, try make fmt:\n%s\n' "$$unformatted" >&2; exit 1; fi
	go vet -tags postgres,networks,chaos ./...
	$(TOOL) staticcheck -tags postgres,networks,chaos ./...
	go fix -diff ./...
	go test .

# What differs between systems is behind build tags; doc/hub.md says what works where.
MATRIX ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

matrix: go ## everything compiles for Linux, macOS and Windows, on both kinds of processors (MATRIX='os/arch …' for some)
	@for platform in $(MATRIX); do \
		echo "$$platform"; GOOS=$${platform%/*} GOARCH=$${platform#*/} CGO_ENABLED=0 go build ./... || exit 1; \
	done

# -short: a fifth of the random steps; no test is left out. GORACE: a process sleeps a second at its end otherwise, and tests start many.
# SQLite's C, as translated, is not watched: no goroutines meet in it but by locks of ours, and it takes three quarters of the time; nor is
# scrypt, whose purpose is to take long. The driver around SQLite is watched; without it, generic code of the standard library could come
# from there, unwatched for all.
UNWATCHED := $(foreach room,modernc.org/sqlite/lib modernc.org/libc modernc.org/memory golang.org/x/crypto/scrypt,-gcflags=$(room)=-race=false)

race: go cc ## all tests under the race detector (needs a C compiler)
	GORACE='atexit_sleep_ms=0' CGO_ENABLED=1 go test -race -short $(UNWATCHED) ./...

# Tests that need a server are behind a build tag, so that those of `make test` are whole without one. -short as for race; SHORT= for all steps.
SHORT ?= -short

postgres: go ## the store contract and the stories on a throwaway PostgreSQL server (needs PostgreSQL 14 or newer)
	tools/postgres/with.sh go test -tags postgres $(SHORT) ./internal/postgres
	tools/postgres/with.sh go test -tags postgres $(SHORT) -run 'PostgreSQL' ./internal/cli

networks: go ## partitions, links that go down and dead hubs, in network namespaces of their own (needs iproute2 and the right to make namespaces)
	go test -count=1 -tags networks -run TestNetworks ./internal/workload

# Those of CI are the default; KILLS=500 WITHIN=20m is the long form: so many of each shape, so long at most.
KILLS  ?= 60
WITHIN ?= 1m

chaos: go ## kill -9, failpoints at commits, seeded bugs: one checker decides, from the clients' records and exported tiles (KILLS= WITHIN=)
	go test -count=1 -timeout 2h -parallel 3 -tags chaos -run 'TestChaos|TestChecker' ./internal/workload -args -kills $(KILLS) -within $(WITHIN)

inspector: build ## the MCP inspector plays two agents (needs npm, fetches the inspector and Node 22 as npm packages)
	tools/inspector/play.sh bin/agentbridge

clients: package ## the real clients connect and take the packages (needs npm, fetches 1 GB of clients as npm packages; ARGS=--write captures anew)
	tools/clients/check.sh dist/bin/$$(go env GOOS)-$$(go env GOARCH)/agentbridge dist internal/mcpserver/testdata/openings $(filter --write,$(ARGS))
	tools/clients/installed.sh dist/bin/$$(go env GOOS)-$$(go env GOARCH)/agentbridge
	tools/clients/wakes.sh dist/bin/$$(go env GOOS)-$$(go env GOARCH)/agentbridge

conformance: build ## the MCP conformance suite judges a hub, in both generations of the protocol (needs npm, fetches the suite and Node 22)
	tools/conformance/check.sh bin/agentbridge

oracle: go ## what gitleaks finds is masked, what tessera's fsck checks is our log (a module of its own, so other dependencies)
	cd tools/oracle && go vet ./... && go test ./...

fuzz: go ## every fuzz target for FUZZTIME (10s); each package is compiled once
	@bin=$$(mktemp -d) && trap 'rm -rf "$$bin"' EXIT && cache=$$(go env GOCACHE)/fuzz && \
	for dir in $$(grep -rlE --include='*_test.go' '^func Fuzz' internal | xargs -n 1 dirname | sort -u); do \
		go test -c -fuzz=. -o "$$bin/fuzz.test" "./$$dir" || exit 1; \
		for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$$dir"/*_test.go | sed 's/^func //'); do \
			echo "$$dir $$target"; \
			(cd "$$dir" && "$$bin/fuzz.test" -test.run '^$$' -test.fuzz "^$$target\$$" -test.fuzztime $(FUZZTIME) -test.fuzzcachedir "$$cache/agentbridge/$$dir" </dev/null >"$$bin/said" 2>&1) || \
				{ cat "$$bin/said"; exit 1; }; \
			grep '^fuzz: elapsed' "$$bin/said" | tail -n 1; \
		done; \
	done

bench: build ## measure this machine
	go run ./internal/workload/bench

redact-report: go ## recall and false alarms of redaction: make redact-report ARGS='-seed 2 -v'
	go run ./internal/redact/corpus/report $(if $(filter-out --help,$(ARGS)),$(ARGS))

update: go ## write the golden files anew; read the difference
	@dirs=$$(grep -rlE --include='*_test.go' 'flag\.Bool\("update"' . | xargs -r -n 1 dirname | sort -u); \
	if [ -z "$$dirs" ]; then echo 'no test here has golden files' >&2; exit 1; fi; \
	for dir in $$dirs; do go test "$$dir" -update || exit 1; done
	@git --no-pager diff --stat

fmt: go ## format all Go files
	$(TOOL) gofumpt -w .

vuln: go ## known holes in what we depend on (asks a database on the network)
	$(TOOL) govulncheck ./...

go:
	@command -v go >/dev/null || { echo 'Go is missing: install Go 1.26 or newer (https://go.dev/dl)' >&2; exit 1; }
	@go version | awk 'match($$0, /go[0-9]+\.[0-9]+/) { split(substr($$0, RSTART + 2, RLENGTH - 2), v, "."); new = v[1] > 1 || v[2] >= 26 } \
		END { if (!new) { print "Go is too old: install Go 1.26 or newer (https://go.dev/dl); this is " $$0 > "/dev/stderr"; exit 1 } }'

cc:
	@command -v "$$(go env CC)" >/dev/null || { echo "the race detector needs a C compiler, and $$(go env CC) is missing: install gcc" >&2; exit 1; }
