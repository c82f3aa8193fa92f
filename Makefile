# Each target says what it does: make help
SHELL := /bin/sh
PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
export PATH
# Nothing here may reach a cluster that this machine's owner works with.
export KUBECONFIG := /dev/null

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo demo-balancing test test-all test-cluster test-image test-guest lint format bench crds manifests cluster-tools guest-kernel image try-fresh clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	while IFS='|' read -r target text; do printf '%-20s %s\n' "$$target" "$$text"; done

setup: ## make .venv with everything for work on the project
	@scripts/bootstrap setup

demo: ## two nodes, eleven addresses, a cut and a hand-over, measured (KEEP=1 leaves the nodes up)
	@scripts/bootstrap demo
	@$(BIN)/python -m mooring_lab.demo $(if $(KEEP),--keep)

demo-balancing: ## three nodes, real servers, IPVS; a server dies, the holder dies, all die (may build the guest kernel)
	@scripts/bootstrap demo
	@$(BIN)/python -m mooring_lab.balancing

test: ## what a contributor runs: lint, unit and architecture tests, tests in network namespaces (needs root)
	@scripts/bootstrap test
	@$(MAKE) --no-print-directory lint
	$(PYTEST) -q -n 2 tests/unit tests/conformance tests/architecture tests/alerts
	$(PYTEST) -q tests/netns tests/upgrades

test-all: test-cluster test-image test-guest ## the tests that need something big built first: the three below

test-cluster: ## charts, operator and daemons against a real API server
	@scripts/bootstrap test
	@scripts/cluster-tools
	$(PYTEST) -q tests/chart tests/cluster

test-image: ## the images, as containers
	@scripts/bootstrap test
	@scripts/bootstrap image
	$(PYTEST) -q tests/image

test-guest: ## IPVS, and timing to the millisecond, in the guest kernel
	@scripts/bootstrap test
	@kernel=$$(scripts/guest-kernel) && set -x && \
	for tests in tests/guest 'tests/ipvs --ignore tests/ipvs/whole' tests/ipvs/whole; do \
		$(BIN)/python -m mooring_lab.guest --kernel "$$kernel" --time-travel --time-limit 3000 --memory 2048 --share . -- \
			$(PYTEST) -q -p no:cacheprovider $$tests || exit 1; \
	done

lint: ## ruff, mypy and the import contracts
	@scripts/bootstrap setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: ## format the sources and repair what ruff can repair
	@scripts/bootstrap setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: ## side by side with keepalived, in one run (needs root)
	@scripts/bootstrap test
	$(BIN)/python benchmarks/codec.py
	$(BIN)/python benchmarks/planner.py
	$(BIN)/python -m benchmarks.staging
	$(BIN)/python -m benchmarks.beside_keepalived
	$(BIN)/python -m benchmarks.node_death
	$(BIN)/python -m benchmarks.neighbour
	@kernel=$$(scripts/guest-kernel) && set -x && \
	$(BIN)/python -m benchmarks.ipvs --kernel "$$kernel" && $(BIN)/python -m benchmarks.checks --kernel "$$kernel"

crds: ## write what is generated anew: CRDs, reference documentation, the charts' values, the dashboard
	@scripts/bootstrap setup
	$(BIN)/python -m mooring_api.crd
	$(BIN)/python -m mooring_api.reference
	$(BIN)/python -m mooring_node.reference
	$(BIN)/python -m mooring_operator.reference
	$(BIN)/python -m mooring_lab.charts
	$(BIN)/python scripts/dashboard.py

manifests: ## write deploy/ anew from what the charts render to, and what `make crds` does for the charts (needs Helm)
	@scripts/bootstrap setup
	@scripts/cluster-tools
	$(BIN)/python -m mooring_lab.charts manifests

cluster-tools: ## build etcd, the Kubernetes servers, kubectl, Helm and kubeconform once (10 minutes, needs Go), kept in .cache/cluster-tools
	@scripts/cluster-tools

guest-kernel: ## build the guest kernel once (20 minutes), kept in .cache/guest
	@scripts/guest-kernel

image: ## build the images of operator and daemon from a local Debian, kept in .cache/image (needs root)
	@scripts/image build

try-fresh: ## run demo and test in a new Debian root with nothing but git, make and python3 (needs mmdebstrap)
	@scripts/try-fresh

clean: ## remove what was built; .cache, with the guest kernel and the cluster's programs, stays
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
