SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PROTOS := $(shell find proto -name '*.proto')

.DEFAULT_GOAL := help
.PHONY: help demo up down test package-test check bench proto clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /|/' | column -t -s '|'

# The set-up that every target shares: done again only when what is installed would change.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Quorate needs Python 3.11 or newer; set PYTHON=python3.11"; exit 1; }
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "Installing Quorate and its packages into $(VENV) (once; some minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(VENV)/.installed ## Train, serve, ask and score real data on this machine; writes demo.json
	@$(BIN)/quorate demo

up: $(VENV)/.installed ## Start the embedded platform in the foreground
	@$(BIN)/quorate up

down: $(VENV)/.installed ## Stop a platform that was started detached
	@$(BIN)/quorate down

test: $(VENV)/.installed ## Run the tests with their coverage
	@$(BIN)/python -m pytest --cov --cov-report=term:skip-covered --cov-fail-under=85 $(ARGS)

package-test: $(VENV)/.installed ## Install each service's extra alone, and import the service there
	@$(BIN)/python -m pytest -m packaging $(ARGS)

check: $(VENV)/.installed ## Lint, type-check, and hold the architecture's arrows
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: $(VENV)/.installed ## Measure speed and memory against baselines, side by side
	@$(BIN)/python -m tests.bench $(ARGS)

proto: $(VENV)/.installed ## Generate shared/quorate/rpc from proto/
	@$(BIN)/python -m grpc_tools.protoc -I quorate/rpc=proto --python_out=shared --pyi_out=shared --grpc_python_out=shared \
		$(PROTOS:proto/%=quorate/rpc/%)

clean: ## Remove the venv and what tools left
	@rm -rf $(VENV) build dist .coverage* .mypy_cache .pytest_cache .ruff_cache
