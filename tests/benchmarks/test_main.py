"""Parts of `make bench`: their names, results and limits."""

from __future__ import annotations

import argparse
import ast
import pathlib
import sys

import pytest

from benchmarks import __main__ as bench
from benchmarks import results
from benchmarks.measuring import PROJECT, Options, SkippedError


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


def test_a_part_that_fails_does_not_stop_the_others(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def part(name: str) -> bench.Part:
        def measure(options: Options) -> dict[str, list[float]]:
            if name == "start":
                sys.exit("error: a command failed")
            if name == "whole":
                raise SkippedError("it needs MNIST")
            return {"clone": [40.0]}

        return measure

    monkeypatch.setattr(bench, "part", part)
    file = tmp_path / "results.json"
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "start,whole,clone", "--results", str(file)])
    with pytest.raises(SystemExit, match="start") as ended:
        bench.main()
    assert ended.value.code not in (0, None)
    assert [(one.name, one.median) for one in results.load(file)] == [("clone", 40.0)]
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "clone", "--trial", "--results", str(tmp_path / "none.json")])
    bench.main()
    assert not (tmp_path / "none.json").exists()
    assert "40.0 s" in capsys.readouterr().out
