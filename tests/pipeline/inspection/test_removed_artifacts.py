"""Artifacts that events name and whose rows were deleted from ML Metadata: commands show them as removed, and go on."""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
import sqlite3
from collections.abc import Iterator

import pytest

from pipeline.cli import entry
from pipeline.core.errors import NotFoundError
from pipeline.core.pipeline_root import Root
from pipeline.inspection import run_diff
from pipeline.inspection.locations import open_reader
from pipeline.inspection.reader import Reader
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal import differences, lineage, run
from pipeline.terminal.table import Screen
from tests.builders import pages as content
from tests.builders.pages import TYPES
from tests.builders.roots import Recorded


def delete(root: pathlib.Path, *numbers: int, properties: bool = False) -> None:
    with contextlib.closing(sqlite3.connect(root / "metadata.sqlite")) as database:
        for number in numbers:
            database.execute("DELETE FROM Artifact WHERE id = ?", (number,))
            if properties:
                database.execute("DELETE FROM ArtifactProperty WHERE artifact_id = ?", (number,))
        database.commit()


@pytest.fixture
def copied(filled: Recorded, tmp_path: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(shutil.copytree(filled.root.path, tmp_path / "root", symlinks=True))


@pytest.fixture
def examples(filled: Recorded) -> int:
    return content.artifact_of(filled, "good", "ExampleGen", "examples")


@pytest.fixture(params=[False, True], ids=["properties left", "properties deleted"])
def reader(copied: pathlib.Path, examples: int, request: pytest.FixtureRequest) -> Iterator[Reader]:
    delete(copied, examples, properties=request.param)
    with open_reader(PIPELINE, str(copied / "metadata.sqlite"), Root(copied)) as opened:
        yield opened


def test_a_run_shows_it_as_removed(reader: Reader, examples: int) -> None:
    found = {node.node: node for node in reader.run("good").nodes}
    [output] = found["ExampleGen"].outputs
    assert (output.key, output.artifact.id, output.artifact.state) == ("examples", examples, "removed")
    assert (output.artifact.run, output.artifact.node, output.artifact.key) == ("good", "ExampleGen", "examples")
    assert examples in [use.artifact.id for use in found["StatisticsGen"].inputs]
    text = run.as_text(Screen(), reader.run("good"), "", None, None)
    lines = [line.split() for line in text.splitlines() if line.split()[:3] == ["output", "examples", str(examples)]]
    assert lines == [["output", "examples", str(examples), "artifact", "removed"]]


def test_lineage_shows_it_as_removed(reader: Reader, examples: int, filled: Recorded) -> None:
    model = content.artifact_of(filled, "good", "Trainer", "model")
    found = reader.lineage(model)
    assert found.artifacts[examples].state == "removed"
    assert "ExampleGen" in [step.node for step in found.up]
    assert f"artifact {examples}, removed, examples of ExampleGen, run good" in lineage.as_text(Screen(), found)


def test_runs_that_are_compared_name_it(copied: pathlib.Path, filled: Recorded) -> None:
    model = content.artifact_of(filled, "good", "Trainer", "model")
    with open_reader(PIPELINE, str(copied / "metadata.sqlite"), Root(copied)) as reader:
        before = {(one.node, one.key) for one in run_diff.compare(reader, ["good", "better"]).outputs}
    assert ("Trainer", "model") in before
    delete(copied, model)
    with open_reader(PIPELINE, str(copied / "metadata.sqlite"), Root(copied)) as reader:
        found = run_diff.compare(reader, ["good", "better"])
        same = run_diff.compare(reader, ["good", "again"])
        broken = run_diff.compare(reader, ["good", "bad"])
    assert {(one.node, one.key) for one in found.outputs} == before - {("Trainer", "model")}  # it is not known
    assert any(f"Trainer model (artifact {model}, removed)" in one for one in found.unknown)
    assert f"artifact {model}, removed" in " ".join(differences.as_text(Screen(), found, None).split())
    assert same.outputs == ()  # both have this artifact
    [output] = [one for one in broken.outputs if (one.node, one.key) == ("Trainer", "model")]
    assert (output.artifacts, output.removed) == ((model, 0), (model,))
    assert f"artifact {model}, removed" in differences.as_text(Screen(), broken, None)


@pytest.mark.parametrize("wanted", ["{}", "good:ExampleGen", "good:ExampleGen:examples"])
def test_it_is_reported_by_each_of_its_names(reader: Reader, examples: int, wanted: str) -> None:
    for ask in (reader.artifact, reader.lineage):
        with pytest.raises(NotFoundError, match=f"artifact {examples} was deleted .*sae restore --metadata"):
            ask(reader.find_artifact(wanted.format(examples)))


def test_a_node_whose_output_was_removed_keeps_its_state(copied: pathlib.Path, filled: Recorded) -> None:
    delete(copied, *(content.artifact_of(filled, "good", node, key) for node, key in TYPES))
    with open_reader(PIPELINE, str(copied / "metadata.sqlite"), Root(copied)) as reader:
        found = {node.node: node.state.value for node in reader.run("good").nodes}
    assert {found[node] for node, _ in TYPES} == {"executed"}


COMMANDS = (
    ["show", "good"], ["show", "latest", "--json"], ["runs"], ["artifacts"], ["lineage", "2", "--json"],
    ["plan", "--profile", "sample"], ["plan", "--from-node", "Trainer"], ["why", "latest", "Trainer"],
    ["why", "better", "Trainer"], ["diff", "good", "better"], ["diff", "good", "again", "--json"], ["models"], ["fsck"],
    ["gc"], ["logs", "good"],
)  # fmt: skip


OUTPUTS = [*TYPES, ("Pusher", "pushed_model")]


def some(number: int) -> tuple[list[str], ...]:
    """Every third command, of which each is run without every third of the outputs."""
    return COMMANDS[number % 3 :: 3]


@pytest.mark.component
@pytest.mark.parametrize(
    ("output", "commands"),
    [
        *((output, some(number)) for number, output in enumerate(OUTPUTS)),
        *(pytest.param(output, COMMANDS, marks=pytest.mark.chaos) for output in OUTPUTS),
    ],
)
def test_no_command_fails_unexpectedly(
    copied: pathlib.Path,
    filled: Recorded,
    output: tuple[str, str],
    commands: tuple[list[str], ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    delete(copied, content.artifact_of(filled, "better", *output), properties=True)
    for command in commands:
        with pytest.raises(SystemExit) as ended:
            entry.main([*command, "--root", str(copied)])
        out, errors = capsys.readouterr()
        assert "unexpected" not in errors, command
        assert ended.value.code in (0, None, 3, 4, 6), (command, errors)
        if "--json" in command and not ended.value.code:
            json.loads(out)
