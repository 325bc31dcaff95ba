# Every target sets up what it needs by itself (scripts/prepare); `make help` lists them.
SHELL := /bin/sh
BIN := .venv/bin
# Three processes test at the same time, each file in one of them (most of the time is waiting for servers);
# `make test PARALLEL=` tests one file after the other.
PARALLEL ?= -n 3 --dist loadfile --no-loadscope-reorder
# The many processes that tests and the demo start would compile all modules anew, each of them.
unexport PYTHONDONTWRITEBYTECODE

# What reads bytes of strangers.
FUZZED := tests/unit/store/gateway/test_fuzzing_connections.py tests/unit/store/gateway/test_framing.py \
	tests/unit/store/gateway/test_chunks.py tests/unit/store/gateway/test_forms.py tests/unit/store/gateway/test_wire.py \
	tests/unit/store/test_signing.py tests/system/gateway/test_gateway_fuzzing.py

.DEFAULT_GOAL := help
.PHONY: help demo test check static unit system kubernetes fuzz bench chaos docs lock clean

help: ## print this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | awk -F '\t' '{ printf "  make %-10s %s\n", $$1, $$2 }'

demo: ## start a small continuum, run the examples on it, check every outcome, stop it (about two minutes)
	@scripts/prepare demo
	@$(BIN)/continuum demo $(ARGS)

test: ## run all tests: unit tests, then tests with real servers and clients (under ten minutes on two cores)
	@scripts/prepare test clients dislib
	scripts/test $(PARALLEL) $(ARGS)

check: static unit ## what every commit must pass: format, lint, types, import contracts, unit tests (under three minutes)

static: ## format, lint, types and import contracts alone
	@scripts/prepare test check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: ## the unit tests alone
	@scripts/prepare test
	$(BIN)/pytest tests/unit $(PARALLEL) $(ARGS)

system: ## the tests with real servers and clients alone
	@scripts/prepare test clients dislib
	$(BIN)/pytest tests/system $(PARALLEL) $(ARGS)

kubernetes: ## the tests on real Kubernetes clusters (KUBE_CONTEXTS or a test kit, see benchmarks/clusters.py); skipped without
	@scripts/prepare test
	$(BIN)/pytest tests/kubernetes $(ARGS)

fuzz: ## try hostile bytes and wild requests for some minutes, other ones each time (FUZZ_REQUESTS=N, FUZZ_SEED=N, ARGS=--hypothesis-seed=N)
	@scripts/prepare test
	FUZZ_REQUESTS=$${FUZZ_REQUESTS:-20000} FUZZ_SEED=$${FUZZ_SEED:-$$(date +%s)} $(BIN)/pytest --hypothesis-profile=fuzz \
		--timeout 1800 $(FUZZED) $(ARGS)

bench: ## measure gateway, locator, engine and start-up; tables here, JSON in benchmarks/results/ (ARGS=--quick for less)
	@scripts/prepare test bench peers
	$(BIN)/python -m benchmarks $(ARGS)

chaos: ## kill, pause and cut off parts of two sites under load, check every history (ARGS="--minutes 10 --seed 7")
	@scripts/prepare test
	$(BIN)/python -m benchmarks.chaos $(ARGS)

docs: ## write what is generated of the documentation and check the rest: links, commands, code blocks
	@scripts/prepare test
	$(BIN)/python scripts/document.py $(ARGS)

lock: ## write requirements/*.lock from pyproject.toml (ARGS=--upgrade for the newest versions)
	@scripts/prepare lock
	@scripts/lock $(ARGS)

clean: ## remove the virtual environment, caches and results
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache benchmarks/results build dist
	find src tests examples benchmarks -name __pycache__ -prune -exec rm -rf {} +
