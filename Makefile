# Every target sets itself up: a machine with Python 3.11 and make is enough.
PYTHON ?= python3
DATA ?= ../shared/data
BIN := .venv/bin

.PHONY: demo test lint docs clean

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: .venv/installed
	$(BIN)/python examples/gpa_fairness.py
	$(BIN)/python examples/mnist.py --dataset digits
	@if [ -d $(DATA)/MNIST ]; then set -x; $(BIN)/python examples/mnist.py --root $(DATA); \
	else echo "No MNIST in $(DATA): leaving it out (make demo DATA=folder)"; fi

test: .venv/installed
	$(BIN)/python -m pytest

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/installed
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html

clean:
	rm -rf .venv docs/_build docs/auto_examples docs/generated
