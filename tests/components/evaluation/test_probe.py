"""The linear probe and k-NN on small arrays, against computations of their own."""

from __future__ import annotations

import pathlib
from concurrent import futures

import numpy as np
import pytest

from components.codes import table
from components.evaluation import probe_scores
from tests import lazy

probe = lazy.module("components.evaluation.probe")
neighbors = lazy.module("sklearn.neighbors")


def blobs(count: int, seed: int, labels: int = 3, values: int = 4) -> tuple[probe.Array, probe.Labels]:
    """Points around a centre for each label; the clouds overlap."""
    rng = np.random.default_rng(seed)
    found = rng.integers(labels, size=count)
    centres = np.random.default_rng(99).normal(size=(labels, values))
    return (centres[found] + rng.normal(size=(count, values))).astype(np.float32), found


def softmax_regression(train: probe.Array, labels: probe.Labels, steps: int = 3_000) -> tuple[probe.Array, probe.Array]:
    """Weights and biases that minimise the probe's objective, by plain gradient descent."""
    count, values = train.shape
    targets = np.eye(labels.max() + 1)[labels]
    weights, biases = np.zeros((values, targets.shape[1])), np.zeros(targets.shape[1])
    for _ in range(steps):
        logits = train @ weights + biases
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        errors = (shares / shares.sum(axis=1, keepdims=True) - targets) / count
        weights -= 0.5 * (train.T @ errors + values / (10 * count) * weights)
        biases -= 0.5 * errors.sum(axis=0)
    return weights, biases


def test_the_linear_probe_is_logistic_regression_on_standardised_values() -> None:
    (train, labels), (test, wanted) = blobs(400, 1), blobs(1_000, 2)
    train[:, 3] = test[:, 3] = 7  # constant, as a dead unit
    train[:, 0] *= 1_000
    test[:, 0] *= 1_000
    scale = np.where(train.std(axis=0) > 0, train.std(axis=0), 1)
    weights, biases = softmax_regression((train - train.mean(axis=0)) / scale, labels)
    own = float(np.mean(((test - train.mean(axis=0)) / scale @ weights + biases).argmax(axis=1) == wanted))
    assert probe.linear_accuracy(train, labels, test, wanted) == pytest.approx(own, abs=0.004)
    assert 0.5 < own < 0.95


def test_k_nn_agrees_with_scikit_learn() -> None:
    (train, labels), (test, wanted) = blobs(700, 3), blobs(1_100, 4)  # test: three chunks
    reference = neighbors.KNeighborsClassifier(5, algorithm="brute").fit(train.astype(np.float64), labels)
    own = probe.knn_accuracy(train + 1_000, labels + 5, test + 1_000, wanted + 5)
    assert own == pytest.approx(reference.score(test.astype(np.float64), wanted), abs=0.002)


def test_threads_count_the_same_neighbours() -> None:
    (train, labels), (test, wanted) = blobs(700, 3), blobs(2_300, 4)
    with futures.ThreadPoolExecutor(3) as pool:
        threaded = probe.knn_accuracy(train, labels, test, wanted, apply=pool.map)
    assert threaded == probe.knn_accuracy(train, labels, test, wanted)


def test_threads_fit_the_same_regressions() -> None:
    given = [
        (*blobs(600, seed, values=values), *blobs(2_000, seed + 9, values=values))
        for seed, values in ((1, 4), (2, 32), (3, 99))
    ]
    with futures.ThreadPoolExecutor(3) as pool:
        threaded = list(pool.map(lambda one: probe.linear_accuracy(*one), given))
    assert threaded == [probe.linear_accuracy(*one) for one in given]
    assert len(set(threaded)) == len(given)


def test_of_equal_majorities_the_smallest_label_counts() -> None:
    train = np.float32([[0], [1], [2], [3]])
    assert probe.knn_accuracy(train, np.array([4, 2, 4, 2]), np.float32([[1]]), np.array([2])) == 1.0


def test_the_same_arguments_give_the_same_bits() -> None:
    (train, labels), (test, wanted) = blobs(300, 1), blobs(200, 2)
    for accuracy in (probe.linear_accuracy, probe.knn_accuracy):
        assert accuracy(train.copy(), labels, test.copy(), wanted) == accuracy(train, labels, test, wanted)


@pytest.mark.parametrize(
    ("examples", "values", "labels", "size"),
    [
        (50, 784, 10, 50),
        (60_000, 784, 10, 10_000),
        (100_000, 2_048, 10, 10_000),
        (100_000, 65_536, 10, 312),  # a code of that size
        (100_000, 2_048, 200, 4_882),
    ],
)
def test_a_sample_keeps_memory_and_time_in_bounds(examples: int, values: int, labels: int, size: int) -> None:
    found = np.arange(examples) % labels
    assert probe.sample_size(found, values) == size


@pytest.mark.parametrize("size", [7, 50, 312])
def test_samples_of_both_splits_are_chosen_at_random_and_stay_the_same(size: int) -> None:
    labels = {split: np.arange(count) % 7 for split, count in (("train", 500), ("test", 312))}
    chosen = probe.samples(labels, {"train": size, "test": size})
    for split, found in chosen.items():
        assert len(found) == len(set(found.tolist())) == size
        assert (np.diff(found) > 0).all()
        assert set(labels[split][found]) == set(range(7))
    assert chosen["train"].tolist() != chosen["test"].tolist()
    again = probe.samples(labels, {"train": size, "test": size})
    assert [again[split].tolist() for split in again] == [chosen[split].tolist() for split in again]


def test_a_sample_has_an_example_of_a_rare_label() -> None:
    labels = np.zeros(50_000, np.int64)
    labels[31_415] = 7
    chosen = probe.samples({"train": labels, "test": labels}, {"train": 2, "test": 10_000})
    assert all(31_415 in found for found in chosen.values())


def test_a_sample_is_large_enough_for_all_labels() -> None:
    assert probe.sample_size(np.arange(200), 10**9) == 200


def test_of_large_images_some_pixels_are_taken() -> None:
    np.testing.assert_array_equal(probe.sample_pixels(784), np.arange(784))
    chosen = probe.sample_pixels(65_536)
    assert len(set(chosen.tolist())) == 2_048
    assert (np.diff(chosen) > 0).all()


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ([0, 1], [1, 0], ""),
        ([3, 3], [3], "the train split has one label only"),
        ([0, 1], [1, 2, 5, 6, 7], "the train split lacks labels of the test split: 2, 5, 6 and 1 more"),
        (range(257), [1], "the data set has 257 labels; at most 256 are probed"),
    ],
)
def test_why_there_is_nothing_to_measure(train: list[int], test: list[int], said: str) -> None:
    assert probe.why_not({"train": np.array(train), "test": np.array(test)}, "train", "test") == said


def test_missing_labels_are_named() -> None:
    names = ["cat", "dog", "cow"]
    labels = {"train": np.array([0, 1]), "test": np.array([1, 2])}
    assert probe.why_not(labels, "train", "test", names) == "the train split lacks labels of the test split: cow"


@pytest.mark.parametrize("exponent", [-140, -100, -40, 0, 40, 83, 126])
def test_neighbours_are_the_same_at_every_scale_of_float32(exponent: int) -> None:
    generator = np.random.default_rng(5)
    train, test = (generator.integers(-3, 4, (rows, 4)).astype(np.float32) for rows in (60, 40))
    labels, wanted = ((values.sum(axis=1) > 0).astype(np.int64) for values in (train, test))
    usual = probe.knn_accuracy(train, labels, test, wanted)
    assert 0.4 < usual < 1
    with np.errstate(all="raise", under="ignore"):
        assert probe.knn_accuracy(np.ldexp(train, exponent), labels, np.ldexp(test, exponent), wanted) == usual


def test_without_labels_or_a_split_there_is_nothing_to_measure() -> None:
    assert probe.why_not({}, "train", "test") == "the data set has no labels"
    assert probe.why_not({"validation": np.array([1])}, "train", "test") == "encoding.splits leaves out train and test"


def test_codes_and_labels_are_read_by_split_and_position(tmp_path: pathlib.Path) -> None:
    path = tmp_path / table.FILE
    codes = np.arange(24_000, dtype=np.float32).reshape(12_000, 2)
    labels = np.arange(12_000)
    with table.Writer(path) as writer:
        for split, rows in (("train", slice(0, 10_500)), ("test", slice(10_500, None))):
            writer.add(table.to_table([str(row) for row in labels[rows]], split, codes[rows], labels[rows]))
    found = probe.labels_by_split(path)
    assert {split: (len(values), values[0]) for split, values in found.items()} == {
        "train": (10_500, 0),
        "test": (1_500, 10_500),
    }
    chosen = np.array([3, 9_999, 10_000, 10_499])
    np.testing.assert_array_equal(probe.codes_of(path, "train", chosen), codes[chosen])
    np.testing.assert_array_equal(probe.codes_of(path, "test", np.array([0, 1_499])), codes[[10_500, 11_999]])


def test_a_table_without_labels_or_rows_has_none(tmp_path: pathlib.Path) -> None:
    path = tmp_path / table.FILE
    assert probe.labels_by_split(path) == {}
    with table.Writer(path) as writer:
        writer.add(table.to_table(["a"], "train", np.float32([[1]])))
    assert probe.labels_by_split(path) == {}


def test_scores_are_written_and_read(tmp_path: pathlib.Path) -> None:
    scores = probe_scores.Scores({"knn_accuracy": 0.5}, "", 10, 5, 2, 4, 4, 36)
    probe_scores.write(scores, tmp_path)
    assert probe_scores.read(tmp_path) == scores
    assert probe_scores.read_evaluation(str(tmp_path)).overall == {"knn_accuracy": 0.5}
