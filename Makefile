# Each target first makes .venv from the locks; when it is complete that takes a moment.
# tools/bootstrap.py does it, run by the first Python that really runs: pyenv's shims may fail.

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
.PHONY: help setup setup-dev run test test-current test-reference test-tfx-versions test-chaos test-quick lint lock bench bench-current clean

help:  ## this list; ARGS="..." adds options to a target's command
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' Makefile

setup:  ## .venv with the locked packages
	$(call tool,bootstrap.py run)

setup-dev:  ## the same with the packages for tests and linters
	$(call tool,bootstrap.py dev)

run: setup  ## run the pipeline
	@.venv/bin/sae run $(ARGS)

test: setup-dev  ## all tests but those that need MNIST, both TFX versions or much time
	@.venv/bin/python -m pytest -m "not reference and not tfx_versions and not chaos" --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-current:  ## the same with the current TFX version, in a Debian 13 root where this machine is too old for it
	$(call tool,debian_chroot.py make test)

test-reference: setup-dev  ## the reference model on MNIST, prepared in ../shared/data/tensorflow_datasets
	@.venv/bin/python -m pytest tests/e2e/test_mnist.py -m reference $(ARGS)

test-tfx-versions: setup-dev  ## what passes between the two TFX versions, where this machine has both
	@.venv/bin/python -m pytest tests/tfx_versions -m tfx_versions $(ARGS)

test-chaos: setup-dev  ## runs and the daemon, killed at random; ARGS="--chaos-minutes 30 --chaos-seed 2"
	@.venv/bin/python -m pytest tests/chaos -m chaos -s $(ARGS)

test-quick: setup-dev  ## the tests that take seconds
	@.venv/bin/python -m pytest $(ARGS)

lint: setup-dev  ## style, types and the direction of imports
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

lock:  ## both locks, compiled again from pyproject.toml; ARGS=--upgrade for new versions
	$(call tool,bootstrap.py lock $(ARGS))

bench: setup  ## whole runs against a plain Keras script and the stock pipeline
	@.venv/bin/python -m benchmarks.end_to_end $(ARGS)

bench-current:  ## the same with the current TFX version
	$(call tool,debian_chroot.py make bench)

clean:  ## remove .venv and everything else that make and the tools made
	rm -rf .venv .uv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
