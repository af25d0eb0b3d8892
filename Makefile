# Each target first makes .venv from the locks; when it is complete that takes a moment.
# tools/setup.py does it, run by the first Python that really runs: pyenv's shims may fail.

ARGS ?=
export ARGS
# Processes that share the tests, a file at a time; the long files come first by their names.
WORKERS ?= 2
PYENV := "$${PYENV_ROOT:-$$HOME/.pyenv}"
tool = @for python in python3 /usr/bin/python3 $(PYENV)/versions/3.*/bin/python3; do \
	if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; \
	then exec "$$python" tools/$(1); fi; \
	done; echo "error: missing: a Python, 3.6 or newer, that runs" >&2; exit 6

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test test-current test-lines test-quick lint lock bench bench-current clean

help:  ## this list; ARGS="..." adds options to a target's command
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

setup:  ## .venv with the locked packages
	$(call tool,setup.py run)

setup-dev:  ## the same with the packages for tests and linters
	$(call tool,setup.py dev)

run: setup  ## run the pipeline
	@.venv/bin/sae run $(ARGS)

test: setup-dev  ## every test
	@.venv/bin/python -m pytest -m "not lines" --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-current:  ## the same with the current TFX line, in a Debian 13 root where this machine is too old for it
	$(call tool,current.py make test)

test-lines: setup-dev  ## what passes between the two lines, where this machine has both
	@.venv/bin/python -m pytest -m lines $(ARGS)

test-quick: setup-dev  ## the tests that take seconds
	@.venv/bin/python -m pytest $(ARGS)

lint: setup-dev  ## style, types and the direction of imports
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

lock:  ## both locks, compiled again from pyproject.toml; ARGS=--upgrade for new versions
	$(call tool,setup.py lock $(ARGS))

bench: setup  ## the benchmarks
	@.venv/bin/python -m benchmarks $(ARGS)

bench-current:  ## the same with the current TFX line
	$(call tool,current.py make bench)

clean:  ## remove .venv and everything else that make and the tools made
	rm -rf .venv .uv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
