"""The Makefile names tests that exist: pytest itself says otherwise only when the target runs, minutes later."""

from __future__ import annotations

import os
import shlex
import subprocess

from tests import PROJECT


def test_tests_for_postgresql_exist() -> None:
    command = ["make", "--dry-run", "test-postgresql"]
    environment = {**os.environ, "ARGS": ""}
    recipe = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True).stdout
    named = [word for word in shlex.split(recipe) if word.startswith("tests/")]
    assert named
    for word in named:
        path, _, test = word.partition("::")
        assert (PROJECT / path).exists(), word
        if test:
            assert f"\ndef {test}(" in (PROJECT / path).read_text(encoding="utf-8"), word
