"""Find the run to resume, and refuse changed inputs."""

from __future__ import annotations

import dataclasses

import pytest

from pipeline.core import file_digests
from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.metadata import run_properties, sweep_trigger
from pipeline.metadata.properties import MANIFEST_DIGEST
from pipeline.metadata.run_properties import Headline, RunOptions
from pipeline.metadata.store import open_store
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration import resume
from pipeline.provenance import cache_key, manifest, packages, source_code
from pipeline.sparse_autoencoder.definition import PIPELINE


def record(recorded, run_id, state="failed", options=None, run_trigger="manual", **changes):
    """Record a run as `sae run` does: its manifest, options and end."""
    made = manifest.collect(
        run_id=run_id,
        command=("sae", "run"),
        profile="mnist",
        configuration=recorded.config().recorded(),
        data=recorded.source(),
        code=cache_key.code_of_nodes(PIPELINE.nodes),
        pipeline=PIPELINE,
    )
    path = manifest.write(recorded.root.path, dataclasses.replace(made, **changes))
    properties = {MANIFEST_DIGEST: file_digests.of_file(path), **(options or RunOptions()).properties()}
    recorder = MetadataWriter(recorded.root)
    started = run_properties.headline_properties(Headline(trigger=run_trigger))
    recorder.begin_run(PIPELINE.name, run_id, {**properties, **started})
    recorder.end_run(run_id, run_properties.headline_properties(Headline(state=state)))


def find(recorded, wanted=""):
    return resume.find(PIPELINE, recorded.root, open_store(recorded.root), wanted)


def test_without_a_name_it_is_the_newest_unless_that_succeeded(recorded):
    for run_id, state in (("a", "failed"), ("b", "cancelled")):
        record(recorded, run_id, state)
    assert find(recorded)[0].run_id == "b"
    assert find(recorded, "a")[0].run_id == "a"
    record(recorded, "c", "succeeded")
    record(recorded, "d", "succeeded")
    with pytest.raises(UsageError, match=r"newest run, d, succeeded.*`sae resume b`"):
        find(recorded)
    assert find(recorded, "b")[0].run_id == "b"
    record(recorded, "e")
    assert find(recorded)[0].run_id == "e"
    assert find(recorded, "latest~4")[0].run_id == "a"


def test_without_a_name_runs_of_sweeps_are_left_out(recorded):
    record(recorded, "a")
    point = RunOptions(part="--to-node Evaluator")
    record(recorded, "b", "cancelled", options=point, run_trigger=sweep_trigger.as_text("l1", 3))
    record(recorded, "c", "succeeded", options=point, run_trigger=sweep_trigger.as_text("l1", 3))
    assert find(recorded)[0].run_id == "a"
    with pytest.raises(UsageError, match="ran a part"):
        find(recorded, "b")


def test_the_options_of_the_run_are_returned(recorded):
    record(recorded, "a", options=RunOptions(use_cache=False, all_bytes=True))
    manifest_of_run, options = find(recorded)
    assert options == RunOptions(use_cache=False, all_bytes=True)
    assert manifest_of_run.configuration["training.epochs"] == 50


def test_without_a_failed_run_there_is_nothing_to_resume(recorded):
    record(recorded, "a", "succeeded")
    with pytest.raises(NotFoundError):
        find(recorded)
    with pytest.raises(UsageError, match=r"`sae run --like .*a.json`"):
        find(recorded, "a")


def test_a_part_is_refused(recorded):
    record(recorded, "a", options=RunOptions(part="--from-node Trainer"))
    with pytest.raises(UsageError, match="--from-node Trainer"):
        find(recorded)


def test_changed_data_is_named(recorded):
    record(recorded, "a")
    (recorded.data / "mnist-train.tfrecord").write_bytes(b"other images")
    with pytest.raises(UnavailableError, match=r"data set.* -> "):
        find(recorded)


def test_changed_code_is_named(recorded, monkeypatch):
    record(recorded, "a")
    monkeypatch.setattr(source_code, "project_digest", lambda: "0" * 64)
    with pytest.raises(UnavailableError, match=r"code: .* -> 000000000000; `sae"):
        find(recorded)
    changed = {node: dict.fromkeys(files, "1" * 64) for node, files in cache_key.code_of_nodes(PIPELINE.nodes).items()}
    monkeypatch.setattr(cache_key, "code_of_nodes", lambda nodes: changed)
    with pytest.raises(UnavailableError, match=r"components/\w+.py: \w+ -> 111111111111; code: .*; .*\d+ more"):
        find(recorded)


def test_changed_packages_are_named(recorded, monkeypatch):
    record(recorded, "a")
    installed = packages.installed_runtime()
    monkeypatch.setattr(packages, "installed_runtime", lambda: {**installed, "numpy": "0.1"})
    with pytest.raises(UnavailableError, match=r"numpy: [\d.]+ -> 0.1; "):
        find(recorded)


def test_a_changed_manifest_is_refused(recorded):
    record(recorded, "a")
    path = manifest.path_of(recorded.root.path, "a")
    path.write_text(path.read_text().replace('"training.epochs": 50', '"training.epochs": 51'))
    with pytest.raises(UnavailableError, match=r"a\.json"):
        find(recorded)


def test_a_setting_that_the_version_of_the_run_did_not_have_has_its_default(recorded):
    values = recorded.config().recorded()
    values.pop("engine.runner")
    record(recorded, "a", configuration=values)
    assert find(recorded)[0].configuration == values


def test_a_setting_that_this_version_does_not_have_is_named(recorded):
    configuration = {**recorded.config().recorded(), "training.momentum": 0.9}
    record(recorded, "a", configuration=configuration)
    with pytest.raises(UnavailableError, match=r"configuration: training\.momentum"):
        find(recorded)
