# The two commands that matter: make run, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check bench format lock clean

run: $(VENV)/.run
	$(BIN)/sge serve

test: check
	$(BIN)/python -m pytest

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_storeys.py

bench: $(VENV)/.test
	$(BIN)/sge bench module
	$(BIN)/sge bench lens

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:
	requirements/lock.sh

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Installed only when a lock or the project file has changed; the marker is written last, so that an
# installation that broke off is begun again.
$(VENV)/.run: requirements/run.lock requirements/build.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check --quiet --require-hashes -r requirements/build.lock
	$(BIN)/pip install --disable-pip-version-check --quiet --require-hashes -r requirements/run.lock
	$(BIN)/pip install --disable-pip-version-check --quiet --no-build-isolation --no-deps --editable .
	touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.lock
	$(BIN)/pip install --disable-pip-version-check --quiet --require-hashes -r requirements/test.lock
	touch $@
