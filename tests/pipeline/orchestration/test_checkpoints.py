"""The folders of checkpoints, and their removal."""

from __future__ import annotations

import os

from components.model import checkpoints as of_node
from pipeline.orchestration import checkpoints
from pipeline.sparse_autoencoder.definition import PIPELINE


def put(root, key, when):
    folder = root.checkpoints / key
    folder.mkdir(parents=True)
    (folder / "checkpoint").write_text(key)
    os.utime(folder, (when, when))


def held(root):
    return {path.name for path in root.checkpoints.iterdir()}


def test_the_node_reads_the_same_variables():
    assert checkpoints.FOLDER == of_node.FOLDER
    assert checkpoints.SECONDS == of_node.SECONDS


def test_the_variables_are_set_only_while_the_node_runs(recorded):
    put(recorded.root, "abc", 1)
    with checkpoints.environment(recorded.root, "abc", 2.5, discard=False):
        assert os.environ[checkpoints.FOLDER] == str(recorded.root.path / "checkpoints" / "abc")
        assert os.environ[checkpoints.SECONDS] == "2.5"
        assert held(recorded.root) == {"abc"}
    assert checkpoints.FOLDER not in os.environ
    assert checkpoints.SECONDS not in os.environ


def test_existing_checkpoints_are_discarded_on_request(recorded):
    put(recorded.root, "abc", 1)
    put(recorded.root, "other", 1)
    with checkpoints.environment(recorded.root, "abc", 0, discard=True):
        assert held(recorded.root) == {"other"}


def test_only_the_newest_checkpoints_of_unfinished_trainings_are_kept(recorded):
    given = recorded.run("r0", names=PIPELINE.names[:6])
    inputs = {node: recorded.store().outputs(one) for node, one in given.items()}
    ended = recorded.decisions()["SchemaGen"].key.digest
    keys = []
    for number in range(1, 6):
        found = recorded.run(f"r{number}", f"training.seed={number}", names=["Trainer"], failed="Trainer", given=inputs)
        keys.append(recorded.store().execution(found["Trainer"]).key.digest)
    # The clock was ahead for the first of them, and for one that ML Metadata does not contain.
    for when, key in enumerate(("lost", *keys, ended)):
        put(recorded.root, key, 1_000 - when)
    (recorded.root.checkpoints / "stray").touch()
    checkpoints.sweep(recorded.root, recorded.store())
    assert held(recorded.root) == {*keys[2:], "stray"}
    checkpoints.remove(recorded.root, keys[3])
    checkpoints.remove(recorded.root, "none")
    assert held(recorded.root) == {keys[2], keys[4], "stray"}
