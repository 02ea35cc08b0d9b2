# Two commands are enough for a newcomer: `make run` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# The flask command would also take a .env of a folder further up.
export FLASK_SKIP_DOTENV := 1

.PHONY: run test test-all lint lock clean

run: $(INSTALLED) .env
	@$(BIN)/flask db upgrade
	@exec $(BIN)/gunicorn

test: $(INSTALLED)
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered --cov-fail-under=95

# And what needs programs of the distribution: nginx, openssl, curl, systemd-analyze, gcc, hadolint.
# What is missing is said in the summary.
test-all: test
	$(BIN)/python -m pytest -m system

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.check_migrations
	$(BIN)/python -m tools.check_locks

# The locked sets with hashes, from pyproject.toml. `make lock UPGRADE=--upgrade` takes newer ones.
PIN := --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet $(UPGRADE)
COMPILE := $(BIN)/uv pip compile pyproject.toml $(PIN)
lock: $(INSTALLED)
	$(COMPILE) --output-file requirements.txt
	$(COMPILE) --extra fast --constraint requirements.txt --output-file requirements-fast.txt
	$(COMPILE) --group dev --constraint requirements.txt --output-file requirements-dev.txt
	$(BIN)/uv pip compile --group build $(PIN) --output-file requirements-build.txt

$(INSTALLED): requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "WorkHub needs Python 3.11 or newer: make run PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $(INSTALLED)

.env: | $(INSTALLED)
	@$(BIN)/flask secrets init

clean:
	rm -rf .venv
