# The only commands anyone needs. `make` alone prints them; every step of CI is one of these.
# SPDX-License-Identifier: Apache-2.0

# A toolchain unpacked to /opt/swift is found without further ado; one that is on the PATH already wins.
export PATH := $(PATH):/opt/swift/usr/bin
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory

LISTEN ?= 127.0.0.1:8787
DATA ?= data
T ?= frame
SECONDS ?= 60
PREFIX ?= /usr/local
RELEASE_FLAGS := -c release --product relayd --static-swift-stdlib -Xlinker --gc-sections -Xlinker -s

.PHONY: help
help: ## prints this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: deps test-deps
deps:
	@scripts/install-deps run
test-deps:
	@scripts/install-deps test

# ---------------------------------------------------------------- run

.PHONY: run release build install
run: release ## builds, starts on http://127.0.0.1:8787 (LISTEN=) with data in ./data (DATA=), prints how to sign in and link
	@exec .build/release/relayd serve --welcome --listen $(LISTEN) --data-dir $(DATA)

.PHONY: sign-in
sign-in: ## prints a fresh sign-in link for the relay that `make run` started (DATA=)
	@.build/release/relayd sign-in --data-dir $(DATA)

release: deps ## builds the binary that packages ship: .build/release/relayd
	swift build $(RELEASE_FLAGS)

build: deps ## builds for debugging: .build/debug/relayd
	swift build

# Not `release`: root has no Swift as a rule, and would leave files of its own behind.
.build/release/relayd:
	@$(MAKE) release

install: .build/release/relayd ## installs what `make release` built: the binary, the manual page and the systemd units under PREFIX (default /usr/local)
	install -D -m 755 .build/release/relayd $(DESTDIR)$(PREFIX)/bin/relayd
	install -d $(DESTDIR)$(PREFIX)/share/man/man8 $(DESTDIR)$(PREFIX)/lib/systemd/system
	.build/release/relayd help --man >$(DESTDIR)$(PREFIX)/share/man/man8/relayd.8
	for unit in relayd.service relayd.socket; do \
		sed 's,/usr/bin/relayd,$(PREFIX)/bin/relayd,' deploy/systemd/$$unit \
			>$(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit || exit 1; done

# ---------------------------------------------------------------- test

.PHONY: test check test-c test-swift e2e faults chaos torture autobahn fuzz-smoke fuzz fuzz-campaign tsan asan
test: test-deps ## installs what the tests need and runs all of them; SKIP="fuzz e2e" leaves parts out
	@scripts/test-all

check: ## the fast checks of the source: imports, sizes, words, symbols, the embedded page
	@scripts/checks

test-c: deps ## the C tests, with the address and undefined-behaviour sanitizers
	@$(MAKE) -C Tests/CWebSocketTests run

# One after the other: all at once they keep Swift's few threads from answering within the time that tests of deadlines allow.
test-swift: deps ## the Swift tests
	swift test --disable-xctest --no-parallel

e2e: test-deps ## real clients and a browser against a real relay; ARGS="-k pairing" goes to pytest
	swift build --product relayd
	@RELAYD_BIN="$$(swift build --show-bin-path)/relayd" Tests/EndToEnd/run $(ARGS)

faults: test-deps ## faults of the store: every n-th system call to N=500, KILLS=1000 kills, POWER_CUTS=200, a disk that hangs 30 s
	swift build --product relayd
	@RELAYD_BIN="$$(swift build --show-bin-path)/relayd" STORE_FAULTS=$(or $(N),500) E2E_KILL_ROUNDS=$(or $(KILLS),1000) \
		POWER_CUTS=$(or $(POWER_CUTS),200) STALL_SECONDS=30 Tests/EndToEnd/run \
		test_store_faults.py test_crash.py test_disk.py test_clock.py test_signals.py

chaos: test-deps ## bad networks and restarts by seeded dice, one seed after the other: SEEDS="1 2 3" CHAOS_SECONDS=10 CHAOS_ROOMS=8
	swift build --product relayd
	@for seed in $(or $(SEEDS),1 2 3 4 5 6 7 8); do echo "seed $$seed"; CHAOS_SEED=$$seed E2E_WORKERS=2 \
		RELAYD_BIN="$$(swift build --show-bin-path)/relayd" Tests/EndToEnd/run -q test_chaos.py || exit 1; done

autobahn: deps ## the Autobahn suite (517 cases) against the engine; ARGS=--quick is what `make test` runs; needs CPython 2.7
	@scripts/autobahn $(ARGS)

torture: release ## attacks and faults with figures, beside healthy rooms that must not notice; CASE="descriptors freeze" picks
	@Tests/Torture/run $(CASE)

fuzz-smoke: deps ## every fuzzer: everything known, then 5 s of search
	@$(MAKE) -C Fuzz smoke
	@$(MAKE) -C Fuzz/swift smoke

fuzz: deps ## one fuzzer for SECONDS: T=frame http1 chunks handshake deflate, or json native engineio socketio
	@if [ -e Fuzz/fuzz_$(T).c ]; then $(MAKE) -C Fuzz run T=$(T) SECONDS=$(SECONDS); \
	else $(MAKE) -C Fuzz/swift run T=$(T) SECONDS=$(SECONDS); fi

fuzz-campaign: deps ## some 65 minutes on two processors, 800 million inputs or more: Fuzz/campaign runs any fuzzers for any times
	@Fuzz/campaign handshake:3600 frame:500 http1:450 chunks:450 deflate:400 proxy:300 json:500 native:450 socketio:450 engineio:300

tsan: deps ## the Swift tests under the thread sanitizer
	swift test --disable-xctest --no-parallel --sanitize=thread --scratch-path .build/tsan

tsan-e2e: test-deps ## real clients against a relay under the thread sanitizer; fails on any report
	swift build --product relayd --sanitize=thread --scratch-path .build/tsan
	@rm -rf build/tsan && mkdir -p build/tsan
	@TSAN_OPTIONS="log_path=$(CURDIR)/build/tsan/relayd" \
		RELAYD_BIN="$$(swift build --sanitize=thread --scratch-path .build/tsan --show-bin-path)/relayd" \
		Tests/EndToEnd/run test_browser_client.py test_dialects.py test_pairing.py test_wire_polling.py
	@! grep -h SUMMARY build/tsan/* 2>/dev/null

# No leak check: it cannot follow the tagged pointers in which Swift keeps the payloads of enums, and takes every constant for lost.
asan: deps ## the Swift tests under the address sanitizer
	ASAN_OPTIONS=detect_leaks=0 swift test --disable-xctest --no-parallel --sanitize=address --scratch-path .build/asan

# ---------------------------------------------------------------- care

.PHONY: lint fmt docs bench soak idle alloc deb test-deb image clean
lint: ## complains about Swift that the formatter would write otherwise
	swift format lint --strict --parallel -r Sources Tests

fmt: ## formats the Swift sources
	swift format --in-place --parallel -r Sources Tests

docs: build ## writes the table of settings into docs/operations.md
	@scripts/embed-settings .build/debug/relayd

bench: release ## relayd beside its peers in one run (ROUNDS=3); ONLY=latency (or storm, "4 KB"...) picks; then the codecs
	@scripts/install-deps bench
	Benchmarks/compare.py .build/release/relayd --rounds $(or $(ROUNDS),3) --json $(or $(JSON),build/bench.json) \
		--python "$$(Tests/EndToEnd/setup-venvs)/.venv/bin/python" --only $(if $(ONLY),"$(ONLY)")
	$(if $(ONLY),,Benchmarks/codec/run)

soak: release ## SOAK_IDLE=10000 idle connections beside SOAK_RATE=2000 answered commands/s for SOAK_SECONDS=600
	Benchmarks/soak.py .build/release/relayd

idle: release ## what an idle connection costs, from 1,000 to 19,000, and what 100,000 would
	Benchmarks/idle.py .build/release/relayd

alloc: release test-deps ## allocations a command and memory an idle connection, held to Benchmarks/thresholds.json
	@"$$(Tests/EndToEnd/setup-venvs)/.venv/bin/python" Benchmarks/alloc/pair.py .build/release/relayd
	python3 Benchmarks/alloc/idle.py .build/release/relayd

deb: release ## builds a Debian package under build/
	@scripts/build-deb

test-deb: deb ## installs, upgrades, removes and purges it in a plain Debian 12 of its own; needs root and debootstrap
	@scripts/test-deb

image: ## builds the container image, tries it and keeps it as `linkrelay` (ENGINE=docker or podman)
	@scripts/test-image linkrelay

clean: ## removes everything that was built; data/ stays
	rm -rf .build build
