"""`sae fsck` and `sae gc` on a store with deleted rows: damage that is named, and no folder that is deleted."""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
import sqlite3

import pytest

from pipeline.cli import entry
from pipeline.core.errors import ExitCode
from pipeline.core.pipeline_root import Root
from pipeline.maintenance import fsck
from pipeline.maintenance.fsck import Finding, FindingKind
from pipeline.metadata import missing_rows
from tests.builders import pages as content
from tests.builders.roots import Recorded, tree

pytestmark = pytest.mark.sqlite_file  # which it damages


@pytest.fixture
def root(filled: Recorded, tmp_path: pathlib.Path) -> Root:
    return Root(shutil.copytree(filled.root.path, tmp_path / "root", symlinks=True))


@pytest.fixture
def model(filled: Recorded) -> int:
    return content.artifact_of(filled, "good", "Trainer", "model")


@pytest.fixture
def trainer(filled: Recorded, model: int) -> int:
    return filled.store().makers(model)[0]


def change(root: Root, *statements: str, **values: object) -> None:
    with contextlib.closing(sqlite3.connect(root.metadata)) as database:
        for statement in statements:
            assert database.execute(statement, values).rowcount > 0, statement
        database.commit()


def command(*arguments: str) -> int:
    """Run a command; return its exit code."""
    try:
        entry.main(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def missing(root: Root) -> list[Finding]:
    result = fsck.check(root)
    found = [one for one in result.findings if one.kind == FindingKind.ROW_MISSING]
    assert result.exit_code == (ExitCode.GATE_FAILED if result.damaged else ExitCode.DONE)
    assert result.counts["row_missing"] == len(found)
    return found


def test_a_store_without_a_missing_row_has_no_such_finding(root: Root) -> None:
    assert missing(root) == []


def test_an_artifact_that_executions_name_is_damage(root: Root, model: int, trainer: int) -> None:
    change(root, "DELETE FROM Artifact WHERE id = :id", id=model)
    found = " ".join(one.sentence for one in missing(root))
    for part in (f"artifact {model} ", f"executions {trainer}", "Event", "restore --metadata"):
        assert part in found


DELETIONS = {
    "Execution": ("DELETE FROM Execution WHERE id = :trainer", "execution {trainer} "),
    "Context": ("DELETE FROM Context WHERE id IN (SELECT context_id FROM Association WHERE execution_id = :trainer)",
                "context "),
    "Event": ("DELETE FROM Event WHERE artifact_id = :model AND execution_id = :trainer", "artifact {model} "),
    "EventPath": ("DELETE FROM EventPath WHERE event_id IN (SELECT id FROM Event WHERE execution_id = :trainer)",
                  "event "),
    "Association": ("DELETE FROM Association WHERE execution_id = :trainer", "execution {trainer} "),
    "one association": ("DELETE FROM Association WHERE execution_id = :trainer AND context_id IN (SELECT c.id "
                        "FROM Context c JOIN Type t ON t.id=type_id WHERE t.name = 'execution_cache')", "Association"),
    "Attribution": ("DELETE FROM Attribution WHERE artifact_id = :model", "artifact {model} "),
    "ArtifactProperty": ("DELETE FROM ArtifactProperty WHERE artifact_id = :model", "artifact {model} "),
    "ExecutionProperty": ("DELETE FROM ExecutionProperty WHERE execution_id = :trainer", "execution {trainer} "),
    "ContextProperty": ("DELETE FROM ContextProperty WHERE context_id IN (SELECT id FROM Context WHERE name = 'good')",
                        "run good"),
}  # fmt: skip


@pytest.mark.parametrize("what", DELETIONS)
def test_each_deleted_row_is_damage_and_named(root: Root, model: int, trainer: int, what: str) -> None:
    statement, named = DELETIONS[what]
    change(root, statement, **{name: value for name, value in (("model", model), ("trainer", trainer))
                               if f":{name}" in statement})  # fmt: skip
    found = missing(root)
    assert any(named.format(model=model, trainer=trainer) in one.sentence for one in found), found


def test_reading_leaves_the_store_as_it_is(root: Root, model: int) -> None:
    change(root, "DELETE FROM Artifact WHERE id = :id", id=model)
    before = tree(root.path)
    assert missing(root)
    assert tree(root.path) == before


def test_rows_of_a_store_in_wal_mode_are_read_in_a_copy(root: Root, model: int) -> None:
    change(root, "DELETE FROM Artifact WHERE id = :id", id=model)
    with contextlib.closing(sqlite3.connect(root.metadata)) as database:
        database.execute("PRAGMA journal_mode = WAL")
    before = tree(root.path)
    assert any(f"artifact {model} " in one.sentence for one in missing(root))
    assert tree(root.path) == before


def orphan(root: Root, filled: Recorded, model: int, trainer: int) -> pathlib.Path:
    """Moves the folder of the model to where TFX puts it: NODE/OUTPUT/EXECUTION."""
    [artifact] = filled.store().artifacts_by_id([model])
    place = pathlib.Path(artifact.uri).relative_to(filled.root.artifacts)
    target = root.artifacts / place.parent / str(trainer)
    (root.artifacts / place).rename(target)
    return target


@pytest.mark.parametrize("traces", [True, False], ids=["events left", "no row names it"])
def test_gc_does_not_delete_the_folder_of_an_artifact_whose_row_is_missing(
    root: Root, filled: Recorded, model: int, trainer: int, traces: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = orphan(root, filled, model, trainer)
    change(root, "DELETE FROM Artifact WHERE id = :id", id=model)
    if not traces:
        change(root, "DELETE FROM EventPath WHERE event_id IN (SELECT id FROM Event WHERE artifact_id = :id)",
               "DELETE FROM Event WHERE artifact_id = :id", "DELETE FROM Attribution WHERE artifact_id = :id",
               "DELETE FROM ArtifactProperty WHERE artifact_id = :id", id=model)  # fmt: skip
    before = tree(folder)
    found = missing(root)
    assert any(f"artifact {model} " in one.sentence for one in found) == traces
    assert traces or str(folder) in [one.path for one in found]
    assert command("gc", "--json", "--root", str(root.path)) == ExitCode.DONE
    planned = json.loads(capfd.readouterr().out)
    assert planned["left_over"] == []
    assert bool(planned["contradictions"]) == traces
    assert command("gc", "--yes", "--root", str(root.path)) == (ExitCode.ENVIRONMENT if traces else ExitCode.DONE)
    assert tree(folder) == before


def test_the_folder_of_an_execution_that_failed_is_still_a_leftover(
    root: Root, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = root.artifacts / "Trainer" / "model" / "999999"
    folder.mkdir(parents=True)
    (folder / "part").write_bytes(b"half")
    assert command("gc", "--json", "--root", str(root.path)) == ExitCode.DONE
    assert [one["path"] for one in json.loads(capfd.readouterr().out)["left_over"]] == [str(folder)]


def test_a_sentence_names_a_few_of_many_executions(root: Root, filled: Recorded) -> None:
    store = filled.store()
    number = max((one.id for one in store.all_artifacts()), key=lambda one: len(store.events_of_artifacts([one])))
    change(root, "DELETE FROM Artifact WHERE id = :id", id=number)
    [sentence] = [one for one in missing_rows.found(root.metadata) if one.startswith(f"artifact {number} ")]
    executions = {one.execution for one in store.events_of_artifacts([number])}
    assert len(executions) <= 5 or f"and {len(executions) - 5} more" in sentence


def test_a_deleted_property_of_a_type_is_damage(root: Root) -> None:
    with contextlib.closing(sqlite3.connect(root.metadata)) as database, database:
        [name] = database.execute("SELECT name FROM ArtifactProperty LIMIT 1").fetchone()
        # A declared property without its declaration.
        database.execute(
            "UPDATE ArtifactProperty SET is_custom_property = 0 WHERE rowid IN "
            "(SELECT rowid FROM ArtifactProperty LIMIT 1)"
        )
    [finding] = missing(root)
    assert f" {name} " in finding.sentence
    assert "`sae restore --metadata`" in finding.sentence
