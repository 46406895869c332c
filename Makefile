# Everything a newcomer types. `make help` lists it.

PYTHON ?= python3
BIN := .venv/bin
CODE := domain sync node site_node central_hub deploy tests

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types imports pytest format bench bench-store bench-sync bench-domain dictionary \
	test-long crash simulate county catalogue mutants lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv and install what the lock names (only when something changed)
	@PYTHON='$(PYTHON)' sh deploy/setup.sh

demo: setup ## a hub and three homes over a bad link, killed on the way; DEMO_EXIT=1 ends it by itself
	@$(BIN)/python -m deploy.demo

test: lint types imports pytest ## lint, types, import rules, then every test but the long ones

lint: setup ## ruff: rules and form
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check --quiet $(CODE) || { echo 'Some files are not formatted: run "make format".'; exit 1; }

types: setup ## mypy: strict for domain and sync
	@$(BIN)/mypy

imports: setup ## who may import whom
	@$(BIN)/lint-imports

pytest: setup
	@$(BIN)/pytest -n auto --dist loadfile --cov --cov-report=term

test-long: setup ## the tests that take minutes
	@$(BIN)/pytest -m long

crash: setup ## a million disks after power cuts; CRASH='--first-seed N' goes on
	@$(BIN)/python -m tests.crash --images 1000000 $(CRASH)

county: setup ## a county's raw lines through every command to its reports, counted again: FACTS=file
	@$(BIN)/python -m tests.county $(FACTS)

mutants: setup ## small faults in log, tree and wire: do the fast tests notice? MODULE=sync/merkle.py runs one
	@$(BIN)/pip --quiet --disable-pip-version-check install --require-hashes -r tests/mutants/requirements.lock
	@$(BIN)/python -m tests.mutants $(MODULE)

simulate: setup ## a thousand seeded lives of a county; SEEDS=N, or SIMULATE='--first-seed N --steps N'
	@$(BIN)/python -m tests.simulation $(if $(SEEDS),--seeds $(SEEDS)) $(SIMULATE)

format: setup ## let ruff put the code in form
	@$(BIN)/ruff check --fix --quiet $(CODE) || true
	@$(BIN)/ruff format $(CODE)

bench: setup ## benchmarks: a table of ratios, no verdict
	@$(BIN)/python -m tests.bench

bench-store: setup ## the store alone, and grown to a million entries; SIZES=10k,1m,5m grows it to five
	@$(BIN)/python -m tests.bench --only store --only cipher --only verify --only grown $(if $(SIZES),--sizes $(SIZES))

bench-sync: setup ## the wire, loopback, a bad link with cuts, a thousand homes, a new PC; FACTS=file measures another home
	@$(BIN)/python -m tests.bench --only wire --only sync --only link --only crowd --only down $(if $(FACTS),--facts $(FACTS))

bench-domain: setup ## read models: rebuilding (COPIES=4,50 of the sample), append to visible, every report of one county and of ten
	@$(BIN)/python -m tests.bench --only views --only reports $(if $(COPIES),--copies $(COPIES))

dictionary: setup ## make the wire's dictionary again from the sample; it must come out as it is
	@$(BIN)/python -m deploy.dictionary

catalogue: setup ## write domain/CATALOGUE.md again from the definitions of the events
	@$(BIN)/python -m deploy.catalogue

lock: setup ## write the locks again, for every Python and machine we support
	@sh deploy/lock.sh

clean: ## remove what can be made again
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* htmlcov build dist mutants *.egg-info
	@find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
