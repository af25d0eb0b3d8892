"""The id of a run, and its notes."""

from __future__ import annotations

import datetime
import logging
import pathlib
import re
import time

import pytest

from pipeline.core import settings
from pipeline.core.errors import UnavailableError
from pipeline.metadata import client
from pipeline.orchestration import imports, process_setup, run, session
from pipeline.orchestration.request import RunRequest
from pipeline.provenance import cache_key, manifest, source_code
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal.progress import display
from tests.builders.roots import Recorded
from tests.builders.store_reader import reader


@pytest.fixture
def far_from_utc(monkeypatch):
    """Local time is nine hours ahead of UTC."""
    monkeypatch.setenv("TZ", "XXX-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def times_from_now():
    """The run ids without a number of this second and of the minute that follows."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return [(now + datetime.timedelta(seconds=second)).strftime("%Y%m%d-%H%M%S") for second in range(60)]


def test_a_run_is_named_by_the_time_in_utc(root, far_from_utc):
    allowed = times_from_now()
    assert run._new_run_id(root) in allowed


def test_a_run_in_a_second_that_is_taken_gets_a_number(root):
    for name in times_from_now():
        (root.logs / f"{name}.log").touch()
    assert re.fullmatch(r"\d{8}-\d{6}-2", run._new_run_id(root))
    for name in times_from_now():
        (root.logs / f"{name}-2.log").touch()
    assert re.fullmatch(r"\d{8}-\d{6}-3", run._new_run_id(root))


def test_a_suffix_ends_the_id(root):
    assert re.fullmatch(r"\d{8}-\d{6}-w3", run._new_run_id(root, "w3"))
    for name in times_from_now():
        (root.logs / f"{name}-w3.log").touch()
    assert re.fullmatch(r"\d{8}-\d{6}-w3-2", run._new_run_id(root, "w3"))


def test_only_the_id_itself_counts_as_taken(root):
    for name in times_from_now():
        (root.logs / f"{name}-2.log").touch()
    assert re.fullmatch(r"\d{8}-\d{6}", run._new_run_id(root))


@pytest.mark.sqlite_file
def test_a_run_waits_for_a_program_that_reads_the_store_and_shows_it(tmp_path, monkeypatch, capfd):
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    recorded = Recorded(tmp_path)
    recorded.run("r1")
    recorded.remember()

    class Ending(logging.Handler):
        def emit(self, record):
            program.end()

    ending = Ending()
    client.logger.addHandler(ending)
    try:
        with reader(recorded.root.metadata) as program:
            request = RunRequest(PIPELINE, settings.Request(root=str(recorded.root.path)))
            summary = run.run(request, display)
    finally:
        client.logger.removeHandler(ending)
    assert {node["state"] for node in summary.nodes} == {"cached"}
    assert f"another program is reading {recorded.root.metadata}: waiting" in capfd.readouterr().err
    assert recorded.store().run_properties(summary.run_id)["sae_state"] == "succeeded"


def test_the_time_of_a_run_contains_what_precedes_its_first_node(tmp_path, monkeypatch):
    """As imports do, which take longer than most nodes."""
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    recorded = Recorded(tmp_path)
    recorded.run("r1")
    recorded.remember()
    recall, clock = session.RunSession._recall_dataset, time.monotonic

    def recall_slowly(self):
        monkeypatch.setattr(time, "monotonic", lambda: clock() + 1_000)
        return recall(self)

    monkeypatch.setattr(session.RunSession, "_recall_dataset", recall_slowly)
    begun = clock()
    summary = run.run(RunRequest(PIPELINE, settings.Request(root=str(recorded.root.path))), display)
    assert 1_000 <= summary.seconds <= time.monotonic() - begun
    assert recorded.store().run_properties(summary.run_id)["sae_seconds"] == summary.seconds


def test_a_run_like_one_whose_data_is_gone_makes_no_root(tmp_path, monkeypatch):
    monkeypatch.delenv("SAE_ROOT", raising=False)
    gone, new = tmp_path / "gone", tmp_path / "new"
    earlier = manifest.collect(
        run_id="a",
        command=(),
        profile="mnist",
        configuration={**PIPELINE.configuration().recorded(), "paths.root": str(new)},
        data=Recorded(tmp_path).source(builder_dir=str(gone)),
        code={},
        pipeline=PIPELINE,
    )
    with pytest.raises(UnavailableError, match=f"is no longer in {gone}"):
        run.run(RunRequest(PIPELINE, settings.Request(), like=earlier), display)
    assert not new.exists()


def test_a_log_has_each_line_once_though_a_library_logs_to_standard_error(root):
    """As `logging.warning` of a library does, which sets up a handler of the root logger."""
    library = logging.StreamHandler(open(2, "w", closefd=False))  # noqa: SIM115
    logging.getLogger().addHandler(library)
    log = root.logs / "run.log"
    try:
        with process_setup.output_to(log), run._logging(log, lambda event: None):
            logging.getLogger("apache_beam").warning("a job was started")
        assert library in logging.getLogger().handlers
    finally:
        logging.getLogger().removeHandler(library)
    assert log.read_text().count("a job was started") == 1


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_log_on_a_full_disk_changes_neither_a_success_nor_an_error(monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)  # which prints that a record was not written

    def log_on_full_disk(error: Exception | None = None) -> None:
        with run._logging(pathlib.Path("/dev/full"), lambda event: None):
            logging.getLogger("pipeline").info("a record")
            if error is not None:
                raise error

    log_on_full_disk()
    with pytest.raises(UnavailableError, match="manifest"):
        log_on_full_disk(UnavailableError("cannot write the manifest"))


def test_keys_are_of_the_code_as_it_was_before_it_was_imported(tmp_path, monkeypatch):
    """An edit after that changes the files, and not what runs."""
    before = cache_key.code_of_nodes(PIPELINE.nodes)
    found = []

    def edit_and_stop():
        monkeypatch.setattr(source_code.file_digests, "of_file", lambda path: "edited")
        found.append(cache_key.code_of_nodes(PIPELINE.nodes))
        raise RuntimeError("stop")

    monkeypatch.setattr(imports, "heavy_imports", edit_and_stop)
    request = RunRequest(PIPELINE, settings.Request(profile="sample", root=str(tmp_path / "root")))
    with pytest.raises(RuntimeError, match="stop"):
        run.run(request, display)
    assert found == [before]
