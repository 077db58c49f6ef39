# The two commands of the README: make run, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test test-side test-rest quick check bench format lock hooks clean

run: $(VENV)/.run
	$(BIN)/sge serve

# Two halves that take about equally long run beside each other, with one thread each, because threads that wait for a
# busy core waste it.
SIDE := tests/browser tests/training tests/evaluation tests/docs tests/cli tests/deploy tests/app

test: check
	OMP_NUM_THREADS=1 $(MAKE) --no-print-directory --jobs=2 test-side test-rest

test-side: $(VENV)/.test
	$(BIN)/python -m pytest $(SIDE)

test-rest: $(VENV)/.test
	$(BIN)/python -m pytest $(SIDE:%=--ignore=%)

# Less than a minute: no browser, and nothing that is marked slow.
quick: $(VENV)/.test
	$(BIN)/ruff check --quiet .
	$(BIN)/python -m pytest -m "not slow and not browser"

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_dependencies.py tests/test_vocabulary.py

bench: $(VENV)/.test
	$(BIN)/sge bench module
	$(BIN)/sge bench lens

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:
	requirements/lock.sh

hooks: $(VENV)/.test
	$(BIN)/pre-commit install

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Installed again only when a lock or the project file has changed. The marker is written last, so that an
# interrupted installation starts again. TORCH_INDEX=ADDRESS takes torch from another package index.
$(VENV)/.run: requirements/run.lock requirements/build.lock requirements/install.sh pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	requirements/install.sh $(BIN)/pip requirements/build.lock
	requirements/install.sh $(BIN)/pip requirements/run.lock
	$(BIN)/pip install --disable-pip-version-check --quiet --no-build-isolation --no-deps --editable .
	touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.lock
	requirements/install.sh $(BIN)/pip requirements/test.lock
	touch $@
