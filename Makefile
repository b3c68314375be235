# make demo   faces from words, in out/
# make test   lint, types and tests
# make clean  everything that make has made

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt
SOURCES := $(shell find src -type f -not -path '*/__pycache__/*')

.PHONY: demo test clean

demo: $(VENV)/.installed
	$(BIN)/text2face generate --prompts docs/demo-prompts.txt --seed 7 --grid 4x8 --overwrite -o out

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src recipes benchmarks
	$(BIN)/pytest

clean:
	rm -rf $(VENV) out .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The package itself, as a user installs it.
$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt $(SOURCES)
	$(PIP) .
	rm -f $(VENV)/.dev
	touch $@

# The sources in place, with what tests them.
$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) -e '.[dev]'
	touch $@
