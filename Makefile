# garret: `make demo` shows the main job, `make test` runs the tests.

GO ?= go
export CGO_ENABLED ?= 0

# Packages with concurrency run under the race detector where there is a C
# compiler, which the detector needs. The others, and the command's tests, which
# run the built program and would take five times as long, go without.
CONCURRENT := ./fs/mount ./fs/restore ./fs/snapshot ./fs/source ./fs/view ./index ./store ./store/backend/... ./store/cache
CC_FOUND := $(shell command -v $(or $(CC),cc) 2>/dev/null)

.PHONY: build demo test lint bench bench-peers bench-mount bench-micro bench-check clean

build:
	$(GO) build -trimpath -o bin/garret ./cmd/garret

demo: build
	$(GO) run ./bench/demo

# Everything, with the race detector if there is a C compiler.
test: build
ifneq ($(CC_FOUND),)
	CGO_ENABLED=1 $(GO) test -race -timeout 9m $(CONCURRENT)
	$(GO) test -timeout 9m $$($(GO) list ./... | grep -vxF "$$($(GO) list $(CONCURRENT))")
else
	$(GO) test -timeout 9m ./...
endif

lint:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

# Everything that is measured, on the machine it is on.
bench: bench-peers bench-mount bench-micro

# Beside BorgBackup and restic, where they are installed, and cp and find.
bench-peers: build
	$(GO) run ./bench/peers

# Every stage alone: medians and ranges of six runs, through benchstat.
bench-micro:
	$(GO) test -run '^$$' -bench . -benchtime 200ms -count 6 -timeout 60m ./chunking ./index ./keys/... ./fs/... ./store/... > bench/micro.txt
	$(GO) tool benchstat bench/micro.txt > bench/MICRO.txt

# `garret check --read-data` beside restic's, on the same files.
bench-check: build
	$(GO) run ./bench/check

# Copies, listings and reads out of a mount beside the same files themselves.
bench-mount: build
	$(GO) run ./bench/mount -out bench/mount/RESULTS.md

clean:
	rm -rf bin
