# One command each: `make run` starts everything, `make test` runs every test. `make help` lists the rest.
PYTHON ?= python3
BIN := .venv/bin
SHELL := /bin/bash
.DEFAULT_GOAL := help

.PHONY: help
help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## ?/  make \1\t/' | expand -t 20

.PHONY: run
run: .venv/run  ## start everything on this machine (Ctrl-C stops it)
	@exec $(BIN)/footfall up

.PHONY: test
test: .venv/dev tests/npm/node_modules/.installed  ## run the whole test suite
	@$(BIN)/pytest -n auto --dist worksteal

# Without the tests that end processes at their worst moments: what these have run is lost with them.
COVERED := tests --ignore tests/chaos --ignore tests/process --ignore tests/npm \
	--ignore-glob "*/test_proxies*" --ignore-glob "*/test_hostile*"
.PHONY: coverage
coverage: .venv/dev tests/npm/node_modules/.installed  ## list the lines and branches that the tests do not reach
	@rm -f .coverage .coverage.*
	@$(BIN)/coverage run -m pytest -q -n auto --dist worksteal $(COVERED) || echo "Not all of them passed: see above."
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

.PHONY: chaos
chaos: .venv/dev  ## run the fault tests at full length (some 5 minutes)
	@TEST_FULL=1 $(BIN)/pytest --timeout 1800 tests/chaos

.PHONY: lint
lint: .venv/dev tests/npm/node_modules/.installed  ## format, lint (Python and Lua), types (Python and JavaScript)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python tools/lint_lua.py
	@echo "tsc"; if [ -x tests/npm/node_modules/.bin/tsc ]; then tests/npm/node_modules/.bin/tsc -p tests/npm/tsconfig.page.json; \
		else echo "The page's modules are not checked: there is no tsc."; test -z "$$CI"; fi

.PHONY: check
check: lint test  ## all that must hold: format, lint, types, tests

.PHONY: format
format: .venv/dev  ## format the code and fix what lint can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: files
files: .venv/dev  ## list the package's files again in docs/files.md
	@$(BIN)/python tools/list_files.py

.PHONY: screenshots
screenshots: .venv/dev  ## photograph the live page again for the documentation
	@$(BIN)/python tools/make_screenshots.py

.PHONY: bench
bench: .venv/dev  ## run the benchmarks (some minutes; see benchmarks/README.md)
	@$(BIN)/python benchmarks/run.py

.PHONY: lock
lock: .venv/dev  ## pin the newest versions that pyproject.toml allows
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --python-version 3.11 pyproject.toml --group build -o requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --python-version 3.11 pyproject.toml --group build --group dev -c requirements.lock -o requirements-dev.lock

.PHONY: clean
clean:  ## remove the virtual environment and all caches (keeps .footfall, the data)
	rm -rf .venv tests/npm/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*

# The package is installed editable with the pinned build backend, so nothing unpinned is ever fetched.
.venv/run: requirements.lock pyproject.toml
	@echo "Setting up .venv (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: .venv/run requirements-dev.lock
	@echo "Adding what the tests need to .venv (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

# What tests need from npm. Where it cannot be had these tests are left out, but not in continuous integration.
tests/npm/node_modules/.installed: tests/npm/package.json tests/npm/package-lock.json tests/npm/.npmrc
	@if ! command -v npm >/dev/null; then \
		echo "There is no npm here: the tests that need its packages are left out."; test -z "$$CI"; \
	else \
		echo "Adding what the tests need from npm to tests/npm/node_modules (once) ..."; \
		(cd tests/npm && npm ci --loglevel=error >/dev/null && touch node_modules/.installed) || \
			{ echo "npm could not install it: the tests that need it are left out."; test -z "$$CI"; }; \
	fi
