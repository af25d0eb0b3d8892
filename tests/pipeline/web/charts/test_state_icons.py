"""How states look."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from pipeline.inspection.views import NodeRunState, RunState
from pipeline.registry import listing
from pipeline.web.charts import state_icons
from pipeline.web.charts.state_icons import state_class, state_mark

SHEET = (Path(state_icons.__file__).parents[1] / "static" / "charts.css").read_text()
STATES = [*NodeRunState, *RunState]


def luminance(color):
    parts = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """After WCAG 2.2."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def colors(theme):
    light, dark = SHEET.split("@media (prefers-color-scheme: dark)")
    text = light if theme == "light" else dark.split("/* Frames")[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", text))


@pytest.mark.parametrize("state", STATES)
def test_each_state_has_a_class_that_the_stylesheet_colours(state):
    name = state_class(state.value)
    assert name != "state-other"
    assert re.search(rf"\.{name}\b[^{{}}]*\{{\s*color: var", SHEET)


def test_marks_differ_in_their_shape():
    signs = {}
    for state in (*NodeRunState, "something else"):
        mark = ElementTree.fromstring(state_mark(getattr(state, "value", state)))
        signs[state] = next(shape.get("d") for shape in mark.iter() if shape.get("class") == "mark-sign")
    assert len(set(signs.values())) == len(NodeRunState) + 1


@pytest.mark.parametrize("state", ["", "Mystified", '"><script>'])
def test_a_state_that_is_not_known_is_other(state):
    assert state_class(state) == "state-other"


@pytest.mark.parametrize(
    "state",
    ["active", "paused", "interrupted", "missed", "skipped", "waiting", "silent", "stopping", "stopped",
     *(one.value for one in listing.VersionState), "rolled back"],
)  # fmt: skip
def test_states_of_schedules_ticks_the_daemon_and_models_are_known(state):
    assert state_class(state) != "state-other"


def test_white_on_black_has_the_contrast_that_the_standard_says():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_can_be_told_from_what_is_behind_them(theme):
    its = colors(theme)
    fills = [name for name in its if name.endswith("-fill")]
    assert len(fills) == 6
    for behind in ("chart-surface", *fills):
        assert contrast(its["chart-text"], its[behind]) >= 4.5, behind
    assert contrast(its["chart-muted"], its["chart-surface"]) >= 4.5
    assert contrast(its["state-failed"], its["chart-surface"]) >= 4.5  # a text too: a value beyond its limit
    shapes = ["axis", "chart-focus", *[f"series-{i}" for i in range(1, 9)]]
    for name in [*shapes, *[fill.removesuffix("-fill") for fill in fills]]:
        assert contrast(its[name], its["chart-surface"]) >= 3, name
    for fill in fills:
        assert contrast(its[fill.removesuffix("-fill")], its[fill]) >= 3, fill


def test_both_themes_set_the_same_colours():
    assert set(colors("light")) == set(colors("dark"))
