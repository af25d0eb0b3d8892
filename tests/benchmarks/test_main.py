"""Parts of `make bench`: their names, results and limits."""

from __future__ import annotations

import argparse
import ast

import pytest

from benchmarks import __main__ as bench
from benchmarks.measuring import PROJECT


def test_every_part_is_a_function_of_its_module() -> None:
    for name, place in bench.PARTS.items():
        module, _, function = place.partition(".")
        tree = ast.parse((PROJECT / "benchmarks" / f"{module}.py").read_text(encoding="utf-8"))
        assert function in [one.name for one in tree.body if isinstance(one, ast.FunctionDef)], name


def test_parts_are_chosen_by_name_in_their_order() -> None:
    assert bench.chosen("sweep,whole") == ["whole", "sweep"]
    with pytest.raises(argparse.ArgumentTypeError, match="wole"):
        bench.chosen("wole")
    with pytest.raises(argparse.ArgumentTypeError):
        bench.positive("0")
