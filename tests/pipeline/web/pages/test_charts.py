"""Charts of previews."""

from __future__ import annotations

import pytest

from pipeline.artifacts.sections import BarChart, BarValue
from pipeline.web.pages import charts
from tests.pipeline.web.charts.drawn import read

# A phone is 390 pixels wide; a page has 16 of margin on each side, a card 18.6 of padding and border.
PAGE, CARD = 390 - 2 * 16, 390 - 2 * 16 - 2 * 18.6


@pytest.mark.parametrize(("in_card", "room"), [(False, PAGE), (True, CARD)])
def test_bars_fit_a_phone(in_card: bool, room: float) -> None:
    section = BarChart("mean activation by label", (BarValue("apoptotic", 0.1853), BarValue("mitotic", 1.252)))
    drawing = charts.of_section(section, in_card=in_card)
    assert drawing is not None
    values = read(drawing).all("text", "value")
    assert [value.text for value in values] == ["0.1853", "1.252"]
    assert all(value.number("x") <= room for value in values)


def test_the_values_of_a_setting_are_in_order_numbers_before_texts() -> None:
    values = [0.01, "relu", {}, 1e-3, "inf", 0.01]
    axis = charts.setting_axis("model.l1", "l1", [{} if one == {} else {"model.l1": one} for one in values])
    assert axis.choices == ["0.001", "0.01", "inf", "relu"]
    assert axis.values == [1, 3, None, 0, 2, 1]
