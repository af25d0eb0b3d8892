"""The JSON of each reading command is as it was: others build on it. `python -m tests.golden` writes the files anew."""

from __future__ import annotations

import json

import pytest

from pipeline.cli import sae
from tests.golden import store


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return store.make(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize("name", store.COMMANDS)
def test_the_json_of_a_command_is_as_it_was(recorded, name):
    wanted = (store.FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert store.answer(recorded, *store.COMMANDS[name]) == wanted, "python -m tests.golden"
    assert json.loads(wanted)["schema_version"] == 2


def test_every_golden_file_is_compared():
    assert {path.stem for path in store.FOLDER.glob("*.json")} == set(store.COMMANDS)


def test_every_reading_command_has_one():
    reading = {
        name
        for name, command in sae.commands.items()
        if {"metadata", "as_json"} <= {parameter.name for parameter in command.params}
    }
    assert reading == {arguments[0] for arguments in store.COMMANDS.values()}
