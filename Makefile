# Every task of the project. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Build output and tools live in the user's cache folder, and are only ever a speed-up: delete the folder
# and everything still works. Build output is kept for each checkout by itself: cargo tells by the times
# of files whether they changed, and would take what another checkout built for its own.
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/finp2p
CHECKOUT := $(shell pwd -P | sha256sum | cut -c1-12)
export CARGO_BUILD_BUILD_DIR ?= $(CACHE)/build/$(CHECKOUT)
export CARGO_TERM_COLOR ?= never
TOOLS := $(CACHE)/tools
SUITE := tests/suites/run

.PHONY: help demo control-plane test check unit network store test-control-plane chart generate bench bench-scale fuzz mutants advisories prerequisites

help: ## List the tasks
	@awk -F':.*## ' '/^[a-z-]+:.*## / {name[++n] = $$1; text[n] = $$2; if (length($$1) > width) width = length($$1)} \
	  END {for (i = 1; i <= n; i++) printf "  make %-" width "s  %s\n", name[i], text[i]}' Makefile

demo: ## Three banks on this machine: two share a bond, the third sees nothing (KEEP=1 leaves them running)
	@tests/suites/demo $(if $(KEEP),--keep)

control-plane: ## A Kubernetes API server with the operator and two banks on it, until Ctrl-C (needs Go)
	@tests/suites/control_plane

test: prerequisites ## Everything that proves the project, suite by suite, each with its time
	@$(SUITE) all

prerequisites:
	@tests/suites/prerequisites go

check: ## Format, lints, generated files, dependencies
	@$(SUITE) check

unit: ## Unit and property tests of every crate
	@$(SUITE) unit

network: ## Nodes over real sockets: attacks, banks, the demo and its planted faults
	@$(SUITE) network

store: ## The private store and the audit log, killed for real
	@$(SUITE) store

test-control-plane: ## Our kinds and the operator on a real Kubernetes API server (needs Go)
	@$(SUITE) control-plane

chart: ## The Helm chart on a real API server; pipelines as Flux and Argo CD run them (needs Go)
	@$(SUITE) chart

generate: ## Rewrite the CRDs, the OpenAPI description, the chart's copies and renderings
	@tests/suites/generate

bench: ## Signed pulls and enforcement beside the limits of the machine; writes target/bench/report.json
	@tests/suites/bench

bench-scale: ## 10,000 assets, 100 peers, 1,000 policies: start, memory, writes of the operator
	@tests/suites/bench scale

fuzz: ## Decoders under mutated input for long (FUZZ_CASES=1000000)
	@tests/suites/fuzz

mutants: ## Plant faults in what decides access, checks requests, makes records, notices roll-backs (AREA=access|request|record|rollback)
	@tests/suites/mutants

advisories: ## Known vulnerabilities, from the RustSec database in $ADVISORY_DB
	@tests/suites/advisories
