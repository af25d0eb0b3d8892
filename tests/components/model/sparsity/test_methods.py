"""The methods of sparsity: their formulas and gradients in NumPy, what is served, and bits that stay the same."""

from __future__ import annotations

import pathlib
import shutil
from typing import Any

import numpy as np
import pytest

from tests import lazy

adapter = lazy.module("components.model.adapter")
autoencoder = lazy.module("components.model.autoencoder")
batchtopk = lazy.module("components.model.sparsity.batchtopk")
checkpoints = lazy.module("components.model.checkpoints")
jumprelu = lazy.module("components.model.sparsity.jumprelu")
saved_layers = lazy.module("components.model.saved_layers")
tf = lazy.module("tensorflow")
topk = lazy.module("components.model.sparsity.topk")
training = lazy.module("components.model.train_loop")

pytestmark = pytest.mark.component

PIXELS = 20
SETTINGS = {
    "hidden_layers": [16],
    "code_units": 12,
    "active_units": 3.0,
    "bandwidth": 0.25,
    "penalty_weight": 0.3,
    "output_bias": "mean_image",
    "noise": "none",
    "loss": "bce",
}
METHODS = ("topk", "batchtopk", "jumprelu")
each_method = pytest.mark.parametrize("method", METHODS)


def some_images(count: int, seed: int = 0) -> np.ndarray:
    """Images of two bright bars among ten, so that sparse codes can describe them."""
    generator = np.random.default_rng([seed, count])
    images = generator.random((count, PIXELS), np.float32) / 5
    for image in images:
        for bar in generator.choice(10, 2, replace=False):
            image[2 * bar : 2 * bar + 2] += 0.75
    return images


IMAGES = some_images(320)  # whole batches, since a smaller last one is traced as well


def build(method: str, seed: int = 0, **changes: Any) -> Any:
    return adapter.build(PIXELS, {**SETTINGS, "sparsity": method, **changes}, seed, lambda: IMAGES.mean(axis=0))


def train(model: Any, folder: pathlib.Path | None = None, on_epoch: Any = lambda _: None, **changes: Any) -> list[Any]:
    values = {
        "epochs": 4,
        "batch_size": 32,
        "validation_batch_size": 100,
        "learning_rate": 0.01,
        "seed": 3,
        "jit_compile": False,
        "schedule": "cosine",
        "warm_up": 0.1,
    }
    splits = [training.Images.in_memory(tf.constant(images)) for images in (IMAGES, some_images(100))]
    kept = checkpoints.Checkpoints(folder, 0.0)
    return training.train(model, *splits, training.TrainingSettings(**values | changes), on_epoch, kept)


@pytest.fixture(scope="module", params=METHODS)
def trained(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """A trained model of each method, and what is served of it."""
    model = build(request.param, hidden_layers=[16, 8])
    train(model, epochs=30)
    return model, model.served()


def weights(model: Any) -> list[np.ndarray]:
    return [variable.numpy() for variable in model.weights]


def ranked(values: np.ndarray, count: int) -> np.ndarray:
    """The formula of TopK, one comparison at a time."""
    kept = np.zeros_like(values)
    for row, of_row in zip(kept, values, strict=True):
        for j, value in enumerate(of_row):
            rank = sum(other > value or (other == value and i < j) for i, other in enumerate(of_row))
            row[j] = max(value, 0) if rank < count else 0
    return kept


# TopK


def test_topk_keeps_the_largest_of_each_image_and_of_equal_ones_the_first() -> None:
    values = np.random.default_rng(0).integers(-3, 4, (50, 9)).astype(np.float32)  # many ties
    for count in (1, 4, 9):
        expected = ranked(values, count)
        np.testing.assert_array_equal(topk.TopK(count)(values), expected)
    compiled = tf.function(topk.TopK(4), jit_compile=True)
    np.testing.assert_array_equal(compiled(tf.constant(values)), ranked(values, 4))
    assert topk.kept(tf.ones([1, 4]), 2).numpy().tolist() == [[True, True, False, False]]


def test_gradient_of_topk_passes_through_what_is_kept() -> None:
    values = tf.constant([[0.5, -1.0, 2.0, 1.0], [-1.0, -2.0, -3.0, -4.0]])
    with tf.GradientTape() as tape:
        tape.watch(values)
        codes = topk.TopK(2)(values)
    assert codes.numpy().tolist() == [[0.0, 0.0, 2.0, 1.0], [0.0, 0.0, 0.0, 0.0]]
    assert tape.gradient(codes, values).numpy().tolist() == [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]


# BatchTopK


def test_batchtopk_keeps_the_largest_of_the_batch_and_serves_the_mean_of_the_smallest() -> None:
    layer = batchtopk.BatchTopK(1.5)
    one = np.float32([[3.0, 1.0, -1.0], [2.0, 0.5, 2.5]])  # 3 of 6: at least 2
    assert layer(one, training=True).numpy().tolist() == [[3.0, 0.0, 0.0], [2.0, 0.0, 2.5]]
    assert float(layer.threshold) == 2.0
    layer(one * 2, training=True)
    assert float(layer.threshold) == 3.0  # the mean of 2 and 4: an average of fewer than 100 steps is plain
    assert layer(one).numpy().tolist() == [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert layer(one + 1).numpy().tolist() == [[4.0, 0.0, 0.0], [0.0, 0.0, 3.5]]
    assert layer.served()(one + 1).numpy().tolist() == [[4.0, 0.0, 0.0], [0.0, 0.0, 3.5]]


@pytest.mark.parametrize("size", [1, 7, 3_000])
def test_the_kth_largest_value_is_that_of_a_sort(size: int) -> None:
    values = np.maximum(np.random.default_rng(size).normal(size=size), 0).astype(np.float32)
    values[: size // 3] = values[0]  # equal values, as well as the zeros
    found = [float(batchtopk.kth_largest(tf.constant(values), tf.constant(k))) for k in (1, (size + 1) // 2, size)]
    assert found == [np.sort(values)[::-1][k - 1] for k in (1, (size + 1) // 2, size)]


def test_threshold_of_batchtopk_is_a_moving_average_after_the_first_hundred_steps() -> None:
    layer, expected = batchtopk.BatchTopK(1.0), 0.0
    for step in range(1, 131):
        value = float(np.float32(step % 7 + 1))
        layer(np.float32([[value, value / 2]]), training=True)
        expected += max(0.01, 1 / step) * (value - expected)
    assert float(layer.threshold) == pytest.approx(expected, rel=1e-4)


def test_batchtopk_keeps_no_value_below_zero() -> None:
    layer = batchtopk.BatchTopK(3.0)
    assert layer(np.float32([[1.0, -1.0, -2.0]]), training=True).numpy().tolist() == [[1.0, 0.0, 0.0]]
    assert float(layer.threshold) == 0.0


# JumpReLU


def test_jump_and_its_straight_through_gradients_are_those_of_the_formula() -> None:
    generator = np.random.default_rng(1)
    z = generator.normal(0.4, 0.4, (40, 5)).astype(np.float32)
    t = np.float32([0.1, 0.3, 0.5, 0.7, 0.9])
    of_code, of_active = (generator.normal(size=z.shape).astype(np.float32) for _ in range(2))
    bandwidth = 0.5
    values, threshold = tf.constant(z), tf.constant(t)
    with tf.GradientTape() as tape:
        tape.watch([values, threshold])
        codes, active = jumprelu.jump(values, threshold, bandwidth)
        total = tf.reduce_sum(codes * of_code) + tf.reduce_sum(active * of_active)
    for_values, for_threshold = tape.gradient(total, [values, threshold])
    above, window = z > t, np.abs(z - t) < bandwidth / 2
    assert 20 < window.sum() < 180
    assert 20 < above.sum() < 180
    np.testing.assert_array_equal(codes, np.where(above, z, 0))
    np.testing.assert_array_equal(active, above.astype(np.float32))
    np.testing.assert_allclose(
        for_values, of_code * (above + t * window / bandwidth) + of_active * window / bandwidth, rtol=1e-5
    )
    expected = (-of_code * t * window / bandwidth - of_active * window / bandwidth).sum(axis=0)
    np.testing.assert_allclose(for_threshold, expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("active", "units", "expected"),
    [(25, 1_000, 1.750686), (4, 32, 0.841621), (12, 32, 0.3), (32, 32, 0.3)],  # 96 % and 80 % of a table
)
def test_jumprelu_starts_with_more_active_units_than_its_aim(active: float, units: int, expected: float) -> None:
    assert jumprelu.first_threshold(active, units) == pytest.approx(expected, abs=1e-6)


def test_penalty_of_jumprelu_is_zero_at_the_aim_and_grows_with_the_square() -> None:
    layer = jumprelu.JumpReLU(active_units=2.0, bandwidth=0.25, weight=0.3)
    for row, penalty in (([1.0, 1.0, 0.0], 0.0), ([1.0, 0.0, 0.0], 0.3 / 4), ([1.0, 1.0, 1.0], 0.3 / 4)):
        layer(np.float32([row, row]))
        assert float(layer.losses[-1]) == pytest.approx(penalty, abs=1e-6)
    assert float(tf.exp(layer.log_threshold)[0]) == pytest.approx(0.3)


# In the model


@each_method
def test_same_seed_gives_the_same_bits_also_to_a_training_that_was_interrupted(
    method: str, tmp_path: pathlib.Path
) -> None:
    noisy = {"noise": "gaussian", "noise_level": 0.05, "hidden_layers": []}
    whole, resumed = (build(method, **noisy) for _ in range(2))
    folder = tmp_path / "checkpoints"

    # The schedule knows the number of epochs, so an interruption is a copy of a checkpoint, not a shorter training.
    def keep_the_second(losses: Any) -> None:
        if losses.epoch == 3:
            shutil.copytree(folder, tmp_path / "second")

    history = train(whole, folder, keep_the_second)
    told: list[Any] = []
    assert train(resumed, tmp_path / "second", told.append) == history == told
    for one, other in zip(weights(whole), weights(resumed), strict=True):
        np.testing.assert_array_equal(one, other)


def test_served_model_has_the_same_codes_with_normalisation_folded_into_the_dense_layer(trained: Any) -> None:
    model, served = trained
    names = [variable.name.partition(":")[0] for variable in served.weights]
    place = names.index("code/kernel")
    assert names[place + 1] == "code/bias"
    assert names[place + 2] in ("code_activation/threshold", "code_activation/active_units")
    assert not any("norm" in name for name in names)
    [kernel] = [layer.kernel.numpy() for layer in model.encoder.layers if layer.name == "code"]
    [norm] = [layer for layer in model.encoder.layers if layer.name == "code_norm"]
    scale = 1 / np.sqrt(norm.moving_variance.numpy().astype(np.float64) + 1e-5)
    bias = norm.beta.numpy() - norm.moving_mean.numpy() * scale
    np.testing.assert_allclose(served.weights[place].numpy(), kernel * scale, rtol=1e-5)
    np.testing.assert_allclose(served.weights[place + 1].numpy(), bias, rtol=1e-4, atol=1e-5)
    images = some_images(500, seed=8)
    codes, own = served.encode(images).numpy(), model.encode(images).numpy()
    same = (codes > 0) == (own > 0)
    assert same.mean() > 0.999  # a value may be within rounding of its threshold
    np.testing.assert_allclose(codes[same], own[same], atol=1e-5)
    assert (codes >= 0).all()


def test_code_of_an_image_does_not_depend_on_the_batch_that_it_is_served_in(trained: Any) -> None:
    _, served = trained
    images = some_images(1_000, seed=5)
    together = served.encode(images).numpy()
    for number in (0, 17, 999):
        alone = served.encode(images[number : number + 1]).numpy()[0]
        np.testing.assert_array_equal(alone > 0, together[number] > 0)
        np.testing.assert_allclose(alone, together[number], atol=1e-5)


def test_layers_of_the_saved_variables_compute_the_same_codes_in_numpy(trained: Any) -> None:
    _, served = trained
    variables = {variable.name: variable.numpy() for variable in served.weights}
    names = {layer.name for layer in (*served.encoder.layers, *served.decoder.layers)}
    relu = {name: "relu" for name in names if "hidden" in name}
    halves = saved_layers.halves(saved_layers.layers_of(variables, relu), adapter.CODE_LAYERS)
    assert halves is not None
    encoder, decoder = halves
    assert encoder[-1].activation in ("threshold", "top k")
    codes = served.encode(some_images(200)).numpy()
    found = saved_layers.apply(encoder, some_images(200))
    assert ((found > 0) == (codes > 0)).mean() > 0.999
    np.testing.assert_allclose(saved_layers.apply(decoder, codes), served.decode(codes), atol=1e-4)


def test_active_units_are_at_most_those_of_topk_and_about_the_aim_of_the_others(trained: Any) -> None:
    _, served = trained
    active = (served.encode(IMAGES).numpy() > 0).sum(axis=1)
    assert active.mean() == pytest.approx(3, abs=0.6)
    assert (active.max() <= 3) == any("active_units" in variable.name for variable in served.weights)


def test_without_normalisation_units_die_and_with_it_none_does() -> None:
    dead = {}
    for normalised in (False, True):
        model = autoencoder.build_autoencoder(
            PIXELS, [16], 12, 0.0, 0, method=topk.TopK(2, name="code_activation"), normalised=normalised
        )
        train(model, epochs=30, learning_rate=0.03)
        codes = model.encode(IMAGES).numpy()
        dead[normalised] = int((codes.max(axis=0) == 0).sum())
    assert dead[False] >= 3
    assert dead[True] == 0


def test_first_reconstruction_is_the_mean_image_where_the_output_starts_there() -> None:
    model = build("topk")
    found = autoencoder.reconstruction(model.decode(tf.zeros([1, 12])))[0]
    np.testing.assert_allclose(found, np.clip(IMAGES.mean(axis=0), 0.001, 0.999), rtol=1e-4)
    squared = build("topk", loss="mse")
    np.testing.assert_allclose(squared.decode(tf.zeros([1, 12]))[0], IMAGES.mean(axis=0), rtol=1e-6)


def test_a_model_of_plain_l1_is_served_as_it_is() -> None:
    model = build("l1", l1=0.1, code_bias=1.0, output_bias="zeros")
    assert model.served() is model
    noisy = build("l1", l1=0.1, code_bias=1.0, output_bias="zeros", noise="masking", noise_level=0.2)
    assert [layer.name for layer in noisy.served().encoder.layers] == ["image", "encoder_hidden", "code"]
