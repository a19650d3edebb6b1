# Every target sets up what it needs: `make book` or `make test` alone is enough on a fresh machine.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
PRESET ?= laptop
BOOKFLAGS ?=
BROWSERFLAGS ?=
LABFLAGS ?=
GPUFLAGS ?=
BENCHFLAGS ?=
RIVAL ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DISK_GB := 7
UV_HTTP_TIMEOUT ?= 300
export UV_HTTP_TIMEOUT
# A virtual environment that happens to be active must not lend its packages to this one.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME

.PHONY: help setup book pdf test lint smoke lab cluster browser browser-lab bench gpu-record clean

help:  ## show this list
	@echo "make TARGET, where TARGET is one of:"
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' Makefile | expand -t 14
	@echo "The first call sets up $(VENV) (Python 3.11 or newer, $(DISK_GB) GB of disk, a few minutes)."

setup: $(READY)  ## set up .venv with the exact versions of requirements.txt

book: $(READY)  ## run the chapters that are out of date (PRESET=laptop), then render the book
	@echo "== chapters at the $(PRESET) preset: only those whose executed copy is missing or out of date"
	$(BIN)/python -m nasnb book --preset $(PRESET)
	@echo "== README's first screen, CITATION.cff and codecheck.yml, from the kept results"
	$(BIN)/python book/make_front.py
	@echo "== rendering"
	$(BIN)/jupyter-book build . --path-output book -q $(BOOKFLAGS)
	@echo "== the book: book/_build/html/index.html"

pdf: tests/browser/node_modules/.package-lock.json  ## the rendered book as one PDF (needs node and chromium)
	node tests/browser/pdf.mjs

test: lint  ## lint, then all tests, with a smoke run of every notebook among them
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(READY)  ## style and format of modules, tests and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

smoke: $(READY)  ## run every notebook at the smoke preset, afresh, into build/smoke
	rm -rf build/smoke && mkdir -p build/smoke
	@set -e; for notebook in notebooks/*.ipynb; do name=$$(basename "$$notebook" .ipynb); echo "== $$name"; \
	  $(BIN)/python -m nasnb run "$$name" --output "build/smoke/$$name.ipynb" \
	    -p preset=smoke -p runs_dir="$(CURDIR)/build/smoke/runs"; done

lab: $(READY)  ## open JupyterLab on the chapters
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks $(LABFLAGS)

cluster: $(READY)  ## set up .venv-cluster: Snakemake and its Slurm executor
	@test -x .venv-cluster/bin/python || $(PYTHON) -m venv .venv-cluster
	.venv-cluster/bin/python -m pip install --quiet -r requirements-cluster.txt
	@echo "== now: .venv-cluster/bin/snakemake --profile profiles/local --config sweep=smoke"

browser: tests/browser/node_modules/.package-lock.json  ## every page of the rendered book in Chromium (needs node and chromium)
	node tests/browser/check.mjs $(BROWSERFLAGS)

browser-lab: $(READY) tests/browser/node_modules/.package-lock.json  ## every chapter at smoke in JupyterLab, run by a browser
	node tests/browser/lab.mjs $(BROWSERFLAGS)

tests/browser/node_modules/.package-lock.json: tests/browser/package-lock.json
	@command -v node npm >/dev/null || { echo "no node and npm found; on Debian and Ubuntu: apt install nodejs npm chromium"; exit 1; }
	cd tests/browser && npm ci --no-audit --no-fund

bench: $(READY)  ## time searches on this machine; RIVAL=checkout: a step of that code beside ours
	@if [ -n "$(RIVAL)" ]; then $(BIN)/python -m benchmarks.rival "$(RIVAL)" $(BENCHFLAGS); \
	else $(BIN)/python -m benchmarks.bench $(BENCHFLAGS) && $(BIN)/python -m benchmarks.growth; fi

gpu-record: $(READY)  ## everything worth knowing about this graphics card, in parts, 10 minutes a call (GPUFLAGS=...)
	$(BIN)/python -m benchmarks.gpu_record $(GPUFLAGS)

clean:  ## remove the rendered book and its chapters; .venv, runs, data and executed copies (build/) stay
	rm -rf book/_build book/chapters build/smoke

define CHECK_MACHINE
import os, shutil, sys
if sys.version_info < (3, 11):
    sys.exit("Python 3.11 or newer is needed, but %s is %s. Cure: make PYTHON=python3.12 ..."
             % (sys.executable, sys.version.split()[0]))
free = shutil.disk_usage(".").free / 1e9
if not os.path.exists("$(READY)") and free < $(DISK_GB):
    sys.exit("%s has %.1f GB free, but the environment needs $(DISK_GB) GB (PyTorch with CUDA). Cure: free some space."
             % (os.getcwd(), free))
endef
export CHECK_MACHINE

# uv installs in half the time of pip; where uv cannot be had, pip does the same.
$(READY): requirements.txt pyproject.toml
	@echo "== setting up $(VENV) with the versions of requirements.txt"
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON) found: install Python 3.11 or newer, or name one: make PYTHON=..."; exit 1; }
	@$(PYTHON) -c "$$CHECK_MACHINE"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@set -e; if $(BIN)/python -m pip install --quiet uv; then install="$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode"; \
	  else echo "uv cannot be installed here: using pip"; install="$(BIN)/python -m pip install"; fi; \
	$$install -r requirements.txt; \
	$$install --no-deps --no-build-isolation -e .
	@touch $(READY)
