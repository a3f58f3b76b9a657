# Everything a newcomer needs: `make demo` and `make test`. Nothing is installed outside .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := -m pytest -n 2 --dist loadscope
PYTEST := $(BIN)/python $(RUN)

FIRMWARE := .venv-firmware

.PHONY: help demo test types tested firmware soak world mutations bench docs format clean

help:  ## Show what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# A virtual environment exactly as locked; made anew when a lock or the project file changes.
$(VENV)/demo.stamp: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	touch $@

$(VENV)/dev.stamp: $(VENV)/demo.stamp requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

demo: $(VENV)/demo.stamp  ## See rooms being checked in and given back, in about two minutes
	$(BIN)/occupancy-simulator demo $(DEMO)

test: $(VENV)/dev.stamp  ## Lint, types, architecture, tests with coverage
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(MAKE) --no-print-directory --jobs=2 types tested

# Beside each other: while one waits for a disk or a process, the other works. If either fails, `make test` does.
types:
	$(BIN)/lint-imports
	$(BIN)/mypy

# Thorough tests run among the others, without being measured: see tests/conftest.py. Modules stay compiled, also
# where the environment forbids it: two workers and some hundred child processes load the same ones.
tested: export PYTHONDONTWRITEBYTECODE :=
tested:
	$(BIN)/coverage erase
	$(BIN)/coverage run $(RUN) --quiet -m "not soak" $(TESTS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# In an environment of its own: ESPHome brings eighty packages, and pins what others need otherwise.
$(FIRMWARE)/stamp: requirements-firmware.lock
	test -x $(FIRMWARE)/bin/python || $(PYTHON) -m venv $(FIRMWARE)
	$(FIRMWARE)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-firmware.lock
	touch $@

firmware: $(VENV)/dev.stamp $(FIRMWARE)/stamp  ## Have ESPHome itself check the configurations that are made for it
	$(BIN)/python -m pytest tests/firmware

soak: $(VENV)/dev.stamp  ## The long tests: a thousand kills, a thousand room-years, thousands of random days
	PROPERTY_FACTOR=20 $(PYTEST) $$(grep -rl "\* FACTOR" tests --include=*.py)
	$(BIN)/python -m pytest -m soak --ignore=tests/mutations --ignore=tests/simulators/test_world.py $(TESTS)
	$(PYTEST) -m soak tests/simulators/test_world.py
	$(MAKE) firmware
	$(MAKE) mutations
	$(MAKE) world WORLD="--room-years 1000 --seed 10000"

world: $(VENV)/demo.stamp  ## Years of a hostile world, every promise checked after every step
	$(BIN)/occupancy-simulator world $(WORLD)

mutations: $(VENV)/dev.stamp  ## Deliberate faults in the code, each of which a test must catch
	$(BIN)/python -m tests.mutations.runner $(MUTATIONS)

bench: $(VENV)/dev.stamp  ## Measure speed and size; writes bench.json
	$(BIN)/python -m benchmarks.bench $(BENCH)

docs: $(VENV)/dev.stamp  ## Generate the generated parts of the documentation
	$(BIN)/python -m docs.generate

format: $(VENV)/dev.stamp  ## Format the code
	$(BIN)/ruff format

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) $(FIRMWARE) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
