"""`sae fsck`: what it finds in real stores beside real files, and that it leaves everything as it was."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline import cli
from pipeline.core import file_digests, serialization
from pipeline.core.errors import ExitCode, NotFoundError, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.maintenance import fsck
from pipeline.maintenance.fsck import FindingKind, findings
from pipeline.metadata import isolation, sources
from pipeline.metadata.properties import FILES, MANIFEST_DIGEST, RAW_DIGEST
from pipeline.metadata.writer import MetadataWriter
from pipeline.provenance import manifest
from pipeline.terminal import json_documents
from pipeline.terminal import maintenance as terminal
from tests import PROJECT, metadata_stores
from tests.pipeline.metadata.test_store import Writer

STATE = pb.Execution.State
LIVE, PENDING, ABANDONED = pb.Artifact.LIVE, pb.Artifact.PENDING, pb.Artifact.ABANDONED
MODEL_FILES = {
    "Format-Serving/saved_model.pb": b"graph",
    "Format-Serving/variables/variables.index": b"weights",
    "Format-TFMA/saved_model.pb": b"another form of it",
}


class RootWriter(Writer):
    """Writes artifacts as a run does: the files, and what is noted of them."""

    def __init__(self, root):
        super().__init__(root)
        self.root = root

    def published(self, execution, node, key, files, kind="Anything", state=LIVE, digested=True, uri=None, **notes):
        """An output of an execution, with its files below `uri`; returns its id."""
        folder = pathlib.Path(uri or self.root.artifacts / node / key / str(execution))
        folder.mkdir(parents=True)
        write(folder, files)
        artifact = pb.Artifact(type_id=self.store.put_artifact_type(pb.ArtifactType(name=kind)), uri=str(folder))
        artifact.state = state
        if digested:
            found = file_digests.scan(folder)
            notes = {
                FILES: file_digests.to_text(found),
                RAW_DIGEST: file_digests.of_files(found),
                **notes,
            }
        for name, value in notes.items():
            setattr(artifact.custom_properties[name], "int_value" if isinstance(value, int) else "string_value", value)
        [made] = self.store.put_artifacts([artifact])
        self.event(execution, made, key, pb.Event.PENDING_OUTPUT if state == PENDING else pb.Event.OUTPUT)
        return made

    def model(self, run, digested=True):
        execution = self.execution(run, "Trainer", STATE.COMPLETE)
        return self.published(execution, "Trainer", "model", MODEL_FILES, kind="Model", digested=digested)

    def push(self, run, model, version):
        """Serves a model under a version, and notes it as the Pusher does."""
        execution = self.execution(run, "Pusher", STATE.COMPLETE)
        self.event(execution, model, "model", pb.Event.INPUT)
        [of_model] = self.store.get_artifacts_by_id([model])
        destination = self.root.serving / str(version)
        shutil.copytree(pathlib.Path(of_model.uri) / "Format-Serving", destination)
        notes = {"pushed": 1, "pushed_destination": str(destination), "pushed_version": str(version)}
        return self.published(execution, "Pusher", "pushed_model", {}, kind="PushedModel", **notes)

    def manifest(self, run):
        path = manifest.path_of(self.root.path, run)
        write(path.parent, {path.name: b'{"run_id": "%s"}\n' % run.encode()})
        [context] = self.store.get_contexts_by_id([self.context("pipeline_run", run)])
        context.custom_properties[MANIFEST_DIGEST].string_value = hashlib.sha256(path.read_bytes()).hexdigest()
        self.store.put_contexts([context])
        return path

    def change(self, artifact_id, state=None, uri=None, **notes):
        """Another state, place or note of an artifact; None removes a note."""
        [artifact] = self.store.get_artifacts_by_id([artifact_id])
        artifact.state = state or artifact.state
        artifact.uri = uri or artifact.uri
        for name, value in notes.items():
            if value is None:
                del artifact.custom_properties[name]
            else:
                artifact.custom_properties[name].string_value = value
        self.store.put_artifacts([artifact])


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@pytest.fixture
def root(tmp_path):
    root = Root(tmp_path / "root")
    root.create()
    metadata_stores.give(root)
    return root


@pytest.fixture
def writer(root):
    return RootWriter(root)


@pytest.fixture
def examples(writer):
    """An artifact of two files: its id and its folder."""
    execution = writer.execution("run-1", "ExampleGen", STATE.COMPLETE)
    made = writer.published(execution, "ExampleGen", "examples", {"Split-train/a": b"12345", "Split-test/b": b"678"})
    return made, writer.root.artifacts / "ExampleGen" / "examples" / str(execution)


@pytest.fixture
def pushed(writer):
    """A model that is served as version 1: the ids of the model and of the pushed model."""
    model = writer.model("run-1")
    return model, writer.push("run-1", model, 1)


def found(root):
    """The kinds, paths and sentences that were found."""
    return [(one.kind, one.path, one.sentence) for one in fsck.check(root).findings]


def only(root):
    """The only finding."""
    [finding] = fsck.check(root).findings
    return finding


# --- a sound root ------------------------------------------------------------------------------


def test_a_sound_root_has_no_findings_and_everything_was_read(root, writer, examples, pushed):
    path = writer.manifest("run-1")
    result = fsck.check(root)
    assert result.findings == ()
    assert result.exit_code == ExitCode.DONE
    model, served = sum(map(len, MODEL_FILES.values())), len(b"graph") + len(b"weights")
    assert result.checked == {
        "artifacts": 3,
        "executions": 3,
        "manifests": 1,
        "files": 2 + 3 + 2 + 1,
        "bytes": 8 + model + served + path.stat().st_size,
    }
    assert terminal.fsck(result) == "3 artifacts, 8 files, 0.0 MB read: sound"


def test_an_empty_store_is_sound(root, writer):
    assert terminal.fsck(fsck.check(root)) == "0 artifacts, 0 files, 0.0 MB read: sound"


def test_what_tfx_keeps_beside_the_outputs_is_no_orphan(root, examples):
    system = examples[1].parents[1] / ".system"
    for name in ("executor_execution/1", "driver_execution/1", "stateful_working_dir/x", "orchestrator_generated_bcl"):
        write(system / name, {"file": b"x"})
    assert found(root) == []


def test_another_time_alone_is_no_damage(root, examples):
    os.utime(examples[1] / "Split-train/a", (1, 1))
    assert found(root) == []


@pytest.mark.sqlite_file
def test_memory_is_read_page_by_page(root, writer, monkeypatch):
    kind = writer.store.put_artifact_type(pb.ArtifactType(name="Anything"))
    folder = root.artifacts / "N" / "o"
    artifacts = []
    for number in range(1, 1201):
        (folder / str(number)).mkdir(parents=True)
        artifacts.append(pb.Artifact(type_id=kind, uri=str(folder / str(number)), state=LIVE))
        artifacts[-1].custom_properties[FILES].string_value = "{}"
        artifacts[-1].custom_properties[RAW_DIGEST].string_value = file_digests.of_files({})
    ids = writer.store.put_artifacts(artifacts)
    (folder / "1200").rmdir()
    pages = []
    real = sources.IsolatedClient

    class Watched(real):
        def get_artifacts_by_id(self, ids):
            pages.append(len(ids))
            return super().get_artifacts_by_id(ids)

        def get_artifacts(self, options):
            assert options.limit == 1
            return super().get_artifacts(options)

        def get_executions(self, options):
            assert options.limit == 1
            return super().get_executions(options)

        def get_contexts(self, options):
            assert options.limit == 1
            return super().get_contexts(options)

    monkeypatch.setattr(sources, "IsolatedClient", Watched)
    result = fsck.check(root)
    assert result.checked["artifacts"] == 1200
    assert pages == [100] * 12 + [1]  # and the one that a finding is about
    assert [(one.kind, one.artifact) for one in result.findings] == [(FindingKind.MISSING, ids[-1])]


# --- damage to artifacts -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Split-train/a", "Split-test/b"])
@pytest.mark.parametrize("same_time", [True, False])
def test_a_flipped_byte_is_found_whatever_the_time_says(root, examples, name, same_time):
    artifact, folder = examples
    path = folder / name
    before = path.stat()
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    if same_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    finding = only(root)
    assert finding == fsck.Finding(
        FindingKind.ALTERED,
        f"{path} has other bytes than when it was published",
        str(path),
        artifact,
        node="ExampleGen",
        output="examples",
    )
    assert fsck.check(root).exit_code == ExitCode.GATE_FAILED


def test_the_text_names_no_artifact_to_restore_if_only_a_served_file_is_damaged(root, examples, pushed):
    [saved_model] = root.serving.rglob("saved_model.pb")
    saved_model.write_bytes(b"other")
    result = fsck.check(root)
    assert [one.kind for one in result.findings] == [FindingKind.SERVED]
    assert "sae restore" not in terminal.fsck(result)


def test_another_size_is_found(root, examples):
    path = examples[1] / "Split-train/a"
    path.write_bytes(b"1234567")
    assert found(root) == [(FindingKind.ALTERED, str(path), f"{path} has 7 bytes instead of 5")]


def test_a_file_that_was_not_published_is_found(root, examples):
    path = examples[1] / "Split-train" / "deep" / "c"
    write(path.parent, {"c": b""})
    assert found(root) == [(FindingKind.ALTERED, str(path), f"{path} did not exist when the artifact was published")]


def test_a_file_in_a_folder_that_was_empty_is_found(root, pushed, writer):
    [artifact] = writer.store.get_artifacts_by_id([pushed[1]])
    path = pathlib.Path(artifact.uri) / "x"
    path.touch()
    assert found(root) == [(FindingKind.ALTERED, str(path), f"{path} did not exist when the artifact was published")]


def test_every_vanished_file_is_found(root, examples):
    shutil.rmtree(examples[1] / "Split-train")
    (examples[1] / "Split-test/b").unlink()
    paths = [examples[1] / "Split-test/b", examples[1] / "Split-train/a"]
    assert found(root) == [(FindingKind.MISSING, str(path), f"{path} is missing") for path in paths]


@pytest.mark.parametrize("digested", [True, False])
def test_a_vanished_folder_is_found_once(root, writer, digested):
    execution = writer.execution("run-1", "SchemaGen", STATE.COMPLETE)
    artifact = writer.published(execution, "SchemaGen", "schema", {"schema": b"x"}, digested=digested)
    folder = root.artifacts / "SchemaGen" / "schema" / str(execution)
    shutil.rmtree(folder)
    finding = only(root)
    assert (finding.kind, finding.sentence) == (FindingKind.MISSING, f"{folder} is missing")
    assert finding.label == f"SchemaGen's schema, artifact {artifact}"


def test_a_file_in_place_of_the_folder_is_found(root, examples):
    shutil.rmtree(examples[1])
    examples[1].write_bytes(b"x")
    assert found(root) == [(FindingKind.MISSING, str(examples[1]), f"{examples[1]} is not a folder")]


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket"])
def test_what_is_no_file_in_place_of_one_is_found_and_not_waited_for(root, writer, kind, monkeypatch):
    execution = writer.execution("run-1", "SchemaGen", STATE.COMPLETE)
    writer.published(execution, "SchemaGen", "schema", {"f": b""})
    folder = root.artifacts / "SchemaGen" / "schema" / str(execution)
    (folder / "f").unlink()
    monkeypatch.chdir(folder)  # a socket's path must be short
    if kind == "folder":
        (folder / "f").mkdir()
    elif kind == "pipe":
        os.mkfifo("f")
    else:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("f")
    signal.alarm(20)
    try:
        assert found(root) == [(FindingKind.ALTERED, str(folder / "f"), f"{folder / 'f'} is not a file")]
    finally:
        signal.alarm(0)


def test_a_broken_link_is_a_missing_file(root, examples):
    path = examples[1] / "Split-train/a"
    path.unlink()
    path.symlink_to("nowhere")
    assert found(root) == [(FindingKind.MISSING, str(path), f"{path} is missing")]


@pytest.mark.parametrize("target", ["Split-train/a", "Split-train"])
def test_what_cannot_be_read_is_a_finding(root, examples, target, monkeypatch):
    """The tests may run as root, who may read all; so the refusal is put in place of the system's."""
    path = examples[1] / target
    refusal = PermissionError(13, "Permission denied", str(path))
    if path.is_file():
        real = file_digests.of_file

        def of_file(asked):
            if asked == path:
                raise refusal
            return real(asked)

        monkeypatch.setattr(file_digests, "of_file", of_file)
    else:
        real_scan = os.scandir

        def scandir(asked):
            if str(asked) == str(path):
                raise refusal
            return real_scan(asked)

        monkeypatch.setattr(os, "scandir", scandir)
    assert found(root) == [(FindingKind.UNREADABLE, str(path), f"{path} cannot be read: Permission denied")]
    assert fsck.check(root).exit_code == ExitCode.GATE_FAILED


def test_a_link_that_leads_to_itself_cannot_be_read(root, examples):
    path = examples[1] / "Split-train/a"
    path.unlink()
    path.symlink_to("a")
    [(kind, where, sentence)] = found(root)
    assert (kind, where) == (FindingKind.UNREADABLE, str(path))
    assert sentence.startswith(f"{path} cannot be read: ")


def test_an_artifact_is_named_after_who_made_it_not_after_who_read_it_first(root, writer, tmp_path):
    reader = writer.execution("run-1", "Report", STATE.COMPLETE)
    maker = writer.execution("run-1", "Trainer", STATE.COMPLETE)
    kind = writer.store.put_artifact_type(pb.ArtifactType(name="Anything"))
    [made] = writer.store.put_artifacts([pb.Artifact(type_id=kind, uri=str(tmp_path / "gone"), state=LIVE)])
    writer.event(reader, made, "read", pb.Event.INPUT)
    writer.event(maker, made, "model", pb.Event.OUTPUT)
    assert only(root).label == f"Trainer's model, artifact {made}"


# --- damage to what is noted -------------------------------------------------------------------


def test_a_raw_digest_that_is_not_of_the_files_is_found(root, writer, examples):
    writer.change(examples[0], **{RAW_DIGEST: "0" * 64})
    [(kind, path, sentence)] = found(root)
    assert (kind, path) == (FindingKind.ALTERED, str(examples[1]))
    assert sentence.endswith("has a raw_digest in ML Metadata that does not match its list of files there")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "5",
        "null",
        '{"a": 1}',
        '{"a": [1]}',
        '{"a": ["x", 1, ""]}',
        '{"a": [Infinity, 1, ""]}',
        '{"../../a": [1, 1, ""]}',
        '{"/etc/passwd": [1, 1, ""]}',
        "[" * 100_000,
        '{"a":' * 100_000,
        None,
    ],
    ids=lambda text: str(text)[:20],
)
def test_a_damaged_list_of_files_is_a_finding(root, writer, examples, text):
    writer.change(examples[0], **{FILES: text})
    finding = only(root)
    assert (finding.kind, finding.path, finding.artifact) == (FindingKind.ALTERED, str(examples[1]), examples[0])
    assert "cannot be checked, its digests in ML Metadata are damaged: " in finding.sentence
    shutil.rmtree(examples[1])
    assert [kind for kind, _, _ in found(root)] == [FindingKind.MISSING, FindingKind.ALTERED]


def test_a_list_without_a_raw_digest_is_a_finding_and_the_files_are_read(root, writer, examples):
    writer.change(examples[0], **{RAW_DIGEST: None})
    (examples[1] / "Split-train/a").write_bytes(b"54321")
    assert [kind for kind, _, _ in found(root)] == [FindingKind.ALTERED, FindingKind.ALTERED]


def document(result):
    return serialization.document(json_documents.fsck(result))


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 300, "line\nend", "\x1b[31mred"])
def test_odd_names_end_in_a_finding_and_text_of_one_line(root, writer, examples, name):
    files = {name: file_digests.FileState(1, 1, "")}
    writer.change(examples[0], **{FILES: file_digests.to_text(files), RAW_DIGEST: file_digests.of_files(files)})
    result = fsck.check(root)
    assert len(result.findings) == 3  # two that are not noted, and this one
    assert [one for one in result.findings if one.path == str(examples[1] / name)]
    text = terminal.fsck(result)
    assert len(text.splitlines()) == len(text.split("\n"))  # the first cuts at more than line ends
    assert all(line.isprintable() for line in text.split("\n"))
    text.encode("utf-8")
    assert len(json.loads(document(result))["findings"]) == 3


def test_a_file_whose_name_is_no_text_is_a_finding(root, examples):
    (pathlib.Path(os.fsdecode(bytes(examples[1]) + b"/\xff"))).touch()
    (pathlib.Path(os.fsdecode(bytes(examples[1].parent) + b"/\xff"))).mkdir()
    result = fsck.check(root)
    assert [one.kind for one in result.findings] == [FindingKind.ALTERED, FindingKind.ORPHANED]
    terminal.fsck(result).encode("utf-8")
    json.loads(document(result))


def test_an_artifact_without_a_place_is_missing(root, writer, examples):
    [artifact] = writer.store.get_artifacts_by_id([examples[0]])
    artifact.uri = ""
    writer.store.put_artifacts([artifact])
    shutil.rmtree(examples[1])
    assert found(root) == [(FindingKind.MISSING, "", "ML Metadata has no URI of it")]


def test_an_artifact_elsewhere_is_looked_at_where_it_is(root, writer, tmp_path):
    execution = writer.execution("run-1", "Trainer", STATE.COMPLETE)
    artifact = writer.published(execution, "Trainer", "model", {"a": b"1"}, uri=tmp_path / "stock" / "model")
    assert found(root) == []
    (tmp_path / "stock/model/a").write_bytes(b"2")
    finding = only(root)
    assert (finding.kind, finding.path) == (FindingKind.ALTERED, str(tmp_path / "stock/model/a"))
    assert finding.label == f"Trainer's model, artifact {artifact}"


def test_an_artifact_in_a_bucket_is_not_looked_at(root, writer, examples):
    writer.change(examples[0], uri="gs://bucket/examples/1")
    shutil.rmtree(examples[1])
    assert [(kind, path) for kind, path, _ in found(root)] == [(FindingKind.UNVERIFIED, "gs://bucket/examples/1")]


# --- notices -----------------------------------------------------------------------------------


def test_an_artifact_without_digests_is_unverified_and_no_damage(root, writer):
    execution = writer.execution("run-1", "SchemaGen", STATE.COMPLETE)
    writer.published(execution, "SchemaGen", "schema", {"schema": b"x"}, digested=False)
    finding = only(root)
    assert finding.kind == FindingKind.UNVERIFIED
    assert finding.label.startswith("SchemaGen's schema, artifact ")
    assert "has no digests" in finding.sentence
    assert fsck.check(root).exit_code == ExitCode.DONE


@pytest.mark.parametrize("reason", [None, "a file was wrong"])
def test_what_was_taken_out_of_use_is_named_with_the_reason_and_not_read(root, writer, examples, reason):
    if reason:
        MetadataWriter(root).mark_out_of_use(examples[0], reason)
    else:
        writer.change(examples[0], state=pb.Artifact.MARKED_FOR_DELETION)
    (examples[1] / "Split-train/a").write_bytes(b"other")
    finding = only(root)
    said = reason or "no reason is recorded, its state is MARKED_FOR_DELETION"
    assert finding.kind == FindingKind.OUT_OF_USE
    assert finding.sentence == f"{examples[1]} is out of use: {said}"
    assert (finding.artifact, finding.node) == (examples[0], "ExampleGen")
    assert fsck.check(root).exit_code == ExitCode.DONE


def test_folders_that_no_artifact_names_are_orphans(root, examples):
    folder = examples[1].parent / "77"
    write(folder, {"half": b"x"})
    finding = only(root)
    assert (finding.kind, finding.path) == (FindingKind.ORPHANED, str(folder))
    assert finding.sentence == f"no artifact in ML Metadata names {folder}"
    assert (finding.node, finding.output, finding.execution) == ("ExampleGen", "examples", None)
    assert fsck.check(root).exit_code == ExitCode.DONE


@pytest.mark.parametrize("state", [PENDING, ABANDONED])
def test_an_output_that_was_announced_only_is_an_orphan(root, writer, state):
    execution = writer.execution("run-1", "Trainer", STATE.FAILED)
    writer.published(execution, "Trainer", "model", {"half": b"x"}, state=state)
    assert [kind for kind, _, _ in found(root)] == [FindingKind.ORPHANED]


def test_what_an_unended_execution_writes_is_an_orphan_that_names_it(root, writer):
    execution = writer.execution("run-1", "Trainer", STATE.RUNNING)
    folder = root.artifacts / "Trainer" / "model" / str(execution)
    other = root.artifacts / "Evaluator" / "evaluation" / str(execution)  # the number alone does not make it its own
    for path in (folder, other):
        path.mkdir(parents=True)
    orphans = [(one.path, one.execution) for one in fsck.check(root).findings if one.kind == FindingKind.ORPHANED]
    assert orphans == [(str(other), None), (str(folder), execution)]
    said = [one.sentence for one in fsck.check(root).findings if one.path == str(folder)]
    assert said[0].endswith(f": execution {execution}, which has not ended, wrote to it")


@pytest.mark.parametrize("inner", ["value", "0"])
def test_a_folder_is_no_orphan_when_an_artifact_lies_right_in_it(root, writer, examples, inner):
    folder = examples[1].parent / "9"
    write(folder / inner if inner == "0" else folder, {"value": b"x"})
    writer.change(examples[0], uri=str(folder / inner), **{FILES: None, RAW_DIGEST: None})
    shutil.rmtree(examples[1])
    assert [kind for kind, _, _ in found(root)] == [FindingKind.UNVERIFIED]


@pytest.mark.parametrize(
    "name", ["stray", "ExampleGen/stray", "ExampleGen/.system/stray", "ExampleGen/examples/stray", "New/.system/x/y"]
)
def test_files_elsewhere_among_the_artifacts_are_orphans(root, examples, name):
    write(root.artifacts, {name: b"x"})
    where = root.artifacts / name
    finding = only(root)
    assert finding.kind == FindingKind.ORPHANED
    assert finding.path == str(where.parent if name.endswith("/y") else where)


@pytest.mark.parametrize("state", ["NEW", "RUNNING", "UNKNOWN"])
@pytest.mark.parametrize("held", [True, False])
def test_an_execution_that_has_not_ended_is_a_notice_that_looks_at_the_lock(root, writer, state, held):
    execution = writer.execution("run-1", "Trainer", STATE.Value(state))
    writer.execution("run-1", "Evaluator", STATE.CANCELED)
    if held:
        with root.lock():
            result = fsck.check(root)
    else:
        with root.lock():
            pass  # an old lock file
        result = fsck.check(root)
        with root.lock():
            pass  # looking at it did not keep it
    [finding] = result.findings
    assert (finding.kind, finding.execution, finding.node) == (FindingKind.UNENDED, execution, "Trainer")
    why = "a run may be in progress, the root is locked" if held else "no run is in progress"
    assert finding.sentence == (
        f"execution {execution} of Trainer in run run-1 has not ended, its state is {state}: {why}"
    )
    assert result.exit_code == ExitCode.DONE


def test_the_lock_is_never_taken_so_that_a_run_can_start_meanwhile(root, writer, monkeypatch):
    writer.execution("run-1", "Trainer", STATE.RUNNING)
    with root.lock():
        pass
    monkeypatch.setattr(fcntl, "flock", lambda *_: pytest.fail("the lock was tried"))
    assert [one.kind for one in fsck.check(root).findings] == [FindingKind.UNENDED]


def test_of_many_findings_of_a_kind_some_are_listed_and_all_counted(root, examples, monkeypatch):
    monkeypatch.setattr(findings, "_LISTED", 2)
    for number in range(8, 13):
        (examples[1].parent / str(number)).mkdir()
    result = fsck.check(root)
    assert [pathlib.Path(one.path).name for one in result.findings] == ["8", "9"]
    assert result.counts["orphaned"] == 5
    assert result.is_cut
    assert terminal.fsck(result).endswith("\n  and 3 more\n\n1 artifact, 2 files, 0.0 MB read: sound, 5 notices")


# --- what is served ----------------------------------------------------------------------------


@pytest.mark.parametrize("digested", [True, False])
def test_a_served_file_with_other_bytes_is_found(root, writer, digested):
    pushed = writer.push("run-1", writer.model("run-1", digested), 1)
    path = root.serving / "1" / "variables" / "variables.index"
    path.write_bytes(b"WEIGHTS")
    [finding] = [one for one in fsck.check(root).findings if one.kind != FindingKind.UNVERIFIED]
    assert (finding.kind, finding.path, finding.artifact) == (FindingKind.SERVED, str(path), pushed)
    assert finding.sentence == f"{path} has other bytes than in the pushed model"
    assert fsck.check(root).exit_code == ExitCode.GATE_FAILED


def test_a_served_file_too_many_or_too_few_is_found(root, pushed):
    (root.serving / "1/extra").touch()
    (root.serving / "1/saved_model.pb").unlink()
    assert [(kind, pathlib.Path(path).name) for kind, path, _ in found(root)] == [
        (FindingKind.SERVED, "saved_model.pb"),
        (FindingKind.SERVED, "extra"),
    ]


def test_every_version_is_compared_because_a_rollback_may_serve_it(root, writer, pushed):
    model, first = pushed
    writer.push("run-2", model, 2)
    writer.push("run-3", model, 3)
    (root.serving / "1/saved_model.pb").write_bytes(b"OTHER")
    (root.serving / "2/saved_model.pb").unlink()
    found = fsck.check(root).findings
    assert [(one.kind, one.path) for one in found] == [
        (FindingKind.MISSING, str(root.serving / "2/saved_model.pb")),
        (FindingKind.ALTERED, str(root.serving / "1/saved_model.pb")),
    ]
    assert found[1].artifact == first
    assert fsck.check(root).exit_code == ExitCode.GATE_FAILED
    (root.serving / "3/saved_model.pb").write_bytes(b"OTHER")
    assert fsck.check(root).counts["served"] == 1


def test_an_earlier_version_that_was_deleted_is_no_finding_and_one_that_nothing_pushed_is_a_notice(
    root, writer, pushed
):
    writer.push("run-2", pushed[0], 2)
    shutil.rmtree(root.serving / "1")
    assert found(root) == []
    (root.serving / "0").mkdir()
    (root.serving / ("9" * 20)).mkdir()  # no version: more than 64 bits
    assert [(kind, path) for kind, path, _ in found(root)] == [(FindingKind.ORPHANED, str(root.serving / "0"))]


def test_version_10_is_newer_than_version_9(root, writer, pushed):
    writer.push("run-2", pushed[0], 9)
    writer.push("run-3", pushed[0], 10)
    assert found(root) == []


def test_the_last_push_to_a_version_counts(root, writer, pushed):
    """Version 1 was removed by hand, and another model pushed under the same number."""
    shutil.rmtree(root.serving / "1")
    execution = writer.execution("run-2", "Trainer", STATE.COMPLETE)
    model = writer.published(execution, "Trainer", "model", {"Format-Serving/saved_model.pb": b"new"}, kind="Model")
    writer.push("run-2", model, 1)
    assert found(root) == []


def test_a_pushed_model_that_is_gone_is_damage(root, writer, pushed):
    shutil.rmtree(root.serving)
    path = root.serving / "1"
    said = f"{path}, the last pushed model, is missing: nothing is served"
    assert found(root) == [(FindingKind.SERVED, str(path), said)]
    (root.serving / "0").mkdir(parents=True)
    assert found(root)[0][2].endswith("is missing: version 0 is served instead")


def test_a_push_after_all_versions_were_removed_counts_though_its_number_is_lower(root, writer, pushed):
    writer.push("run-2", pushed[0], 2)
    shutil.rmtree(root.serving)
    writer.push("run-3", pushed[0], 1)
    assert found(root) == []
    (root.serving / "1/saved_model.pb").write_bytes(b"GRAPH")
    assert [kind for kind, _, _ in found(root)] == [FindingKind.SERVED]


def test_a_served_file_that_cannot_be_read_is_a_finding(root, pushed):
    path = root.serving / "1" / "saved_model.pb"
    path.unlink()
    path.symlink_to(path.name)
    assert [(kind, where) for kind, where, _ in found(root)] == [(FindingKind.UNREADABLE, str(path))]


def test_a_push_is_compared_with_what_was_read_not_with_what_else_was_written(root, writer):
    other, model = writer.model("run-1"), writer.model("run-2")
    writer.change(other, **{FILES: "{}", RAW_DIGEST: file_digests.of_files({})}, state=ABANDONED)
    executions = [writer.execution("run-2", "Pusher", STATE.COMPLETE) for _ in range(2)]
    # Of an execution that only reads the pushed model, nothing is taken; of the one that made it, what it read.
    pushed = writer.push("run-2", model, 1)
    writer.event(executions[0], pushed, "pushed_model", pb.Event.INPUT)
    writer.event(executions[0], other, "model", pb.Event.INPUT)
    [made] = writer.store.get_events_by_artifact_ids([pushed])[:1]
    writer.event(made.execution_id, other, "model", pb.Event.OUTPUT)
    served = [one for one in fsck.check(root).findings if one.kind in (FindingKind.SERVED, FindingKind.UNVERIFIED)]
    assert served == []


def test_a_served_model_that_nothing_pushed_is_a_notice(root, writer, pushed):
    (root.serving / "2").mkdir()
    [(kind, path, _)] = found(root)
    assert (kind, path) == (FindingKind.ORPHANED, str(root.serving / "2"))


def test_a_model_that_was_not_pushed_or_elsewhere_is_not_looked_for(root, writer, tmp_path):
    there = {"pushed_destination": str(root.serving / "5"), "pushed_version": "5"}
    for notes in (
        {"pushed": 0},
        {"pushed": 0, **there},
        {"pushed": 1, "pushed_destination": str(tmp_path / "5"), "pushed_version": "5"},
    ):
        execution = writer.execution("run-1", "Pusher", STATE.COMPLETE)
        writer.published(execution, "Pusher", "pushed_model", {}, kind="PushedModel", **notes)
    assert found(root) == []


def test_a_push_of_an_unknown_model_cannot_be_compared(root, writer):
    execution = writer.execution("run-1", "Pusher", STATE.COMPLETE)
    (root.serving / "1").mkdir(parents=True)
    notes = {"pushed": 1, "pushed_destination": str(root.serving / "1"), "pushed_version": "1"}
    writer.published(execution, "Pusher", "pushed_model", {}, kind="PushedModel", **notes)
    [(kind, path, sentence)] = found(root)
    assert (kind, path) == (FindingKind.UNVERIFIED, str(root.serving / "1"))
    assert sentence.endswith("cannot be compared with the pushed model: ML Metadata does not contain that model")


# --- manifests ---------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["altered", "missing", "folder"])
def test_a_manifest_that_is_not_what_was_noted_is_damage(root, writer, damage):
    writer.manifest("run-1")
    path = writer.manifest("run-2")
    if damage == "altered":
        path.write_bytes(path.read_bytes().replace(b"run-2", b"run-3"))
    else:
        path.unlink()
    if damage == "folder":
        path.mkdir()
    said = {
        "altered": "has other bytes than when the run began",
        "missing": "is missing",
        "folder": "is not a file",
    }[damage]
    assert found(root) == [(FindingKind.MANIFESTS, str(path), f"{path}, the manifest of run run-2, {said}")]
    assert fsck.check(root).exit_code == ExitCode.GATE_FAILED


def test_a_run_without_a_manifest_is_as_it_should_be(root, writer):
    writer.execution("run-1", "ExampleGen", STATE.COMPLETE)
    [node] = [one for one in writer.store.get_contexts() if one.type == "node"]
    node.custom_properties[MANIFEST_DIGEST].string_value = "of no run"
    writer.store.put_contexts([node])
    assert fsck.check(root).checked["manifests"] == 0
    assert found(root) == []


# --- roots and stores --------------------------------------------------------------------------


def test_a_moved_root_is_sound_and_its_damage_is_found_where_it_lies_now(root, writer, examples, pushed, tmp_path):
    writer.manifest("run-1")
    folder = root.artifacts / "ExampleGen" / "examples"
    moved = Root(tmp_path / "elsewhere")
    root.path.rename(moved.path)
    assert found(moved) == []
    assert fsck.check(moved).checked["files"] == 8
    path = moved.artifacts / folder.relative_to(root.artifacts) / examples[1].name / "Split-train/a"
    path.write_bytes(b"54321")
    (moved.serving / "1/saved_model.pb").write_bytes(b"GRAPH")
    assert [(one.kind, one.path) for one in fsck.check(moved).findings] == [
        (FindingKind.ALTERED, str(path)),
        (FindingKind.SERVED, str(moved.serving / "1/saved_model.pb")),
    ]


def test_a_moved_root_whose_mending_broke_off_is_sound(root, writer, examples, pushed, tmp_path):
    moved = Root(tmp_path / "elsewhere")
    root.path.rename(moved.path)
    there = RootWriter(moved)  # the store that was opened before has moved away
    there.change(examples[0], uri=str(moved.path / examples[1].relative_to(root.path)))
    assert found(moved) == []


def test_without_a_store_nothing_is_found_and_none_is_made(tmp_path):
    root = Root(tmp_path / "root")
    with pytest.raises(NotFoundError):
        fsck.check(root)
    assert not root.path.exists()


@pytest.mark.sqlite_file
@pytest.mark.parametrize("content", [b"not a database", b"", b"SQLite format 3\0" + bytes(100)])
def test_a_damaged_store_is_unavailable_and_left_as_it_is(root, content):
    root.metadata.write_bytes(content)
    with pytest.raises(UnavailableError):
        fsck.check(root)
    assert root.metadata.read_bytes() == content


@pytest.mark.sqlite_file
def test_a_store_that_is_damaged_further_on_is_unavailable(root, writer):
    execution = writer.execution("run-1", "Trainer", STATE.COMPLETE)
    for _ in range(20):
        writer.artifact(execution, "model", "/x" * 500)
    pages = bytearray(root.metadata.read_bytes())
    leaf = 13  # SQLite's mark of a page with rows of a table
    rows = [
        first
        for first in range(0, len(pages), 4096)
        if pages[first] == leaf and b"/x" * 500 in pages[first : first + 4096]
    ]
    for first in rows[1:]:  # opening it looks at the first row of each table
        pages[first : first + 64] = b"\xff" * 64
    root.metadata.write_bytes(pages)
    with pytest.raises(UnavailableError) as error:
        fsck.check(root)
    assert "\n" not in str(error.value)


@pytest.mark.sqlite_file
def test_the_store_is_opened_for_reading_only(root, writer, monkeypatch, tmp_path):
    modes = tmp_path / "modes"  # a file, because another process opens the store
    real = mlmd.MetadataStore.__init__

    def watched(self, config, **options):
        with modes.open("a") as file:
            print(config.sqlite.connection_mode, file=file)
        real(self, config, **options)

    monkeypatch.setattr(mlmd.MetadataStore, "__init__", watched)
    monkeypatch.setattr(isolation, "processes", functools.cache(isolation.Processes))  # forked with what was set
    fsck.check(root)
    assert set(modes.read_text().split()) == {str(pb.SqliteMetadataSourceConfig.READONLY)}


def test_nothing_at_all_is_written(root, writer, examples, pushed):
    writer.manifest("run-1")
    writer.execution("run-2", "Trainer", STATE.RUNNING)
    (examples[1] / "Split-train/a").write_bytes(b"other")
    (root.artifacts / "stray").touch()

    def state():
        paths = sorted(root.path.rglob("*"))
        return [
            (path, path.lstat().st_mtime_ns, path.lstat().st_ctime_ns, path.is_file() and path.read_bytes())
            for path in [root.path, *paths]
        ]

    before = state()
    assert fsck.check(root).findings
    assert state() == before
    assert not (root.path / "lock").exists()


# --- the command -------------------------------------------------------------------------------


@pytest.fixture
def sae(capsys):
    """Runs the command in this process; returns its exit code, standard output and standard error."""

    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            cli.main(["fsck", *map(str, arguments)])
        return end.value.code, *capsys.readouterr()

    return run


def test_the_command_ends_with_0_when_sound_and_4_on_damage(sae, root, examples):
    (root.artifacts / "stray").touch()
    code, output, errors = sae("--root", root.path)
    assert (code, errors) == (0, "")
    assert output.endswith("\n1 artifact, 2 files, 0.0 MB read: sound, 1 notice\n")
    (examples[1] / "Split-train/a").unlink()
    code, output, errors = sae("--root", root.path, "--json")
    assert (code, errors) == (4, "")
    assert output == document(fsck.check(root)) + "\n"


@pytest.mark.sqlite_file
def test_the_command_ends_with_3_without_a_store_and_6_with_a_damaged_one(sae, root):
    code, output, errors = sae("--root", root.path)
    assert (code, output) == (3, "")
    assert errors.startswith(f"error: no run in {root.path}: ")
    root.metadata.write_bytes(b"not a database")
    code, output, errors = sae("--root", root.path)
    assert (code, output) == (6, "")
    assert errors.startswith(f"error: {root.metadata} is damaged")


def test_the_command_imports_nothing_heavy(root, examples):
    code = f"""
import sys
from pipeline import cli
try:
    cli.main(["fsck", "--root", {str(root.path)!r}])
except SystemExit as end:
    assert end.code == 0
assert not {{"tensorflow", "tfx", "apache_beam", "tensorflow_datasets"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=PROJECT, stdout=subprocess.DEVNULL)


# --- what is printed ---------------------------------------------------------------------------


def test_json_is_one_object_with_counts_and_findings(root, examples):
    (examples[1] / "Split-train/a").unlink()
    printed = json.loads(document(fsck.check(root)))
    path = str(examples[1] / "Split-train/a")
    assert printed == {
        "schema_version": 2,
        "root": str(root.path),
        "sound": False,
        "checked": {"artifacts": 1, "executions": 1, "manifests": 0, "files": 2, "bytes": 3},
        "counts": {**dict.fromkeys((kind.value for kind in FindingKind), 0), "missing": 1},
        "cut": False,
        "findings": [
            {
                "damage": True,
                "kind": "missing",
                "sentence": f"{path} is missing",
                "path": path,
                "artifact": examples[0],
                "execution": None,
                "node": "ExampleGen",
                "output": "examples",
            }
        ],
    }


def test_text_has_a_line_for_each_finding_by_kind_the_sum_and_what_repairs_an_artifact(root, writer, examples):
    one, other = examples[1] / "Split-test/b", examples[1] / "Split-train/a"
    one.write_bytes(b"876")
    other.unlink()
    (root.artifacts / "stray").touch()
    label = f"ExampleGen's examples, artifact {examples[0]}"
    assert terminal.fsck(fsck.check(root)).split("\n") == [
        "missing (1)",
        f"  {label}: {other} is missing",
        "",
        "altered (1)",
        f"  {label}: {one} has other bytes than when it was published",
        "",
        "orphaned (1, no damage)",
        f"  {root.artifacts / 'stray'} is in the artifact folder, but is not the output of a node",
        "",
        "1 artifact, 2 files, 0.0 MB read: 2 damaged, 1 notice",
        f"artifact {examples[0]}: `sae restore {examples[0]}` regenerates it",
    ]
