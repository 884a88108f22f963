# The commands of this project; `make` lists them. There is no set-up command: the first one makes
# .venv and installs what it needs. A changed lock file is installed by the next command.

PYTHON ?= python3
BIN := .venv/bin
# Each file says that a step is done: the environment is made; `make run`'s packages are in it; all
# packages are.
VENV := .venv/.made
RUN := .venv/.run
DEV := .venv/.dev
# Each process has its own Redis, database and ports, and takes whole files: their tests share a
# stack, a browser or a worker.
# One more than there are cores, since many tests wait.
JOBS ?= $(shell $(PYTHON) -c 'import os; print(os.cpu_count() + 1)')
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run redis-stop redis-start test test-fast check check-staging check-production \
  chromium bench bench-quick chaos chaos-quick lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(RUN) ## Start everything on this machine, with a demo; Ctrl-C stops it
	@exec $(BIN)/python -m tools.run

redis-stop: $(RUN) ## Stop the Redis of a running `make run`
	@$(BIN)/python -m tools.run redis-stop

redis-start: $(RUN) ## Start it again
	@$(BIN)/python -m tools.run redis-start

test: check chromium ## Check, run every test on PostgreSQL and some on SQLite too, then chaos-quick
	TEST_DATABASE=postgresql $(PYTEST)
	TEST_DATABASE=sqlite $(PYTEST) -m sqlite
	@$(MAKE) --no-print-directory chaos-quick

test-fast: $(DEV) ## The tests that need no browser and start no process of their own, on SQLite
	TEST_DATABASE=sqlite $(PYTEST) -m "not services and not browser"

check: $(DEV) ## Lint, types, layers, migrations, Django's checks, the files in deploy/
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	DATABASE_URL=sqlite://:memory: $(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check --fail-level WARNING
	@$(MAKE) --no-print-directory check-staging check-production
	$(BIN)/cfn-lint deploy/cloudformation/notifications.yaml
	$(BIN)/python -m tools.iam --check
	$(BIN)/python -m tools.units
	$(BIN)/python -m tools.translations check

# Checks the committed examples, so each is known to be complete. Only the values that they leave
# empty are made up.
MADE_UP := SECRET_KEY=abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz \
  AWS_SES_SMTP_USER=made-up AWS_SES_SMTP_PASSWORD=made-up
check-staging check-production: check-%: $(DEV)
	@echo "manage.py check --deploy, with .env.$*.example"
	@$(BIN)/dotenv --file .env.$*.example run -- env $(MADE_UP) \
	  $(BIN)/python manage.py check --deploy --fail-level WARNING

chromium: $(DEV)
	@$(BIN)/python -m tools.chromium

bench: $(DEV) ## Compare with other queues, and measure; 30 min; ONLY="drain_ratio memory_mb"
	@$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY))

bench-quick: $(DEV) ## The comparison alone, with fewer messages; under 4 min
	@$(BIN)/python -m benchmarks --quick

chaos: $(DEV) ## Break a running system in every way and count what arrives; ONLY=name SEED=7
	@$(BIN)/python -m chaos $(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed=$(SEED))

chaos-quick: $(DEV) ## The short form of it, which `make test` runs
	@$(BIN)/python -m chaos --quick $(if $(SEED),--seed=$(SEED))

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate
lock: $(DEV) ## Compile requirements*.in into requirements*.txt
	$(LOCK) --output-file requirements.txt requirements.in
	$(LOCK) --output-file requirements-run.txt requirements-run.in
	$(LOCK) --output-file requirements-dev.txt requirements-dev.in
	$(LOCK) --output-file benchmarks/requirements.txt benchmarks/requirements.in

clean: ## Remove what the other commands made, the demo's database included
	rm -rf .venv benchmarks/.venv var staticfiles benchmarks/results chaos/results .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(RUN): requirements-run.txt | $(VENV)
	@$(BIN)/python tools/install.py $<
	@touch $@

# The development set contains the other one.
$(DEV): requirements-dev.txt | $(VENV)
	@$(BIN)/python tools/install.py $<
	@touch $(RUN) $@

$(VENV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
	  "This needs Python 3.11 or newer as '$(PYTHON)'; with another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo \
	  "This Python cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	  echo "Making the virtual environment .venv." && $(PYTHON) -m venv .venv; }
	@touch $@
