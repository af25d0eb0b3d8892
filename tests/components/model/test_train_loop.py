"""Training: the losses that it tells, what it does to the weights, and that a seed decides both."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import math
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from components import errors
from components.data import features
from components.evaluation import thresholds
from components.model import baselines
from pipeline_config import Value
from tests import lazy, nodes
from tests.components.conftest import SETTINGS, Trained, components_of

autoencoder = lazy.module("components.model.autoencoder")
examples_input = lazy.module("components.data.transformed_input")
keras = lazy.module("tf_keras")
tf = lazy.module("tensorflow")
tft = lazy.module("tensorflow_transform")
trainer = lazy.module("components.model.run_fn")
training = lazy.module("components.model.train_loop")

pytestmark = pytest.mark.component

PIXELS = 12
STILL = 1e-12  # a learning rate at which no weight moves


def build(l1: float = 0.0, seed: int = 0, hidden_layers: Sequence[int] = ()) -> autoencoder.Autoencoder:
    return autoencoder.build_autoencoder(PIXELS, hidden_layers, code_units=3, l1=l1, seed=seed)


def some_images(count: int) -> np.ndarray:
    """Images that can be learned: each one is bright in one of its halves."""
    images = np.random.default_rng(count).random((count, PIXELS), np.float32) / 4
    for number, image in enumerate(images):
        half = PIXELS // 2 * (number % 2)
        image[half : half + PIXELS // 2] += 0.7
    return images


def settings(**changes: Any) -> training.TrainingSettings:
    defaults = {
        "epochs": 1,
        "batch_size": 3,
        "validation_batch_size": 4,
        "learning_rate": 0.01,
        "seed": 0,
        "jit_compile": False,
    }
    return training.TrainingSettings(**defaults | changes)


def resident(images: np.ndarray) -> training.Images:
    return training.Images.in_memory(tf.constant(images))


def streamed(images: np.ndarray) -> training.Images:
    return streaming(len(images), lambda: tf.data.Dataset.from_tensor_slices(images), images.shape[1])


def streaming(count: int, records: Callable[[], tf.data.Dataset], pixels: int) -> training.Images:
    """Images whose records are the images themselves."""
    return training.Images.streamed(count, training.Stream(records, lambda batch: batch, pixels))


both_paths = pytest.mark.parametrize("path", [resident, streamed])


# Numbers of images to train on and to validate with: of whole batches, since a smaller last one is traced as well.
WHOLE = (6, 4)
# With a smaller last batch: of 3, 3 and 1, and of 4 and 1.
UNEVEN = (7, 5)


def train(
    model: autoencoder.Autoencoder, path: Any = resident, counts: tuple[int, int] = WHOLE, **changes: Any
) -> list[thresholds.EpochLosses]:
    splits = [path(some_images(count)) for count in counts]
    return training.train(model, *splits, settings(**changes), on_epoch=lambda _: None)


def weights(model: autoencoder.Autoencoder) -> list[np.ndarray]:
    return [variable.numpy() for variable in model.variables]


def numpy_losses(model: autoencoder.Autoencoder, images: np.ndarray, l1: float) -> tuple[float, float]:
    """Mean loss and mean reconstruction loss, in float64."""
    values = [value.astype(np.float64) for value in weights(model)]
    layers = list(zip(values[::2], values[1::2], strict=True))
    output = images.astype(np.float64)
    penalty = 0.0
    for number, (kernel, bias) in enumerate(layers):
        output = output @ kernel + bias
        if number < 3:
            output = np.maximum(output, 0)
        if number == 1:
            penalty = l1 * output.sum(axis=1).mean()
    probability = 1 / (1 + np.exp(-output))
    reconstruction = -np.mean(images * np.log(probability) + (1 - images) * np.log(1 - probability))
    return reconstruction + penalty, reconstruction


@pytest.mark.parametrize(("path", "l1"), [(resident, 0.0), (resident, 0.5), (streamed, 0.5)])
def test_losses_are_means_over_every_image_with_and_without_the_penalty(path: Any, l1: float) -> None:
    model = build(l1, hidden_layers=[7])
    [losses] = train(model, path, UNEVEN, learning_rate=STILL)
    (loss, reconstruction), (val_loss, val_reconstruction) = (
        numpy_losses(model, some_images(count), l1) for count in UNEVEN
    )
    assert losses.epoch == 1
    assert losses.loss == pytest.approx(loss, rel=1e-5)
    assert losses.reconstruction == pytest.approx(reconstruction, rel=1e-5)
    assert losses.val_loss == pytest.approx(val_loss, rel=1e-5)
    assert losses.val_reconstruction == pytest.approx(val_reconstruction, rel=1e-5)
    assert (loss > reconstruction) == (l1 > 0)


def test_weights_are_those_of_a_plain_loop_over_the_batches() -> None:
    l1 = 0.01
    model, plain = (build(l1, hidden_layers=[7]) for _ in range(2))
    train(model, counts=UNEVEN, epochs=2, seed=5)
    optimizer = keras.optimizers.Adam(0.01)
    for epoch in (1, 2):
        order = np.random.default_rng([5, epoch]).permutation(7)
        for batch in (order[:3], order[3:6], order[6:]):
            images = some_images(7)[batch]
            with tf.GradientTape() as tape:
                codes = plain.encoder(images)
                loss = tf.reduce_mean(autoencoder.reconstruction_loss(images, plain.decoder(codes)))
                loss += l1 * tf.reduce_mean(tf.reduce_sum(codes, axis=1))
            optimizer.apply_gradients(zip(tape.gradient(loss, plain.variables), plain.variables, strict=True))
    for trained_weights, plain_weights in zip(weights(model), weights(plain), strict=True):
        np.testing.assert_allclose(trained_weights, plain_weights, atol=1e-6)


@both_paths
def test_loss_falls_and_on_epoch_hears_of_every_epoch(path: Any) -> None:
    heard: list[thresholds.EpochLosses] = []
    history = training.train(
        build(l1=1e-3, hidden_layers=[7]),
        path(some_images(64)),
        path(some_images(4)),
        settings(epochs=20, batch_size=16),
        heard.append,
    )
    assert [losses.epoch for losses in history] == list(range(1, 21))
    assert heard == history
    assert history[-1].reconstruction < 0.8 * history[0].reconstruction
    assert history[-1].val_reconstruction < 0.8 * history[0].val_reconstruction


def test_streamed_and_resident_images_give_the_same_losses_when_an_epoch_is_one_batch() -> None:
    models = [build(l1=0.01), build(l1=0.01)]
    before = weights(models[0])
    histories = [  # a batch is larger than the split
        train(model, path, epochs=3, batch_size=100) for model, path in zip(models, (resident, streamed), strict=True)
    ]
    for resident_losses, streamed_losses in zip(*histories, strict=True):
        assert dataclasses.astuple(streamed_losses) == pytest.approx(dataclasses.astuple(resident_losses), rel=1e-5)
    for model in models:
        assert all((one != other).any() for one, other in zip(before, weights(model), strict=True))


@pytest.fixture(scope="module")
def seeded() -> Callable[[Any, bool], tuple[list[thresholds.EpochLosses], list[np.ndarray]]]:
    """Losses and weights after two epochs with a seed, trained once for each way to train."""

    @functools.cache
    def trained_once(path: Any, jit_compile: bool) -> tuple[list[thresholds.EpochLosses], list[np.ndarray]]:
        return with_a_seed(path, jit_compile)

    return trained_once


def with_a_seed(path: Any, jit_compile: bool) -> tuple[list[thresholds.EpochLosses], list[np.ndarray]]:
    model = build(l1=0.01)
    return train(model, path, epochs=2, seed=4, jit_compile=jit_compile), weights(model)


@pytest.mark.parametrize(("path", "jit_compile"), [(resident, True), (streamed, False)])
def test_same_seed_gives_the_same_bits(path: Any, jit_compile: bool, seeded: Any) -> None:
    history, values = with_a_seed(path, jit_compile)
    other_history, other_values = seeded(path, jit_compile)
    assert history == other_history
    for one, other in zip(values, other_values, strict=True):
        np.testing.assert_array_equal(one, other)


class Recorder:
    """An encoder that keeps the images that it is trained on, each by its bytes."""

    def __init__(self, encoder: keras.Model) -> None:
        self._encoder = encoder
        self.seen: list[bytes] = []

    def __call__(self, images: tf.Tensor, training: bool) -> tf.Tensor:
        if training:
            self.seen += [image.tobytes() for image in images.numpy()]
        return self._encoder(images, training=training)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)


@pytest.fixture
def eagerly() -> Iterator[None]:
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def orders(path: Any, seed: int) -> list[list[int]]:
    """The numbers of the images in the order in which each of two epochs trains on them."""
    images, model = some_images(7), build()
    recorder = Recorder(model.encoder)
    train(autoencoder.Autoencoder(recorder, model.decoder), path, UNEVEN, epochs=2, seed=seed)
    numbers = [[image.tobytes() for image in images].index(image) for image in recorder.seen]
    return [numbers[:7], numbers[7:]]


@both_paths
@pytest.mark.usefixtures("eagerly")
def test_every_epoch_trains_on_each_image_once_in_an_order_of_its_own(path: Any) -> None:
    first, second = orders(path, seed=0)
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second
    assert first != list(range(7))
    assert orders(path, seed=0) == [first, second]
    assert orders(path, seed=1)[0] != first


def test_compiled_and_uncompiled_steps_agree(seeded: Any) -> None:
    (one, _), (other, _) = (seeded(resident, jit_compile) for jit_compile in (False, True))
    for plain, compiled in zip(one, other, strict=True):
        assert dataclasses.astuple(compiled) == pytest.approx(dataclasses.astuple(plain), rel=1e-4)


@pytest.mark.parametrize(("pixels", "window", "batch"), [(784, 8_192, 1_000), (65_536, 1_024, 256), (10**9, 1, 1)])
def test_large_images_are_shuffled_and_transformed_in_smaller_groups(pixels: int, window: int, batch: int) -> None:
    """Groups of float32: at most 256 MiB to shuffle among, at most 64 MiB to transform at once."""
    assert training.shuffle_window(pixels) == window
    assert features.batch_of(pixels) == batch


def test_no_more_images_than_the_window_are_read_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    images = some_images(40)
    monkeypatch.setattr("components.model.train_loop._WINDOW_BYTES", 20 * 4 * images.shape[1])  # 20 images
    read: list[int] = []

    def one_by_one() -> Any:
        for image in images:
            read.append(len(read))
            yield image

    first: list[int] = []
    losses = autoencoder.Autoencoder.losses

    def counted(self: Any, *arguments: Any, **options: Any) -> Any:
        first.append(len(read))  # when the first batch is traced
        before_first_step.append(sum(decoded))
        return losses(self, *arguments, **options)

    monkeypatch.setattr(autoencoder.Autoencoder, "losses", counted)
    decoded: list[int] = []
    before_first_step: list[int] = []

    def decode(batch: tf.Tensor) -> tf.Tensor:
        def seen(values: tf.Tensor) -> tf.Tensor:
            decoded.append(len(values))
            return values

        return tf.ensure_shape(tf.py_function(seen, [batch], tf.float32), batch.shape)

    def records() -> tf.data.Dataset:
        spec = tf.TensorSpec(images.shape[1:], tf.float32)
        return tf.data.Dataset.from_generator(one_by_one, output_signature=spec)

    stream = training.Images.streamed(40, training.Stream(records, decode, images.shape[1]))
    training.train(build(), stream, resident(images), settings(batch_size=2), lambda _: None)
    assert len(read) == sum(decoded) == 40
    assert first[0] <= 20 + 2 * 5  # the window, and batches that are read ahead
    assert before_first_step[0] <= 2 * 3  # images of the window are not decoded


@pytest.mark.parametrize(("path", "split"), [(resident, "train"), (streamed, "validation")])
def test_a_loss_that_is_no_number_ends_training(path: Any, split: str) -> None:
    images = {"train": some_images(6), "validation": some_images(4)}
    images[split][3, 2] = math.nan
    with pytest.raises(errors.TrainingError, match=r"\b1 of 4\b.*training\.learning_rate.*0\.01"):
        training.train(build(), path(images["train"]), path(images["validation"]), settings(epochs=4), lambda _: None)


def test_the_epoch_in_which_the_loss_is_lost_is_named_and_not_reported_as_done() -> None:
    opened: list[int] = []

    def stream() -> tf.data.Dataset:
        opened.append(1)
        worth = math.nan if len(opened) == 3 else 1.0
        return tf.data.Dataset.from_tensor_slices(some_images(6) * np.float32(worth))

    heard: list[thresholds.EpochLosses] = []
    images = streaming(6, stream, some_images(6).shape[1])
    with pytest.raises(errors.TrainingError, match=r"\bnan\b.*\b3 of 5\b"):
        training.train(build(), images, resident(some_images(2)), settings(epochs=5), heard.append)
    assert [losses.epoch for losses in heard] == [1, 2]


def test_an_infinite_loss_ends_training_too() -> None:
    images = some_images(6) * np.float32(3e38)
    with pytest.raises(errors.TrainingError, match="1 of 1"):
        training.train(build(), resident(images), resident(some_images(2)), settings(), lambda _: None)


@both_paths
@pytest.mark.parametrize(("train_count", "validation_count", "named"), [(0, 3, "train"), (3, 0, "validation")])
def test_an_empty_split_is_refused(path: Any, train_count: int, validation_count: int, named: str) -> None:
    with pytest.raises(errors.TrainingError, match=named):
        training.train(
            build(), path(some_images(train_count)), path(some_images(validation_count)), settings(), lambda _: None
        )


def history_of(model_run: Any) -> list[dict[str, float]]:
    return json.loads(pathlib.Path(model_run.uri, trainer.HISTORY_FILE).read_text(encoding="utf-8"))


def test_trainer_writes_the_history_of_a_model_that_learned(trained: Trained) -> None:
    history = history_of(trained.model_run)
    assert [losses["epoch"] for losses in history] == list(range(1, 31))
    assert history[-1]["val_reconstruction"] < 0.8 * history[0]["val_reconstruction"]
    assert list(pathlib.Path(trained.model_run.uri).glob("events.out.tfevents.*"))


def test_trainer_fits_the_baseline_on_the_train_split(trained: Trained) -> None:
    transform = tft.TFTransformOutput(trained.transform_graph.uri)
    images = examples_input.load_images([f"{trained.examples.uri}/Split-train/*"], transform).numpy()
    with np.load(pathlib.Path(trained.model_run.uri, baselines.FILE)) as pca:
        np.testing.assert_allclose(pca["mean"], images.mean(axis=0), rtol=1e-5)
        assert pca["components"].shape == (4, images.shape[1])


def retrain(trained: Trained, folder: pathlib.Path, changes: dict[str, Value]) -> dict[str, Any]:
    components = components_of(folder, trained.builder_dir, SETTINGS | changes)
    return nodes.run(components["Trainer"], folder, examples=trained.examples, transform_graph=trained.transform_graph)


def variables_of(model: Any) -> bytes:
    [file] = pathlib.Path(model.uri).rglob("variables.data-*")
    return file.read_bytes()


def test_two_trainings_write_the_same_bits(trained: Trained, tmp_path: pathlib.Path) -> None:
    again = retrain(trained, tmp_path, {})
    assert history_of(again["model_run"]) == history_of(trained.model_run)
    assert variables_of(again["model"]) == variables_of(trained.model)


def test_every_setting_reaches_the_training_and_each_epoch_is_logged(
    trained: Trained, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Both are trained with settings of which none is a default or one of `SETTINGS`."""
    changes: dict[str, Value] = {
        "model.hidden_layers": "17",
        "model.code_units": 5,
        "model.l1": 0.1,
        "model.code_bias": 0.25,
        "training.epochs": 2,
        "training.batch_size": 20,
        "training.learning_rate": 0.02,
        "training.seed": 1,
    }
    with caplog.at_level(logging.INFO, logger="components.model.run_fn"):
        outputs = retrain(trained, tmp_path, changes)
    history = history_of(outputs["model_run"])
    assert [dataclasses.asdict(record.losses) for record in caplog.records if hasattr(record, "losses")] == history
    transform = tft.TFTransformOutput(trained.transform_graph.uri)
    images = [
        training.Images.in_memory(examples_input.load_images([f"{trained.examples.uri}/Split-{split}/*"], transform))
        for split in ("train", "validation")
    ]
    model = autoencoder.build_autoencoder(images[0].resident.shape[1], [17], 5, l1=0.1, seed=1, code_bias=0.25)
    given = settings(epochs=2, batch_size=20, learning_rate=0.02, seed=1, validation_batch_size=100)
    plain = training.train(model, *images, given, on_epoch=lambda _: None)
    for one, other in zip(history, plain, strict=True):
        assert one == pytest.approx(dataclasses.asdict(other), rel=1e-5)


def test_trainer_streams_what_may_not_stay_in_memory(trained: Trained, streamed_run: Any) -> None:
    history = history_of(streamed_run)
    assert history != history_of(trained.model_run)[:5]  # streamed images come in another order
    assert history[-1]["val_reconstruction"] < history[0]["val_reconstruction"]
    with (
        np.load(pathlib.Path(streamed_run.uri, baselines.FILE)) as streamed_pca,
        np.load(pathlib.Path(trained.model_run.uri, baselines.FILE)) as resident_pca,
    ):
        np.testing.assert_allclose(streamed_pca["mean"], resident_pca["mean"], rtol=1e-5)
