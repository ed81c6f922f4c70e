# What can be done in a checkout. Each target makes what it needs; Python >= 3.11 and make are enough.
#
#   make demo [KEEP=1]     the whole story, played on a throwaway homeserver; KEEP=1 leaves it running
#   make test [ARGS=...]   the tests, three at a time (WORKERS=...); ARGS go to pytest
#   make test-long         those that take longer: more servers, lost keys, faults
#   make faults [ARGS=...] kills, freezes and cuts everything in turn, for a quarter of an hour and more
#   make bench [ARGS=...]  what it takes, beside yardsticks: a table and bench.json; ARGS="--only decide,intake"
#   make check             lint, format, types, import contracts
#   make messages          brings the translations up to date with the table of sentences
#   make lock              new lock files from pyproject.toml
#   make clean             away with all that was made

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
SYDENT := .venv-sydent
JSSDK := tests/jssdk
MAUBOT := .venv-maubot
BIN := $(VENV)/bin
WORKERS ?= 3
# Bytecode is kept whatever the environment says: every worker, and every server they start, would compile all anew.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

.PHONY: help demo test test-long faults bench check messages lock clean
help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/.ready $(SYDENT)/.ready
	@$(BIN)/knockbot demo $(if $(filter-out 0 no,$(KEEP)),--keep)

test: $(VENV)/.ready $(SYDENT)/.ready $(JSSDK)/node_modules/.ready
	@$(PYTEST) -m "not long" $(ARGS)

test-long: $(VENV)/.ready $(SYDENT)/.ready $(JSSDK)/node_modules/.ready
	@$(PYTEST) -m long $(ARGS)

faults: $(VENV)/.ready
	@$(BIN)/python -m tests.faults $(ARGS)

bench: $(VENV)/.ready $(MAUBOT)/.ready
	@$(BIN)/python -m tests.bench $(ARGS)

check: $(VENV)/.ready
	@echo "== lint";             $(BIN)/ruff check .
	@echo "== format";           $(BIN)/ruff format --check .
	@echo "== types";            $(BIN)/mypy
	@echo "== import contracts"; $(BIN)/lint-imports --no-logo
	@echo "== messages";         $(BIN)/python -m tests.messages --check

messages: $(VENV)/.ready
	@$(BIN)/python -m tests.messages

# --- the environment -------------------------------------------------------------------------------------------

# Redone when the locked versions change: pip then mends the environment in place.
$(VENV)/.locked: requirements/dev.lock | $(VENV)/bin/python
	@echo "knockbot: installing $$(grep -c == requirements/dev.lock) locked packages, a real Synapse among them (once; a minute or so)"
	@$(PIP) install --progress-bar off --require-hashes -r requirements/dev.lock \
	  | sed -un 's/^Collecting \([^ ;]*\).*/  \1/p'
	@touch $@

# Redone when the project's own description changes: entry points and version.
$(VENV)/.ready: $(VENV)/.locked pyproject.toml knockbot/__init__.py
	@echo "knockbot: installing knockbot itself"
	@PYTHONWARNINGS=ignore $(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "knockbot needs Python 3.11 or newer, and \"$(PYTHON)\" is not: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "knockbot: making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# The identity server lives apart: its packages do not go together with Synapse's.
$(SYDENT)/.ready: requirements/sydent.lock | $(VENV)/bin/python
	@echo "knockbot: making $(SYDENT) with a real Sydent and its $$(grep -c == requirements/sydent.lock) locked packages"
	@test -x $(SYDENT)/bin/python || $(PYTHON) -m venv $(SYDENT) || { rm -rf $(SYDENT); exit 1; }
	@$(SYDENT)/bin/python -m pip --disable-pip-version-check --no-input install --quiet --require-hashes \
	  -r requirements/sydent.lock || { \
	  echo "knockbot: Sydent cannot be installed here, as said above; the tests need it. Without it, the demo invites nobody by e-mail: $(BIN)/knockbot demo" >&2; exit 1; }
	@touch $@

# The official client for encrypted rooms. Without Node its tests are skipped, and say so.
$(JSSDK)/node_modules/.ready: $(JSSDK)/package-lock.json
	@if command -v npm >/dev/null; then \
	  echo "knockbot: installing the official Matrix SDK for JavaScript, for the tests of encrypted rooms"; \
	  cd $(JSSDK) && npm ci --silent && touch node_modules/.ready; \
	else echo "knockbot: there is no npm here, so the tests with the official Matrix SDK are skipped"; fi

# The benchmark's yardstick lives apart as well: knockbot is not to be measured with its packages.
$(MAUBOT)/.ready: requirements/maubot.lock | $(VENV)/bin/python
	@echo "knockbot: making $(MAUBOT) with maubot and its $$(grep -c == requirements/maubot.lock) locked packages"
	@test -x $(MAUBOT)/bin/python || $(PYTHON) -m venv $(MAUBOT) || { rm -rf $(MAUBOT); exit 1; }
	@$(MAUBOT)/bin/python -m pip --disable-pip-version-check --no-input install --quiet --require-hashes \
	  -r requirements/maubot.lock
	@touch $@

# --- the lock files --------------------------------------------------------------------------------------------

# Versions and hashes for every Python from 3.11 on and every platform, and the address of no registry.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
  --upgrade

lock: $(VENV)/.ready
	@$(COMPILE) pyproject.toml --extra e2ee --output-file requirements/run.lock
	@$(COMPILE) pyproject.toml --extra e2ee --extra demo --group dev --constraints requirements/run.lock \
	  --output-file requirements/dev.lock
	@$(COMPILE) --group build --constraints requirements/dev.lock --output-file requirements/build.lock
	@$(COMPILE) --group sydent --output-file requirements/sydent.lock
	@$(COMPILE) --group maubot --output-file requirements/maubot.lock
	@! grep -nE '://|^ *-[^-]|^ *--(index|extra|find|trusted)' requirements/*.lock || { echo "a lock file names a place" >&2; exit 1; }
	@grep -c == requirements/*.lock

clean:
	rm -rf $(VENV) $(SYDENT) $(JSSDK)/node_modules $(MAUBOT) .demo build dist *.egg-info bench.json .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find knockbot tests -name __pycache__ -prune -exec rm -rf {} +
