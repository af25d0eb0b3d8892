"""Which push is that of the served version."""

from __future__ import annotations

import shutil

import pytest

from pipeline.registry import promotion, versions


def found(recorded):
    """The served push as it is looked for: among the newest artifacts first."""
    return versions.find_served_push(recorded.store(), recorded.root)


def among_all(recorded):
    return versions.served_push(recorded.root, versions.pushes(recorded.store(), recorded.root))


@pytest.mark.parametrize("newest", [100, 1], ids=["it is among the newest artifacts", "it is not"])
def test_the_served_one_is_found(four, monkeypatch, newest):
    monkeypatch.setattr(versions, "_NEWEST", newest)
    assert found(four) == among_all(four)
    assert found(four).version == 4
    assert found(four).is_of(0, four.outputs("run-4", "Trainer")["model"].content)
    promotion.promote(four.root, "run-2", "better", print)
    assert (found(four), found(four).version) == (among_all(four), 5)
    assert found(four).is_of(0, four.outputs("run-2", "Trainer")["model"].content)
    shutil.copytree(four.root.serving / "5", four.root.serving / "6")  # by nobody that ML Metadata knows of
    assert found(four) is None
    shutil.rmtree(four.root.serving)
    assert found(four) is None


def test_of_a_model_without_a_digest_the_artifact_alone_tells(four):
    push = versions.Push(1, 7, "", own=False, when=0)
    assert (push.is_of(7, ""), push.is_of(8, "")) == (True, False)
