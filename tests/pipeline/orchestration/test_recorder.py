"""The record of a run in ML Metadata, on a real store."""

from __future__ import annotations

import dataclasses
import datetime
import time

import pytest

from pipeline.core import file_digests, settings
from pipeline.core.errors import ExitCode
from pipeline.core.events import Note
from pipeline.inspection.locations import open_reader
from pipeline.metadata import backup, run_properties
from pipeline.metadata.properties import MANIFEST_DIGEST
from pipeline.metadata.run_properties import Headline, attempts_of
from pipeline.metadata.store import open_store
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration.recorder import RunRecorder
from pipeline.orchestration.request import RunRequest
from pipeline.orchestration.summary import RunResult
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.builders import roots
from tests.pipeline.provenance.test_manifest import RECORDED


class OneRun:
    """A run `r1` of a recorded root, and its notes."""

    def __init__(self, recorded, **options):
        self.told: list[Note] = []
        self._recorded = recorded
        request = RunRequest(PIPELINE, settings.Request(), trigger="a test", **options)
        self.record = RunRecorder(request, recorded.root, "r1", self.told.append, time.monotonic())

    def begin(self, **source):
        configured = self._recorded.configured(source=self._recorded.source(**source))
        self.record.begin(open_store(self._recorded.root), configured)
        return self

    def end(self, exit_code=ExitCode.DONE, error=""):
        result = RunResult("r1", (), exit_code, error)
        return self.record.end(self._recorded.store(), result, self._recorded.configured())

    @property
    def noted(self):
        return self._recorded.store().run_properties("r1")

    @property
    def headline(self):
        return run_properties.headline_of(self.noted)


def test_the_inputs_of_a_run_are_recorded_before_its_first_node(recorded):
    run = OneRun(recorded, use_cache=False).begin(notice="a stand-in")
    assert (run.headline.dataset, run.headline.profile, run.headline.trigger) == ("mnist 3.0.1", "mnist", "a test")
    assert run.noted[MANIFEST_DIGEST] == file_digests.of_file(recorded.root.manifests / "r1.json")
    assert recorded.store().unended_runs() == ["r1"]
    assert run.record.unended
    assert run.told == [Note("a stand-in", warning=True)]


@pytest.mark.parametrize("repeats", [False, True])
def test_a_run_again_on_its_data_gives_no_hints(recorded, monkeypatch, repeats):
    data = dataclasses.replace(PIPELINE.data, hints=lambda resolved, attainable: ("less",))
    monkeypatch.setattr(roots, "PIPELINE", dataclasses.replace(PIPELINE, data=data))
    earlier = dataclasses.replace(RECORDED, data=recorded.source(), configuration=recorded.config().recorded())
    run = OneRun(recorded, like=earlier if repeats else None).begin()
    assert run.told == ([] if repeats else [Note("less", warning=True)])


def test_an_attempt_began_when_its_seconds_do(recorded, monkeypatch):
    """TensorFlow is loaded between the start of the attempt and its record."""
    OneRun(recorded).begin().end(ExitCode.NODE_FAILED, "Trainer: no memory")
    again = OneRun(recorded, resumed="r1")
    made = datetime.datetime.now(datetime.timezone.utc)
    monotonic = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + 8)
    again.begin()
    assert attempts_of(again.noted)[-1].began < made


def test_a_run_began_when_its_seconds_do(recorded, monkeypatch):
    """Its start fits its duration, while it runs and when it has ended."""
    run = OneRun(recorded)
    made = datetime.datetime.now(datetime.timezone.utc)
    monotonic = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + 8)
    run.begin()
    began = recorded.store().run_began("r1")
    assert began < made
    before = datetime.datetime.now(datetime.timezone.utc)
    seconds = run.end().seconds
    after = datetime.datetime.now(datetime.timezone.utc)
    ended = began + datetime.timedelta(seconds=seconds)
    assert before - datetime.timedelta(seconds=0.1) <= ended <= after + datetime.timedelta(seconds=0.1)
    with open_reader(PIPELINE, None, recorded.root) as reader:
        [row], _ = reader.runs(limit=1)
    assert row.started == began


@pytest.mark.sqlite_file
def test_the_end_is_recorded_and_the_store_copied(recorded):
    run = OneRun(recorded).begin()
    assert run.end().state == run.headline.state == "succeeded"
    assert not run.record.unended
    assert [path.stem for path in backup.copies(recorded.root)] == ["r1"]


def test_a_run_that_failed_is_not_copied(recorded):
    run = OneRun(recorded).begin()
    run.end(ExitCode.NODE_FAILED, "Trainer: no")
    assert (run.headline.state, run.headline.error) == ("failed", "Trainer: no")
    assert backup.copies(recorded.root) == []


@pytest.mark.sqlite_file
def test_a_failed_copy_does_not_fail_the_run(recorded):
    run = OneRun(recorded).begin()
    recorded.root.metadata_copies.touch()  # a file where the folder should be
    assert run.end().state == "succeeded"
    assert [note.warning for note in run.told] == [True]


def test_an_early_end_is_recorded_once(recorded):
    run = OneRun(recorded).begin()
    recorded.run("r1", names=["ExampleGen", "StatisticsGen"], failed="StatisticsGen")
    run.record.end_early(recorded.store(), "cancelled")
    assert (run.headline.state, run.headline.executed) == ("cancelled", 1)
    run.record.end_early(recorded.store(), "failed", "too late")
    assert run.headline.state == "cancelled"


def test_a_run_that_never_began_has_no_end(recorded):
    run = OneRun(recorded)
    run.record.end_early(recorded.store(), "failed", "no data")
    assert recorded.store().run_ids() == []


def test_resuming_adds_an_attempt_and_the_duration_of_earlier_ones(recorded):
    first = OneRun(recorded).begin()
    first.record.end_early(recorded.store(), "failed", "the reason")
    MetadataWriter(recorded.root).end_run("r1", run_properties.headline_properties(Headline(seconds=1000.0)))
    before = (recorded.root.manifests / "r1.json").read_bytes()

    again = OneRun(recorded, resumed="r1").begin()
    assert again.headline.state is None
    assert [note.text for note in again.told] == ["resuming run r1, attempt 2; the previous one ended: the reason"]
    assert (recorded.root.manifests / "r1.json").read_bytes() == before
    assert again.end().seconds > 1000
