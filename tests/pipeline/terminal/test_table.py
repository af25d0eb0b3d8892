"""Text for terminals and pipes: what fits, what is cut, and what cannot get through."""

from __future__ import annotations

import datetime
import io
import math
import os

import pytest

from pipeline.core.text import bytes_text, escaped, number_text, seconds_text, when_text
from pipeline.inspection.views import NodeRunState, RunState
from pipeline.sweeps.views import PointState, SweepState
from pipeline.terminal import table
from pipeline.terminal.table import Cell, Column, Screen

PIPE = Screen()
NARROW = Screen(width=20)
ASCII = Screen(width=20, unicode=False)
COLOR = Screen(width=80, color=True)


class Stream(io.TextIOWrapper):
    """A stream that says that it is a terminal, or not."""

    def __init__(self, terminal, encoding="utf-8"):
        super().__init__(io.BytesIO(), encoding=encoding)
        self._terminal = terminal

    def isatty(self):
        return self._terminal


class TestScreen:
    def test_a_pipe_has_no_width_and_no_colors(self):
        assert Screen.of(Stream(False), {"COLUMNS": "40", "TERM": "xterm"}) == Screen(None, False, True)

    def test_a_terminal_has_both(self, monkeypatch):
        monkeypatch.setattr(table.shutil, "get_terminal_size", lambda *_, **__: os.terminal_size((100, 30)))
        assert Screen.of(Stream(True), {"TERM": "xterm"}) == Screen(100, True, True)

    @pytest.mark.parametrize(
        ("environ", "color"), [({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)]
    )
    def test_colors_can_be_declined(self, environ, color):
        assert Screen.of(Stream(True), environ).color is color

    def test_a_terminal_that_knows_no_width_gets_a_usable_one(self, monkeypatch):
        monkeypatch.setattr(table.shutil, "get_terminal_size", lambda *_, **__: os.terminal_size((1, 1)))
        assert Screen.of(Stream(True), {}).width == 20

    def test_an_encoding_without_bars_gets_plain_ones(self):
        assert Screen.of(Stream(False, "ascii"), {}).unicode is False
        assert Screen.of(Stream(False, "latin-1"), {}).unicode is False

    def test_styles_are_codes_where_wanted(self):
        assert COLOR.styled("failed", "red") == "\x1b[31mfailed\x1b[0m"
        assert PIPE.styled("failed", "red") == "failed"
        assert COLOR.styled("", "red") == ""


class TestEscaped:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("\x1b[2J", "\\x1b[2J"),
            ("a\nb\rc\td", "a\\nb\\rc\\td"),
            ("\x07\x00\x7f", "\\x07\\x00\\x7f"),
            ("\x9b31m", "\\x9b31m"),
            ("\u202egpj.exe", "\\u202egpj.exe"),
            ("\u2066x\u2069", "\\u2066x\\u2069"),
            ("a\u2028b", "a\\u2028b"),
            ("\ud800", "\\ud800"),
            ("<b>é 語 \\", "<b>é 語 \\"),
        ],
    )
    def test_what_moves_the_cursor_is_shown_as_a_code(self, text, shown):
        assert escaped(text) == shown
        assert escaped(shown) == shown

    def test_tables_pairs_paragraphs_and_headings_escape(self):
        evil = "\x1b]0;x\x07"
        table = PIPE.table((Column(evil),), [[evil]])
        lines = [*table, *PIPE.pairs([(evil, evil)]), *PIPE.paragraph(evil), PIPE.heading(evil)]
        assert "\x1b" not in "".join(lines)
        assert "".join(lines).count("\\x1b]0;x\\x07") == 6


class TestTable:
    COLUMNS = (Column("run"), Column("n", right=True), Column("text", min_width=6, drop=1), Column("more", drop=2))

    def test_columns_are_aligned_and_lines_end_with_their_text(self):
        rows = [["r1", "5", "short", ""], ["r22", "10", "a longer text", "x"]]
        assert PIPE.table(self.COLUMNS, rows) == [
            "run   n  text           more",
            "r1    5  short",
            "r22  10  a longer text  x",
        ]

    def test_columns_without_any_text_are_left_out(self):
        assert PIPE.table(self.COLUMNS, [["r1", "", "a", ""]]) == ["run  text", "r1   a"]

    def test_titles_are_left_out_where_there_are_none(self):
        assert PIPE.table((Column(""), Column("")), [["a", "b"]], "  ") == ["  a  b"]

    def test_on_a_narrow_terminal_texts_are_cut_first(self):
        assert NARROW.table(self.COLUMNS, [["r1", "5", "a longer text", ""]]) == [
            "run  n  text",
            "r1   5  a longer te…",
        ]

    def test_then_columns_go_those_of_the_highest_number_first(self):
        rows = [["r1", "5", "a longer text", "something"]]
        assert NARROW.table(self.COLUMNS, rows) == ["run  n  text", "r1   5  a longer te…"]
        assert Screen(width=27).table(self.COLUMNS, rows)[1] == "r1   5  a longe…  something"

    def test_no_line_is_wider_than_the_terminal(self):
        rows = [["r1", "5", "a longer text", "something"], ["r2", "10", "語語語語語語", "e\u0301" * 9]]
        for width in range(20, 60):
            lines = Screen(width=width).table(self.COLUMNS, rows)
            assert max(map(table.width_of, lines)) <= width

    def test_where_nothing_can_go_it_is_as_wide_as_it_is(self):
        assert NARROW.table((Column("a"),), [["x" * 30]]) == ["a", "x" * 30]

    def test_styles_do_not_count_as_width(self):
        assert COLOR.table((Column("a"), Column("b")), [[Cell("x", "red"), "y"]]) == [
            "\x1b[2ma\x1b[0m  \x1b[2mb\x1b[0m",
            "\x1b[31mx\x1b[0m  y",
        ]

    def test_a_cut_without_unicode_ends_in_dots(self):
        assert ASCII.table(self.COLUMNS, [["r1", "5", "a longer text", ""]])[1] == "r1   5  a longer..."


class TestProse:
    def test_a_paragraph_is_broken_at_spaces_on_a_terminal_only(self):
        text = "one two three four five six"
        assert PIPE.paragraph(text, "error: ") == ["error: one two three four five six"]
        assert Screen(width=27).paragraph(text, "error: ") == ["error: one two three four", "       five six"]

    def test_words_are_never_broken(self):
        assert NARROW.paragraph("see /a/very/long/path/that/is/to/be/copied") == [
            "see",
            "/a/very/long/path/that/is/to/be/copied",
        ]

    def test_a_digest_is_shortened_where_it_does_not_fit(self):
        assert PIPE.paragraph(f"model-1:{'0a' * 32}") == [f"model-1:{'0a' * 32}"]
        assert NARROW.paragraph(f"model-1:{'0a' * 32}") == ["model-1:0a0a0a0a0a0a…"]

    def test_pairs_are_aligned_and_empty_ones_left_out(self):
        assert PIPE.pairs([("a", "1"), ("long", "2"), ("none", "")], "  ") == ["  a     1", "  long  2"]
        assert Screen(width=30).pairs([("name", "one two three four five six seven")]) == [
            "name  one two three four five",
            "      six seven",
        ]


class TestSparkline:
    def test_the_greatest_has_the_whole_bar(self):
        assert PIPE.sparkline([0, 1, 4, 8]) == " ▁▄█"
        assert ASCII.sparkline([0, 1, 4, 8]) == " .=@"

    def test_what_is_there_shows_however_little_it_is(self):
        assert PIPE.sparkline([0, 1, 1000]) == " ▁█"

    def test_values_below_zero_are_measured_from_the_least(self):
        assert PIPE.sparkline([-8, 0]) == " █"

    def test_without_values_there_is_nothing(self):
        assert PIPE.sparkline([]) == ""
        assert PIPE.sparkline([0, 0]) == "  "

    @pytest.mark.parametrize("count", [0, 1, 2, 60])
    def test_as_many_values_as_there_is_room_for_stay(self, count):
        assert table.thinned(range(count)) == list(range(count))

    def test_more_are_thinned_evenly_from_the_first_to_the_last(self):
        found = table.thinned(range(591))
        assert (len(found), found[:3], found[-1]) == (60, [0, 10, 20], 590)


def test_what_a_stream_cannot_show_becomes_a_code():
    assert table.printable(Stream(False, "ascii"), "é…") == "\\xe9\\u2026"
    assert table.printable(Stream(False), "é…") == "é…"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.04, "0.0 s"), (99.94, "99.9 s"), (99.95, "1 min 40 s"), (5999, "99 min 59 s"), (6000, "1 h 40 min"),
     (90_000, "25 h 00 min")],
)  # fmt: skip
def test_durations(seconds, text):
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"), (25 * 10**8, "2.5 GB"),
     (7 * 10**15, "7000.0 TB")],
)  # fmt: skip
def test_sizes(size, text):
    assert bytes_text(size) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0943, "0.09430"), (17.2, "17.20000"), (714.0, "714"), (419120, "419,120"), (-3.0, "-3"),
     (0.00001, "1e-05"), (1234.5, "1234.5"), (math.nan, "nan"), (math.inf, "inf")],
)  # fmt: skip
def test_numbers(value, text):
    assert number_text(value) == text


def test_times_are_in_utc():
    plus_two = datetime.timezone(datetime.timedelta(hours=2))
    assert when_text(datetime.datetime(2026, 11, 23, 1, 30, 5, 999, plus_two)) == "2026-11-22 23:30:05"
    assert when_text(None) == ""


def test_every_state_has_a_style():
    of_runs = {state.value for state in (*RunState, *NodeRunState)}
    # As pipeline/scheduler/types.py names them; there they are words of a docstring.
    of_schedules = {"active", "paused"}
    of_ticks = {"waiting", "running", "succeeded", "failed", "interrupted", "skipped", "missed"}
    of_daemons = {"running", "stopping", "silent", "stopped"}
    of_sweeps = {state.value for state in (*SweepState, *PointState)}
    of_models = {"served", "deleted"}
    known = of_runs | of_schedules | of_ticks | of_daemons | of_sweeps | of_models | {"yes", "no"}
    assert known == set(table.STATES)
