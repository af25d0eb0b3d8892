"""The model: its size, its penalty, its loss and its seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests import lazy

autoencoder = lazy.module("components.model.autoencoder")
tf = lazy.module("tensorflow")

pytestmark = pytest.mark.component

PIXELS, HIDDEN, CODE = 12, 7, 3


def build(l1: float = 0.0, seed: int = 0) -> autoencoder.Autoencoder:
    return autoencoder.build_autoencoder(PIXELS, (HIDDEN,), CODE, l1, seed)


def weights(model: autoencoder.Autoencoder) -> list[np.ndarray]:
    return [variable.numpy() for variable in model.variables]


def some_images(count: int) -> np.ndarray:
    return np.random.default_rng(count).random((count, PIXELS), np.float32)


def numpy_codes(model: autoencoder.Autoencoder, images: np.ndarray) -> np.ndarray:
    kernel_1, bias_1, kernel_2, bias_2 = weights(model)[:4]
    return np.maximum(np.maximum(images @ kernel_1 + bias_1, 0) @ kernel_2 + bias_2, 0)


def test_reference_model_has_419_120_parameters() -> None:
    sizes = [values.size for values in weights(autoencoder.build_autoencoder(784, (256,), 32, l1=1e-3, seed=0))]
    assert sizes == [784 * 256, 256, 256 * 32, 32, 32 * 256, 256, 256 * 784, 784]
    assert sum(sizes) == 419_120


def test_codes_and_logits_are_those_of_the_layers_worked_out_by_hand() -> None:
    model, images = build(), some_images(5)
    codes = numpy_codes(model, images)
    np.testing.assert_allclose(model.encoder(images), codes, atol=1e-6)
    kernel_1, bias_1, kernel_2, bias_2 = weights(model)[4:]
    logits = np.maximum(codes @ kernel_1 + bias_1, 0) @ kernel_2 + bias_2
    np.testing.assert_allclose(model.decoder(codes), logits, atol=1e-6)


def test_a_code_is_never_negative_and_exactly_zero_where_its_unit_is_off() -> None:
    model = build()
    model.encoder.get_layer("code").bias.assign([-100.0, 0.0, 100.0])
    codes = model.encoder(some_images(50)).numpy()
    assert (codes[:, 0] == 0).all()
    assert (codes >= 0).all()
    assert (codes[:, 2] > 0).all()


@pytest.mark.parametrize("count", [1, 7])
def test_penalty_is_the_mean_over_images_of_the_sum_of_the_code(count: int) -> None:
    model, images = build(l1=0.25), some_images(count)
    model.encoder(images)
    [penalty] = model.encoder.losses
    expected = 0.25 * np.mean(np.sum(np.abs(numpy_codes(model, images)), axis=1))
    assert expected > 0
    assert float(penalty) == pytest.approx(expected, rel=1e-5)


def test_without_l1_there_is_no_penalty() -> None:
    model = build(l1=0.0)
    model.encoder(some_images(2))
    assert model.encoder.losses == []


def test_same_seed_gives_the_same_weights_whatever_was_built_before() -> None:
    first = weights(build(seed=3))
    build(seed=8)
    tf.random.uniform([5])
    for one, other in zip(first, weights(build(seed=3)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_only_the_code_s_biases_start_where_they_are_told_to() -> None:
    model = autoencoder.build_autoencoder(PIXELS, (HIDDEN,), CODE, l1=0.0, seed=0, code_bias=0.75)
    assert [set(bias.tolist()) for bias in weights(model)[1::2]] == [{0.0}, {0.75}, {0.0}, {0.0}]
    for kernel, same in zip(weights(model)[::2], weights(build())[::2], strict=True):
        np.testing.assert_array_equal(kernel, same)


def test_another_seed_gives_other_weights_in_every_layer() -> None:
    kernels = [weights(build(seed=seed))[::2] for seed in (0, 1)]
    for one, other in zip(*kernels, strict=True):
        assert not np.array_equal(one, other)


def test_layers_of_equal_shape_start_with_different_weights() -> None:
    kernels = weights(autoencoder.build_autoencoder(4, (4,), 4, l1=0.0, seed=0))[::2]
    assert len({kernel.tobytes() for kernel in kernels}) == 4


def test_reconstruction_loss_is_the_mean_cross_entropy_of_the_pixels() -> None:
    images = np.array([[0.0, 1.0, 0.25], [1.0, 0.0, 0.5]], np.float32)
    probability = np.array([[0.5, 0.8, 0.25], [0.9, 0.1, 0.5]])
    logits = np.log(probability / (1 - probability)).astype(np.float32)
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    expected = [(math.log(2) - math.log(0.8) + entropy) / 3, (-math.log(0.9) - math.log(0.9) + math.log(2)) / 3]
    np.testing.assert_allclose(autoencoder.reconstruction_loss(images, logits), expected, rtol=1e-6)


def test_reconstruction_loss_is_exact_where_the_sigmoid_saturates() -> None:
    loss = autoencoder.reconstruction_loss(np.float32([[1.0, 0.0]]), np.float32([[-1000.0, -1000.0]]))
    assert loss.numpy().tolist() == [500.0]  # -log(sigmoid(-1000)) = 1000 for the one pixel, 0 for the other


def test_first_loss_is_that_of_a_coin_for_a_model_that_says_nothing() -> None:
    model, images = build(), some_images(4)
    for variable in model.decoder.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    logits = model.decoder(model.encoder(images))
    np.testing.assert_allclose(autoencoder.reconstruction_loss(images, logits), [math.log(2)] * 4, rtol=1e-6)
