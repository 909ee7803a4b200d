# One command for each thing that a person wants. `make` alone lists them.

CARGO ?= cargo
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mail-egress
DENY_VERSION := 0.20.2
DENY := $(CACHE)/tools/cargo-deny-$(DENY_VERSION)/bin/cargo-deny
BED := $(CARGO) run --quiet -p mail-egress-tests --bin

.DEFAULT_GOAL := help
.PHONY: help try demo bench test fmt lint deny unit scenarios cluster-tests cluster-up cluster-down clean-cluster generate

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

try: ## Lab and sidecar on loopback, without Kubernetes or root: send a mail with your own client
	@$(CARGO) build -p mail-egress-sidecar -p mail-egress-tests --bins
	@$(BED) try

demo: ## A real cluster, an app with one label, its mail delivered (as root; the first time takes minutes)
	@$(CARGO) build -p mail-egress-sidecar -p mail-egress-operator -p mail-egress-tests --bins
	@$(BED) demo

bench: ## Speed and memory beside the direct path (docs/benchmarks.md; BENCH=--quick for a short run)
	@$(CARGO) build --release -p mail-egress-sidecar
	@$(CARGO) run --quiet --profile bench-tools -p mail-egress-tests --bin bench -- $(BENCH)

test: fmt lint deny unit scenarios cluster-tests ## Everything that CI runs

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
