"""A command that is measured, and the times of its nodes."""

from __future__ import annotations

import sys

import pytest

from benchmarks import measuring


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_times_of_nodes_and_epochs_are_read_from_the_messages() -> None:
    lines = [
        "Trainer started",
        "Trainer epoch 1/3",
        "Trainer epoch 2/3",
        "Trainer epoch 3/3",
        "Trainer executed (1 s)",
        "Report cached",
    ]
    code = f"""
import sys, time
for line in {lines}:
    print(line, file=sys.stderr, flush=True)
    time.sleep(0.02)
print('[1]')
"""
    seen = []
    found = measuring.measure(python(code), on_line=lambda process, line: seen.append(line.strip()))
    assert seen == lines
    assert list(found.spans) == ["Trainer"]
    assert sorted(found.epochs) == [1, 2, 3]
    begun, ended = found.spans["Trainer"]
    assert 0 < begun < found.epochs[1] < found.epochs[3] < ended < found.seconds
    assert found.mean_epoch_seconds == pytest.approx((found.epochs[3] - found.epochs[1]) / 2)
    assert found.node_seconds("Trainer") == ended - begun
    assert found.output == "[1]\n"
    assert found.peak_mib > 1


def test_an_epoch_is_the_median_of_all_but_the_first() -> None:
    found = measuring.Measured(9.0, 1.0, "", epochs={1: 3.0, 2: 6.0, 3: 7.0, 4: 8.5})
    assert (found.epoch_seconds, found.mean_epoch_seconds) == (1.5, pytest.approx(5.5 / 3))


def test_a_command_that_fails_ends_the_benchmark_with_its_last_line() -> None:
    with pytest.raises(SystemExit, match="exit code 3: the reason"):
        measuring.measure(python("import sys; print('the reason', file=sys.stderr); sys.exit(3)"))
    assert measuring.measure(python("import sys; sys.exit(4)"), exit_codes=(0, 4)).output == ""


def test_the_time_of_nodes_alone_leaves_out_what_ran_beside_them() -> None:
    spans = {"Trainer": (0.0, 10.0), "Encode": (8.0, 13.0), "Probe": (12.0, 15.0), "Report": (20.0, 21.0)}
    assert measuring.covered(spans.values()) == 16
    assert measuring.alone(spans, ("Encode", "Probe")) == 5
    assert measuring.alone(spans, ("Report",)) == 1
    assert measuring.alone(spans, ()) == 0


def test_ratios_are_those_of_the_same_round() -> None:
    assert measuring.ratios([2.0, 6.0], [4.0, 3.0]) == [0.5, 2.0]
