"""Each kind of section as text."""

from __future__ import annotations

import dataclasses

import pytest

from pipeline.artifacts.sections import Curve, Histograms, LineChart, Pictures, Preview, Section, Table, Text, columns
from pipeline.terminal import preview
from pipeline.terminal.table import Screen
from tests.pipeline.artifacts.samples import ACTIVITY, BARS, CARDS, CHART, PREVIEWS, THRESHOLDS


def shown(*sections: Section, screen: Screen | None = None) -> list[str]:
    return preview.lines(screen or Screen(), Preview("it", sections), "/r/7")


@pytest.mark.parametrize("type_name", PREVIEWS)
def test_every_preview_is_shown(type_name: str) -> None:
    assert shown(*PREVIEWS[type_name].sections)


@pytest.mark.parametrize("type_name", PREVIEWS)
def test_no_section_lets_control_characters_through(type_name: str) -> None:
    def evil(value: object) -> object:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = [field.name for field in dataclasses.fields(value) if field.name not in ("kind", "form")]
            return dataclasses.replace(value, **{name: evil(getattr(value, name)) for name in fields})
        if isinstance(value, tuple):
            return tuple(map(evil, value))
        if isinstance(value, dict):
            return {evil(key): evil(inner) for key, inner in value.items()}
        return f"{value}\x1b[2J" if isinstance(value, str) else value

    found = evil(PREVIEWS[type_name])
    assert isinstance(found, Preview)
    assert "\x1b" not in "".join(preview.lines(Screen(), found, "/r/\x1b[2J"))


def test_pairs() -> None:
    assert shown(*PREVIEWS["Model"].sections[:1]) == ["size", "  parameters  12"]


def test_a_table_leaves_out_what_is_missing_and_tells_verdicts() -> None:
    assert shown(THRESHOLDS) == [
        "thresholds",
        "  metric  slice      value    limit  passed",
        "  bce     overall  0.10000  0.12000  passed",
        "  bce     label 3  0.20000           no limit",
        "  mse     overall  0.30000  0.20000  failed",
    ]
    assert shown(THRESHOLDS, screen=Screen(color=True))[-1].endswith("\x1b[31mfailed\x1b[0m")


def test_a_narrow_terminal_loses_the_last_columns_but_no_verdict() -> None:
    lines = shown(THRESHOLDS, screen=Screen(width=30))
    assert lines[1].split() == ["metric", "slice", "passed"]
    assert max(map(len, lines)) <= 30


def test_a_folded_table_is_left_out() -> None:
    assert shown(Table("numbers", columns("epoch"), ((1,),), folded=True)) == []


def test_pictures_are_counted() -> None:
    found = PREVIEWS["Model"].sections[-1]
    assert isinstance(found, Pictures)
    assert shown(found)[0] == "the decoder's answer to each unit"
    assert "2 pictures" in shown(found)[1]


def test_cards_are_counted() -> None:
    assert shown(CARDS)[0] == "each unit"
    assert "2 cards" in shown(CARDS)[1]


def test_a_text_has_its_verdict_reasons_and_file() -> None:
    assert shown(Text("why", "not blessed", False, ("one", "two"))) == ["not blessed: why", "- one", "- two"]
    assert shown(Text("", "blessed", True), screen=Screen(color=True)) == ["\x1b[32mblessed\x1b[0m"]
    assert shown(Text("the report", file="report.html")) == ["the report", "  /r/7/report.html"]


def test_a_line_chart_tells_the_ends_and_the_lowest_value_of_each_curve() -> None:
    assert shown(CHART) == [
        "reconstruction loss by epoch (BCE, nats per pixel)",
        "                             first   lowest  at epoch     last  curve",
        "  validation               0.50000  0.25000         2  0.37500  █▄▆",
        "  training                 0.50000  0.12500         3  0.12500  █▄▂",
        "  validation with penalty  0.75000  0.50000         2  0.50000  █▅▅",
    ]
    assert shown(LineChart("losses", (), "epoch", "loss")) == ["losses", "  no values"]


def test_a_curve_has_at_most_60_bars() -> None:
    curve = Curve("validation", tuple((float(n), 1 / n if n < 90 else 0.5) for n in range(1, 101)))
    [*_, line] = shown(LineChart("losses", (curve,), "epoch", "loss"))
    bars = line.split()[-1]
    assert line.split()[1:4] == ["1", "0.01124", "89"]
    assert (len(bars), bars[0], bars[-1]) == (60, "█", "▄")


def test_bars_stand_out_beyond_the_limit() -> None:
    assert shown(BARS) == [
        "BCE by label, at most 0.15000 allowed",
        "  label 0  0.10000  ██████████",
        "  label 3  0.20000  ████████████████████",
    ]
    assert shown(BARS, screen=Screen(color=True))[-1].count("\x1b[31m") == 2


def test_shares_are_in_percent_the_greatest_first() -> None:
    assert shown(ACTIVITY, screen=Screen(unicode=False)) == [
        "activity of the units of the code",
        "  unit 1  25.0%  ####################  mean 1.5",
        "  unit 0   0.0%",
    ]


def test_histograms_have_their_ends() -> None:
    found = PREVIEWS["ExampleStatistics"].sections[1]
    assert isinstance(found, Histograms)
    assert shown(found) == ["histograms of train", "  label  0  ▄█  9"]
