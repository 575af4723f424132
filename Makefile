# Every target works on a fresh machine with Python 3.11+ (with venv), make and a network.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO ?= .demo
PARITY ?= .parity
MODES ?= headers
DRAWN ?= 60
PIN_PYTHON ?= python3.12
BASE ?= python:3.12-slim
ENGINE ?= $(shell for one in docker podman; do $$one info >/dev/null 2>&1 && echo $$one && break; done)
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' bidsflow/__init__.py)
REVISION = $(shell git describe --always --dirty --exclude '*' 2>/dev/null || echo unknown)
IMAGES := $(patsubst containers/%/Dockerfile,%,$(wildcard containers/*/Dockerfile))

.PHONY: help install demo test lint types layers pytest slow fuzz parity format package bench clean
.PHONY: recipes constraints containers containers-test cluster-test

help:  ## Say what can be made.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/	/' | expand -t 18

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

install: $(STAMP)  ## Make .venv and install bidsflow into it, with what developers need.

demo: $(STAMP)  ## The whole way on made-up data; leaves a page to look at in .demo/.
	rm -rf $(DEMO)
	$(BIN)/bidsflow demo $(DEMO)

test: lint types layers pytest package  ## Everything that CI runs.

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports

pytest: $(STAMP)
	$(BIN)/pytest -n auto -m "not slow and not containers and not cluster"

slow: $(STAMP)  ## The tests that take longer: many kills, all sizes, real exports where they are there.
	$(BIN)/pytest -n auto -m slow

fuzz: $(STAMP)  ## The tests that draw their own examples, with a hundred times as many and others each time.
	$(BIN)/pytest -n auto -m hypothesis --hypothesis-profile=fuzz

parity: $(STAMP)  ## Hold our validator against the reference on datasets with a defect each, drawn ones, and those below DATASETS.
	rm -rf $(PARITY)
	$(BIN)/python -m tests.validate.defects $(PARITY)
	$(BIN)/python -m tests.validate.defects $(PARITY) --drawn $(DRAWN)
	$(if $(DATASETS),$(BIN)/python -m tests.validate.defects $(PARITY) --drawn $(DRAWN) $(addprefix --spoil ,$(DATASETS)))
	$(BIN)/python benchmarks/validator_parity.py --below $(PARITY) $(addprefix --below ,$(DATASETS)) --cache $(PARITY)-cache \
		--modes $(MODES)

package: $(STAMP)  ## Build the wheel, install it into an empty environment outside the checkout, run the demo from it.
	$(BIN)/python tests/packaging/check_wheel.py

recipes: $(STAMP)  ## Write the recipes in containers/ again.
	for target in $(IMAGES); do $(BIN)/bidsflow package $$target --docker --apptainer --force; done

constraints: $(STAMP)  ## Choose anew the versions that images hold; needs a Python of the images' version (PIN_PYTHON).
	$(BIN)/python containers/pin.py $(PIN_PYTHON)

containers:  ## Build the images, with Docker or Podman.
	@if [ -z "$(ENGINE)" ]; then echo "skipped: neither docker nor podman works here"; exit 0; fi; set -e; \
	for target in $(IMAGES); do \
		$(ENGINE) build -f containers/$$target/Dockerfile -t bidsflow-$$target:$(VERSION) --build-arg BASE=$(BASE) \
			--build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
			--build-arg CREATED=$$(date -u +%Y-%m-%dT%H:%M:%SZ) .; \
	done

containers-test: $(STAMP) containers  ## Build the images, and run them as hostile clusters would.
	$(BIN)/pytest -rs -m containers tests/containers

cluster-test: $(STAMP)  ## Run arrays with faults on the Slurm and Grid Engine found here; SHARED=DIR, which all nodes see.
	$(BIN)/pytest -rs -m cluster tests/cluster $(if $(SHARED),--basetemp $(SHARED)/cluster-test)

bench: $(STAMP)  ## Measure scan and convert on exports that it makes (see benchmarks/README.md).
	$(BIN)/python benchmarks/scan.py
	$(BIN)/python benchmarks/convert.py
	$(BIN)/python benchmarks/qc.py

format: $(STAMP)  ## Put the code in order.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove everything that was made.
	rm -rf $(VENV) $(DEMO) $(PARITY) $(PARITY)-cache build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
