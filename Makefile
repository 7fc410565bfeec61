# garret: `make demo` shows the main job, `make test` runs the tests.

GO ?= go
export CGO_ENABLED ?= 0

# Packages with concurrency run under the race detector where there is a C
# compiler, which the detector needs. The others, and the command's tests, which
# run the built program and would take five times as long, go without.
CONCURRENT := ./fs/mount ./fs/restore ./fs/snapshot ./fs/source ./fs/view ./index ./store ./store/backend/... ./store/cache
CC_FOUND := $(shell command -v $(or $(CC),cc) 2>/dev/null)

.PHONY: build demo test lint bench bench-check bench-mount clean

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

# Micro-benchmarks of every stage.
bench:
	$(GO) test -run '^$$' -bench . -benchtime 1s ./...

# `garret check --read-data` beside restic's, on the same files.
bench-check: build
	$(GO) run ./bench/check

# Copies, listings and reads out of a mount beside the same files themselves.
bench-mount: build
	$(GO) run ./bench/mount -out bench/mount/RESULTS.md

clean:
	rm -rf bin
