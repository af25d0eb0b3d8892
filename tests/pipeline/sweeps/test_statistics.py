"""Mean and interval over seeds; the quantiles are from a printed table of Student's t distribution."""

import math

import numpy as np
import pytest

from pipeline.sweeps.statistics import estimate

T_TABLE = {1: 12.706, 2: 4.303, 4: 2.776, 9: 2.262}  # 0.975, by degrees of freedom


@pytest.mark.parametrize("degrees", T_TABLE)
def test_interval_of_the_mean(degrees):
    values = np.random.default_rng(degrees).normal(0.09, 0.002, degrees + 1)
    found = estimate(values.tolist())
    half = T_TABLE[degrees] * values.std(ddof=1) / math.sqrt(len(values))
    assert found.count == degrees + 1
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.high - found.mean == pytest.approx(half, rel=1e-3)
    assert found.mean - found.low == pytest.approx(half, rel=1e-3)


def test_one_value_has_no_interval():
    found = estimate([0.25])
    assert (found.mean, found.low, found.high, found.count, found.half_width) == (0.25, None, None, 1, None)


def test_equal_values_have_an_interval_of_width_zero():
    found = estimate([2.0, 2.0, 2.0])
    assert (found.low, found.mean, found.high) == (2.0, 2.0, 2.0)
