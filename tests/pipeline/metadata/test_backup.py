"""Copies of ML Metadata's store, and the way back to one."""

from __future__ import annotations

import os

import pytest

from pipeline.core.errors import NotFoundError, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.maintenance import fsck
from pipeline.maintenance.restore_store import RestoredStore
from pipeline.metadata import backup, sqlite
from pipeline.metadata.sources import connect_read_only
from pipeline.metadata.store import Store, open_store
from pipeline.metadata.writer import rewrite_moved_uris
from pipeline.terminal import maintenance as maintenance_text
from tests.builders.roots import Writer, tree


def names(root):
    return [path.stem for path in backup.copies(root)]


def make(recorded, run_id, keep=3):
    backup.make(recorded.root, run_id, keep)


def test_the_newest_copies_are_kept_and_hold_the_runs_so_far(recorded):
    for number in range(1, 5):
        recorded.run(f"r{number}", names=["SchemaGen"])
        make(recorded, f"r{number}", keep=2)
    assert names(recorded.root) == ["r4", "r3"]
    assert sorted(os.listdir(recorded.root.metadata_copies)) == ["r3.json", "r3.sqlite", "r4.json", "r4.sqlite"]
    copy = recorded.root.metadata_copies / "r3.sqlite"
    assert Store(connect_read_only(copy)).run_ids() == ["r3", "r2", "r1"]


def test_the_copy_made_last_is_the_newest_whatever_the_clock_was(recorded):
    for run_id in ("r8", "r9", "r1", "r2"):  # the clock was ahead for the first two, also in their ids
        recorded.run(run_id, names=["SchemaGen"])
        make(recorded, run_id, keep=2)
        copy = recorded.root.metadata_copies / f"{run_id}.sqlite"
        future = 4_000_000_000
        os.utime(copy, (future, future) if run_id in ("r8", "r9") else (1, 1))
    assert names(recorded.root) == ["r2", "r1"]
    assert backup.restore(recorded.root).copy.stem == "r2"


def test_after_a_restore_the_next_copy_is_the_newest_although_it_has_fewer_runs(recorded):
    for run_id in ("r1", "r2", "r3"):
        recorded.run(run_id, names=["SchemaGen"])
        make(recorded, run_id, keep=3)
    backup.restore(recorded.root, "r1")
    recorded.writer = Writer(recorded.root.metadata)
    recorded.run("r4", names=["SchemaGen"])
    make(recorded, "r4", keep=3)
    assert names(recorded.root) == ["r4", "r3", "r2"]


@pytest.mark.parametrize("beside", [None, '{"path": "/x"}', "no JSON", "[]", '{"path": "/x", "sequence": "9"}'])
def test_copies_of_earlier_versions_are_older_than_new_ones_and_sorted_by_run(recorded, beside):
    for run_id in ("r8", "r9", "r1"):
        recorded.run(run_id, names=["SchemaGen"])
        make(recorded, run_id)
        about = recorded.root.metadata_copies / f"{run_id}.json"
        if run_id != "r1":
            about.unlink() if beside is None else about.write_text(beside)
    assert names(recorded.root) == ["r1", "r9", "r8"]


def test_what_a_killed_run_left_of_a_copy_is_removed(recorded):
    recorded.run("r2", names=["SchemaGen"])
    recorded.root.metadata_copies.mkdir()
    (recorded.root.metadata_copies / f".r1.sqlite{sqlite.UNFINISHED}").write_bytes(b"half")
    make(recorded, "r2")
    assert sorted(os.listdir(recorded.root.metadata_copies)) == ["r2.json", "r2.sqlite"]


def test_none_are_made_where_none_are_to_be_kept(recorded):
    recorded.run("r1", names=["SchemaGen"])
    make(recorded, "r1", keep=0)
    assert not recorded.root.metadata_copies.exists()


def test_a_copy_without_the_run_is_no_good_one(recorded):
    recorded.run("r1", names=["SchemaGen"])
    with pytest.raises(UnavailableError, match="r2"):
        make(recorded, "r2")


def test_going_back_keeps_the_store_that_was_there_and_says_what_is_lost(recorded):
    recorded.run("r1")
    make(recorded, "r1")
    recorded.run("r2", content="other")
    before = recorded.root.metadata.read_bytes()
    found = backup.restore(recorded.root)
    assert found.lost == ("r2",)
    assert found.kept.read_bytes() == before
    assert recorded.store().run_ids() == ["r1"]
    text = maintenance_text.restore_metadata(RestoredStore(found, (), (), 0))
    assert "made after run r1: 1 run\n" in text
    assert "lost 1 run made since: r2\n" in text
    # As it says, what the lost run made is orphaned then; what is known is sound.
    orphaned = {one.node for one in fsck.check(recorded.root).findings if one.kind.value == "orphaned"}
    assert "Trainer" in orphaned


def test_a_copy_is_named_by_its_run(recorded):
    for number in (1, 2):
        recorded.run(f"r{number}", names=["SchemaGen"])
        make(recorded, f"r{number}")
    with pytest.raises(NotFoundError, match=r"'x'.*r2, r1"):
        backup.restore(recorded.root, "x")
    with pytest.raises(NotFoundError, match=r"'r'"):
        backup.restore(recorded.root, "r")
    assert backup.restore(recorded.root, "r1").copy.stem == "r1"


def test_without_copies_there_is_no_way_back(recorded):
    with pytest.raises(NotFoundError):
        backup.restore(recorded.root)


def test_a_damaged_copy_is_refused_and_nothing_is_changed(recorded):
    recorded.run("r1", names=["SchemaGen"])
    make(recorded, "r1")
    [copy] = backup.copies(recorded.root)
    copy.write_bytes(b"not a database")
    before = tree(recorded.root.path)
    with pytest.raises(UnavailableError, match=r"r1\.sqlite.*`--metadata RUN`") as refused:
        backup.restore(recorded.root)
    assert "not a database" in str(refused.value)
    assert tree(recorded.root.path) == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"not a database",
            r"cannot be opened as an ML Metadata store \(file is not a database\): it was left as it is",
        ),
        (b"", "metadata.sqlite is empty"),
        (None, "metadata.sqlite is missing"),
    ],
)
def test_a_store_that_is_lost_is_named_with_the_way_back_and_restored(recorded, content, said):
    recorded.run("r1", names=["SchemaGen"])
    make(recorded, "r1")
    backup.check(recorded.root)
    if content is None:
        recorded.root.metadata.unlink()
    else:
        recorded.root.metadata.write_bytes(content)
    with pytest.raises(UnavailableError, match=f"{said}.*`sae restore --metadata`.*r1"):
        backup.check(recorded.root)
    found = backup.restore(recorded.root)
    assert recorded.store().run_ids() == ["r1"]
    assert (found.kept.read_bytes() if found.kept else None) == content
    backup.check(recorded.root)


def test_a_new_root_has_no_store_and_none_is_missed(tmp_path):
    root = Root(tmp_path / "root")
    root.create()
    backup.check(root)
    root.metadata.touch()
    backup.check(root)


def test_a_copy_from_before_the_root_was_moved_is_mended_by_the_next_run(recorded):
    recorded.run("r1")
    make(recorded, "r1")
    moved = Root(recorded.root.path.rename(recorded.folder / "moved"))
    rewrite_moved_uris(moved)
    backup.restore(moved)
    assert moved.moved() == (str(recorded.folder / "root"), str(moved.path))
    rewrite_moved_uris(moved)
    store = open_store(moved)
    model = store.outputs(store.executions("r1")["Trainer"].id)["model"]
    assert model.uri.startswith(f"{moved.path}/artifacts/Trainer/")
