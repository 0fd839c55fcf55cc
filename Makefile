# Two commands do everything on a fresh machine: `make run` and `make test`.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
SPEED ?= 10
SLOTS ?= 6
MANIFEST ?= samples/manifest.json
FAULTS ?=
SERVICE ?=
ARCHITECTURE ?= x86_64

# Where a machine forbids compiled modules, every process of every test would compile all of moto again.
unexport PYTHONDONTWRITEBYTECODE
# Read by Python and pytest before any file of this project's, and no business of a run's or a test's.
unexport PYTEST_ADDOPTS PYTEST_PLUGINS PYTEST_DISABLE_PLUGIN_AUTOLOAD PYTHONOPTIMIZE PYTHONWARNINGS PYTHONPATH PYTHONSTARTUP

# For the shell, as it was given: with blanks, quotes and dollar signs.
python = '$(subst ','\'',$(PYTHON))'
quoted = '$(subst ','\'',$(value $(1)))'

VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 -W ignore::UserWarning

# What `make test` leaves to `make check`: pages in a browser, builds without a safeguard, whole runs of the command.
CHECKED := tests/browser tests/workflow/test_weakened.py tests/workflow/test_stored_histories.py tests/end_to_end/test_local_run.py tests/end_to_end/test_checks_of_samples.py \
  tests/end_to_end/test_hostile_environments.py tests/end_to_end/test_wheel.py tests/end_to_end/test_deployed_suite.py

OPTIONS = --speed $(call quoted,SPEED) --slots $(call quoted,SLOTS) $(if $(value FAULTS),--faults $(call quoted,FAULTS)) \
  $(if $(value SERVICE),--service $(call quoted,SERVICE))

.DEFAULT_GOAL := help
.PHONY: help run up test soak check sam-test build lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

$(VENV)/.tools: requirements/tools.txt
	@test -n $(python) || { echo "Python 3.11 or newer is needed, with venv; name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "setting up with $$($(python) --version)"
	@$(python) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/tools.txt
	@touch $@

# One environment for both commands; the second adds to what the first installed.
$(VENV)/.run: $(VENV)/.tools requirements/run.txt pyproject.toml
	@$(BIN)/uv pip install -q --require-hashes --python $(BIN)/python -r requirements/run.txt
	@$(BIN)/uv pip install -q --no-deps --no-build-isolation --python $(BIN)/python -e .
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.txt
	@$(BIN)/uv pip install -q --require-hashes --python $(BIN)/python -r requirements/test.txt
	@touch $@

run: $(VENV)/.run ## run the sample manifest on the embedded stack (MANIFEST=file; SPEED=1 is the real pace)
	@$(BIN)/tryon local run $(call quoted,MANIFEST) $(OPTIONS)

up: $(VENV)/.run ## keep the embedded stack running for the AWS CLI (PORT=4600, LOG=file)
	@$(BIN)/tryon local up $(OPTIONS) $(if $(filter command,$(origin PORT)),--port $(call quoted,PORT)) $(if $(filter command,$(origin LOG)),--log $(call quoted,LOG))

test: $(VENV)/.test ## run all tests
	@$(PYTEST) $(addprefix --ignore=,$(CHECKED) tests/deployed)

soak: $(VENV)/.test ## generated histories of faults for ten minutes
	@$(BIN)/python -m tests.soak --minutes 10

check: $(VENV)/.test ## lint all, hold the matrix of faults against the code, run the tests of pages and of weakened builds
	@$(BIN)/python -m lint
	@$(BIN)/python -m benchmarks.reliability --check
	@$(PYTEST) $(CHECKED)

sam-test: $(VENV)/.test ## build with SAM and run the functions in containers
	@SAM_TEST=1 $(BIN)/python -m pytest tests/sam

build: $(VENV)/.test ## build the packages for a deployment (ARCHITECTURE=arm64 for the other processor)
	@$(BIN)/python -m sam build $(ARCHITECTURE)

weights: $(VENV)/.test ## fetch the weights that FaceChecks=network needs, by hash, for the layer (100 MB)
	@$(BIN)/python -m sam.weights

lock: $(VENV)/.tools ## pin requirements anew, with hashes, from pyproject.toml and the layers' own lists
	@$(BIN)/python -m lint.lock

clean: ## remove what the other commands made
	-@test ! -d .cache/sam || $(BIN)/python -m sam clear
	rm -rf $(VENV) .cache .aws-sam out .pytest_cache .mypy_cache .ruff_cache .hypothesis
