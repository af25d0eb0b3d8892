"""TFX's handle on one run."""

from __future__ import annotations

import logging

import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core.pipeline_root import Root
from pipeline.metadata import client
from tests.builders.roots import STATE, Writer
from tests.builders.store_reader import reader


@pytest.mark.component
def test_what_tfx_publishes_waits_for_a_program_that_reads_the_store(tmp_path):
    from pipeline.orchestration.tfx.metadata_view import RunMetadata

    root = Root(tmp_path / "root")
    root.create()
    Writer(root.metadata).execution("r1", "Trainer", STATE.COMPLETE)

    class Ending(logging.Handler):
        def emit(self, record):
            program.end()

    connection = pb.ConnectionConfig()
    connection.sqlite.filename_uri = str(root.metadata)
    ending = Ending()
    client.logger.addHandler(ending)
    try:
        with RunMetadata(connection, "r1") as handle, reader(root.metadata) as program:
            handle.store.put_context_type(pb.ContextType(name="published"))
    finally:
        client.logger.removeHandler(ending)
    assert Writer(root.metadata).store.get_context_type("published").name == "published"


@pytest.mark.component
@pytest.mark.parametrize("failures", [0, 9, 10])
def test_a_store_that_another_program_holds_is_tried_ten_times(tmp_path, monkeypatch, failures):
    from pipeline.orchestration.tfx import metadata_view

    made = metadata_view._RunStore
    left = [RuntimeError("tables are missing")] * failures

    def held(*arguments):
        if left:
            raise left.pop()
        return made(*arguments)

    monkeypatch.setattr(metadata_view, "_RunStore", held)
    connection = pb.ConnectionConfig()
    connection.sqlite.filename_uri = str(tmp_path / "metadata.sqlite")
    opened = metadata_view.RunMetadata(connection, "r1")
    if failures == 10:
        with pytest.raises(RuntimeError), opened:
            pass
        return
    with opened as handle, opened as again:
        assert again.store is handle.store
        connection = handle.store.get_context_types()
    assert connection == []
    with pytest.raises(RuntimeError):
        assert handle.store
