"""The tests that run by default: collecting them imports none of the heavy libraries."""

from __future__ import annotations

import subprocess
import sys

from tests import PROJECT

COLLECT = """
import sys, pytest
code = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider"])
heavy = {"tensorflow", "tfx", "apache_beam", "tensorflow_datasets", "tensorflow_transform"} & set(sys.modules)
sys.exit(f"collecting imported {', '.join(sorted(heavy))}" if heavy else code)
"""


def test_collecting_the_tests_imports_no_tensorflow_tfx_or_beam() -> None:
    result = subprocess.run(
        [sys.executable, "-c", COLLECT],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr or result.stdout
