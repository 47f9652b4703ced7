# Every target sets itself up: a machine with Python 3.11 and make is enough.
PYTHON ?= python3
DATA ?= ../shared/data
BIN := .venv/bin
# The tests run in one process per core. A process needs about 1 GB of memory, hence at most 8.
PYTEST := -m pytest --numprocesses logical --maxprocesses 8 --dist worksteal

# More threads than cores would wait for each other.
test test-all test-matrix: export OMP_NUM_THREADS = 1

.PHONY: demo test test-all test-matrix lint figures docs clean

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: .venv/installed
	$(BIN)/python examples/gpa_fairness.py
	$(BIN)/python examples/mnist.py --dataset digits
	@if [ -d $(DATA)/MNIST ]; then set -x; $(BIN)/python examples/mnist.py --root $(DATA); \
	else echo "No MNIST in $(DATA): leaving it out (make demo DATA=folder)"; fi

# Without the tests marked slow: long simulations, each of which has a short form that runs here.
test: .venv/installed
	$(BIN)/python $(PYTEST) -m "not slow" --hypothesis-profile short

test-all: .venv/installed
	$(BIN)/python $(PYTEST)

# All tests on the lowest dependencies that pyproject.toml allows, extras among them, then on the
# newest there are. Each set takes some minutes and gigabytes; `make clean` removes both.
test-matrix: .matrix/lowest/installed .matrix/newest/installed
	.matrix/lowest/bin/python $(PYTEST)
	.matrix/newest/bin/python $(PYTEST)

.matrix/%/installed: .matrix/%.txt
	$(PYTHON) -m venv --clear .matrix/$*
	.matrix/$*/bin/python -m pip install --quiet --editable '.[test]' --constraint $<
	touch $@

.matrix/lowest.txt: pyproject.toml
	mkdir -p .matrix
	$(PYTHON) -c "import tomllib; project = tomllib.load(open('$<', 'rb'))['project']; \
	bounds = sum(project['optional-dependencies'].values(), project['dependencies']); \
	print(*(bound.replace('>=', '==') for bound in bounds if '>=' in bound), sep='\n')" > $@

.matrix/newest.txt: pyproject.toml
	mkdir -p .matrix
	: > $@

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The figures in docs/_static, which are committed. Their numbers come from the package and from
# benchmarks/tables.
figures: .venv/installed
	cd docs && ../$(BIN)/python -m figures

docs: .venv/installed
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html

clean:
	rm -rf .venv .matrix docs/_build docs/auto_examples docs/generated
