# Each target first makes .venv from the locks, which takes a moment if .venv is complete.
# tools/bootstrap.py does that, on the first Python that runs: a shim of pyenv may fail.

ARGS ?=
export ARGS
# Processes that run the tests, one file at a time: they wait for a quarter of their time. Four take as long on two cores.
# Each takes up to 2.2 GiB, with the commands that it starts.
WORKERS ?= 3
# They write compiled code, which a thousand child processes read.
# Their folders: thousands of small stores that sync each write, so in memory where 12 GiB of it are free.
FREE_KIB = $$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $$4 }') $$(awk '/MemAvailable/ { print $$2 }' /proc/meminfo 2>/dev/null)
TEMPROOT = $$(set -- $(FREE_KIB); if [ "$${1:-0}" -gt 12582912 ] && [ "$${2:-0}" -gt 12582912 ]; then echo /dev/shm; else echo "$${TMPDIR:-/tmp}"; fi)
PYENV := "$${PYENV_ROOT:-$$HOME/.pyenv}"
tool = @for python in python3 /usr/bin/python3 $(PYENV)/versions/3.*/bin/python3; do \
	if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; \
	then exec "$$python" tools/$(1); fi; \
	done; echo "error: missing: a Python, 3.6 or newer, that runs" >&2; exit 6

# Tests whose outcome depends on the store: it is read, written, locked, copied or lost. What a run does apart from its
# records (terminals, signals, disks, Beam's processes, schedules) is tested with SQLite alone.
POSTGRESQL_TESTS = $(patsubst %,tests/pipeline/metadata/test_%.py,adoption postgresql_store writer) \
	$(patsubst %,tests/pipeline/orchestration/test_%.py,cache checkpoints plan recorder recovery replay resume summary) \
	$(patsubst %,tests/pipeline/registry/test_%.py,lost_connection pins promotion run_annotations superseded versions) \
	$(patsubst %,tests/pipeline/maintenance/%,fsck/test_fsck.py gc test_restore.py test_verify.py) \
	$(patsubst %,tests/e2e/test_%.py,sample_run schedule sweep) \
	$(addprefix tests/e2e/test_resume.py::, \
		test_commands_that_read_show_it_as_broken_off_and_write_nothing \
		test_it_ends_under_its_id_and_what_had_ended_is_not_run_again \
		test_each_attempt_is_kept_with_its_reason \
		test_nothing_is_left_half_done) \
	tests/e2e/test_failures.py::test_a_signal_ends_the_run_and_leaves_nothing_half_written \
	tests/e2e/test_parts.py::test_from_node_takes_the_rest_from_the_newest_run_in_which_it_succeeded \
	$(addprefix tests/e2e/test_verify.py::, \
		test_a_run_made_again_in_other_surroundings_is_the_same \
		test_the_verdict_is_an_artifact_linked_to_the_run_and_to_what_was_compared \
		test_what_is_gone_is_made_again_with_what_it_takes_and_is_a_hit)

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev setup-cluster setup-export run test test-current test-reference test-tfx-versions test-postgresql test-chaos test-cluster test-cluster-current test-export test-quick lint lock bench bench-current bench-growth screenshots clean

help:  ## list the targets; ARGS="..." adds options to the command of a target
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-20s %s\n", $$1, $$2 }' Makefile

setup:  ## make .venv with the locked packages
	$(call tool,bootstrap.py run)

setup-dev:  ## add the packages for tests and linters
	$(call tool,bootstrap.py dev)

setup-cluster:  ## add Dask, for sweeps on a cluster
	$(call tool,bootstrap.py cluster)

setup-export: setup-dev  ## make .venv-export, with Airflow and the SDK of Kubeflow, for tests alone
	$(call tool,bootstrap.py export)

run:  ## set up, and run the pipeline
	$(call tool,bootstrap.py start)
	@.venv/bin/sae run $(ARGS)

test: setup-dev  ## run all tests but those that need MNIST, both TFX versions or much time
	@folder=$$(mktemp -d "$(TEMPROOT)/sae-tests-XXXXXX") && trap 'rm -rf "$$folder"' EXIT && PYTEST_DEBUG_TEMPROOT="$$folder" PYTHONDONTWRITEBYTECODE= \
	    .venv/bin/python -m pytest -m "not reference and not tfx_versions and not chaos and not cluster and not export" --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-current:  ## run them with the current TFX version, in a Debian 13 root if this machine is too old
	$(call tool,debian_chroot.py make test)

test-reference: setup-dev  ## test the reference model on MNIST, prepared in ../shared/data/tensorflow_datasets
	@PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest tests/e2e/test_mnist.py -m reference $(ARGS)

test-tfx-versions: setup-dev  ## test what passes between the two TFX versions, if this machine has both
	@PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest tests/tfx_versions -m tfx_versions $(ARGS)

test-postgresql: setup-dev  ## run the tests of runs, decisions, deletion and schedules with stores in PostgreSQL; needs Debian's
	@folder=$$(mktemp -d "$(TEMPROOT)/sae-tests-XXXXXX") && trap 'rm -rf "$$folder"' EXIT && PYTEST_DEBUG_TEMPROOT="$$folder" PYTHONDONTWRITEBYTECODE= \
	    .venv/bin/python -m pytest --metadata-store postgresql -m "not reference and not tfx_versions and not chaos and not cluster and not export" \
	    --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(POSTGRESQL_TESTS) $(ARGS)

test-chaos: setup-dev  ## kill runs and the daemon at random; ARGS="--chaos-minutes 30 --chaos-seed 2"
	@.venv/bin/python -m pytest tests -m chaos -s $(ARGS)

# Two files at a time: their hosts have networks of their own, and a run on a cluster waits for half of its time.
test-cluster: setup-cluster  ## run on a cluster of two hosts, and sweeps on Dask; needs root, Linux, Java and Maven
	@PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest tests/cluster -m cluster --numprocesses 2 --dist loadfile $(ARGS)

test-cluster-current:  ## run them with the current TFX version, in a Debian 13 root if this machine is too old
	$(call tool,debian_chroot.py make test-cluster)

test-export: setup-export  ## run what `sae export` writes with Airflow, and check it with the SDK of Kubeflow
	@PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest tests/export -m export $(ARGS)

test-quick: setup-dev  ## run the tests that take seconds
	@.venv/bin/python -m pytest $(ARGS)

lint: setup-dev  ## check style, types and the direction of imports
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

lock:  ## compile all locks from pyproject.toml; ARGS=--upgrade for new versions
	$(call tool,bootstrap.py lock $(ARGS))

bench: setup  ## measure all speeds beside their limits, and write README's table; ARGS="--only whole,rerun --rounds 5"
	@PYTHONDONTWRITEBYTECODE= .venv/bin/python -m benchmarks $(ARGS)

bench-current: setup  ## measure them with the current TFX version: the second column of the table
	$(call tool,debian_chroot.py --share $(CURDIR)/benchmarks make bench ARGS="$(ARGS) --results $(CURDIR)/benchmarks/results.json")
	@.venv/bin/python -m benchmarks.results

bench-growth: setup  ## measure how time and memory of each node grow with the data
	@PYTHONDONTWRITEBYTECODE= .venv/bin/python -m benchmarks.growth $(ARGS)

screenshots: setup-dev  ## take the pictures of docs/images anew, with Chromium; ARGS="--profile mnist", ARGS="--all --to FOLDER"
	@.venv/bin/python -m tools.screenshots $(ARGS)

clean:  ## remove .venv and everything else that make and the tools made
	rm -rf .venv .venv-export .uv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
