"""A run after an older copy of the store was restored leaves the files of the lost run alone."""

from __future__ import annotations

from pipeline.core.pipeline_root import Root
from pipeline.maintenance import fsck, restore_store
from pipeline.maintenance.fsck import FindingKind
from tests.builders.roots import tree
from tests.e2e.conftest import QUICK, run_here


def test_a_run_after_a_restore_does_not_write_to_folders_of_a_lost_run(tmp_path):
    root = Root(tmp_path / "root")

    def run(shard_examples: int):
        """Run the first node, with outputs that no earlier run has."""
        return run_here(root.path, *QUICK, f"data.shard_examples={shard_examples}", to_node="ExampleGen")

    first, lost = run(4_000), run(2_000)
    assert (first.exit_code, lost.exit_code) == (0, 0)
    files, previews = tree(root.artifacts), tree(root.previews)
    with root.lock():
        restore_store.restore(root, first.run_id)
    orphans = {one.path for one in fsck.check(root).findings if one.kind == FindingKind.ORPHANED}
    assert orphans
    assert run(1_000).exit_code == 0
    now, now_previews = tree(root.artifacts), tree(root.previews)
    assert {name: now.get(name) for name in files} == files
    assert {name: now_previews.get(name) for name in previews} == previews
    found = fsck.check(root)
    assert not found.damaged
    assert {one.path for one in found.findings if one.kind == FindingKind.ORPHANED} == orphans
    with root.lock():  # the copy after the lost run is as good as before
        restore_store.restore(root, lost.run_id)
    assert not fsck.check(root).damaged
