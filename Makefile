# `make` shows what there is. Everything installs into .venv, from the constraints files, hashes checked.

VENV := .venv
BIN := $(VENV)/bin

# Runs on every Python from 3.11 on; a name may exist without working (version managers), so each is tried.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

# Nothing gets in that a hash doesn't vouch for; dangol itself is built by a backend from the same file.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint bench kafka docs lock chaos format golden clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.core  ## See it work: broker, worker and a busy hotel; needs Python alone
	@$(BIN)/dangol demo $(ARGS)

test: $(VENV)/.dev  ## Run all tests but the chaos ones; starts Apache Kafka (JDK 17+, Maven)
	@$(BIN)/pytest $(ARGS)

chaos: $(VENV)/.dev  ## Break brokers and workers on purpose: ROUNDS=50 SEED=1 MODE=exactly-once
	@ROUNDS=$(ROUNDS) SEED=$(SEED) MODE=$(MODE) REPORT=tests/chaos/REPORT.md $(BIN)/pytest -m chaos $(ARGS)

golden: $(VENV)/.dev  ## Write down anew what the scenarios of tests/golden come to; look at the difference
	@REGENERATE=1 $(BIN)/pytest -q tests/flow/test_golden.py

lint: $(VENV)/.dev  ## Check style, types, layers and the published contracts
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/dangol contracts --check

format: $(VENV)/.dev  ## Mend what ruff can mend by itself
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

docs: $(VENV)/.dev  ## Run every example in docstrings and README
	@$(BIN)/pytest schemas stream agents deploy $(wildcard tests/unit/test_readme.py)

bench: $(VENV)/.dev  ## Measure throughput and recovery
	@$(BIN)/dangol bench $(ARGS)

kafka: $(VENV)/.core  ## Run Apache Kafka on port 9092 until Ctrl-C (JDK 17+, Maven)
	@$(BIN)/python -m deploy.kafka --port 9092

lock: $(VENV)/.dev  ## Make the constraints files anew from pyproject.toml
	@$(LOCK) --all-extras --upgrade --output-file constraints-dev.txt
	@$(LOCK) --extra embedded --constraints constraints-dev.txt --output-file constraints.txt

# For every platform and every Python from the oldest that we support, with hashes, and without naming where packages come from.
LOCK = $(BIN)/uv pip compile pyproject.toml --group build --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet

clean:  ## Remove the virtual environment and all caches
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "dangol needs Python 3.11 or newer: install it, or name one with make PYTHON=/path/to/python" >&2; exit 1; fi
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) can't make a virtual environment: install its venv module (Debian: python3-venv)" >&2; exit 1; }

$(VENV)/.core: constraints.txt pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV) ..."
	@$(INSTALL) --require-hashes --requirement constraints.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: constraints-dev.txt pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV), with what tests and checks need ..."
	@$(INSTALL) --require-hashes --requirement constraints-dev.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.core  # the core is part of it, at the same versions
