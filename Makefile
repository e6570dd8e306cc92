# The short form of portrait-prep; `make help` lists the targets. Each target does the set-up that it needs.

W ?= workspace
WORKERS ?=
ARGS ?=
PYTHON ?=

BIN := .venv/bin
CLI := $(BIN)/portrait-prep
READ := .venv/.read
READY := .venv/.ready
comma := ,
# Read from the files that declare them, by tools that are there before .venv is.
ROOMS := $(filter-out __pycache__,$(patsubst portrait_prep/%/.,%,$(wildcard portrait_prep/*/.)))
STAGES := $(shell sed -n 's/^ *\([a-z0-9_]*\)\.STAGE,.*/\1/p' stages/order.py)
OPTIONS = -w "$(W)" $(if $(WORKERS),--workers $(WORKERS)) $(ARGS)

# `make PYTHON=…` means that one and no other; a PYTHON of the environment is only tried first.
CANDIDATES = $(PYTHON) $(if $(filter command,$(origin PYTHON)),,python3.12 python3.11 python3)
# A candidate must run: a name on the PATH may be a shim that leads nowhere.
FIT := import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))
UNFIT := portrait-prep needs Python 3.11 or 3.12 with its venv module and found none that runs: install one \
(Debian: python3 and python3-venv), or name it with 'make PYTHON=/path/to/python3'.

define HELP
make demo        make the demo corpus and run everything on it
make all         bring every stage up to date; one stage: make $(STAGES)
make resume      the same, and try failed videos again
make status      stages x states, and what failed
make list        videos: what became of each, and why
make audit       check every claim of the workspace
make report      write report/index.html
make test        the tests (make test-slow: the long ones)
make coverage    the tests, and which lines they reach
make bench       frames a second, stage by stage; windows a second of a view
make lint        style, types and the import contract
make setup       make .venv with the pinned versions; the command is then $(CLI)
make clean       remove caches and build leftovers; never a workspace, never .venv

W=DIR            the workspace (now: $(W))
WORKERS=N        worker processes (default: one a core)
ARGS='…'         further options for the command behind the target
PYTHON=PATH      the Python 3.11 or 3.12 to make .venv with
endef
export HELP

.DEFAULT_GOAL := help
.PHONY: help setup demo all resume status list audit report test test-slow coverage bench lint clean $(STAGES)
.NOTPARALLEL:

help:
	@echo "$$HELP"

setup: $(READY)
	@echo "$(CLI) is ready."

# $(call install,extras,what comes and how large it is). All that it says goes to stderr: `make status >file` is clean.
define install
@if ! $(BIN)/python -c 'import pip; $(FIT)' >/dev/null 2>&1; then \
    python=; \
    for candidate in $(CANDIDATES); do \
        if "$$candidate" -c '$(FIT)' >/dev/null 2>&1; then python=$$candidate; break; fi; \
    done; \
    if [ -z "$$python" ]; then echo "$(UNFIT)" >&2; exit 1; fi; \
    echo "Making .venv with $$("$$python" --version)." >&2; \
    "$$python" -m venv --clear .venv || exit 1; \
fi
@echo "Installing $(2) into .venv: done once, takes some minutes." >&2
@$(BIN)/python -m pip install --disable-pip-version-check --no-input -c constraints.txt -e '.$(1)' >&2
@# Compiled now, a command starts a quarter sooner also where Python is told to write no bytecode.
@$(BIN)/python -m compileall -q portrait_prep $(ROOMS)
endef

$(READY): pyproject.toml constraints.txt
	$(call install,[torch$(comma)dev],portrait-prep$(comma) PyTorch and the tools for tests (2.9 GB; 7 GB with CUDA))
	@touch $(READ) $@

# What reads a workspace needs no PyTorch.
$(READ): pyproject.toml constraints.txt
	$(call install,,portrait-prep without PyTorch (1.8 GB))
	@touch $@

demo: $(READY)
	@$(CLI) demo $(OPTIONS)

$(STAGES): $(READY)
	@$(CLI) run $@ $(OPTIONS)

all: $(READY)
	@$(CLI) run $(OPTIONS)

resume: $(READY)
	@$(CLI) run --retry-failed $(OPTIONS)

status list audit report: $(READ)
	@$(CLI) $@ -w "$(W)" $(ARGS)

test: $(READY)
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

test-slow: $(READY)
	@$(BIN)/python -m pytest -m slow $(ARGS)

coverage: $(READY)
	@$(BIN)/python -m pytest --cov -n 2 --dist loadfile $(ARGS)

bench: $(READY)
	@$(BIN)/python -m benchmarks $(ARGS)

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
	find portrait_prep $(ROOMS) tests benchmarks -type d -name __pycache__ -prune -exec rm -rf {} +
