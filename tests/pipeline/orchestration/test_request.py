"""The recorded options of a run."""

from __future__ import annotations

from pipeline.core import settings
from pipeline.metadata.run_properties import RunOptions
from pipeline.orchestration.request import RunRequest
from pipeline.sparse_autoencoder.definition import PIPELINE


def test_a_run_of_all_nodes_has_no_part():
    assert RunRequest(PIPELINE, settings.Request()).options == RunOptions("", True, False)


def test_a_part_is_recorded_as_typed():
    options = RunRequest(
        PIPELINE, settings.Request(), from_node="Trainer", base_run="r1", use_cache=False, all_bytes=True
    ).options
    assert options == RunOptions("--from-node Trainer --base r1", False, True)
