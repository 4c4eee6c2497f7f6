# The few commands of this project. The most important one is `make test`.

STATICCHECK = go tool -modfile=tools/go.mod staticcheck
FUZZTIME   ?= 100000x
PKG        ?= ./internal/zmtp
GORELEASER  = v2.16.0
PLATFORMS   = linux/amd64 linux/arm64 darwin/arm64 windows/amd64 android/arm64

.PHONY: help test test-faults soak peers check docs bench bench-compare fuzz mutants packages

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

test: peers ## installs the peers of the interop tests, runs every test with the race detector
	CGO_ENABLED=1 go test -race -shuffle=on -timeout 15m ./...

test-faults: ## every cell of the fault matrix, in some two minutes; needs root (see docs/reliability.md)
	ZRE_REQUIRE=all go test -count=1 -timeout 15m ./internal/faultmatrix -faults.all

soak: peers ## long runs: floods across many wraps of the sequence, thousands of seeds on the simulated LAN
	ZRE_REQUIRE=all ZRE_FLOOD=210000 go test -count=1 -timeout 30m ./internal/interop -run Flood
	go test -count=1 -timeout 30m ./zre/zretest -run TestFaults -zretest.runs=20000
	go test -count=1 -timeout 30m ./zre/zretest -run TestForeignMembers -zretest.runs=5000
	go test -count=1 -timeout 30m ./internal/election -election.runs=20000

peers: ## installs pyre, zyre, zyre.js and CoreDNS below .cache, where git does not look; and asks before it installs packages that the system lacks
	@testdata/peers/debian.sh || [ "$$ZRE_REQUIRE" != all ]
	@testdata/peers/install.sh || [ "$$ZRE_REQUIRE" != all ]

check: ## gofmt, vet, staticcheck, the dashboard, links and words of the pages, and builds for the other systems, all without cgo
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt -w $$unformatted"; exit 1; fi
	CGO_ENABLED=0 go vet ./...
	CGO_ENABLED=0 $(STATICCHECK) ./...
	cd tools && CGO_ENABLED=0 go vet . && go test .
	go test ./internal/docs -run 'English|Links|Index|Fenced|Figures|Options|Names|GoVersion|Constants|Measured'
	@for p in $(PLATFORMS); do \
		echo "build and vet for $$p"; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build ./... && \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go vet ./... || exit 1; \
	done

docs: ## makes a site of docs/ in .cache/site, with MkDocs, which it installs below .cache (some 170 MB)
	@tools/docs/build.sh

bench: peers ## measures everything beside others, in some 5 minutes; BENCH=regexp: those rows alone; BENCH_LONG=1: longer
	cd internal/bench/harness && go test -run '^TestBench$$' -count=1 -timeout 20m -harness.all -harness.rows='$(BENCH)'

bench-compare: ## micro-benchmarks of BASE=revision and of the working tree, side by side; BENCH=regexp chooses
	@tools/bench-compare.sh '$(BASE)' '$(BENCH)'

# A count of inputs: with a time limit, Go up to 1.26 may fail at the end without cause (go.dev/issue/75804).
fuzz: ## every fuzzer for FUZZTIME (100000x) inputs
	@for dir in $$(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
		for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | sed 's/func //'); do \
			echo "$$dir $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 2s $$dir || exit 1; \
		done; \
	done

mutants: ## changes the code of PKG (./internal/zmtp), one operator at a time, and lists what no test notices; some seconds a change
	@go mod download && gremlins=$$(go tool -modfile=tools/go.mod -n gremlins) && \
		unshare -rn sh -c 'ip link set lo up && exec nice -n 19 "$$@"' sh \
		"$$gremlins" unleash --workers 1 --timeout-coefficient 4 --output-statuses lt $(PKG)

# A tag makes it a release, else it is a snapshot. The snapshot's tree may have changes that are not committed.
packages: .cache/bin/goreleaser-$(GORELEASER) ## builds archives, deb, rpm and the Python wheel into dist/, and publishes nothing
	$< check
	$< release --clean --skip=publish,announce $$(git describe --exact-match >/dev/null 2>&1 || echo --snapshot)
	python3 -m venv .cache/wheel && .cache/wheel/bin/pip install --quiet build==1.3.0 hatchling==1.27.0
	.cache/wheel/bin/python -m build --no-isolation --wheel --outdir dist clients/python

.cache/bin/goreleaser-$(GORELEASER):
	GOBIN=$(CURDIR)/.cache/bin go install github.com/goreleaser/goreleaser/v2@$(GORELEASER)
	mv .cache/bin/goreleaser $@
