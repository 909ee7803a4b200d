# One command for each thing that a person wants. `make` alone lists them.

CARGO ?= cargo
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mail-egress
DENY_VERSION := 0.20.2
DENY := $(CACHE)/tools/cargo-deny-$(DENY_VERSION)/bin/cargo-deny
FUZZ_VERSION := 0.13.2
FUZZ := $(CACHE)/tools/cargo-fuzz-$(FUZZ_VERSION)/bin/cargo-fuzz
FUZZ_TARGETS := command config data diagnosis dialogue header reply session spool
FUZZ_SECONDS ?= 10
FUZZ_NEW := target/fuzz/corpus
# No sanitizer: there is no `unsafe` of ours that one could watch, and any stable compiler will do.
FUZZ_BUILD := --fuzz-dir fuzz --sanitizer none --features libfuzzer --target-dir target/fuzz --codegen-units 16
BED := $(CARGO) run --quiet -p mail-egress-tests --bin

.DEFAULT_GOAL := help
.PHONY: help try demo bench test fmt lint deny unit fuzz scenarios cluster-tests cluster-up cluster-down clean-cluster generate

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

try: ## Lab and sidecar on loopback, without Kubernetes or root: send a mail with your own client
	@$(CARGO) build -p mail-egress-sidecar -p mail-egress-tests --bins
	@$(BED) try

demo: ## A real cluster, an app with one label, its mail delivered (as root; the first time takes minutes)
	@$(CARGO) build -p mail-egress-sidecar -p mail-egress-operator -p mail-egress-tests --bins
	@$(BED) demo

bench: ## Speed and memory beside the direct path and others (docs/benchmarks.md; BENCH=--quick for a short run)
	@$(CARGO) build --release -p mail-egress-sidecar
	@$(CARGO) run --quiet --profile bench-tools -p mail-egress-tests --bin bench -- $(BENCH)

test: fmt lint deny unit fuzz scenarios cluster-tests ## Everything that CI runs

fmt: ## Is the code formatted?
	$(CARGO) fmt --all --check

lint: ## clippy, warnings denied
	$(CARGO) clippy --workspace --all-targets -- -D warnings

deny: $(DENY) ## Licences, banned crates and sources of everything linked
	$(DENY) --locked --log-level error check bans licenses sources

$(DENY):
	@echo "building cargo-deny $(DENY_VERSION), once" >&2
	$(CARGO) install cargo-deny --version $(DENY_VERSION) --locked --root $(CACHE)/tools/cargo-deny-$(DENY_VERSION)

unit: ## Tests beside the code
	$(CARGO) test --workspace --exclude mail-egress-tests
	$(CARGO) test -p mail-egress-tests --lib --bins

fuzz fuzz-%: export CARGO_PROFILE_RELEASE_LTO = off
fuzz fuzz-%: export CARGO_PROFILE_RELEASE_STRIP = none
fuzz fuzz-%: export CARGO_PROFILE_RELEASE_DEBUG = line-tables-only
fuzz: $(FUZZ) ## Each fuzz target for FUZZ_SECONDS (10), two at once (docs/testing.md)
	$(FUZZ) build $(FUZZ_BUILD)
	@$(MAKE) --no-print-directory -k -j 2 $(FUZZ_TARGETS:%=fuzz-%)

# New inputs gather beside the corpus, not in it; what fails lies in fuzz/artifacts.
fuzz-%:
	@mkdir -p $(FUZZ_NEW)/$*
	@$(FUZZ) run $(FUZZ_BUILD) $* $(FUZZ_NEW)/$* fuzz/corpus/$* -- -max_total_time=$(FUZZ_SECONDS) \
		-dict=fuzz/smtp.dict -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 > $(FUZZ_NEW)/$*.log 2>&1 \
		|| { tail -n 60 $(FUZZ_NEW)/$*.log; exit 1; }
	@echo "$*: $$(sed -n 's/^stat::number_of_executed_units: *//p' $(FUZZ_NEW)/$*.log) inputs hold"

$(FUZZ):
	@echo "building cargo-fuzz $(FUZZ_VERSION), once" >&2
	$(CARGO) install cargo-fuzz --version $(FUZZ_VERSION) --locked --root $(CACHE)/tools/cargo-fuzz-$(FUZZ_VERSION)

scenarios: ## The sidecar as a process against the lab, on loopback
	$(CARGO) build -p mail-egress-sidecar
	$(CARGO) test -p mail-egress-tests --test scenarios
	$(CARGO) test -p mail-egress-tests --test peers

cluster-tests: ## Operator, webhook and sidecar on a real control plane and node
	$(CARGO) build -p mail-egress-sidecar -p mail-egress-operator
	$(CARGO) test -p mail-egress-tests --test control_plane
	$(CARGO) test -p mail-egress-tests --test cluster

cluster-up: ## A cluster to play with (make cluster-down ends it)
	@$(BED) cluster -- up --detach

cluster-down: ## End that cluster
	@$(BED) cluster -- down

clean-cluster: ## Remove what an interrupted run left behind
	@$(BED) cluster -- clean

generate: ## Write anew what is made from the code: the CRDs' YAML, docs/errors.md
	$(CARGO) run --quiet -p mail-egress-crds --bin generate-crds
	$(CARGO) run --quiet -p mail-egress-diagnosis --bin generate-errors
