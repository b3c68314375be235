# make demo        faces from words, in out/
# make test        lint, types, documentation and tests
# make test-fast   the tests that take under a minute in all
# make docs        the documentation as a site, in site/
# make clean       everything that make has made

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt
SOURCES := $(shell find src -type f -not -path '*/__pycache__/*')
# PyTorch's own index has builds without CUDA. On Linux those of PyPI bring several GB of it along.
CPU_INDEX := https://download.pytorch.org/whl/cpu
# A file of tests belongs to one process, so that what its tests share is made once.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-fast lint docs clean

demo: $(VENV)/.installed
	$(BIN)/text2face generate --prompts docs/demo-prompts.txt --seed 7 --grid 4x8 --overwrite -o out
	@echo "The command is there after: source $(BIN)/activate"

test: lint docs
	$(PYTEST)

test-fast: $(VENV)/.dev
	$(PYTEST) -m "not slow"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src recipes benchmarks

docs: $(VENV)/.dev
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) out site .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# Where there is no NVIDIA GPU, torch without CUDA, if the index answers within seconds.
$(VENV)/.torch: $(VENV)/bin/python constraints.txt
	@index=; \
	if nvidia-smi -L >/dev/null 2>&1; then echo "NVIDIA GPU: torch with CUDA"; \
	elif $(BIN)/python -c "import urllib.request as u; u.urlopen('$(CPU_INDEX)/torch/', timeout=5)" 2>/dev/null; \
	then index="--index-url $(CPU_INDEX)"; echo "no NVIDIA GPU: torch from $(CPU_INDEX)"; \
	else echo "$(CPU_INDEX) cannot be reached: torch as pip finds it, on Linux perhaps with CUDA"; fi; \
	$(PIP) $$index torch
	touch $@

# The package itself, as a user installs it.
$(VENV)/.installed: $(VENV)/.torch pyproject.toml $(SOURCES)
	$(PIP) .
	rm -f $(VENV)/.dev
	touch $@

# The sources in place, with what tests them.
$(VENV)/.dev: $(VENV)/.torch pyproject.toml
	$(PIP) -e '.[dev]'
	touch $@
