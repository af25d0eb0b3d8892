"""Lineage as trees."""

from __future__ import annotations

import dataclasses

from pipeline.inspection.lineage import Lineage, Step
from pipeline.inspection.views import ArtifactRow
from pipeline.terminal import lineage
from pipeline.terminal.table import Screen


def row(number, kind, node, key, run="r1", name=""):
    return ArtifactRow(number, kind, name, f"/r/{number}", "live", None, "", run, node, key)


ROWS = {
    1: row(1, "Examples", "ExampleGen", "examples"),
    2: row(2, "Schema", "", "", run="", name="curated"),
    3: row(3, "TransformGraph", "Transform", "transform_graph"),
    4: row(4, "Model", "Trainer", "model"),
    5: row(5, "Report", "Report", "report"),
    6: row(6, "Evaluation", "Evaluator", "evaluation"),
}
UP = (
    Step(13, "r1", "Trainer", "t", (1, 3), (4,)),
    Step(11, "r1", "ExampleGen", "t", (), (1,)),
    Step(12, "r1", "Transform", "t", (1, 2), (3,)),
)
DOWN = (
    Step(14, "r2", "Evaluator", "t", (4,), (6,)),
    Step(15, "r2", "Gate", "t", (4,), ()),
    Step(16, "r2", "Report", "t", (4, 6), (5,)),
)
MODEL = Lineage(4, ROWS, UP, DOWN, False)


def test_both_ways_all_hops_by_name():
    assert lineage.as_text(Screen(), MODEL).splitlines() == [
        "Model 4, model of Trainer, run r1",
        "",
        "upstream",
        "├─ Examples 1, examples of ExampleGen, run r1",
        "└─ TransformGraph 3, transform_graph of Transform, run r1",
        "   ├─ Examples 1, examples of ExampleGen, run r1",
        "   └─ Schema 2 'curated'",
        "",
        "downstream",
        "├─ Evaluation 6, evaluation of Evaluator, run r1",
        "│  └─ Report 5, report of Report, run r1",
        "├─ Gate, run r2 (no outputs)",
        "└─ Report 5, report of Report, run r1",
    ]


def test_what_has_more_below_it_is_followed_once():
    """Each level reads both artifacts of the level before: as a tree it would have 2 to the 40th leaves."""
    rows = {number: row(number, "T", "N", "k") for number in range(82)}
    steps = [Step(100 + n, "r", "N", "t", (2 * n, 2 * n + 1), (2 * n + 2, 2 * n + 3)) for n in range(40)]
    found = Lineage(80, rows, tuple(reversed(steps)), (), False)
    lines = lineage.as_text(Screen(), found).splitlines()
    assert sum("(see above)" in line for line in lines) == 2 * 38  # those of each level but the first and the last
    assert sum(line.endswith("T 0, k of N, run r1") for line in lines) == 2  # nothing is below it
    assert len(lines) == 3 + 2 + 2 * 2 * 38 + 2 * 2 + 3


def test_a_long_chain_is_followed_to_its_end():
    rows = {number: row(number, "T", "N", "k") for number in range(1500)}
    steps = tuple(Step(number, "r", "N", "t", (number,), (number + 1,)) for number in range(1499))
    assert "T 1499," in lineage.as_text(Screen(), Lineage(0, rows, (), steps, False))


def test_a_cycle_ends():
    steps = (Step(1, "r", "N", "t", (1,), (2,)), Step(2, "r", "N", "t", (2,), (1,)))
    text = lineage.as_text(Screen(), Lineage(1, ROWS, (), steps, False))
    assert text.splitlines()[-1] == "   └─ Examples 1, examples of ExampleGen, run r1  (see above)"


def test_an_artifact_alone_and_a_lineage_that_was_cut_are_said_to_be():
    lines = lineage.as_text(Screen(), Lineage(1, ROWS, (), (), True)).splitlines()
    assert lines[3] == "  nothing: it was imported, or its node has no inputs in this store"
    assert lines[6] == "  nothing in this store"
    assert lines[-1] == "the lineage is longer than is shown here"


def test_on_a_terminal_no_line_is_wider_and_without_unicode_the_lines_are_plain():
    lines = lineage.as_text(Screen(width=40, unicode=False), MODEL).splitlines()
    assert max(map(len, lines)) == 40
    assert lines[3] == "|- Examples 1, examples of ExampleGen..."
    assert lines[6] == "   `- Schema 2 'curated'"


def test_names_from_a_store_stay_text():
    rows = {1: row(1, "\x1b[2J", "\x07", "\n")}
    assert lineage.as_text(Screen(), Lineage(1, rows, (), (), False)).startswith("\\x1b[2J 1, \\n of \\x07, run r1\n")


def test_what_is_deleted_is_marked():
    rows = {**ROWS, 4: dataclasses.replace(ROWS[4], state="deleted"), 6: dataclasses.replace(ROWS[6], state="")}
    lines = lineage.as_text(Screen(), dataclasses.replace(MODEL, artifacts=rows)).splitlines()
    assert lines[0] == "Model 4, model of Trainer, run r1 (deleted)"
    assert lines[1:] == lineage.as_text(Screen(), MODEL).splitlines()[1:]
