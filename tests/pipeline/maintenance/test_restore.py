"""`sae restore`: what is made again, what it is held against, and what is put back."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import tempfile

import pytest

from components.push import serving_dir
from pipeline.artifacts import previews
from pipeline.core import file_digests
from pipeline.core.errors import LockedError, NotFoundError, SaeError, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.maintenance import fsck, gc, rerun
from pipeline.maintenance import restore as restoring
from pipeline.maintenance.restore import Restoration, Restored
from pipeline.metadata import client
from pipeline.metadata.properties import FILES, MANIFEST_DIGEST, RAW_DIGEST
from pipeline.metadata.store import open_store
from pipeline.orchestration.cache import CacheVerdict
from pipeline.provenance import manifest
from pipeline.registry import promotion, superseded
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal import maintenance as text
from pipeline_config import RetentionConfig
from tests import metadata_stores
from tests.builders.histories import four, made_once
from tests.builders.roots import change_bytes, set_properties, tree, write
from tests.pipeline.provenance.test_manifest import RECORDED

__all__ = ["four", "made_once"]


@pytest.fixture
def collected(four, made_once, monkeypatch):
    """A root in which only the artifacts of run-4 are left; to make a run again is to copy it as it was made first.

    `parts`: the first and the last node of each part that was asked for.
    """
    for run in ("run-1", "run-4"):
        one = dataclasses.replace(RECORDED, run_id=run, data=four.source(), configuration=four.config().recorded())
        path = manifest.write(four.root.path, one)
        context = four.writer.store.get_context_by_type_and_name("pipeline_run", run)
        set_properties(context.custom_properties, {MANIFEST_DIGEST: file_digests.of_file(path)})
        four.writer.store.put_contexts([context])
    gc.apply(PIPELINE, four.root, RetentionConfig(runs=1, pushed=0, max_mib=0))
    parts = []

    def make(pipeline, root, store, recorded, place, from_node, to_node, workers, variables):
        parts.append((from_node, to_node))
        shutil.copytree(made_once[1] / "root", place.path, dirs_exist_ok=True)
        metadata_stores.as_file(place, made_once[2])
        return recorded.run_id

    monkeypatch.setattr(rerun, "rerun", make)
    four.parts = parts
    return four


def restore(recorded, node, key, run="run-1"):
    return restoring.restore(PIPELINE, recorded.root, recorded.outputs(run, node)[key].id, print, print)


def test_what_gc_deleted_is_in_its_place_again_and_a_hit(collected):
    assert collected.decisions("training.seed=1")["Trainer"].verdict == CacheVerdict.RUN
    found = restore(collected, "Trainer", "model")
    assert collected.parts == [("Trainer", "Trainer")]
    assert [(one.output, one.identical) for one in found.restored] == [("model", True), ("model_run", True)]
    model = collected.outputs("run-1", "Trainer")["model"]
    assert (model.live, model.deleted) == (True, "")
    assert model.properties["restored"].startswith("20")
    assert collected.decisions("training.seed=1")["Trainer"].verdict == CacheVerdict.CACHED
    assert fsck.check(collected.root).damaged == 0
    assert not (collected.root.path / "scratch").exists()
    assert promotion.promote(collected.root, "run-1", "as it was", print).version == 5


def test_a_preview_comes_back_with_it(collected, made_once):
    model = collected.outputs("run-1", "Trainer")["model"]
    place = previews.folder_of(collected.root.path, model.uri)
    original = made_once[1] / "root" / place.relative_to(collected.root.path)
    write(original / "preview.json", "{}")
    try:
        restore(collected, "Trainer", "model")
    finally:
        shutil.rmtree(made_once[1] / "root" / "previews")
    assert (place / "preview.json").read_text() == "{}"


def test_what_comes_before_it_and_is_gone_is_made_again_first(collected, capsys):
    shutil.rmtree(collected.folder_of("run-1", "Transform", "transform_graph"))
    found = restore(collected, "Trainer", "model")
    assert collected.parts == [("", "Trainer")]
    assert [one.output for one in found.restored] == ["transform_graph", "model", "model_run"]
    assert "transform_graph, artifact 5, is missing too, and is regenerated first" in capsys.readouterr().out
    assert fsck.check(collected.root).damaged == 0


def test_a_damaged_artifact_is_replaced(collected):
    [path] = (collected.folder_of("run-1", "Transform", "transform_graph")).glob("part-0")
    before = path.read_bytes()
    change_bytes(path, keep_time=True)
    found = restore(collected, "Transform", "transform_graph")
    assert [one.output for one in found.restored] == ["transform_graph"]
    assert path.read_bytes() == before
    assert fsck.check(collected.root).damaged == 0


@pytest.fixture
def other_bytes(collected, monkeypatch):
    """The same, where a model that is made again has the same content and other bytes."""
    real = rerun.rerun

    def make(pipeline, root, store, recorded, place, *others):
        run_id = real(pipeline, root, store, recorded, place, *others)
        output = made_outputs(place, run_id)["model"]
        change_bytes(pathlib.Path(output.uri) / "Format-Serving" / "saved_model.pb")
        note(place, output.id, pathlib.Path(output.uri))
        return run_id

    monkeypatch.setattr(rerun, "rerun", make)
    return collected


def test_other_bytes_with_the_same_content_are_noted_as_they_are(other_bytes):
    found = restore(other_bytes, "Trainer", "model")
    assert [(one.output, one.identical) for one in found.restored] == [("model", False), ("model_run", True)]
    assert fsck.check(other_bytes.root).damaged == 0


def test_a_served_model_that_comes_back_with_other_bytes_is_served_still(other_bytes):
    for identical in (False, True):  # as it was published first, and as it was restored before
        shutil.rmtree(other_bytes.folder_of("run-4", "Trainer", "model"))
        [restored] = restore(other_bytes, "Trainer", "model", "run-4").restored
        assert restored.identical == identical
        assert fsck.check(other_bytes.root).damaged == 0
        assert other_bytes.decisions("training.seed=4")["Pusher"].verdict == CacheVerdict.CACHED
    change_bytes(other_bytes.root.serving / "4" / "variables" / "variables.index")
    assert [one.kind for one in fsck.check(other_bytes.root).findings if one.kind.is_damage] == [
        fsck.FindingKind.SERVED
    ]
    assert other_bytes.decisions("training.seed=4")["Pusher"].verdict == CacheVerdict.RUN


def made_outputs(place, run_id):
    store = open_store(place)
    return store.outputs(store.executions(run_id)["Trainer"].id)


def note(place, artifact_id, folder, **others):
    """Notes an artifact's files as they are now."""
    store = client.connect(place.metadata)
    [artifact] = store.get_artifacts_by_id([artifact_id])
    files = file_digests.scan(folder)
    notes = {FILES: file_digests.to_text(files), RAW_DIGEST: file_digests.of_files(files), **others}
    set_properties(artifact.custom_properties, notes)
    store.put_artifacts([artifact])


def test_what_comes_out_otherwise_is_not_put_back(collected, monkeypatch):
    real = rerun.rerun

    def make(pipeline, root, store, recorded, place, *others):
        run_id = real(pipeline, root, store, recorded, place, *others)
        output = made_outputs(place, run_id)["model_run"]
        note(place, output.id, pathlib.Path(output.uri), content_digest="model_run-1:other")
        return run_id

    monkeypatch.setattr(rerun, "rerun", make)
    before = tree(collected.root.artifacts)
    with pytest.raises(
        restoring.OtherContentError,
        match=r"model_run.*run-1.*model_run-1:other",
    ):
        restore(collected, "Trainer", "model")
    assert tree(collected.root.artifacts) == before
    assert not collected.outputs("run-1", "Trainer")["model"].live  # all of it, or nothing


def test_a_decision_of_the_push_gate_is_not_made_again(four):
    shutil.rmtree(four.folder_of("run-1", "PushGate", "decision"))
    with pytest.raises(UnavailableError):
        restore(four, "PushGate", "decision")


def test_a_node_that_fails_changes_nothing(collected, monkeypatch):
    def make(*_):
        raise SaeError("the rerun of run run-1 failed: Trainer: no")

    monkeypatch.setattr(rerun, "rerun", make)
    before = tree(collected.root.artifacts)
    with pytest.raises(SaeError, match="run-1"):
        restore(collected, "Trainer", "model")
    assert tree(collected.root.artifacts) == before
    assert not (collected.root.path / "scratch").exists()


def test_what_a_kill_cut_off_is_restored_by_the_next_call(collected, monkeypatch):
    monkeypatch.setattr(restoring.MetadataWriter, "record_restored", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        restore(collected, "Trainer", "model")
    monkeypatch.undo()
    assert fsck.check(collected.root).damaged == 0
    monkeypatch.setattr(rerun, "rerun", lambda *_: pytest.fail("not yet"))
    gc.apply(PIPELINE, collected.root, RetentionConfig(runs=1, pushed=0, max_mib=0))  # bytes that nothing vouches for
    assert not collected.folder_of("run-1", "Trainer", "model").exists()


def test_what_needs_no_restoring_or_cannot_be_is_refused(collected):
    with pytest.raises(UsageError, match=r"Trainer's model, artifact \d+"):
        restore(collected, "Trainer", "model", "run-4")
    with pytest.raises(NotFoundError, match="manifest"):
        restore(collected, "Trainer", "model", "run-2")
    model = collected.outputs("run-1", "Trainer")["model"].id
    with collected.root.lock(), pytest.raises(LockedError):
        restoring.restore(PIPELINE, collected.root, model, print, print)
    collected.change(model, gone=["content_digest"])
    with pytest.raises(UnavailableError, match="digests"):
        restoring.restore(PIPELINE, collected.root, model, print, print)
    assert collected.parts == []


def test_a_version_that_somebody_chose_is_no_output_of_a_node(four):
    promotion.rollback(four.root, "worse", print)
    pushed = max(one.id for one in four.writer.store.get_artifacts())
    with pytest.raises(NotFoundError, match="`sae promote RUN --reason TEXT`"):
        restoring.restore(PIPELINE, four.root, pushed, print, print)


def test_the_rerun_of_a_part_has_the_list_of_superseded_models(four, tmp_path):
    promotion.promote(four.root, "run-2", "better in the field", print)
    place = Root(tmp_path / "scratch")
    rerun.copy_inputs(four.root, four.store(), "run-4", ["Trainer"], place)
    assert superseded.problem(place, open_store(place, read_only=True)) == ""
    assert serving_dir.superseded(place.serving) == serving_dir.superseded(four.root.serving) != set()


def test_each_restored_artifact_has_a_line_in_columns():
    def one(artifact, node, output):
        return Restored(artifact, node, output, "/root", "model-1:ab", artifact == 9)

    found = Restoration("run-1", (one(9, "Trainer", "model"), one(10, "ExampleValidator", "anomalies")))
    assert text.restore(found).splitlines() == [
        "Trainer model               artifact  9 restored, identical bytes",
        "ExampleValidator anomalies  artifact 10 restored, same content, other bytes",
    ]


def test_a_folder_is_put_on_another_disk_whole(tmp_path):
    """`artifacts` may be a link to another disk."""
    shared = pathlib.Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other disk")
    write(tmp_path / "made" / "inner" / "file", "content")
    with tempfile.TemporaryDirectory(dir=shared) as disk:
        target = pathlib.Path(disk, "7")
        restoring._move(tmp_path / "made", target)
        assert (target / "inner" / "file").read_text() == "content"
        assert not (tmp_path / "made").exists()
        assert [path.name for path in pathlib.Path(disk).iterdir()] == ["7"]
