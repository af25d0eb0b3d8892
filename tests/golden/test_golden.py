"""The JSON of the reading commands: its shape, and every value of three. `python -m tests.golden` writes anew."""

from __future__ import annotations

import json

import pytest

from pipeline.cli import sae
from tests.golden import schema, store


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return store.make(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize("name", store.COMMANDS)
def test_the_json_of_a_command_is_as_it_was(recorded, name):
    wanted = (store.FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert store.answer(recorded, *store.COMMANDS[name]) == wanted, "python -m tests.golden"
    assert json.loads(wanted)["schema_version"] == 2


@pytest.mark.parametrize("arguments", store.SHAPED, ids=" ".join)
def test_the_json_of_a_command_has_the_shape_of_what_it_prints(recorded, arguments):
    document = json.loads(store.printed(recorded, *arguments))
    assert schema.faults(schema.of_command(arguments[0]), document) == []


def test_the_shapes_are_as_they_were():
    """A key that changes raises `SCHEMA_VERSION`."""
    wanted = json.loads((store.FOLDER / "schema.json").read_text(encoding="utf-8"))
    assert {command: schema.of_command(command) for command in schema.DOCUMENTS} == wanted, "python -m tests.golden"


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        ({"schema_version": 2, "runs": [], "total": 0, "more": False, "starting": None}, 0),
        ({"schema_version": 2, "runs": [], "total": 0, "starting": None}, 1),
        ({"schema_version": 2, "runs": [], "total": 0, "more": 1, "starting": None}, 1),
        ({"schema_version": 2, "runs": [{}], "total": 0, "more": False, "starting": None}, 1),
        ({"schema_version": 2, "runs": None, "total": True, "more": False, "starting": None}, 2),
    ],
)
def test_another_shape_is_found(value, faults):
    assert len(schema.faults(schema.of_command("runs"), value)) == faults


def test_every_golden_file_is_compared():
    assert {path.stem for path in store.FOLDER.glob("*.json")} == {*store.COMMANDS, "schema"}


def test_every_reading_command_has_a_shape_and_is_tried():
    reading = {
        name
        for name, command in sae.commands.items()
        if {"metadata", "as_json"} <= {parameter.name for parameter in command.params}
    }
    assert reading == set(schema.DOCUMENTS) == {arguments[0] for arguments in store.SHAPED}
