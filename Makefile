# A verb a target. TORCH is what pip installs first: TORCH="torch==2.13.0" or TORCH="torch --index-url URL" choose a build.
PYTHON ?= python3
TORCH ?=
ARGS ?=
JOBS ?= $(shell $(PYTHON) -c "import os; print(min(4, (os.cpu_count() or 1) + 1))")
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup train test lint format bench chaos paper docs clean

help: ## Show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/ready ## Make .venv with everything; TORCH=... chooses a build of torch

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH),$(BIN)/pip install --quiet $(TORCH))
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

train: setup ## Train; ARGS="model=resnet20 data=cifar10" is passed on
	$(BIN)/python train.py $(ARGS)

test: setup ## Run the tests; ARGS="-k NAME" is passed on, and ARGS="-m slow" runs those that take minutes
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

lint: setup ## Check style and types
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: setup ## Mend style
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: setup ## Measure speed, start-up and memory as ratios; ARGS="startup" chooses
	$(BIN)/python -m benchmarks $(ARGS)

chaos: setup ## Kill runs, fill disks, spoil checkpoints: is anything lost? ARGS="--kills 500 --seed 1"
	PYTHONPATH=tests $(BIN)/python -m chaos $(ARGS)

paper: setup ## Tables (Markdown, LaTeX) and figures (PDF, PNG) of the claims in experiments/paper
	$(BIN)/litmus paper

docs: setup ## Build the documentation into docs/build; warnings are errors
	$(BIN)/python -m sphinx -q -W --keep-going docs docs/build

clean: ## Remove .venv and caches, never data or outputs
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache src/*.egg-info
