"""PCA, against NumPy's singular value decomposition and a case worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from components.model import baselines

IMAGES = np.random.default_rng(0).random((40, 6), np.float32) * np.float32([1, 0.8, 0.5, 0.3, 0.2, 0.1])


def test_points_on_a_line_need_one_component() -> None:
    images = np.float32([[0, 1], [1, 3], [2, 5]])
    pca = baselines.fit_pca([images], units=1)
    np.testing.assert_allclose(pca.mean, [1, 3])
    direction = pca.components[0] * np.sign(pca.components[0, 0])
    np.testing.assert_allclose(direction, [1 / np.sqrt(5), 2 / np.sqrt(5)], rtol=1e-6)
    np.testing.assert_allclose(pca.reconstruct(images), images, atol=1e-6)
    # (3, 2) is (2, -1) from the mean, which is at a right angle to the line.
    np.testing.assert_allclose(pca.reconstruct(np.float32([[3, 2]])), [[1, 3]], atol=1e-6)


@pytest.mark.parametrize("units", [1, 3, 6])
def test_reconstruction_is_that_of_the_singular_value_decomposition(units: int) -> None:
    mean = IMAGES.mean(axis=0)
    _, _, directions = np.linalg.svd(IMAGES - mean)
    expected = mean + (IMAGES - mean) @ directions[:units].T @ directions[:units]
    np.testing.assert_allclose(baselines.fit_pca([IMAGES], units).reconstruct(IMAGES), expected, atol=1e-5)


def test_components_are_orthonormal_and_sorted_by_variance() -> None:
    components = baselines.fit_pca([IMAGES], units=4).components
    assert components.dtype == np.float32
    assert components.shape == (4, 6)
    np.testing.assert_allclose(components @ components.T, np.eye(4), atol=1e-5)
    variances = (IMAGES @ components.T).var(axis=0)
    assert (np.diff(variances) < 0).all()


def test_batches_do_not_change_the_answer() -> None:
    whole = baselines.fit_pca([IMAGES], units=3)
    parts = baselines.fit_pca(iter([IMAGES[:1], IMAGES[1:30], IMAGES[30:]]), units=3)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-6)
    np.testing.assert_allclose(parts.reconstruct(IMAGES), whole.reconstruct(IMAGES), atol=1e-5)


def test_mean_of_many_batches_does_not_drift() -> None:
    batch = np.full((1000, 2), 0.1, np.float32)
    assert baselines.fit_pca([batch] * 200, units=1).mean.tolist() == pytest.approx([0.1, 0.1], rel=1e-6)


def test_more_components_than_pixels_give_one_per_pixel() -> None:
    pca = baselines.fit_pca([IMAGES], units=100)
    assert pca.components.shape == (6, 6)
    np.testing.assert_allclose(pca.reconstruct(IMAGES), IMAGES, atol=1e-5)


def test_a_single_image_is_its_own_mean() -> None:
    pca = baselines.fit_pca([IMAGES[:1]], units=2)
    np.testing.assert_allclose(pca.reconstruct(IMAGES[:1]), IMAGES[:1], atol=1e-6)


def test_many_inputs_are_fitted_by_the_randomised_decomposition_and_few_exactly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exact = baselines.fit_pca([IMAGES], units=2)
    np.testing.assert_array_equal(baselines.fit(lambda: [IMAGES], 6, 2).components, exact.components)
    monkeypatch.setattr(baselines, "EXACT_INPUTS", 5)
    randomised = baselines.fit(lambda: [IMAGES[:7], IMAGES[7:]], 6, 2)
    np.testing.assert_allclose(randomised.mean, exact.mean, rtol=1e-6)
    np.testing.assert_allclose(randomised.reconstruct(IMAGES), exact.reconstruct(IMAGES), atol=1e-4)


def test_randomised_components_are_nearly_as_good_as_the_exact_ones_and_the_same_on_reruns() -> None:
    rng = np.random.default_rng(1)
    images = (rng.normal(size=(60, 12)) * np.arange(12, 0, -1) @ rng.normal(size=(12, 300))).astype(np.float32)
    images += rng.normal(size=images.shape).astype(np.float32)
    exact, found, again = (
        baselines.fit_pca([images], units=4),
        baselines.fit_randomised(lambda: [images[:50], images[50:]], 300, 4, seed=3),
        baselines.fit_randomised(lambda: [images[:50], images[50:]], 300, 4, seed=3),
    )
    errors = [float(np.square(images - pca.reconstruct(images)).mean()) for pca in (exact, found)]
    assert errors[0] <= errors[1] * (1 + 1e-6) <= errors[0] * 1.01
    np.testing.assert_array_equal(found.components, again.components)
    np.testing.assert_allclose(found.components @ found.components.T, np.eye(4), atol=1e-4)


def test_randomised_fit_reads_the_images_three_times_and_is_exact_far_from_zero() -> None:
    rng = np.random.default_rng(2)
    images = (1000 + rng.normal(size=(90, 3)) @ rng.normal(size=(3, 50))).astype(np.float32)
    passes = []

    def batches() -> list[np.ndarray]:
        passes.append(1)
        return [images[:20], images[20:]]

    found = baselines.fit_randomised(batches, 50, 3, seed=0)
    assert len(passes) == 3
    exact = images.astype(np.float64)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-7)
    _, _, directions = np.linalg.svd(exact - exact.mean(axis=0), full_matrices=False)
    same = found.components.astype(np.float64) @ directions[:3].T
    np.testing.assert_allclose(same @ same.T, np.eye(3), atol=1e-5)
