"""`sae gc`, `sae pin` and `sae unpin` as they are typed, and what the other commands say of what is gone."""

from __future__ import annotations

import json

import pytest

from pipeline.core.errors import NotFoundError
from pipeline.core.pipeline_root import Root
from pipeline.inspection.locations import open_location
from pipeline.maintenance import gc, rerun
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.web import server
from pipeline_config import RetentionConfig
from tests.builders.roots import tree

KEEP_ONE = ("--set", "retention.runs=1", "--set", "retention.pushed=0")


def test_gc_says_what_goes_and_deletes_it_only_with_yes(sae, four):
    before = tree(four.root.path)
    code, printed, _ = sae("gc", *KEEP_ONE)
    assert code == 0
    assert "  run-4  its model is served, among the newest 1 (version 4)\n" in printed
    assert printed.splitlines()[-1].startswith("would delete 27 artifacts, 3 old versions in serving/, of 3 runs: ")
    assert tree(four.root.path) == before
    code, printed, _ = sae("gc", "--yes", *KEEP_ONE)
    assert code == 0
    assert printed.splitlines()[-1].startswith("deleted 27 artifacts, 3 old versions in serving/, of 3 runs: ")
    assert len(tree(four.root.artifacts)) < len([name for name in before if name.startswith("artifacts/")])


def test_gc_as_json_has_sizes_by_directory(sae):
    code, printed, _ = sae("gc", "--json", *KEEP_ONE)
    found = json.loads(printed)
    assert (code, found["schema_version"], found["deleted"], found["too_large"]) == (0, 2, False, False)
    assert sum(one["bytes"] for one in found["directories"]) == found["bytes"]
    assert sum(one["freed"] for one in found["directories"]) == found["freed"] > 0
    assert {one["name"] for one in found["directories"] if one["freed"]} == {"artifacts", "serving"}
    assert [run["id"] for run in found["kept"]] == ["run-4"]
    assert {one["run"] for one in found["artifacts"]} == {"run-1", "run-2", "run-3"}


def test_by_default_four_runs_are_not_too_many(sae):
    assert sae("gc", "--yes")[1].splitlines()[-1] == "nothing to delete"


def test_gc_does_not_wait_for_a_run(sae, four):
    with four.root.lock():
        code, _, said = sae("gc", "--yes", *KEEP_ONE)
        assert code == 5
        assert "another run holds" in said
        assert sae("gc", "--dry-run", *KEEP_ONE)[0] == 0  # to look does no harm


def test_a_pin_says_which_run_and_keeps_it(sae):
    assert sae("pin", "latest~3", "--reason", "for the paper") == (0, "", "run run-1 is pinned\n")
    assert "  run-1  pinned\n" in sae("gc", *KEEP_ONE)[1]
    assert sae("unpin", "run-1", "--reason", "printed") == (0, "", "run run-1 is no longer pinned\n")
    assert "run-1" not in sae("gc", *KEEP_ONE)[1]


def test_a_pin_without_a_reason_is_refused(sae):
    code, _, said = sae("pin", "latest")
    assert (code, said.count("\n")) == (2, 1)
    assert "--reason" in said


@pytest.fixture
def collected(four):
    gc.apply(PIPELINE, four.root, RetentionConfig(runs=1, pushed=0, max_mib=0))
    return four


GONE = "deleted by gc on 20"


@pytest.mark.parametrize("arguments", [
    ("artifact", "run-1:Trainer:model"), ("artifact", "run-1:Report"), ("fsck",), ("plan", "--set", "training.seed=1"),
])  # fmt: skip
def test_commands_say_that_it_was_deleted_and_when(sae, collected, arguments):
    collected.remember("training.seed=1")
    code, printed, _ = sae(*arguments)
    assert code == 0
    assert GONE in printed


def test_open_says_that_the_report_was_deleted(sae, collected):
    code, _, said = sae("open", "run-1")
    assert (code, said.count("\n")) == (3, 1)
    assert f"the report of run run-1 was {GONE}" in said


@pytest.mark.parametrize("arguments", [
    ("show", "run-1"), ("diff", "run-1", "run-4"), ("lineage", "run-1:Trainer"), ("why", "run-1", "Trainer"),
    ("artifacts",), ("runs",),
])  # fmt: skip
def test_what_is_gone_does_not_keep_the_others_from_reading(sae, collected, arguments):
    code, printed, _ = sae(*arguments)
    assert code == 0
    assert "run-1" in printed


def test_a_node_on_inputs_that_are_gone_is_not_verified(collected, tmp_path):
    with pytest.raises(
        NotFoundError, match=rf"Trainer's model of run run-1 was {GONE}.*: `sae restore \d+` regenerates it"
    ):
        rerun.copy_inputs(collected.root, collected.store(), "run-1", ["Trainer"], Root(tmp_path / "scratch"))


def test_pages_say_that_it_was_deleted_and_when(collected):
    model = collected.outputs("run-1", "Trainer")["model"].id
    report = collected.outputs("run-1", "Report")["report"].id
    with open_location(PIPELINE, None, collected.root) as place:
        for artifact in (model, report):
            page = server.get(place, f"/artifacts/{artifact}").decode()
            assert f"Its bytes were {GONE}" in page
            assert "saved_model.pb" in page or "report.html" in page  # its files are listed still
        for path in ("/", "/runs/run-1", "/runs/run-1/nodes/Trainer", f"/artifacts/{model}/lineage"):
            assert "run-1" in server.get(place, path).decode()
