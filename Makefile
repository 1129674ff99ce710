# Every target makes its own .venv from nothing but python3, python3-venv and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet install --require-hashes --no-deps

.PHONY: demo test torture consent decades check bench durability docs lock clean

demo: $(VENV)/run.stamp
	$(BIN)/sonotheque demo $(ARGS)

test: $(VENV)/dev.stamp
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

torture: $(VENV)/dev.stamp
	$(BIN)/python tests/torture $(ARGS)

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/dev.stamp
	$(BIN)/python -m bench $(ARGS)

consent: $(VENV)/dev.stamp
	$(BIN)/python tests/consent/consenting.py $(ARGS)

decades: $(VENV)/dev.stamp
	$(BIN)/python tests/decades/campaign.py $(ARGS)

durability: $(VENV)/dev.stamp
	$(BIN)/python -m bench.durability

docs: $(VENV)/dev.stamp
	$(BIN)/zensical build --clean

lock: $(VENV)/dev.stamp
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
	    --group build pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
	    --group build --group dev --constraints requirements.lock pyproject.toml --output-file requirements-dev.lock

clean:
	rm -rf $(VENV) site build dist demo

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "sonotheque needs Python 3.11 or later: set PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "cannot make a virtual environment: apt-get install python3-venv" >&2; exit 2; }

$(VENV)/run.stamp: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing the pinned packages (once)" >&2
	$(PIP) -r requirements.lock
	$(BIN)/pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(VENV)/run.stamp
	$(PIP) -r requirements-dev.lock
	@touch $@
