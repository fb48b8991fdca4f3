# Everything that is done with Tandem. A plain Debian 12 machine with Rust and Node is enough; the rest is installed here.
#
#   make run     build everything for release and start the demo
#   make test    every test, the end-to-end ones with real peers included
#   make check   format, lints, repository rules, dialplans, licences
#   make e2e     the end-to-end tests alone
#   make bench   the comparisons, printed as ratios
#   make fuzz    a minute of every fuzz target (needs nightly Rust and cargo-fuzz)
#   make deps    install the system packages that are missing for building; deps-test: for the tests, too
#   make clean   remove what was built

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run test check e2e bench fuzz deps deps-test console console-test server dialplans clean

TARGET := $(or $(CARGO_TARGET_DIR),target)
PLANS := config/dialplans

# Vite 8 cannot be installed by npm 10, which comes with Node 20.
NPM = $(shell v=$$(npm --version 2>/dev/null || echo 0); [ $${v%%.*} -ge 11 ] && echo npm || echo npx -y npm@11)
# nextest gives each test its own process; without it cargo's own runner serves, one test at a time.
RUNNER = $(shell cargo nextest --version >/dev/null 2>&1 && echo "nextest run --no-fail-fast" || echo "test --no-fail-fast")
RUNNER_ARGS = $(if $(findstring nextest,$(RUNNER)),,-- --test-threads=1)

help:
	@sed -n 's/^#   make /make /p' Makefile

run: deps console
	@cargo build --release -p server
	@$(TARGET)/release/tandem run --config config/tandem.toml --demo

# The server's binary is built first because the end-to-end tests start it.
test: deps-test console console-test server
	cargo $(RUNNER) --workspace $(RUNNER_ARGS)
	@$(MAKE) dialplans

check: deps console-test server dialplans
	@cd console && $(NPM) run --silent lint
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo $(RUNNER) -p e2e --test tidy
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check; else \
		echo "cargo-deny is not installed: licences and advisories are not checked (cargo install --locked cargo-deny)"; fi

e2e: deps-test console server
	cargo $(RUNNER) -p e2e $(RUNNER_ARGS)

bench: deps-test
	@cargo build --release -p server
	@cargo run --release -p bench
	@cd bench/parse && CARGO_TARGET_DIR=$(abspath $(TARGET)) cargo bench

# The corpora as they are in the repository are replayed by `make test`.
fuzz:
	cd sip-core && for target in message uri stream; do \
		cargo +nightly fuzz run $$target -- -max_total_time=60; done
	cd media && for target in sdp packets; do \
		cargo +nightly fuzz run $$target -- -max_total_time=60; done
	cd dialplans && cargo +nightly fuzz run text -- -max_total_time=60

deps:
	@.ci/deps build

deps-test: deps
	@.ci/deps test
	@cargo nextest --version >/dev/null 2>&1 || \
		echo "cargo-nextest is not installed: using cargo test (faster: cargo install --locked cargo-nextest)"

server:
	@cargo build --workspace --bins

dialplans: server
	@$(TARGET)/debug/tandem dialplan fmt --check $(PLANS) $(PLANS)/examples
	@$(TARGET)/debug/tandem dialplan check $(PLANS)
	@$(TARGET)/debug/tandem dialplan test $(PLANS)

# What is built from the console's sources; rebuilt when one of them is newer.
CONSOLE := $(shell find console -type f -not -path '*/node_modules/*' -not -path 'console/dist/*' 2>/dev/null)

console: console/dist/.built
	

console/dist/.built: console/node_modules/.installed $(CONSOLE)
	@cd console && $(NPM) run --silent build
	@# A release build embeds these files, and cargo does not see new ones.
	@touch -c server/src/http/assets.rs
	@touch $@

console-test: console/node_modules/.tested
	

console/node_modules/.tested: console/node_modules/.installed $(CONSOLE)
	@cd console && $(NPM) run --silent tsc && $(NPM) run --silent test
	@touch $@

# Not `npm ci`: it refuses a lock file that does not name the builds of tools for other platforms, and a registry that does not
# have them makes npm leave them out. --no-save keeps the lock file as it is.
console/node_modules/.installed: console/package.json console/package-lock.json
	@command -v node >/dev/null || { echo "Node 20.19 or newer is needed to build the console: https://nodejs.org"; exit 1; }
	@cd console && $(NPM) install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

clean:
	cargo clean
	rm -rf console/dist console/node_modules
