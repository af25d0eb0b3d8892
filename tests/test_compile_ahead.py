"""tools/compile_ahead.py compiles what modules import, and runs none of them."""

from __future__ import annotations

import importlib.util
import pathlib
import subprocess
import sys

import pytest

from tests import PROJECT
from tools import compile_ahead

MODULES = {
    "first.py": "import near.inside\nimport others\nfrom near import beside, name\nraise SystemExit('was run')\n",
    "near/__init__.py": "from . import beside\nfrom .deep.deepest import *\n",
    "near/inside.py": "import first\ntry:\n    import caught\nexcept ImportError:\n    pass\n",
    "near/beside.py": "def later():\n    import in_function\n",
    "near/deep/deepest.py": "from .. import above\nfrom ..sibling import value\n",  # its folder has no __init__.py
    "near/above.py": "",
    "near/sibling.py": "value = 1\n",
    "caught.py": "not Python (\n",
    "in_function.py": "",
    "rare.py": "import by_rare\n",
    "by_rare.py": "",
    "parts/__init__.py": "import by_rare\n",
    "parts/one.py": "",
    "named.py": "",
    "pipeline/sparse_autoencoder/nodes.py": (
        "def node():\n    import in_function, rare, parts.one\nnode('named.Class', 'a.b')\n"
    ),
}


def compiled(folder, *starts, rarely_used=None):
    for name, text in MODULES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    compiler = compile_ahead.Compiler([str(folder)], rarely_used or {})
    found = [compiler.compile(start) for start in starts]
    files = {name for name in MODULES if pathlib.Path(importlib.util.cache_from_source(folder / name)).exists()}
    return found, files


@pytest.fixture(autouse=True)
def _writes_compiled_code(monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


def test_what_a_module_imports_is_compiled_and_not_run(tmp_path):
    assert compiled(tmp_path, "first") == (
        [True],
        {"first.py", "near/__init__.py", "near/inside.py", "near/beside.py", "near/deep/deepest.py", "near/above.py",
         "near/sibling.py"},
    )  # fmt: skip


def test_a_missing_module_is_told_and_a_broken_one_is_not(tmp_path):
    assert compiled(tmp_path, "missing", "near.missing", "caught")[0] == [False, False, True]


def test_imports_in_functions_and_by_texts_are_followed_where_nodes_are_declared(tmp_path):
    rarely_used = {"rare": False, "parts": True}
    _, files = compiled(tmp_path, "pipeline.sparse_autoencoder.nodes", rarely_used=rarely_used)
    assert files == {"pipeline/sparse_autoencoder/nodes.py", "in_function.py", "parts/one.py", "named.py"}


def test_what_is_imported_first_is_compiled_last(tmp_path):
    compiled(tmp_path)
    compiler = compile_ahead.Compiler([str(tmp_path)], {})
    compiler.compile_all(["near", "parts", "first"])
    assert [name for name, folders in compiler.found.items() if name and folders is not None] == [
        "first", "parts", "by_rare", "near", "near.beside", "near.deep", "near.deep.deepest", "near.above",
        "near.sibling", "near.inside", "caught",
    ]  # fmt: skip


def test_python_needs_not_compile_again(tmp_path):
    compiled(tmp_path, "near.sibling")
    code = "from importlib.machinery import SourceFileLoader as loader\nloader.source_to_code = None\n"
    code += "import near.sibling\nprint(near.sibling.value)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)}
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.mark.parametrize("start", compile_ahead.STARTS)
def test_what_a_run_starts_with_exists(start):
    package = start.partition(".")[0]
    if package in ("components", "pipeline"):
        place = PROJECT.joinpath(*start.split("."))
        assert place.is_dir() or place.with_suffix(".py").is_file()
    else:
        assert importlib.util.find_spec(package)
