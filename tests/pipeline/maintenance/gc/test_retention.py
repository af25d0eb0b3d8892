"""`sae gc`: what is kept and why, what goes, and that the next call ends what a killed one left."""

from __future__ import annotations

import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.artifacts import previews
from pipeline.core import unfinished_folder
from pipeline.core.errors import LockedError, NotFoundError
from pipeline.core.pipeline_root import Root
from pipeline.maintenance import fsck, gc, rerun
from pipeline.maintenance.fsck import FindingKind
from pipeline.maintenance.gc import collect
from pipeline.maintenance.gc.policy import Reason
from pipeline.orchestration.cache import CacheVerdict
from pipeline.registry import pins
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal import maintenance as text
from pipeline_config import RetentionConfig
from tests import PROJECT
from tests.builders.histories import nightly, note
from tests.builders.roots import STATE, Recorded, tree, write

ONE = RetentionConfig(runs=1, pushed=0, max_mib=0)


def is_there(recorded: Recorded, run_id: str, node: str, key: str) -> bool:
    return recorded.folder_of(run_id, node, key).exists()


def models(recorded: Recorded) -> set[str]:
    """The runs whose models are there."""
    return {run for run in recorded.store().run_ids() if is_there(recorded, run, "Trainer", "model")}


def reasons(found: gc.Collected) -> dict[str, set[Reason]]:
    return {run.id: set(run.reasons) for run in found.kept}


def test_only_what_the_policy_keeps_stays(four):
    found = gc.apply(PIPELINE, four.root, ONE)
    assert reasons(found) == {"run-4": {Reason.SERVED, Reason.NEWEST}}
    assert models(four) == {"run-4"}
    assert sorted(path.name for path in four.root.serving.iterdir()) == ["4"]
    assert found.versions == (1, 2, 3)
    # The data that run-1 made is what run-4 was made from.
    assert is_there(four, "run-1", "ExampleGen", "examples")


def test_without_yes_nothing_is_written_and_the_same_is_said(four):
    before = tree(four.root.path)
    looked = gc.look(PIPELINE, four.root, ONE)
    assert tree(four.root.path) == before
    applied = gc.apply(PIPELINE, four.root, ONE)
    assert (looked.deleted, applied.deleted) == (False, True)
    assert looked.artifacts == applied.artifacts != ()
    assert looked.freed == applied.freed == before_minus_after(before, tree(four.root.path))


def before_minus_after(before, after):
    """Bytes of the files that are gone."""
    return sum(len(content) for name, (_, content) in before.items() if name not in after)


def test_lineage_metrics_and_digests_stay(four):
    before = four.outputs("run-1", "Trainer")["model"]
    gc.apply(PIPELINE, four.root, ONE)
    after = four.outputs("run-1", "Trainer")["model"]
    assert (before.live, after.live) == (True, False)
    assert after.deleted.startswith("deleted by gc on ")
    assert (after.content, after.files) == (before.content, before.files)
    [artifact] = four.writer.store.get_artifacts_by_id([after.id])
    assert artifact.state == pb.Artifact.DELETED
    assert four.outputs("run-1", "Evaluator")["evaluation"].properties["metrics"]
    assert four.store().inputs(four.store().executions("run-1")["Evaluator"].id)["model"].id == after.id


def test_the_last_pushed_are_kept_for_a_rollback(four):
    found = gc.apply(PIPELINE, four.root, RetentionConfig(runs=1, pushed=2, max_mib=0))
    assert reasons(found) == {
        "run-4": {Reason.SERVED, Reason.NEWEST}, "run-3": {Reason.PUSHED}, "run-2": {Reason.PUSHED},
    }  # fmt: skip
    assert models(four) == {"run-2", "run-3", "run-4"}
    assert sorted(path.name for path in four.root.serving.iterdir()) == ["2", "3", "4"]


def test_the_newest_runs_are_kept_whether_they_pushed_or_not(four):
    nightly(four, "run-5", 5, blessed=False)
    found = gc.apply(PIPELINE, four.root, RetentionConfig(runs=2, pushed=0, max_mib=0))
    assert reasons(found) == {"run-5": {Reason.NEWEST}, "run-4": {Reason.SERVED, Reason.NEWEST}}
    assert gc.apply(PIPELINE, four.root, ONE).artifacts == ()  # run-4 is served still


def test_what_is_served_stays_however_old_it_is(recorded):
    nightly(recorded, "run-1", 1)
    for number in (2, 3):
        nightly(recorded, f"run-{number}", number, blessed=False)
    found = gc.apply(PIPELINE, recorded.root, ONE)
    assert reasons(found) == {"run-1": {Reason.SERVED}, "run-3": {Reason.NEWEST}}
    assert models(recorded) == {"run-1", "run-3"}


def test_a_pinned_run_stays_until_it_is_unpinned(four):
    assert pins.pin(four.root, "run-1", "the one in the paper") == pins.Pinned("run-1")
    assert reasons(gc.apply(PIPELINE, four.root, ONE))["run-1"] == {Reason.PINNED}
    assert models(four) == {"run-1", "run-4"}
    pins.unpin(four.root, "run-1", "it is printed")
    gc.apply(PIPELINE, four.root, ONE)
    assert models(four) == {"run-4"}


@pytest.mark.parametrize("state", [None, "cancelled"])
def test_what_an_unfinished_run_needs_to_go_on_stays(four, state):
    note(four, "run-2", "failed")
    nightly(four, "run-5", 5, state=state)
    nightly(four, "run-6", 6)
    found = gc.apply(PIPELINE, four.root, ONE)
    assert reasons(found)["run-5"] == {Reason.UNFINISHED}
    assert models(four) == {"run-5", "run-6"}


def test_a_run_of_plain_tfx_is_unfinished_while_an_execution_of_it_is(recorded):
    recorded.run("plain-1", noted=False)
    recorded.run("plain-2", noted=False, content="other")
    execution = recorded.writer.execution("plain-1", "Report", STATE.RUNNING)
    assert "plain-1" in reasons(gc.look(PIPELINE, recorded.root, ONE))
    [row] = recorded.writer.store.get_executions_by_id([execution])
    row.last_known_state = STATE.COMPLETE
    recorded.writer.store.put_executions([row])
    assert "plain-1" not in reasons(gc.look(PIPELINE, recorded.root, ONE))


@pytest.mark.sqlite_file  # its size counts
def test_a_root_that_is_too_large_gives_up_the_oldest_and_rollbacks_last(four):
    size = 700_000
    for number in range(1, 5):  # makes the models the bulk of it
        shard = four.folder_of(f"run-{number}", "Trainer", "model") / "Format-Serving" / "variables" / "data"
        shard.write_bytes(b"x" * size)
    pins.pin(four.root, "run-1", "the one in the paper")
    found = gc.look(PIPELINE, four.root, RetentionConfig(runs=9, pushed=1, max_mib=0))
    assert len(found.kept) == 4
    assert 4 * size < found.bytes < 6 * size  # with the store, which has no such size
    found = gc.look(PIPELINE, four.root, RetentionConfig(runs=9, pushed=1, max_mib=3))
    assert (list(reasons(found)), found.too_large) == (["run-4", "run-3", "run-1"], False)
    found = gc.apply(PIPELINE, four.root, RetentionConfig(runs=9, pushed=1, max_mib=1))
    assert list(reasons(found)) == ["run-4", "run-1"]  # not the pinned one, though that would not be enough
    assert found.too_large
    assert found.versions == (1, 2, 3)
    assert models(four) == {"run-1", "run-4"}


def test_it_says_when_what_must_be_kept_is_too_large(four):
    model = four.folder_of("run-4", "Trainer", "model")
    (model / "large").write_bytes(b"x" * 2_000_000)
    found = gc.look(PIPELINE, four.root, RetentionConfig(runs=3, pushed=3, max_mib=1))
    assert found.too_large
    assert list(reasons(found)) == ["run-4"]
    assert "unpin runs, or allow more" in text.gc(found)


# --- what else goes, and what does not ---------------------------------------------------------


def test_the_previews_of_what_goes_go_too(four):
    kept, gone = (
        previews.folder_of(four.root.path, str(four.folder_of(run, "Report", "report"))) for run in ("run-4", "run-3")
    )
    for folder in (kept, gone):
        write(folder / "preview.json", "{}")
    gc.apply(PIPELINE, four.root, ONE)
    assert (kept.exists(), gone.exists()) == (True, False)


def test_half_written_outputs_go_and_what_is_no_output_stays(four):
    half = four.root.artifacts / "Trainer" / "model" / "999"
    write(half / "part", "half")
    strangers = [four.root.artifacts / "notes.txt", four.root.artifacts / "Trainer" / "model" / "mine" / "notes.txt"]
    for stranger in strangers:
        write(stranger, "somebody's")
    scratch, unfinished = four.root.path / "scratch" / "x", four.root.serving / ".unfinished"
    for folder in (scratch, unfinished):
        write(folder / "file", "left")
    found = gc.apply(PIPELINE, four.root, ONE)
    assert {pathlib.Path(one.path) for one in found.left_over} == {half, scratch.parent, unfinished}
    assert not any(pathlib.Path(one.path).exists() for one in found.left_over)
    assert all(stranger.exists() for stranger in strangers)


@pytest.mark.sqlite_file
def test_what_killed_exports_and_copies_left_goes_and_that_of_a_live_process_stays(four):
    root = four.root
    with unfinished_folder.create(root.path / "site") as live:
        left = [root.path / ".site.0123abcd.unfinished", root.path / ".metadata.sqlite.unfinished"]
        left += [
            root.metadata_copies / ".run-4.sqlite.unfinished",
            root.metadata_copies / ".r.sqlite.unfinished-journal",
        ]
        write(left[0] / "index.html", "half")
        for path in left[1:]:
            write(path, "half")
        kept = [root.path / ".mine.unfinished", root.path / "site.0123abcd.unfinished", live]
        for folder in kept:
            write(folder / "notes.txt", "somebody's")
        found = gc.apply(PIPELINE, root, ONE)
        assert {pathlib.Path(one.path) for one in found.left_over} == set(left)
        assert not any(path.exists() for path in left)
        assert all(folder.exists() for folder in kept)
    sizes = {one.name: one.freed for one in found.directories}
    assert sizes["metadata.backup"] == 2 * len("half")
    assert sum(sizes.values()) == found.freed


@pytest.mark.sqlite_file
def test_three_stores_from_before_a_move_and_three_from_before_a_restore_stay(four):
    causes = ("before-move", "before-restore")
    made = [four.root.path / f"metadata.sqlite.{cause}-2026112{day}-000000" for cause in causes for day in range(6)]
    for path in made:
        write(path, "store")
    write(made[0].with_name(f"{made[0].name}-wal"), "log")
    gc.apply(PIPELINE, four.root, RetentionConfig())
    left = sorted(path.name for path in four.root.path.glob("metadata.sqlite.before-*"))
    assert left == [f"metadata.sqlite.{cause}-2026112{day}-000000" for cause in causes for day in (3, 4, 5)]


def test_links_in_the_root_to_folders_elsewhere_are_followed_and_counted(four, tmp_path):
    plain = gc.look(PIPELINE, four.root, ONE)
    for name in ("artifacts", "serving"):
        shutil.move(four.root.path / name, tmp_path / f"of-{name}")
        (four.root.path / name).symlink_to(tmp_path / f"of-{name}")
    (four.root.path / "current").symlink_to("logs")
    write(four.root.artifacts / "Trainer" / "model" / "999" / "part", "half")
    found = gc.look(PIPELINE, four.root, ONE)
    assert [one.name for one in found.directories] == [one.name for one in plain.directories]
    by_name = {one.name: one for one in plain.directories}
    for one in found.directories:
        if one.name != "files of the root":
            assert one.bytes == by_name[one.name].bytes + (len("half") if one.name == "artifacts" else 0)
    assert found.freed == plain.freed + len("half")
    gc.apply(PIPELINE, four.root, ONE)
    assert models(four) == {"run-4"}
    assert sorted(path.name for path in (tmp_path / "of-serving").iterdir()) == ["4"]
    assert fsck.check(four.root).damaged == 0


def test_a_version_that_no_push_made_stays(four):
    write(four.root.serving / "2" / "marker", "as it was")
    shutil.copytree(four.root.serving / "2", four.root.serving / "0")
    gc.apply(PIPELINE, four.root, ONE)
    assert sorted(path.name for path in four.root.serving.iterdir()) == ["0", "4"]


def test_a_root_that_was_moved_is_collected_where_it_lies(four, tmp_path):
    place = tmp_path / "elsewhere"
    shutil.move(four.root.path, place)
    found = gc.apply(PIPELINE, Root(place), ONE)
    assert found.artifacts
    assert all(one.path.startswith(str(place)) and not os.path.exists(one.path) for one in found.artifacts)


# --- breaking off ------------------------------------------------------------------------------


class KilledError(Exception):
    """Stands for the end of the process."""


# 27 previews are removed, then the 27 artifacts, each with its preview, then 3 versions, each in two steps.
@pytest.mark.parametrize("moment", [0, 14, 27, 40, 80, 82, 84])
def test_broken_off_at_any_removal_the_next_call_goes_on_and_nothing_is_damaged(four, monkeypatch, moment):
    left = moment
    real = collect._remove

    def remove(path):
        nonlocal left
        left -= 1
        if left < 0:
            raise KilledError
        real(path)

    monkeypatch.setattr(collect, "_remove", remove)
    with pytest.raises(KilledError):
        gc.apply(PIPELINE, four.root, ONE)
    monkeypatch.undo()
    assert fsck.check(four.root).damaged == 0
    gc.apply(PIPELINE, four.root, ONE)
    assert models(four) == {"run-4"}
    assert sorted(path.name for path in four.root.serving.iterdir()) == ["4"]
    after = gc.look(PIPELINE, four.root, ONE)
    assert (after.artifacts, after.versions, after.left_over) == ((), (), ())


def test_a_half_deleted_artifact_is_no_hit_and_goes_even_if_its_run_is_pinned_by_then(four, monkeypatch):
    monkeypatch.setattr(collect, "_remove", lambda path: None)
    gc.apply(PIPELINE, four.root, RetentionConfig(runs=1, pushed=3, max_mib=1))
    monkeypatch.undo()
    nightly(four, "run-5", 5)
    gc.apply(PIPELINE, four.root, RetentionConfig(runs=2, pushed=0, max_mib=0))
    assert not is_there(four, "run-3", "Trainer", "model")


def test_a_second_call_finds_nothing(four):
    gc.apply(PIPELINE, four.root, ONE)
    before = tree(four.root.artifacts)
    said = text.gc(gc.apply(PIPELINE, four.root, ONE))
    assert said.startswith("kept: 1 run\n")
    assert said.endswith("nothing to delete")
    assert tree(four.root.artifacts) == before


# --- refusals ----------------------------------------------------------------------------------


def test_a_run_that_holds_the_root_is_left_alone(four):
    before = tree(four.root.artifacts)
    with four.root.lock(), pytest.raises(LockedError):
        gc.apply(PIPELINE, four.root, ONE)
    assert tree(four.root.artifacts) == before


def test_what_a_run_in_progress_has_not_finished_is_not_left_over(four):
    unfinished = [four.root.artifacts / "Trainer" / "model" / "999", four.root.path / rerun.SCRATCH]
    for folder in unfinished:
        write(folder / "file", "1")
    with four.root.lock():
        assert gc.look(PIPELINE, four.root, ONE).left_over == ()
    assert {pathlib.Path(one.path) for one in gc.look(PIPELINE, four.root, ONE).left_over} == {*unfinished}


def test_a_root_without_runs_is_refused_and_not_made(tmp_path):
    with pytest.raises(NotFoundError):
        gc.apply(PIPELINE, Root(tmp_path / "nowhere"), ONE)
    assert not (tmp_path / "nowhere").exists()


# --- what the others say of it -----------------------------------------------------------------


def test_what_was_deleted_is_no_hit_and_plan_says_so(four):
    gc.apply(PIPELINE, four.root, ONE)
    made = four.decisions("training.seed=1")
    [reason] = made["Trainer"].reasons
    assert made["Trainer"].verdict == CacheVerdict.RUN
    assert reason.startswith("its model and model_run are deleted by gc on ")
    assert made["ExampleGen"].verdict == CacheVerdict.CACHED


def test_fsck_counts_it_as_no_damage_and_says_when(four):
    gc.apply(PIPELINE, four.root, ONE)
    found = fsck.check(four.root)
    assert found.damaged == 0
    deleted = [one for one in found.findings if one.kind == fsck.FindingKind.DELETED]
    assert len(deleted) == found.counts["deleted"] == 27
    assert deleted[0].sentence.startswith(f"{deleted[0].path}, deleted by gc on ")
    assert text.fsck(found).count("deleted by gc on") == 5
    assert "and 22 more" in text.fsck(found)


def test_fsck_says_that_bytes_were_left_by_a_call_that_was_killed(four, monkeypatch):
    monkeypatch.setattr(collect, "_remove", lambda path: None)
    gc.apply(PIPELINE, four.root, ONE)
    found = [one for one in fsck.check(four.root).findings if one.kind == fsck.FindingKind.DELETED]
    assert all(one.sentence.endswith("files of it still exist: delete them with `sae gc --yes`") for one in found)


# --- many nights -------------------------------------------------------------------------------


def test_with_a_collection_after_each_night_the_root_stops_growing(recorded):
    recorded.bytes = 50_000
    policy = RetentionConfig(runs=2, pushed=1, max_mib=0)
    found = []
    for night in range(1, 5):
        (recorded.data / "mnist-train.tfrecord").write_text(f"images of night {night}")
        recorded.run(f"night-{night}")
        note(recorded, f"night-{night}", "succeeded")
        gc.apply(PIPELINE, recorded.root, policy)
        files = [path for path in recorded.root.artifacts.rglob("*") if path.is_file()]
        decisions = [path for path in files if path.name == "decision.json"]
        assert len(decisions) == night  # small, and nothing makes one again
        files = [path for path in files if path not in decisions]
        found.append((len(files), sum(path.stat().st_size for path in files), len(models(recorded))))
    assert found[1:] == [found[1]] * 3
    assert found[1][2] == 2


KILLED_WRITES = """
import os, pathlib, signal, sys
from components import atomic_file
atomic_file.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
for path in map(pathlib.Path, sys.argv[1:]):
    if not (pid := os.fork()):
        atomic_file.write(path, "half")
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
"""


def killed_writes(*paths):
    """Writes files in processes that are killed before they rename them; returns what is left."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-c", KILLED_WRITES, *paths], cwd=PROJECT, check=True)
    left = {one for path in paths for one in path.parent.glob(f".{path.name}.*.unfinished")}
    assert len(left) == len(paths)
    return left


def test_what_killed_writes_left_anywhere_in_the_root_is_named_and_goes(four):
    root = four.root
    places = ("root.json", "manifests/r.json", "cache/data_sets.json", "checkpoints/key/checkpoint",
              "data/mnist.pbtxt", "held_back.json", "metadata.backup/run-4.json")  # fmt: skip
    left = killed_writes(*(root.path / place for place in places))
    for name in (".12.unfinished", ".13.0123abcd.unfinished"):  # the first of an earlier version
        left.add(root.previews / "Trainer" / "model" / name)
        write(root.previews / "Trainer" / "model" / name / "preview.json", "{")
    kept = [root.path / "notes.1.unfinished", root.path / ".notes.txt"]
    for path in kept:
        write(path, "somebody's")
    live = root.manifests / f".live.{os.getpid()}.unfinished"
    with open(live, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        named = {pathlib.Path(one.path) for one in fsck.check(root).findings if one.kind == FindingKind.ORPHANED}
        found = gc.apply(PIPELINE, root, ONE)
        assert live.exists()
    assert named == left
    assert {pathlib.Path(one.path) for one in found.left_over} == left
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)
    assert {pathlib.Path(one.path) for one in gc.look(PIPELINE, root, ONE).left_over} == {live}


def test_what_a_killed_write_left_behind_a_link_to_another_folder_goes(four, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    four.root.manifests.symlink_to(tmp_path / "elsewhere")
    [left] = killed_writes(four.root.manifests / "r.json")
    assert [one.path for one in gc.apply(PIPELINE, four.root, ONE).left_over] == [str(left)]
    assert not left.exists()
