"""The recorded options of a run, and the data set of the run that it repeats."""

from __future__ import annotations

import dataclasses
import pathlib

import pytest

from pipeline.core import settings
from pipeline.metadata.run_properties import RunOptions
from pipeline.orchestration.request import RunRequest
from pipeline.provenance import manifest
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.builders.roots import Recorded


def test_a_run_of_all_nodes_has_no_part():
    assert RunRequest(PIPELINE, settings.Request()).options == RunOptions("", True, False)


def test_a_part_is_recorded_as_typed():
    options = RunRequest(
        PIPELINE, settings.Request(), from_node="Trainer", base_run="r1", use_cache=False, all_bytes=True
    ).options
    assert options == RunOptions("--from-node Trainer --base r1", False, True)


@pytest.mark.parametrize(
    ("assignments", "same"),
    [
        ((), True),
        (("training.epochs=3", "data.download_timeout=1"), True),
        (("data.dataset=fashion_mnist",), False),
        (("data.size=14x14",), False),
        (("data.data_dir=/elsewhere",), False),
        (("data.size=",), True),  # as it was
    ],
)
def test_a_rerun_reads_the_recorded_data_unless_settings_choose_another(
    tmp_path: pathlib.Path, assignments: tuple[str, ...], same: bool
) -> None:
    recorded = PIPELINE.configuration().recorded()
    del recorded["data.shard_examples"]  # as in the manifest of an earlier version
    data = Recorded(tmp_path).source()
    like = manifest.collect(
        run_id="a", command=(), profile="mnist", configuration=recorded, data=data, code={}, pipeline=PIPELINE
    )
    asked = settings.Request(assignments=assignments)
    request, resolved = RunRequest(PIPELINE, asked, like=like), settings.resolve(asked, {}, recorded)
    assert request.recorded_data(resolved) == (data if same else None)
    assert request.reruns(resolved) is same
    assert not dataclasses.replace(request, resumed="a").reruns(resolved)


def test_a_new_run_has_no_recorded_data() -> None:
    assert RunRequest(PIPELINE, settings.Request()).recorded_data(settings.resolve(settings.Request(), {})) is None
