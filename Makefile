# Short names for what a developer runs; the work is in deploy/.
bin := .venv/bin
unit := $(addprefix tests/,core sim wire cli agent repo support fuzz)
real := $(addprefix tests/,contract page system faults)

.PHONY: check test unit fuzz real bench faults soak audit proto format pins
.DEFAULT_GOAL := check

.venv/installed: deploy/install deploy/constraints.txt pyproject.toml
	./deploy/install --dev

check: .venv/installed ## style, format, types and layers: what the commit hook runs
	./deploy/check

test: ## everything: what the continuous integration runs
	./deploy/test

unit: .venv/installed ## tests that start no real program
	$(bin)/pytest -q -n 2 $(unit)

fuzz: .venv/installed ## hostile messages and files: INPUTS=100000
	FUZZ_INPUTS=$(or $(INPUTS),100000) $(bin)/pytest -q -n 0 --timeout 3600 tests/fuzz

real: .venv/installed ## tests that drive the real programs
	$(bin)/pytest -q -n 0 $(real)

audit: ## the pinned versions among the known vulnerabilities; needs the network
	./deploy/audit

bench: .venv/installed ## the figures of docs/performance.md
	$(bin)/python -m tests.bench

faults: .venv/installed ## rows of the fault table into docs/reliability.md: ROW=3 RUNS=20
	$(bin)/python -m tests.faults $(if $(ROW),--row "$(ROW)") --runs $(or $(RUNS),1)

soak: .venv/installed ## six hosts and a fault every 20 s: MINUTES=30
	$(bin)/python -m tests.faults.soak --minutes $(or $(MINUTES),30)

proto: .venv/installed ## sessiond/v1 from proto/
	./deploy/protoc

format: .venv/installed
	$(bin)/ruff check --fix-only --quiet
	$(bin)/ruff format --quiet

pins: ## deploy/constraints.txt from what .venv holds
	$(bin)/python deploy/pins > deploy/constraints.new
	mv deploy/constraints.new deploy/constraints.txt
