# 趵突 Baotu. `make demo` shows the whole platform alive; `make test` proves it.
PYTHON ?= python3
ENV    ?= .venv
BIN    := $(ENV)/bin
STAMP  := $(ENV)/.installed
DEMO   ?= demo-data

.PHONY: demo test check unit peers bench soak lock clean help

help:
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*##/\t/'

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(ENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --only-binary=:all: --upgrade 'pip>=24'
	$(BIN)/pip install --quiet --disable-pip-version-check --prefer-binary -e .
	touch $(STAMP)

$(ENV)/.dev: $(STAMP) requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --only-binary=:all: -r requirements-dev.lock
	touch $(ENV)/.dev

demo: $(STAMP) ## install, start the plant and the platform, print the address
	$(BIN)/baotu demo --data $(DEMO)

test: $(ENV)/.dev peers check unit ## every check and every test

check: $(ENV)/.dev ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(ENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

peers: ## install the independent peers of the tests, where that is allowed
	@sh tests/install_peers.sh

bench: $(ENV)/.dev ## measure; writes benchmarks/RESULTS.md
	@sh tests/install_peers.sh bench
	$(BIN)/python -m benchmarks

soak: $(ENV)/.dev ## hours of load with kills
	$(BIN)/python -m benchmarks --soak

lock: ## renew the lock file of development and CI
	$(BIN)/python -m pip freeze --exclude-editable | grep -v '^baotu' > requirements-dev.lock

clean:
	rm -rf $(ENV) .mypy_cache .ruff_cache .hypothesis .import_linter_cache
