# Every target works on a fresh machine with Python 3.11+ (with venv), make and a network.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO ?= .demo
PARITY ?= .parity
MODES ?= headers

.PHONY: help install demo test lint types layers pytest slow fuzz parity format package bench clean

help:  ## Say what can be made.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/	/' | expand -t 12

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
	$(BIN)/pytest -n auto -m "not slow"

slow: $(STAMP)  ## The tests that take longer: many kills, all sizes, real exports where they are there.
	$(BIN)/pytest -n auto -m slow

fuzz: $(STAMP)  ## The tests that draw their own examples, with a hundred times as many and others each time.
	$(BIN)/pytest -n auto -m hypothesis --hypothesis-profile=fuzz

parity: $(STAMP)  ## Hold our validator against the reference on datasets with a defect each, and on those below DATASETS.
	rm -rf $(PARITY)
	$(BIN)/python -m tests.validate.defects $(PARITY)
	$(BIN)/python benchmarks/validator_parity.py --below $(PARITY) $(addprefix --below ,$(DATASETS)) --cache $(PARITY)-cache \
		--modes $(MODES)

package: $(STAMP)  ## Build the wheel, install it into an empty environment outside the checkout, run the demo from it.
	$(BIN)/python tests/packaging/check_wheel.py

bench: $(STAMP)  ## Measure scan and convert on exports that it makes (see benchmarks/README.md).
	$(BIN)/python benchmarks/scan.py
	$(BIN)/python benchmarks/convert.py
	$(BIN)/python benchmarks/qc.py

format: $(STAMP)  ## Put the code in order.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove everything that was made.
	rm -rf $(VENV) $(DEMO) $(PARITY) $(PARITY)-cache build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
