# What people do with sandprint's source. Every target installs the packages that it needs.
CARGO ?= cargo
PREFIX ?= /usr/local
TARGET = $(or $(CARGO_TARGET_DIR),target)
SANDPRINT = $(TARGET)/release/sandprint
# Recording needs CAP_BPF and CAP_PERFMON; without root, sudo asks for them.
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: help demo build static test check bpf test-kernels soak bench install clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

demo: build ## Record `ls /tmp` and print what it needs from the kernel, and its OCI profile
	@$(AS_ROOT) $(SANDPRINT) profile run -o $(TARGET)/demo.trace.json -- ls /tmp
	@$(SANDPRINT) profile generate --input $(TARGET)/demo.trace.json --format oci

build: ## Build the release binary, target/release/sandprint
	@command -v $(CARGO) >/dev/null || { echo "error: there is no $(CARGO) in the PATH" >&2; \
		echo "hint: install a Rust toolchain, for example with rustup" >&2; exit 1; }
	@scripts/install-packages build
	$(CARGO) build --release --locked --package sandprint

static: ## Build a static binary, for minimal images and other distributions (Debian on amd64)
	@scripts/install-packages build
	LIBBPF_SYS_LIBRARY_PATH=$$(dirname "$$(cc -print-file-name=libelf.a)") \
	RUSTFLAGS='-C target-feature=+crt-static' \
	$(CARGO) build --release --locked --target x86_64-unknown-linux-gnu \
		--package sandprint --features sandprint-record/static
	@echo $(TARGET)/x86_64-unknown-linux-gnu/release/sandprint

test: ## Run all tests; those that need BPF or a runtime run where the machine can, and say why where not
	@scripts/install-packages build
	@scripts/install-packages test
	$(CARGO) xtask test

check: ## Formatting, lints, documentation, the BPF object, the workflows: what CI checks before the tests
	@scripts/install-packages build
	@scripts/install-packages test
	$(CARGO) fmt --all --check
	clang-format --dry-run --Werror crates/sandprint-record/src/ebpf/bpf/*.[ch] bench/*.c
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items
	$(CARGO) xtask bpf --check
	$(CARGO) xtask tables --check
	scripts/check-workflows

bpf: ## Rebuild the BPF object after a change to its C
	@scripts/install-packages build
	@scripts/install-packages test
	$(CARGO) xtask bpf

test-kernels: ## Boot other kernels in small virtual machines and run the witnesses there (Debian, root)
	@scripts/install-packages build
	@scripts/install-packages test
	@scripts/install-packages kernels
	lab/test-kernels

soak: build ## Run real programs 20 times each under their policies, in other circumstances, killed, and by each runtime, with other work on the machine
	@scripts/install-packages test
	lab/kill-at-random $(SANDPRINT)
	SANDPRINT_ANOTHER_DAY=20 SANDPRINT_ANOTHER_DAY_TABLE=$(CURDIR)/docs/another-day.md \
	$(CARGO) test --locked --package sandprint --test soak policies_hold_on_another_day
	@sha256sum /dev/zero & one=$$!; sha256sum /dev/zero & two=$$!; \
	SANDPRINT_SOAK=20 $(CARGO) test --locked --package sandprint --test soak; \
	status=$$?; kill $$one $$two; exit $$status

bench: build ## Measure sandprint beside its floors, strace, libseccomp and others, in one run (BENCH=--write keeps the tables)
	@scripts/install-packages bench
	$(CARGO) build --release --locked --package sandprint --example compile
	$(CARGO) build --locked --package xtask
	$(AS_ROOT) target/debug/xtask bench $(BENCH)

install: build ## Install the binary and its manual pages below PREFIX (default /usr/local)
	install -D -m 755 $(SANDPRINT) $(DESTDIR)$(PREFIX)/bin/sandprint
	install -d $(DESTDIR)$(PREFIX)/share/man/man1
	$(SANDPRINT) man -o $(DESTDIR)$(PREFIX)/share/man/man1

clean: ## Remove what was built
	$(CARGO) clean
