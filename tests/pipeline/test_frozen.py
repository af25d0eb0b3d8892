"""Whatever is handed from one module to the next cannot be changed on the way."""

from __future__ import annotations

import ast
import dataclasses

import pytest

import pipeline_config
from pipeline.core import events, pipeline_root, settings
from pipeline.maintenance import doctor
from pipeline.metadata import types
from pipeline.orchestration import run
from tests import PROJECT

MODULES = (pipeline_config, doctor, events, types, pipeline_root, run, settings)
CLASSES = [
    value
    for module in MODULES
    for value in vars(module).values()
    if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == module.__name__
]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__qualname__)
def test_a_dataclass_refuses_assignment(cls):
    instance = object.__new__(cls)
    name = next((field.name for field in dataclasses.fields(cls)), "anything")
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(instance, name, None)


def test_every_dataclass_of_the_project_is_frozen():
    """Read from the source, so that no module with heavy imports is loaded."""
    files = [
        PROJECT / "pipeline_config.py",
        *(PROJECT / "pipeline").rglob("*.py"),
        *(PROJECT / "components").rglob("*.py"),
    ]
    decorators = [
        (path.name, node.name, ast.unparse(decorator))
        for path in files
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.ClassDef)
        for decorator in node.decorator_list
        if "dataclass" in ast.unparse(decorator)
    ]
    assert len(decorators) >= len(CLASSES)
    assert [found for found in decorators if "frozen=True" not in found[2]] == []
