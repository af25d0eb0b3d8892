"""Sums over the test split, worked out by hand, and by NumPy on the whole split at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from components.model.baselines import Pca
from components.report import split_activity

CODES = np.float32([[0, 1, 0], [0, 2, 0], [0, 3, 8], [0, 0, 0]])
LABELS = np.array([1, 0, 1, 1])


def measured(
    codes: npt.NDArray[np.float32], labels: npt.NDArray[np.int64] | None, batch: int, count: int = 0
) -> split_activity.Activity:
    sums = split_activity.ActivitySums(count)
    for first in range(0, len(codes), batch):
        sums.add(codes[first : first + batch], None if labels is None else labels[first : first + batch])
    return sums.activity()


@pytest.mark.parametrize("batch", [1, 3, 4])
def test_a_unit_s_frequency_is_a_share_of_all_images_and_its_mean_one_of_those_where_it_is_active(batch: int) -> None:
    found = measured(CODES, LABELS, batch, 3)
    assert found.frequency.tolist() == [0, 0.75, 0.25]
    assert found.mean.tolist() == [0, 2, 8]


@pytest.mark.parametrize("batch", [1, 3, 4])
def test_strongest_images_come_first_and_none_is_listed_that_does_not_activate_the_unit(batch: int) -> None:
    found = measured(CODES, LABELS, batch, 3)
    assert found.top.T.tolist() == [[-1] * 8, [2, 1, 0, -1, -1, -1, -1, -1], [2, -1, -1, -1, -1, -1, -1, -1]]
    assert found.top_activations.T.tolist() == [[0] * 8, [3, 2, 1, 0, 0, 0, 0, 0], [8, 0, 0, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize("batch", [1, 5, 20])
def test_of_images_with_equal_activations_the_first_are_listed(batch: int) -> None:
    codes = np.float32([[0], [1], [2], [1], [1]] * 4)
    assert measured(codes, None, batch).top.ravel().tolist() == [2, 7, 12, 17, 1, 3, 4, 6]


@pytest.mark.parametrize("batch", [1, 3, 4])
def test_profile_is_the_mean_over_all_images_of_a_label_and_0_for_a_label_without_images(batch: int) -> None:
    found = measured(CODES, LABELS, batch, 3)
    assert found.profile.tolist() == [[0, 2, 0], [0, 4 / 3, 8 / 3], [0, 0, 0]]


def test_there_is_no_profile_without_labels() -> None:
    assert measured(CODES, None, 2).profile.shape == (0, 3)


def test_size_of_a_batch_changes_no_bit() -> None:
    random = np.random.default_rng(0)
    codes = np.maximum(random.normal(size=(500, 20)), 0).astype(np.float32)
    labels = random.integers(0, 7, 500)
    one, *others = (measured(codes, labels, batch, 7) for batch in (500, 1, 64))
    for other in others:
        for name in ("frequency", "mean", "top", "top_activations", "profile"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(one.mean, codes.sum(axis=0, dtype=np.float64) / (codes > 0).sum(axis=0))
    np.testing.assert_array_equal(one.top, np.argsort(-codes, axis=0, kind="stable")[:8])


def test_split_is_measured_in_one_pass() -> None:
    pca = Pca(np.float32([1, 1, 1]), np.float32([[1, 0, 0], [0, 1, 0]]))
    images = np.float32([[5, 5, 1], [1, 1, 4], [0, -2, 2]])  # the PCA leaves out 0, 3 and 1, in the last value
    batches = iter([(images[:2], CODES[:2], LABELS[:2]), (images[2:], CODES[2:3], LABELS[2:3])])
    found = split_activity.measure(batches, pca, 2)
    assert found.images == 3
    assert found.labels is not None
    assert found.labels.tolist() == [1, 0, 1]
    assert found.pca_mse == pytest.approx((0 + 9 + 1) / 9)
    assert (found.low, found.high) == (-2, 5)
    assert found.activity.mean.tolist() == [0, 2, 8]
