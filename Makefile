# The front door. Everything that is needed is set up by itself, into .venv.
#
#   make run     start HotMetal: its data layer with sample data, its services, one log
#   make test    every test
#   make faults  the long runs against kills, cuts and broken disks, in full: hours
#   make check   format, lint, types, imports, guard, tidy, generated files up to date
#   make bench   the benchmarks, side by side with peers
#   make lock    renew requirements.lock after a change of pyproject.toml

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
APP := apps/hotmetal/hotmetal/app.py
APPS := $(APP) apps/linkie_claw/linkie_claw/app.py
JOBS ?= 3

.PHONY: run test check bench format lock faults clean

run: $(READY)
	@$(BIN)/freehold dev $(APP) --data-dir .freehold/hotmetal

test: $(READY)
	$(BIN)/pytest -n $(JOBS) --dist loadgroup -q

faults: $(READY)
	FREEHOLD_FAULTS=full $(BIN)/pytest -m fault -q

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/freehold guard
	$(BIN)/pytest -q tests/tidy
	@for app in $(APPS); do \
		echo "freehold migrate check, generate --check: $$app"; \
		$(BIN)/freehold migrate check --app $$app && \
		$(BIN)/freehold generate --check --app $$app || exit 1; \
	done

bench: $(READY)
	$(BIN)/python -m benchmarks.run

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(READY)
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile pyproject.toml --extra server --extra postgres \
		--extra guard --extra dev --group dev --group hotmetal --universal -p 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header -q \
		-o requirements.lock

$(READY): requirements.lock pyproject.toml
	@echo "Setting up .venv (once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

clean:
	rm -rf .venv .freehold .mypy_cache .ruff_cache .pytest_cache .hypothesis
