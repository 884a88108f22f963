# The commands of this project; `make` lists them. Set-up is implicit: whichever comes first makes
# .venv, and a changed requirements-dev.txt renews it.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# Each process has a Redis, a database and ports of its own; one file's tests stay together.
JOBS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run redis-stop redis-start test check check-staging check-production chromium bench \
  chaos chaos-quick lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(INSTALLED) ## Start everything on this machine, with a demo; Ctrl-C stops it
	@exec $(BIN)/python -m tools.run

redis-stop: $(INSTALLED) ## Take Redis away from a running `make run`
	@$(BIN)/python -m tools.run redis-stop

redis-start: $(INSTALLED) ## Give it back
	@$(BIN)/python -m tools.run redis-start

test: check chromium ## Check, run every test on SQLite and again on PostgreSQL, then break it a little
	$(PYTEST)
	TEST_DATABASE=postgresql $(PYTEST) -m "not browser"
	@$(MAKE) --no-print-directory chaos-quick

check: $(INSTALLED) ## Lint, types, layers, migrations, Django's own checks, what deploy/ has
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

# The committed examples are what is checked, so each is known to be complete; only what they leave
# empty is made up.
MADE_UP := SECRET_KEY=abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz \
  AWS_SES_SMTP_USER=made-up AWS_SES_SMTP_PASSWORD=made-up
check-staging check-production: check-%: $(INSTALLED)
	@echo "manage.py check --deploy, with .env.$*.example"
	@$(BIN)/dotenv --file .env.$*.example run -- env $(MADE_UP) \
	  $(BIN)/python manage.py check --deploy --fail-level WARNING

chromium: $(INSTALLED)
	@$(BIN)/python -m tools.chromium

bench: $(INSTALLED) ## Measure; the results go to benchmarks/results/ as JSON
	@$(BIN)/python -m benchmarks

chaos: $(INSTALLED) ## Break a running system in every way, and count what arrived; ONLY=name SEED=7
	@$(BIN)/python -m chaos $(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed=$(SEED))

chaos-quick: $(INSTALLED) ## The same in little, as `make test` does
	@$(BIN)/python -m chaos --quick $(if $(SEED),--seed=$(SEED))

LOCK := --universal --python-version 3.11 --no-header --no-annotate
lock: $(INSTALLED) ## Compile requirements*.in into requirements*.txt
	$(BIN)/uv pip compile --quiet $(LOCK) --output-file requirements.txt requirements.in
	$(BIN)/uv pip compile --quiet $(LOCK) --output-file requirements-dev.txt requirements-dev.in

clean: ## Remove what the other commands made, the demo's database included
	rm -rf .venv var staticfiles benchmarks/results chaos/results .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(INSTALLED): requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
	  "This needs Python 3.11 or newer as '$(PYTHON)'; with another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo \
	  "This Python cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Setting up .venv, once; it takes a minute or two."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
