# Everything a person or a machine does with this project. `make help` lists it.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m
READY := $(VENV)/.ready
# Tests share two cores with the servers they start. A third worker saves little, and leaves some tests short of time.
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo dev test lint types layers format unit integration e2e bench docs fault-table lock clean

##@ Start here

help: ## List the commands.
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Build the environment in .venv from the hash-pinned lock.

$(READY): requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Reelqueue needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	$(RUN) pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: $(READY) ## Make one video, from nothing to a verified webhook. IMAGE=path INSTRUCTION="…" to use your own.
	@$(RUN) reelqueue demo $(if $(IMAGE),--image "$(IMAGE)") $(if $(INSTRUCTION),--instruction "$(INSTRUCTION)")

dev: $(READY) ## Keep the whole service up until Ctrl-C.
	@$(RUN) reelqueue dev

##@ Checks

test: $(READY) lint types layers ## Every check that CI runs.
	$(RUN) pytest --numprocesses $(WORKERS) --dist loadfile

lint: $(READY) ## Style.
	$(RUN) ruff check
	$(RUN) ruff format --check

types: $(READY) ## Types.
	$(RUN) mypy

layers: $(READY) ## Who may import whom.
	$(VENV)/bin/lint-imports --no-cache

unit: $(READY) ## Pure tests.
	$(RUN) pytest tests/unit

integration: $(READY) ## One module against real Postgres, Valkey or HTTP.
	$(RUN) pytest tests/integration

e2e: $(READY) ## The whole stack.
	$(RUN) pytest tests/e2e

##@ Work

bench: $(READY) ## Print the figures.
	$(RUN) benchmarks

format: $(READY) ## Format the code.
	$(RUN) ruff format
	$(RUN) ruff check --fix

docs: $(READY) ## Write the generated pages again.
	$(RUN) reelqueue.dev.docs

fault-table: $(READY) ## Run every fault at every call and write docs/fault-table.md again.
	rm -rf out/fault-table
	FAULT_TABLE=out/fault-table $(RUN) pytest --numprocesses $(WORKERS) tests/integration/faults --deselect tests/integration/faults/test_fault_page.py
	PYTHONPATH=tests $(RUN) fakes.fault_page out/fault-table docs/fault-table.md

lock: $(READY) ## Pin the dependencies again, with their hashes.
	$(RUN) pip install --quiet --disable-pip-version-check uv
	$(RUN) uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate pyproject.toml --output-file requirements.lock
	$(RUN) uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --all-extras pyproject.toml --output-file requirements-dev.lock
	$(RUN) uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate tests/adk/requirements.in --output-file requirements-adk.lock
	$(RUN) reelqueue.dev.locks

clean: ## Delete what the commands above made.
	rm -rf $(VENV) .demo .dev out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .cache
