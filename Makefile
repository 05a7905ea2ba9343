# One line for each verb; what a verb does is written in tools/.
# PYTHON names the Python to set up with: make PYTHON=python3.12 up. ARGS is handed on.
PYTHON ?= python3
BIN := .venv/bin
WORKERS := -n auto --dist loadgroup
COVERAGE := --cov --cov-report=term
LEFTOVERS := .venv .demo .coverage .coverage.* htmlcov dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.DEFAULT_GOAL := help
.PHONY: help up down env pulumi cloud-siem fleet-demo setup test test-long test-engines bench bench-quick campaign check lint types layers format lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 12

up: ## the real engine on an embedded account, from nothing; run again, it changes nothing
	@$(PYTHON) tools/demo.py up

down: ## stop what `make up` started; the state stays
	@$(PYTHON) tools/demo.py down

env: ## print what to source for working without make: eval "$(make -s env)"
	@$(PYTHON) tools/demo.py env

pulumi: ## any Pulumi command where the demo is: make pulumi ARGS="preview --stack demo"
	@$(PYTHON) tools/demo.py pulumi $(ARGS)

cloud-siem: ## any of our commands where the demo is: make cloud-siem ARGS="list demo"
	@$(PYTHON) tools/demo.py cloud-siem $(ARGS)

fleet-demo: ## fifty embedded accounts: open, skip, find by hand, mend; some minutes
	@$(PYTHON) tools/fleet_demo.py

setup: ## .venv from the hashed lock
	@$(PYTHON) tools/setup.py

test: setup ## all tests but the long ones, some minutes: make test ARGS="-k stack"
	@$(PYTHON) tools/linters.py ensure
	@$(PYTHON) tools/engine.py run $(BIN)/pytest $(WORKERS) $(COVERAGE) -m "not long" $(ARGS)

test-long: setup ## the long ones, with the real engine: a quarter of an hour
	@$(PYTHON) tools/linters.py ensure
	@$(PYTHON) tools/engine.py run $(BIN)/pytest $(WORKERS) -m long $(ARGS)

test-engines: setup ## the tests that need an engine, with the oldest, the pinned and the newest one
	@$(PYTHON) tools/linters.py ensure
	@$(PYTHON) tools/engine.py each $(BIN)/pytest $(WORKERS) tests/engine tests/pipelines $(ARGS)

bench: setup ## measure all against the floor and the naive provider, an hour; writes docs/benchmarks.md
	@$(PYTHON) tools/engine.py run $(BIN)/python -m benchmarks $(ARGS)

bench-quick: setup ## the small measures, under two minutes
	@$(PYTHON) tools/engine.py run $(BIN)/python -m benchmarks --quick $(ARGS)

campaign: setup ## look for what goes wrong, for hours; writes docs/reliability.md: make campaign ARGS=random
	@$(PYTHON) tools/engine.py run $(BIN)/python -m campaigns $(ARGS)

check: lint types layers ## all that needs no test run

lint: setup ## formatting and lint rules
	@$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: setup ## mypy, strict
	@$(BIN)/mypy

layers: setup ## who may import whom
	@$(BIN)/lint-imports

format: setup ## format, and mend what can be mended
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

lock: ## write requirements/ anew: make lock ARGS=--upgrade
	@$(PYTHON) tools/lock.py $(ARGS)

clean: down ## take away all that is made here, the demo's state too
	@rm -rf $(LEFTOVERS) && find . -name __pycache__ -type d -prune -exec rm -rf {} +
