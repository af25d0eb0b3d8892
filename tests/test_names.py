"""A class name has one owner in the whole product; an editable install finds the project's packages only."""

from __future__ import annotations

import ast
import collections
import pathlib

import setuptools

from tests import PROJECT

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib


def public_classes() -> dict[str, list[str]]:
    """Modules by the name of a public class."""
    found: dict[str, list[str]] = collections.defaultdict(list)
    for folder in ("pipeline", "components", "sae"):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(str(path.relative_to(PROJECT)))
    return found


def test_every_class_name_has_one_owner() -> None:
    assert {name: owners for name, owners in public_classes().items() if len(owners) > 1} == {}


def test_an_editable_install_leaves_out_pipeline_root(tmp_path: pathlib.Path) -> None:
    """Its folders of artifacts lie beside the packages, and their names begin as one of them does."""
    for folder in ("pipeline/core", "components/data", "pipeline_root/artifacts/Trainer/model", "pipeline_root_2/tmp"):
        (tmp_path / folder).mkdir(parents=True)
    about = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = about["tool"]["setuptools"]["packages"]["find"]["include"]
    found = setuptools.find_namespace_packages(str(tmp_path), include=wanted)
    assert sorted(found) == ["components", "components.data", "pipeline", "pipeline.core"]
