# The one door. `make` alone lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-print-directory

export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.run/tools/bin:$(PATH)

LAUNCHER := python -m threadly_embedded
PACKAGES := $(sort $(patsubst %/pyproject.toml,%,$(wildcard libs/*/pyproject.toml services/*/pyproject.toml deploy/*/pyproject.toml)))

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | while IFS=$$'\t' read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

.PHONY: bootstrap bootstrap-node
bootstrap:
	@deploy/embedded/bootstrap

bootstrap-node:
	@deploy/embedded/bootstrap with-node

# ---- Run it ----------------------------------------------------------------------------------------

.PHONY: run stop status logs reset demo migrate
run: bootstrap ## Start everything on this machine: install, migrate, load demo data, print the addresses
	@$(LAUNCHER) run

stop: bootstrap ## Stop everything; what is under way is finished first
	@$(LAUNCHER) stop

status: bootstrap ## A line per process: healthy, or why not
	@$(LAUNCHER) status

logs: bootstrap ## Follow the logs; SERVICE=orders shows one service's
	@$(LAUNCHER) logs $(SERVICE)

reset: bootstrap ## Stop and delete all data, passwords and logs of this clone
	@$(LAUNCHER) reset

demo: bootstrap-node ## Tell the story of one sale on the running system, step by step
	@eval "$$($(LAUNCHER) env)" && python -m threadly_demo

migrate: bootstrap ## Bring the running databases up to date
	@$(LAUNCHER) migrate

# ---- Prove it --------------------------------------------------------------------------------------

.PHONY: test check lint types borders contracts
test: bootstrap-node ## Every test: all but the stories in three processes, then the stories one by one
	@# Tests wait more than they compute: three processes keep two cores busy.
	tools/run-tests libs services deploy tests bench -n 3 --dist worksteal -m "not story and not compose"
	tools/run-tests deploy tests -m "story and not compose"

check: lint types borders contracts ## Everything that can be judged without running the system

lint: bootstrap ## Format and lint rules (ruff, all rules)
	ruff format --check .
	ruff check .

types: bootstrap ## Types, strict, sources and tests (mypy)
	@# Package by package: each has a tests folder, and two of those cannot be told apart in one run.
	@for package in $(PACKAGES) deploy/gateway deploy/docker; do \
	  folders=$$(find $$package/src $$package/tests -maxdepth 0 2>/dev/null); \
	  [ -n "$$(find $$folders -name '*.py' | head -n 1)" ] || continue; \
	  echo "mypy $$package"; mypy --no-error-summary $$folders || failed=yes; \
	done; [ -z "$$failed" ]
	mypy --no-error-summary tools tests/architecture
	mypy --no-error-summary tests/chaos
	mypy --no-error-summary bench

borders: bootstrap ## Who may import whom (import-linter), declared imports (deptry), the rules of this project
	lint-imports
	@for package in $(PACKAGES); do \
	  echo "deptry $$package"; said=$$(cd $$package && deptry --no-ansi src 2>&1) || { echo "$$said"; failed=yes; }; \
	done; [ -z "$$failed" ]
	python -m tools.checks

contracts: bootstrap ## Event schemas and generated documents: current, and nothing published is broken
	python -m threadly_contracts.generate --check libs/contracts
	python -m threadly_embedded.openapi --check
	python -m tools.event_map --check
	python -m tools.spec_coverage --check
	python -m tools.env_example --check

.PHONY: bench
bench: bootstrap ## Measure the event core against bare baselines (QUICK=1 for the short form)
	python -m bench $(if $(QUICK),--quick)

.PHONY: chaos
chaos: bootstrap ## A storm of faults (SEED=7 repeats it, MINUTES=5 bounds it), then each test at LENGTH=5
	SEED=$(SEED) MINUTES=$(MINUTES) pytest tests/chaos/storm.py -s
	SEED=$(SEED) LENGTH=$(or $(LENGTH),5) pytest tests/chaos -n 3 --dist worksteal

.PHONY: compose-test
compose-test: bootstrap-node ## Run the stories against docker compose (needs a Docker engine)
	pytest deploy tests -m compose

# ---- Change it -------------------------------------------------------------------------------------

.PHONY: lock sync openapi documents
lock: bootstrap ## Lock all dependencies anew, with hashes
	tools/lock

sync: ## Install the locked dependencies again
	@rm -f .venv/threadly-stamp
	@deploy/embedded/bootstrap

openapi: bootstrap ## Write the merged API document anew
	python -m threadly_embedded.openapi

documents: bootstrap ## Write everything that is made from the code: schemas, API, event map, coverage, .env.example
	python -m threadly_contracts.generate libs/contracts
	python -m threadly_embedded.openapi
	python -m tools.event_map
	python -m tools.spec_coverage
	python -m tools.env_example
