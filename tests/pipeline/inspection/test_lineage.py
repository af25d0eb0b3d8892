"""Lineage: both ways, all hops, each step once."""

from __future__ import annotations

import pytest

from pipeline.inspection import lineage
from pipeline.inspection.lineage import Step
from pipeline.inspection.views import ArtifactRow


def step(number, inputs, outputs):
    return Step(number, "r1", f"Node{number}", "Type", tuple(inputs), tuple(outputs))


# 1 -> (10) -> 2, 3;  2 -> (11) -> 4;  3 and 4 -> (12) -> 5;  6 -> (13) -> 7 has nothing to do with them
STEPS = [step(9, [], [1]), step(10, [1], [2, 3]), step(11, [2], [4]), step(12, [3, 4], [5]), step(13, [6], [7])]


def walk(center, steps=STEPS):
    return lineage.walk(
        center,
        lambda wanted: [one for one in steps if set(one.outputs) & set(wanted)],
        lambda wanted: [one for one in steps if set(one.inputs) & set(wanted)],
        lambda wanted: {number: ArtifactRow(number, "T", "", "", "live", None) for number in wanted},
    )


def numbers(steps):
    return [one.execution for one in steps]


def test_up_and_down_are_followed_to_the_end_the_nearest_first():
    found = walk(4)
    assert numbers(found.up) == [11, 10, 9]
    assert numbers(found.down) == [12]
    # what stands beside on the way is named too: 3 was made with 2, and read with 4
    assert sorted(found.artifacts) == [1, 2, 3, 4, 5]
    assert not found.cut


def test_what_is_reached_on_two_ways_is_there_once(monkeypatch):
    monkeypatch.setattr(lineage, "_MOST_STEPS", 3)
    found = walk(1)
    assert numbers(found.down) == [10, 11, 12]
    assert numbers(found.up) == [9]
    assert not found.cut


def test_no_artifact_is_asked_for_twice():
    asked = []

    def readers(wanted):
        asked.extend(wanted)
        return [one for one in (*STEPS, step(14, [5], [2])) if set(one.inputs) & set(wanted)]  # 2 is made once more

    lineage.walk(1, lambda _: [], readers, lambda _: {})
    assert sorted(asked) == [1, 2, 3, 4, 5]


def test_an_artifact_alone_has_no_steps():
    found = walk(8)
    assert (found.up, found.down, list(found.artifacts)) == ((), (), [8])


def test_a_circle_ends():
    circle = [step(1, [1], [2]), step(2, [2], [1])]
    found = walk(1, circle)
    assert numbers(found.up) == [2, 1]
    assert numbers(found.down) == [1, 2]


@pytest.mark.parametrize(("most", "steps", "cut"), [(3, [11, 10, 9], False), (2, [11, 10], True), (0, [], True)])
def test_what_is_cut_is_said_to_be(monkeypatch, most, steps, cut):
    monkeypatch.setattr(lineage, "_MOST_STEPS", most)
    found = walk(4)
    assert numbers(found.up) == steps
    assert found.cut is (cut or most < 1)
