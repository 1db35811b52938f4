# The whole interface for developers. `make help` lists it.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Where downloads and builds are kept between runs, outside the tree.
export XDG_CACHE_HOME ?= $(HOME)/.cache
WORKERS ?= 2
# Fault tests mostly wait for what they broke.
FAULT_WORKERS ?= 5
N ?= 1

.PHONY: help install run build demo test check format generate lock controlplane test-servers e2e faults bench requirements clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | column -t -s $$'\t'

$(VENV)/.ready: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 14) else "Integration Hub needs Python 3.11, 3.12 or 3.13; name one with PYTHON=python3.12")'
	@echo "Setting up the Python environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

install: $(VENV)/.ready ## Install the dependencies, and this repository in place, into .venv

run: $(VENV)/.ready ## Run the hub from this tree, for development, against your kubectl context (CONTEXT=name for another)
	@kubeconfig="$${KUBECONFIG:-$$HOME/.kube/config}"; \
	INTEGRATION_HUB_ENCRYPTION_MODE="$${INTEGRATION_HUB_ENCRYPTION_MODE:-none}" \
	INTEGRATION_HUB_DATA_DIR="$${INTEGRATION_HUB_DATA_DIR:-build/run}" \
	$(BIN)/integration-hub run --kubeconfig "$${kubeconfig%%:*}" $(if $(CONTEXT),--context "$(CONTEXT)") --log-format text

build: $(VENV)/.ready ## Build for production: wheel and sdist into dist (the image: docker build .)
	@$(BIN)/python -m hatchling build -d dist

controlplane: $(VENV)/.ready ## Get the control plane's programs: found, downloaded or built
	@$(BIN)/python tools/controlplane build

demo: $(VENV)/.ready ## Set everything up and show the hub at work (KEEP=1 leaves it running, STOP=1 stops it, CONTEXT=name uses your cluster)
	@KEEP="$(KEEP)" CONTEXT="$(CONTEXT)" STOP="$(STOP)" $(BIN)/python tools/demo

test: controlplane ## Set everything up and run the tests: unit, component, real API server
	@$(BIN)/python tools/controlplane build helm
	@$(BIN)/pytest -n $(WORKERS) --dist loadscope -m "not faults" tests/unit tests/component tests/control_plane

check: $(VENV)/.ready ## Lint, types, import contracts, drift of generated files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python tools/generate.py --check
	@$(BIN)/python tools/requirements.py --check

format: $(VENV)/.ready ## Put the code into the house's shape
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

generate: $(VENV)/.ready ## Write CRDs, RBAC, reference documentation, rendered manifests
	@$(BIN)/python tools/generate.py
	@$(BIN)/python tools/render_manifests.py

lock: $(VENV)/.ready ## Renew the lock files after a change of dependencies
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml --extra postgresql --extra redis -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml --group dev -o requirements-dev.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 --group pyproject.toml:build -o requirements-build.lock

test-servers: controlplane ## Hold the hub against third-party servers; needs Go, a C compiler, a JDK with Maven, and Node
	@$(BIN)/python tools/controlplane build helm
	@$(BIN)/python tools/servers
	@$(BIN)/pytest --timeout 600 tests/servers

faults: controlplane ## Break the control plane on purpose, N rounds (N=10)
	@for round in $$(seq $(N)); do \
		echo "== faults: round $$round of $(N)"; \
		$(BIN)/pytest -n $(FAULT_WORKERS) --dist load -m faults tests/control_plane || exit 1; \
	done

bench: controlplane ## Measure; writes benchmarks/RESULTS.md
	@$(BIN)/python benchmarks

requirements: $(VENV)/.ready ## Which requirement is proven by which test
	@$(BIN)/python tools/requirements.py

clean: ## Remove what was made here (the cache outside the tree stays)
	@rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
